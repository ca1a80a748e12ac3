"""HTTP client: limits of time and size, no redirects, and no personal data in errors."""

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.http.client import HttpLink, HttpSettings
from drivers.links.link import Action, Cause, LinkError
from simulators.http.server import HttpServer, Request, Response, json_response

Answering = Callable[[Request], Awaitable[Response]]


async def hello(_request: Request) -> Response:
    return json_response({"hello": True})


@contextlib.asynccontextmanager
async def link_to_service(
    answer: Answering = hello, **settings: Any
) -> AsyncIterator[tuple[HttpLink, HttpServer]]:
    """A link to a service with this answer."""
    links = LinkFactory()
    async with HttpServer(answer) as server:
        try:
            yield await links.http(HttpSettings(**{"url": server.url} | settings)), server
        finally:
            await links.close()


@contextlib.asynccontextmanager
async def raw_service(said: bytes, pause_s: float = 0) -> AsyncIterator[int]:
    """A service that sends these bytes, with a pause one at a time, to every client; its port."""

    talking: list[asyncio.Task[Any] | None] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read(65536)
            for piece in [said] if not pause_s else [said[i : i + 1] for i in range(len(said))]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in filter(None, talking):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


BASIC_USER: Any = {"username": "gw", "password": "secret"}


async def refused(link: HttpLink, **more: Any) -> LinkError:
    with pytest.raises(LinkError) as error:
        await link.request("GET", "/x", **more)
    return error.value


async def link_to(url: str, links: LinkFactory, **settings: Any) -> HttpLink:
    return await links.http(HttpSettings(url=url, **settings))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"url": "ftp://127.0.0.1"}, "neither http"),
        ({"url": "127.0.0.1:8080"}, "neither http"),
        ({"url": "http://"}, "neither http"),
        ({"url": "http://u:secret@127.0.0.1"}, "contains a password"),
        ({"url": "http://127.0.0.1/?a=b"}, "ends in a query"),
        ({"url": "http://192.0.2.7"}, "unencrypted over a network"),
        ({"url": "http://127.example.net"}, "unencrypted over a network"),
        ({"url": "https://192.0.2.7", "username": "gw"}, "belong together"),
        ({"url": "https://192.0.2.7", "username": "a:b", "password": "c"}, "must not contain a colon"),
        ({"url": "http://127.0.0.1", "ca_file": "/etc/ca.pem"}, "only for https"),
        ({"url": "http://192.0.2.7", "allow_cleartext": True, **BASIC_USER}, "send the password unencrypted"),
        ({}, "Field required"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as error:
        HttpSettings(**settings)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.5:1", "http://localhost/a/b", "http://[::1]:9", "https://10.0.0.1"]
)
def test_addresses_that_may_be_used(url: str) -> None:
    assert HttpSettings(url=url).url == url


def test_cleartext_may_be_allowed() -> None:
    assert HttpSettings(url="http://192.0.2.7/", allow_cleartext=True).url == "http://192.0.2.7"
    digest = HttpSettings(url="http://192.0.2.7", allow_cleartext=True, auth="digest", **BASIC_USER)
    assert digest.username == "gw"
    assert HttpSettings(url="http://127.0.0.1", **BASIC_USER).auth == "basic", "it does not leave the machine"


async def test_response_is_returned_whole() -> None:
    async with HttpServer(hello) as server:
        links = LinkFactory()
        link = await link_to(f"{server.url}/reader/one/", links)
        answer = await link.request("POST", "/scan", query={"id": "a b"}, body={"a": [1]})
        await links.close()
    assert (answer.status, answer.media_type, answer.body) == (200, "application/json", b'{"hello": true}')
    asked = server.request_count[0]
    assert (asked.method, asked.path, dict(asked.query)) == ("POST", "/reader/one/scan", {"id": "a b"})
    assert asked.json == {"a": [1]}


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("http://192.0.2.9/steal", "/http%3A//192.0.2.9/steal"),
        ("//192.0.2.9/steal", "/192.0.2.9/steal"),
        ("@192.0.2.9/", "/@192.0.2.9/"),
        ("/images/1?a=2", "/images/1"),
    ],
)
async def test_path_stated_by_service_stays_on_host(path: str, arrives: str) -> None:
    async with link_to_service() as (link, server):
        await link.request("GET", path)
        assert [request.path.replace(":", "%3A") for request in server.request_count] == [arrives]


