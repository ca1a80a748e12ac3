"""Hostile RTSP cameras: theft of the password, and exchanges that never end."""

import asyncio
import base64
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.brokers.certificates import Authority

from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.links.video.rtsp import RtspSettings

USER, PASSWORD = "watch", "s3cr3t-word"
Talk = Callable[["Hostile", asyncio.StreamWriter, bytes], Awaitable[None]]


class Hostile:
    """A service of a stranger, and the bytes that it received."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self.talk = talk
        self.tls = tls
        self.received = b""
        self.connections = 0
        self.port = 0
        self._talks: set[asyncio.Task[None] | None] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._talks.add(asyncio.current_task())
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.received += request
                await self.talk(self, writer, request)
        writer.transport.abort()

    async def __aenter__(self) -> "Hostile":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        tasks = [task for task in self._talks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def has_password(self) -> bool:
        """True if the password arrived, in clear or as Basic writes it."""
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode())
        return PASSWORD.encode() in self.received or basic in self.received


def sequence(request: bytes) -> bytes:
    return request.partition(b"CSeq: ")[2].partition(b"\r\n")[0]


def answering(status: bytes, *headers: bytes, after: bytes = b"OPTIONS") -> Talk:
    """Return a talk that agrees to one method, and answers all others alike."""

    async def talk(_self: Hostile, writer: asyncio.StreamWriter, request: bytes) -> None:
        agreed = request.startswith(after)
        lines = [b"RTSP/1.0 " + (b"200 OK" if agreed else status), b"CSeq: " + sequence(request)]
        writer.write(b"\r\n".join([*lines, *(() if agreed else headers), b"", b""]))
        await writer.drain()

    return talk


async def fails(port: int, scheme: str = "rtsp", **settings: Any) -> LinkError:
    """Return the error of a stream that cannot be opened."""
    links = LinkFactory()
    plain = {"username": USER, "password": PASSWORD, "open_timeout_s": 1.0, "no_frame_timeout_s": 0.5}
    url = f"{scheme}://127.0.0.1:{port}/stream"
    try:
        async with asyncio.timeout(20):
            with pytest.raises(LinkError) as raised:
                await links.rtsp(RtspSettings.model_validate(plain | {"url": url} | settings))
    finally:
        await links.close()
    assert PASSWORD not in raised.value.text + raised.value.how
    return raised.value


BASIC = (b'WWW-Authenticate: Basic realm="camera"',)


@pytest.mark.parametrize("status", [b"301 Moved Permanently", b"302 Found", b"305 Use Proxy"])
async def test_redirect_is_not_followed(status: bytes) -> None:
    async with Hostile(answering(b"401 Unauthorized", *BASIC)) as stranger:
        target = b"Location: rtsp://127.0.0.1:%d/stream" % stranger.port
        async with Hostile(answering(status, target)) as camera:
            error = await fails(camera.port)
        assert stranger.connections == 0
    assert error.cause is Cause.WRONG_DEVICE
    assert "redirects" in error.text


async def test_redirect_request_is_not_followed() -> None:
    """RFC 2326, section 10.10: a server may send its client elsewhere, at any moment."""

    async def redirect(_self: Hostile, writer: asyncio.StreamWriter, _request: bytes) -> None:
        go = b"REDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:%d/\r\n\r\n" % stranger.port
        writer.write(go)
        await writer.drain()

    async with Hostile(answering(b"200 OK")) as stranger, Hostile(redirect) as camera:
        error = await fails(camera.port)
    assert stranger.connections == 0
    assert "redirects" in error.text


async def test_basic_in_clear_is_refused() -> None:
    async with Hostile(answering(b"401 Unauthorized", *BASIC)) as camera:
        error = await fails(camera.port)
    assert not camera.has_password
    assert error.cause is Cause.WRONG_DEVICE
    assert "unencrypted" in error.text


async def test_basic_beside_digest_is_not_used() -> None:
    digest = b'WWW-Authenticate: Digest realm="camera", nonce="1"'
    async with Hostile(answering(b"401 Unauthorized", *BASIC, digest)) as camera:
        error = await fails(camera.port)
    assert not camera.has_password
    assert b'response="' in camera.received
    assert error.cause is Cause.NO_PERMISSION


async def test_wrong_password_is_sent_twice_at_most() -> None:
    """Many cameras lock a user out after a few wrong passwords; `stale` requests repetitions."""
    digest = b'WWW-Authenticate: Digest realm="camera", nonce="1", stale=true'
    async with Hostile(answering(b"401 Unauthorized", digest)) as camera:
        await fails(camera.port)
    assert camera.received.count(b"Authorization: ") <= 2


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority that the system does not trust."""
    return Authority(tmp_path)


