"""HTTP listener for devices that push: bounded, and open to allowed sources only.

h11 reads the requests (it comes with httpx). The only responses are 200 and refusals; nothing is served.
"""

import asyncio
import base64
import hmac
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import h11
from pydantic import Field, SecretStr, field_validator, model_validator

from drivers.links.device_node import SIMULATED
from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.settings import LinkRights, Settings

CHUNK_BYTES = 65536
CONNECTIONS = 8
"""Upper bound on simultaneous connections; a device needs one or two. A new one replaces the longest idle."""
IDLE_TIMEOUT_S = 300.0
"""Time after which a connection without a request is closed, in seconds; devices connect again."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""A device that lost its power does not close its connection: it is found dead after a minute."""
QUEUED = 64
"""Upper bound on queued requests; beyond it devices receive status 503 and retry."""


class HttpListenerSettings(Settings):
    """Address of the listener, and the devices that may send to it."""

    listen: str = Field(
        description="Address and port of this machine that the device sends to.",
        examples=["192.0.2.1:8090"],
    )
    allowed_sources: tuple[str, ...] = Field(
        min_length=1,
        description="Addresses or networks that may connect; connections of all others are closed.",
        examples=[["192.0.2.21"]],
    )
    username: str | None = Field(default=None, description="User name (HTTP Basic).", examples=["camera"])
    password: SecretStr | None = Field(
        default=None, description="Password (HTTP Basic).", examples=["${CAM_PW}"]
    )
    allow_cleartext: bool = Field(
        default=False,
        description="Listen to other machines: only where no other machine can reach that network.",
        examples=[False],
    )
    body_max_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=64 * 1024,
        le=48 * 1024 * 1024,
        description="Upper limit of a request's body, in bytes.",
        examples=[8388608],
    )
    request_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="Time limit for one complete request, in seconds.",
        examples=[10.0],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to listen."""
        return super().link_rights() | LinkRights(listen_ports=frozenset({self.endpoint[1]}))

    @property
    def exclusive_key(self) -> str:
        """Key that only one device may have: one port belongs to one device."""
        return self.listen

    @property
    def endpoint(self) -> tuple[str, int]:
        """Address and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @field_validator("listen")
    @classmethod
    def _check_endpoint(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError("is not an address of this machine; write it as 192.0.2.1:8090") from None
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError("does not end in a port; write it as 192.0.2.1:8090")
        return text

    @field_validator("allowed_sources")
    @classmethod
    def _check_sources(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            try:
                ipaddress.ip_network(source)
            except ValueError:
                raise ValueError(f"{source} is neither an address nor a network") from None
        return sources

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        if (self.username is None) is not (self.password is None):
            raise ValueError("`username` and `password` belong together")
        if not self.allow_cleartext and not ipaddress.ip_address(self.endpoint[0]).is_loopback:
            raise ValueError(
                "would receive personal data unencrypted from a network; add `allow_cleartext = true` only "
                "where no other machine can reach that network"
            )
        return self


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """One request of a device."""

    path: str
    media_type: str
    body: bytes


class HttpListener:
    """Receives requests of devices: an async context manager."""

    def __init__(
        self, settings: HttpListenerSettings, tap: Tap, found_simulator: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._networks = tuple(ipaddress.ip_network(source) for source in settings.allowed_sources)
        self._tap = tap
        self._found_simulator = found_simulator
        self._put: asyncio.Queue[PushedRequest] = asyncio.Queue(QUEUED)
        self._connections: dict[asyncio.Task[None], tuple[bool, float]] = {}
        """Open connections: True while a request arrives, and the time (of the loop) since when it is so."""
        self.replaced_connections = 0
        """Number of connections that were closed to make room for new ones."""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen; raises LinkError where that fails."""
        host, port = self._settings.endpoint
        try:
            self._server = await asyncio.start_server(self._accepted, host, port, limit=CHUNK_BYTES)
        except OSError as error:
            raise LinkError(
                Cause.PORT_HELD,
                f"The gateway cannot listen at {self._settings.listen} ({error.strerror or 'refused'}).",
                Action.CONFIGURE,
                "Set `listen` to an address of this machine and a port that no other program uses.",
            ) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        if self._server is not None:
            self._server.close()
        connections = list(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    @property
    def port(self) -> int:
        """Port of the listener."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def next_request(self) -> PushedRequest:
        """Return the next request."""
        return await self._put.get()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if self._is_admitted(writer):
                self._make_room()
                self._note(task, receiving=False)
                keep_alive(writer)
                with suppress(OSError, h11.RemoteProtocolError, TimeoutError):
                    await self._handle_connection(reader, writer)
        except asyncio.CancelledError:
            pass  # the listener is closing: asyncio would report a cancelled handler
        finally:
            self._connections.pop(task, None)
            writer.transport.abort()

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest, if all places are taken."""
        if len(self._connections) >= CONNECTIONS:
            oldest = min(self._connections, key=lambda one: self._connections[one])
            del self._connections[oldest]
            oldest.cancel()
            self.replaced_connections += 1

    def _note(self, task: asyncio.Task[None], *, receiving: bool) -> None:
        self._connections[task] = receiving, asyncio.get_running_loop().time()

    def _is_admitted(self, writer: asyncio.StreamWriter) -> bool:
        peer = ipaddress.ip_address(str(writer.get_extra_info("peername")[0]).partition("%")[0])
        mapped = getattr(peer, "ipv4_mapped", None) or peer
        return any(mapped in network for network in self._networks)

    async def _handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=CHUNK_BYTES)
        while True:
            status = await self._take(reader, writer, protocol)
            answer = h11.Response(
                status_code=status, headers=[("Content-Length", "0")] + ([] if status == 200 else [_CLOSE])
            )
            if (task := asyncio.current_task()) in self._connections:
                self._note(task, receiving=False)
            for event in (answer, h11.EndOfMessage()):
                writer.write(protocol.send(event) or b"")
            await writer.drain()
            if status != 200 or {protocol.our_state, protocol.their_state} != {h11.DONE}:
                return
            protocol.start_next_cycle()

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: h11.Connection
    ) -> int:
        """Receive one request and return the status of its response."""
        request, body = None, bytearray()
        task = asyncio.current_task()
        assert task is not None
        has_begun = False
        async with asyncio.timeout(IDLE_TIMEOUT_S) as within:
            while True:
                event = protocol.next_event()
                match event:
                    case h11.NEED_DATA:
                        if protocol.they_are_waiting_for_100_continue:
                            go_on = h11.InformationalResponse(status_code=100, headers=[])
                            writer.write(protocol.send(go_on) or b"")
                        data = await reader.read(CHUNK_BYTES)
                        if data and not has_begun:
                            has_begun = True
                            self._note(task, receiving=True)
                            within.reschedule(
                                asyncio.get_running_loop().time() + self._settings.request_timeout_s
                            )
                        self._tap("in", data)
                        protocol.receive_data(data)
                    case h11.Request():
                        request = event
                        if (refused := self._refusal(event)) is not None:
                            return refused
                    case h11.Data():
                        body += event.data
                        if len(body) > self._settings.body_max_bytes:
                            return 413
                    case h11.EndOfMessage() if request is not None:
                        return self._keep(request, bytes(body))
                    case _:
                        raise h11.RemoteProtocolError("hung up")

    def _refusal(self, request: h11.Request) -> int | None:
        headers = _headers(request)
        if SIMULATED in headers:
            self._found_simulator(headers[SIMULATED])
        if request.method not in (b"POST", b"PUT"):
            return 405
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._settings.body_max_bytes:
            return 413
        settings = self._settings
        if settings.username is not None and settings.password is not None:
            right = f"{settings.username}:{settings.password.get_secret_value()}".encode()
            given = headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, b"Basic " + base64.b64encode(right)):
                return 401
        return None

    def _keep(self, request: h11.Request, body: bytes) -> int:
        headers = _headers(request)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            self._put.put_nowait(PushedRequest(request.target.decode("ascii", "replace"), media_type, body))
        except asyncio.QueueFull:
            return 503
        return 200


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the kernel find out that the other end of a silent connection is gone."""
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        end.setsockopt(socket.IPPROTO_TCP, option, value)


_CLOSE = ("Connection", "close")


def _headers(request: h11.Request) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