@pytest.mark.parametrize("path", ["/a\0", "/a\n", "/a?\x01", "/a?\u00e9", "/" + "a" * 70_000])
async def test_invalid_path_is_not_requested(path: str) -> None:
    async with link_to_service() as (link, _):
        with pytest.raises(LinkError) as error:
            await link.request("GET", path)
    assert error.value.cause is Cause.WRONG_DEVICE


@pytest.mark.parametrize("challenge", ["Digest realm=a, nonce", 'Digest realm="a", nonce="b", algorithm="X"'])
async def test_malformed_challenge_is_link_error(challenge: str) -> None:
    said = f"HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n".encode()
    async with raw_service(said) as port:
        links = LinkFactory()
        link = await link_to(f"http://127.0.0.1:{port}", links, username="u", password="p", auth="digest")
        assert (await refused(link)).cause is Cause.WRONG_DEVICE
        await links.close()


async def test_credentials_are_sent_but_not_shown() -> None:
    seen: list[bytes] = []
    async with HttpServer(hello) as server:
        links = LinkFactory(lambda _direction, chunk: seen.append(chunk))
        settings = HttpSettings(url=server.url, username="gw", password="hünter2")
        await (await links.http(settings)).request("GET", "/x")
        await links.close()
    assert server.request_count[0].credentials == ("gw", "hünter2")
    everything = repr(settings) + settings.model_dump_json() + str(b"".join(seen))
    assert "nter2" not in everything
    assert "authorization" not in everything.lower()


async def test_trace_has_both_directions() -> None:
    seen: list[tuple[str, bytes]] = []
    async with HttpServer(hello) as server:
        links = LinkFactory(lambda direction, chunk: seen.append((direction, chunk)))
        await (await link_to(server.url, links)).request("PUT", "/x", body={"a": 1})
        await links.close()
    assert seen == [
        ("out", b'PUT /x\n{"a":1}'),
        ("in", b"200 application/json\n"),
        ("in", b'{"hello": true}'),
    ]


async def test_simulator_is_marked_by_header() -> None:
    links = LinkFactory()
    async with HttpServer(hello) as server:
        link = await link_to(server.url, links)
        assert not links.is_simulated
        await link.request("GET", "/x")
        assert links.is_simulated
        await links.close()