def server_side(authority: Authority, address: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue("camera", address=address)
    context.load_cert_chain(issued, issued.with_suffix(".key"))
    return context


async def test_unknown_certificate_is_refused(authority: Authority) -> None:
    talk = answering(b"401 Unauthorized", *BASIC)
    async with Hostile(talk, server_side(authority)) as camera:
        error = await fails(camera.port, "rtsps")
    assert camera.received == b""
    assert error.cause is Cause.WRONG_DEVICE
    assert "certificate" in error.text


async def test_certificate_of_other_host_is_refused(authority: Authority) -> None:
    talk = answering(b"401 Unauthorized", *BASIC)
    async with Hostile(talk, server_side(authority, "192.0.2.1")) as camera:
        error = await fails(camera.port, "rtsps", ca_file=authority.file)
    assert camera.received == b""
    assert error.cause is Cause.WRONG_DEVICE


async def test_configured_authority_is_accepted(authority: Authority) -> None:
    """Over TLS to the right camera, Basic is as good as Digest."""
    talk = answering(b"401 Unauthorized", *BASIC)
    async with Hostile(talk, server_side(authority)) as camera:
        error = await fails(camera.port, "rtsps", ca_file=authority.file)
    assert camera.has_password
    assert error.cause is Cause.NO_PERMISSION


def dripping(begin: bytes, again: bytes, pause_s: float = 0.05) -> Talk:
    async def talk(_self: Hostile, writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(begin.replace(b"SEQUENCE", sequence(request)))
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return talk


ENDLESS = {
    "status": (b"RTSP/1.0 200 ", b"O"),
    "header": (b"RTSP/1.0 200 OK\r\nX-A: ", b"a"),
    "headers": (b"RTSP/1.0 200 OK\r\n", b"X-A: a\r\n"),
    "body": (b"RTSP/1.0 200 OK\r\nCSeq: SEQUENCE\r\nContent-Length: 60000\r\n\r\n", b"a"),
    "packets": (b"", b"$\0\0\4abcd"),
    "other_answers": (b"", b"RTSP/1.0 200 OK\r\nCSeq: 999\r\n\r\n"),
    "requests": (b"", b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"),
    "line_ends": (b"", b"\r\n"),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_endless_answer_has_deadline(kind: str) -> None:
    async with Hostile(dripping(*ENDLESS[kind])) as camera:
        begun_s = time.monotonic()
        error = await fails(camera.port)
        assert time.monotonic() - begun_s < 8, "1 s for the start of the stream"
    assert error.cause is Cause.NO_RESPONSE


FLOODS = {
    "header": (b"RTSP/1.0 200 OK\r\nX-A: ", b"a" * 65536),
    "headers": (b"RTSP/1.0 200 OK\r\n", b"X-A: a\r\n" * 8192),
    "body": (b"RTSP/1.0 200 OK\r\nCSeq: SEQUENCE\r\nContent-Length: 99999999999\r\n\r\n", b"a" * 65536),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_too_long_answer_is_refused(kind: str) -> None:
    async with Hostile(dripping(*FLOODS[kind], pause_s=0)) as camera:
        error = await fails(camera.port, open_timeout_s=10.0)
    assert error.cause is Cause.WRONG_DEVICE
