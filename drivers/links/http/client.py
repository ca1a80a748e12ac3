"""Clients of HTTP services of devices: responses limited in time and size, redirects not followed.

httpx, because a worker pays for it in memory: it costs 6 MB and 60 ms where aiohttp costs 16 MB and 190 ms
(CPython 3.11, PSS and import, measured side by side).
"""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, cast

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from drivers.links.address import is_loopback
from drivers.links.device_node import SIMULATED
from drivers.links.http.auth import AuthenticationError
from drivers.links.http.lines import LineReader, LineTooLongError
from drivers.links.http.negotiated_auth import NegotiatedAuth
from drivers.links.http.reachability import wait_until_restarted
from drivers.links.link import Action, Cause, LinkError, Tap, credentials_error
from drivers.links.settings import LinkRights, Settings, network_rights
from drivers.links.tcp import connect_failure
from drivers.links.tls import device_context, to_link_error

PORTS = {"http": 80, "https": 443}
JSON = "application/json"
JSON_LIMIT_BYTES = 1024 * 1024
LINE_LIMIT_BYTES = 256 * 1024
STEPS_OF_A_REQUEST = 4
"""Connecting, TLS, sending, receiving the head: each may take the time limit of a response."""


class HttpSettings(Settings):
    """Address and credentials of a service. There is no default address: no data goes to an unknown host."""

    service: ClassVar[str] = "the reader's service"
    """Noun for the service in remedies: start, restart or correct it."""

    url: str = Field(
        description="Address of the service; all requests are below this address.",
        examples=["https://127.0.0.1:8443/reader"],
    )
    username: str | None = Field(default=None, description="User name.", examples=["gateway"])
    password: SecretStr | None = Field(default=None, description="Password.", examples=["${READER_PW}"])
    auth: Literal["auto", "basic", "digest"] = Field(
        default="basic",
        description="Authentication: basic sends the password with every request, digest (RFC 7616) never; "
        "auto: as each path requires, digest if it may be chosen.",
        examples=["digest"],
    )
    ca_file: Path | None = Field(
        default=None,
        description="https: authorities that may sign the service's certificate, else the system's.",
        examples=["/etc/borderpost/reader-ca.pem"],
    )
    allow_cleartext: bool = Field(
        default=False,
        description="Permit http to another machine: only where no other machine can reach that network.",
        examples=[False],
    )
    allow_cleartext_password: bool = Field(
        default=False,
        description="Permit Basic over http to another machine: the password can be read on that network.",
        examples=[False],
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Time limit of one response, in seconds.", examples=[5.0]
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the port of the service."""
        url = httpx.URL(self.url)
        return super().link_rights() | network_rights(url.host, url.port or PORTS[url.scheme])

    @property
    def exclusive_key(self) -> str:
        """Key that only one device may have: two devices with the same would disturb each other."""
        return self.url

    @field_validator("url")
    @classmethod
    def _check_address(cls, text: str) -> str:
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            raise ValueError("is not an address; write it as https://host:port/path") from None
        if url.scheme not in PORTS or not url.host:
            raise ValueError("begins with neither http:// nor https:// and a host")
        if url.userinfo:
            raise ValueError("contains a password; write it as `username` and `password`")
        if url.query or url.fragment:
            raise ValueError("ends in a query; write the address up to the path only")
        return text.rstrip("/")

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        url = httpx.URL(self.url)
        if (self.username is None) is not (self.password is None):
            raise ValueError("`username` and `password` belong together")
        if self.username is not None and ":" in self.username:
            raise ValueError("a `username` must not contain a colon (RFC 7617)")
        if url.scheme == "https":
            return self
        if self.ca_file is not None:
            raise ValueError("`ca_file` is only for https")
        if not self.allow_cleartext and not is_loopback(url.host):
            raise ValueError(
                "would send personal data unencrypted over a network; write https://, or add "
                "`allow_cleartext = true` only where no other machine can reach that network"
            )
        if self.username is not None and self.auth == "basic" and not self.allows_basic:
            raise ValueError(
                'would send the password unencrypted; write https://, or add `auth = "digest"`, or, for a '
                "device that has Basic only, `allow_cleartext_password = true`"
            )
        return self

    @property
    def allows_basic(self) -> bool:
        """True if the password may be sent as it is: encrypted, on this machine, or by a setting."""
        url = httpx.URL(self.url)
        return url.scheme == "https" or is_loopback(url.host) or self.allow_cleartext_password


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Response of a service."""

    status: int
    media_type: str
    """Without its parameters, in lower case; empty where the service does not state one."""
    body: bytes


class ResponseInterruptedError(LinkError):
    """A response that ended before it was complete: the service is present and has responded."""


@dataclass(frozen=True, slots=True)
class HttpStream:
    """A response without an end, or one whose end is not waited for."""

    content_type: str
    """With its parameters: the boundary of a multipart is one."""
    chunks: AsyncGenerator[bytes, None]
    """The bytes as they arrive; raises LinkError."""


class HttpLink:
    """A client of one service: an async context manager. Opening loads certificates and sends nothing."""

    def __init__(self, settings: HttpSettings, tap: Tap, found_simulator: Callable[[str], None]) -> None:
        self._settings = settings
        self._base = httpx.URL(settings.url)
        self._tap = tap
        self._found_simulator = found_simulator
        self._client: httpx.AsyncClient | None = None
        self._answered = False

    async def __aenter__(self) -> Self:
        """Prepare the client; raises LinkError when the certificates cannot be read."""
        settings = self._settings
        auth: httpx.Auth | None = None
        if settings.username is not None and settings.password is not None:
            auth = _auth(settings, settings.username, settings.password.get_secret_value())
        self._client = httpx.AsyncClient(
            auth=auth,
            verify=_tls_context(self._base, settings.ca_file),
            timeout=settings.timeout_s,
            # Proxies and .netrc of the environment do not apply: images would leave through them.
            trust_env=False,
            follow_redirects=False,
            headers={"accept-encoding": "identity", "user-agent": "borderpost"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def mark_simulated(self) -> None:
        """Record that the service is a simulator, by any sign."""
        self._found_simulator("")

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | float] | None = None,
        body: object = None,
        media_type: str = JSON,
        expect: Collection[int] = (200,),
        timeout_s: float | None = None,
        limit_bytes: int = JSON_LIMIT_BYTES,
    ) -> HttpResponse:
        """Send one request and return the complete response; raises LinkError, also for an unexpected status.

        `body` is sent as JSON, or, being bytes, unchanged; `media_type` states its type, and that of the
        response. `timeout_s` counts from the request to the last byte of the response.
        """
        allowed_s = timeout_s or self._settings.timeout_s
        content = bytearray()
        try:
            async with (
                asyncio.timeout(allowed_s),
                self._send_request(method, path, query, body, media_type, allowed_s, expect) as answer,
                aclosing(_chunks(answer)) as chunks,
            ):
                async for chunk in chunks:
                    self._tap("in", chunk)
                    content += chunk
                    if len(content) > limit_bytes:
                        raise self._too_large_error(limit_bytes)
        except TimeoutError:
            raise self.silence_error(allowed_s) from None
        except httpx.HTTPError as error:
            raise self._to_link_error(error, allowed_s) from error
        return HttpResponse(answer.status_code, _media_type(answer), bytes(content))

    async def stream_lines(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        expect: Collection[int] = (200,),
        silence_s: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Send one request and yield each line of the response as it arrives; raises LinkError.

        Close the generator to end the connection. `silence_s`: time limit for the next bytes.
        """
        allowed_s = silence_s or self._settings.timeout_s
        lines = LineReader(LINE_LIMIT_BYTES)
        try:
            async with (
                self._send_request(method, path, None, body, JSON, allowed_s, expect) as answer,
                aclosing(_chunks(answer)) as chunks,
            ):
                async for chunk in chunks:
                    self._tap("in", chunk)
                    for line in lines.feed(chunk):
                        yield line
        except LineTooLongError:
            raise self._too_large_error(LINE_LIMIT_BYTES) from None
        except httpx.HTTPError as error:
            raise self._to_link_error(error, allowed_s) from error
        for line in lines.finish():
            yield line

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | float] | None = None,
        expect: Collection[int] = (200,),
        silence_s: float | None = None,
    ) -> AsyncGenerator[HttpStream, None]:
        """Send one request and yield the open response, whose bytes are read as they arrive.

        Raises LinkError.
        `silence_s`: time limit for the next bytes.
        """
        allowed_s = silence_s or self._settings.timeout_s
        try:
            async with self._send_request(method, path, query, None, JSON, allowed_s, expect) as answer:
                chunks = self._read_chunks(answer, allowed_s)
                async with aclosing(chunks):
                    yield HttpStream(str(answer.headers.get("content-type", "")), chunks)
        except httpx.HTTPError as error:
            raise self._to_link_error(error, allowed_s) from error

    async def _read_chunks(self, answer: httpx.Response, allowed_s: float) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(_chunks(answer)) as chunks:
                async for chunk in chunks:
                    self._tap("in", chunk)
                    yield chunk
        except httpx.HTTPError as error:
            raise self._to_link_error(error, allowed_s) from error

    def wrong_service_error(self, what: str) -> LinkError:
        """Return the error for a service that is not the one of the configuration."""
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{self._settings.url} {what}.",
            Action.CONFIGURE,
            "Correct `url`, or the driver's name.",
        )

    @asynccontextmanager
    async def _send_request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | float] | None,
        body: object,
        media_type: str,
        allowed_s: float,
        expect: Collection[int],
    ) -> AsyncGenerator[httpx.Response, None]:
        assert self._client is not None
        content = body if isinstance(body, bytes) else None
        if content is None and body is not None:
            content = json.dumps(body, separators=(",", ":")).encode()
        headers = {} if media_type == JSON else {"accept": media_type}
        if content is not None:
            headers["content-type"] = media_type
        request = self._client.build_request(
            method,
            self._address_of(path, query),
            content=content,
            headers=headers,
            timeout=allowed_s,
        )
        self._tap("out", f"{method} {request.url.raw_path.decode()}\n".encode() + (content or b""))
        try:
            # httpx limits each read only: headers that drip, or endless `100 Continue`, would never end.
            async with asyncio.timeout(STEPS_OF_A_REQUEST * allowed_s):
                answer = await self._client.send(request, stream=True)
        except TimeoutError:
            raise self.silence_error(allowed_s) from None
        except AuthenticationError as error:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"{self._settings.url} {error}.",
                Action.CONFIGURE,
                "Set the device to digest authentication, or write an https:// address. Only where it has "
                "Basic alone and no other machine can reach that network: `allow_cleartext_password = "
                "true`.",
            ) from None
        except (
            ValueError,
            LookupError,
        ):  # httpx's error for a malformed authentication challenge
            raise self.wrong_service_error("requires an unsupported kind of authentication") from None
        try:
            self._answered = True
            self._tap("in", f"{answer.status_code} {answer.headers.get('content-type', '')}\n".encode())
            if SIMULATED in answer.headers:
                self._found_simulator(answer.headers[SIMULATED])
            if answer.status_code not in expect:
                raise self._status_error(answer.status_code)
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise self.wrong_service_error("compresses its response although this was excluded")
            yield answer
        finally:
            await answer.aclose()

    def _address_of(self, path: str, query: Mapping[str, Any] | None) -> httpx.URL:
        """Return an address of this service, whatever the path contains: services state paths, too."""
        path, _, own_query = path.partition("?")
        try:
            url = self._base.copy_with(path=f"{self._base.path.rstrip('/')}/{path.lstrip('/')}")
            if own_query:
                url = url.copy_with(query=own_query.encode())
            return url if query is None else url.copy_merge_params(dict(query))
        except (httpx.InvalidURL, ValueError):
            raise self.wrong_service_error("states a path that cannot be requested") from None

    async def wait_until_restarted(self) -> None:
        """Wait until the service was away and is back."""
        await wait_until_restarted(self._base.host, self._base.port or PORTS[self._base.scheme])

    # Errors. Their sentences contain the configured address and nothing that was read.

    def _status_error(self, status: int) -> LinkError:
        url = self._settings.url
        match status:
            case 401 | 403:
                hint = "; check that `auth` is the kind that it requires."
                return credentials_error(
                    url,
                    self._settings.username,
                    hint,
                    self.wait_until_restarted,
                    f" (status {status})",
                )
            case 404 | 405 | 410 | 501:
                return self.wrong_service_error(f"does not know the request (status {status})")
            case _ if 300 <= status < 400:
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} redirects to another address (status {status}), which is not followed.",
                    Action.CONFIGURE,
                    "Write the final address as `url`.",
                )
            case _:
                return LinkError(
                    Cause.NO_RESPONSE,
                    f"{url} cannot fulfil the request (status {status}).",
                    Action.RESTART,
                    f"Restart {self._settings.service}; see its own log.",
                )

    def _too_large_error(self, limit_bytes: int) -> LinkError:
        return self.wrong_service_error(f"sent more than {limit_bytes} bytes at once")

    def silence_error(self, allowed_s: float) -> LinkError:
        """Return the error for a service that has sent nothing, or nothing complete, for so long."""
        return LinkError(
            Cause.NO_RESPONSE,
            f"{self._settings.url} did not respond within {allowed_s:g} seconds.",
            Action.RESTART,
            f"Restart {self._settings.service}.",
        )

    def _to_link_error(self, error: httpx.HTTPError, allowed_s: float) -> LinkError:
        """Return the link error for an error of the library."""
        url = self._settings.url
        below = _root_cause(error)
        match error:
            case httpx.TimeoutException():
                return self.silence_error(allowed_s)
            case httpx.ConnectError() if isinstance(below, ssl.SSLError):
                return to_link_error(below, url, "http")
            case httpx.ConnectError():
                why = f" ({connect_failure(below)})" if isinstance(below, OSError) else ""
                return LinkError(
                    Cause.NO_RESPONSE,
                    f"No service responds at {url}{why}.",
                    Action.RESTART,
                    f"Start {self._settings.service}; check the address and the network.",
                )
            case httpx.RemoteProtocolError() if not self._answered:
                return self.wrong_service_error("does not speak HTTP")
            case _:
                return ResponseInterruptedError(
                    Cause.LINK_FAILED,
                    f"{url} broke off ({type(error).__name__}).",
                    Action.RESTART,
                    f"Restart {self._settings.service} if it does not come back by itself.",
                )


def _auth(settings: HttpSettings, username: str, password: str) -> httpx.Auth:
    match settings.auth:
        case "basic":
            return httpx.BasicAuth(username, password)
        case "digest":
            return httpx.DigestAuth(username, password)
        case "auto":
            return NegotiatedAuth(username, password, allows_basic=settings.allows_basic)


def _tls_context(url: httpx.URL, ca_file: Path | None) -> ssl.SSLContext:
    """Create the TLS context, for https only: loading the system's certificates takes 20 ms."""
    if url.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return device_context(ca_file)


def _chunks(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", answer.aiter_raw())


def _media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _root_cause(error: BaseException) -> BaseException | None:
    """Return the error of the operating system or of TLS, below those of the libraries."""
    below: BaseException | None = error
    while below is not None and not (isinstance(below, OSError) and below.errno is not None):
        below = below.__cause__ or below.__context__
    return below