async def test_service_without_header_is_real() -> None:
    links = LinkFactory()
    async with raw_service(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as port:
        await (await link_to(f"http://127.0.0.1:{port}", links)).request("GET", "/")
        await links.close()
    assert not links.is_simulated


@pytest.mark.parametrize(
    ("status", "cause", "action"),
    [
        (401, Cause.NO_PERMISSION, Action.CONFIGURE),
        (403, Cause.NO_PERMISSION, Action.CONFIGURE),
        (404, Cause.WRONG_DEVICE, Action.CONFIGURE),
        (302, Cause.WRONG_DEVICE, Action.CONFIGURE),
        (308, Cause.WRONG_DEVICE, Action.CONFIGURE),
        (500, Cause.NO_RESPONSE, Action.RESTART),
        (418, Cause.NO_RESPONSE, Action.RESTART),
    ],
)
async def test_status_gives_cause_and_remedy(status: int, cause: Cause, action: Action) -> None:
    async def answer(_request: Request) -> Response:
        return Response(status, b"L898902C3 ERIKSSON", headers=(("Location", "http://192.0.2.9/"),))

    async with link_to_service(answer) as (link, server):
        error = await refused(link)
        assert (error.cause, error.action) == (cause, action)
        assert str(status) in error.text
        assert error.how
        assert "ERIKSSON" not in error.text + error.how
        assert len(server.request_count) == 1


async def test_expected_status_is_returned() -> None:
    async def answer(_request: Request) -> Response:
        return json_response({}, 409)

    async with link_to_service(answer) as (link, _):
        assert (await link.request("GET", "/x", expect=(200, 409))).status == 409


async def test_proxy_of_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with link_to_service() as (link, _):
        assert (await link.request("GET", "/x")).status == 200


async def test_too_large_response_is_cut_off() -> None:
    async def answer(_request: Request) -> Response:
        return Response(body=bytes(300_000))

    async with link_to_service(answer) as (link, _):
        assert len((await link.request("GET", "/x", limit_bytes=300_000)).body) == 300_000
        error = await refused(link, limit_bytes=299_999)
        assert error.cause is Cause.WRONG_DEVICE
        assert "299999" in error.text


async def test_compressed_response_is_refused() -> None:
    async def answer(_request: Request) -> Response:
        return Response(body=gzip.compress(bytes(10_000_000)), headers=(("Content-Encoding", "gzip"),))

    async with link_to_service(answer) as (link, _):
        assert "compresses" in (await refused(link)).text


async def test_missing_response_times_out() -> None:
    async def answer(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with link_to_service(answer, timeout_s=0.05) as (link, _):
        before = asyncio.get_running_loop().time()
        error = await refused(link)
        assert error.cause is Cause.NO_RESPONSE
        assert "within 0.05 seconds" in error.text
        assert asyncio.get_running_loop().time() - before < 1


async def test_slow_response_times_out() -> None:
    links = LinkFactory()
    async with raw_service(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(100), pause_s=0.01
    ) as port:
        link = await link_to(f"http://127.0.0.1:{port}", links, timeout_s=0.1)
        assert (await refused(link)).cause is Cause.NO_RESPONSE
        await links.close()


async def test_response_cut_anywhere_is_link_error() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n123456789012345678901234567890"
    for cut in range(1, len(whole), 5):
        links = LinkFactory()
        async with raw_service(whole[:cut]) as port:
            error = await refused(await link_to(f"http://127.0.0.1:{port}", links))
            await links.close()
        assert error.cause in (Cause.LINK_FAILED, Cause.WRONG_DEVICE), cut


async def test_other_protocol_is_wrong_device() -> None:
    links = LinkFactory()
    async with raw_service(b"220 mail.example ESMTP\r\n") as port:
        error = await refused(await link_to(f"http://127.0.0.1:{port}", links))
        await links.close()
    assert error.cause is Cause.WRONG_DEVICE
    assert "does not speak HTTP" in error.text


async def test_no_listener_and_unknown_name_differ() -> None:
    links = LinkFactory()
    nobody = await refused(await link_to("http://127.0.0.1:9", links))
    nameless = await refused(await link_to("https://reader.invalid", links))
    await links.close()
    assert nobody.cause is nameless.cause is Cause.NO_RESPONSE
    assert "Connection refused" in nobody.text
    assert "does not resolve" in nameless.text


async def test_lines_arrive_one_by_one() -> None:
    may_go_on = asyncio.Event()

    async def stream() -> AsyncGenerator[bytes, None]:
        yield b'{"a":'
        yield b' 1}\n\n{"b": 2}\n'
        await may_go_on.wait()
        yield b'{"c": 3}'

    async def answer(_request: Request) -> Response:
        return Response(stream=stream())

    async with (
        link_to_service(answer) as (link, _),
        contextlib.aclosing(link.stream_lines("POST", "/scan")) as lines,
    ):
        assert await anext(lines) == b'{"a": 1}'
        assert await anext(lines) == b'{"b": 2}'
        may_go_on.set()
        assert [line async for line in lines] == [b'{"c": 3}']


async def test_endless_line_is_cut_off() -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(65536)

    async def answer(_request: Request) -> Response:
        return Response(stream=stream())

    async with link_to_service(answer) as (link, _):
        with pytest.raises(LinkError, match="sent more than"):
            async for _line in link.stream_lines("POST", "/scan"):
                pass


async def test_closed_generator_ends_connection() -> None:
    gone = asyncio.Event()

    async def stream() -> AsyncGenerator[bytes, None]:
        try:
            yield b"1\n"
            await asyncio.Event().wait()
        finally:
            gone.set()

    async def answer(_request: Request) -> Response:
        return Response(stream=stream())

    async with link_to_service(answer) as (link, _):
        async with contextlib.aclosing(link.stream_lines("POST", "/scan")) as lines:
            await anext(lines)
        async with asyncio.timeout(PATIENCE_S):
            await gone.wait()


async def test_silence_between_lines_times_out() -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield b"1\n"
        await asyncio.Event().wait()

    async def answer(_request: Request) -> Response:
        return Response(stream=stream())

    async with (
        link_to_service(answer) as (link, _),
        contextlib.aclosing(link.stream_lines("GET", "/", silence_s=0.5)) as lines,
    ):
        await anext(lines)
        with pytest.raises(LinkError) as error:
            await anext(lines)
        assert error.value.cause is Cause.NO_RESPONSE


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a service's certificate it signed, and another authority."""
    place = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)

    def issue(name: str, issuer: Any = None) -> Any:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(issuer[1] if issuer else key, hashes.SHA256())
        )
        (place / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (place / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key

    issue("reader", issue("authority"))
    issue("stranger")
    return place


def tls_of(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "reader.crt", certificates / "reader.key")
    return context


async def test_certificate_of_authority_is_trusted(certificates: Path) -> None:
    links = LinkFactory()
    async with HttpServer(hello, tls=tls_of(certificates)) as server:
        link = await link_to(server.url, links, ca_file=certificates / "authority.crt")
        assert (await link.request("GET", "/x")).status == 200
        await links.close()


@pytest.mark.parametrize("ca", ["stranger.crt", None])
async def test_other_certificate_sends_nothing(certificates: Path, ca: str | None) -> None:
    links = LinkFactory()
    async with HttpServer(hello, tls=tls_of(certificates)) as server:
        link = await link_to(
            server.url, links, ca_file=ca and certificates / ca, username="gw", password="secret"
        )
        error = await refused(link)
        await links.close()
    assert error.cause is Cause.WRONG_DEVICE
    assert "is not trusted" in error.text
    assert "ca_file" in error.how
    assert server.request_count == []


async def test_certificate_of_other_host_is_refused(certificates: Path) -> None:
    links = LinkFactory()
    async with HttpServer(hello, tls=tls_of(certificates)) as server:
        link = await link_to(
            f"https://localhost:{server.port}", links, ca_file=certificates / "authority.crt"
        )
        assert "is not trusted" in (await refused(link)).text
        await links.close()


async def test_service_without_tls_is_reported(certificates: Path) -> None:
    links = LinkFactory()
    async with HttpServer(hello) as server:
        link = await link_to(
            f"https://127.0.0.1:{server.port}", links, ca_file=certificates / "authority.crt"
        )
        error = await refused(link)
        await links.close()
    assert error.cause is Cause.WRONG_DEVICE
    assert "http://" in error.how


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_unusable_ca_file_is_reported(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    links = LinkFactory()
    with pytest.raises(LinkError) as error:
        await link_to("https://127.0.0.1:9", links, ca_file=file)
    await links.close()
    assert error.value.cause is Cause.NO_PERMISSION
    assert "ca.pem" in error.value.text


async def test_many_opens_leave_nothing() -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with HttpServer(hello) as server:
        for _ in range(40):
            links = LinkFactory()
            await (await link_to(server.url, links)).request("GET", "/x")
            await links.close()
    assert len(server.request_count) == 40
