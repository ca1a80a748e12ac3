"""Input of the links themselves: HTTP in both directions, USB over IP, IPC frames."""

import asyncio
import contextlib
import socket
import threading
from typing import Any
from unittest import mock

import httpcore
import httpx

from drivers.links.http.client import HttpSettings
from drivers.links.http.listener import HttpListener, HttpListenerSettings
from drivers.links.link import LinkError
from drivers.links.usbip.client import HEAD, ImportRefusedError, UsbipConnection
from fuzz.scripted_links import SILENT, ScriptedHttpLink
from fuzz.target import target
from fuzz.virtual_clock import run_in_virtual_time
from gateway.ipc.frames import FrameConnection, FrameError, FrameType, encode_frame
from gateway.ipc.rpc import RpcClient

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n"
HTTP = (
    b"HTTP/1.1 ",
    b"\r\n",
    b"\r\n\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked",
    b"Location: ",
    b"Content-Encoding: gzip",
)


def _transport(data: bytes) -> httpx.AsyncHTTPTransport:
    """Return a transport of httpx over a network that delivers these bytes."""
    transport = httpx.AsyncHTTPTransport(verify=False)
    transport._pool = httpcore.AsyncConnectionPool(
        network_backend=httpcore.AsyncMockBackend(data.split(SILENT))
    )
    return transport


@target(
    seeds=(
        OK,
        CHUNKED,
        OK + SILENT + OK,
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=a, nonce=b, qop=auth\r\n\r\n",
    ),
    words=(SILENT, *HTTP),
)
def http_answers(data: bytes) -> None:
    """Read whole answers, lines and streams; the password is sent by digest."""
    settings = HttpSettings(url="http://localhost:1", username="u", password="p", auth="digest")
    run_in_virtual_time(_request(settings, data))


async def _request(settings: HttpSettings, data: bytes) -> None:
    link = ScriptedHttpLink(settings, _transport(data))
    async with link:
        assert link._client is not None
        link._client.auth = httpx.DigestAuth("u", "p")
        with contextlib.suppress(LinkError):
            await link.request("GET", "/x", limit_bytes=1000)
        with contextlib.suppress(LinkError):
            async for line in link.stream_lines("POST", "/x", body={}):
                assert line.strip()
        with contextlib.suppress(LinkError):
            async with link.stream("GET", "/x") as answer:
                async for chunk in answer.chunks:
                    assert chunk


PUT = (
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Authorization: Basic dTpw\r\n\r\n{}"
)


class _Writer:
    """The writer that a connection needs for its answers."""

    transport = property(lambda self: self)

    def write(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 ") or not data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def abort(self) -> None:
        pass

    def get_extra_info(self, name: str) -> "_Writer | tuple[str, int]":
        return self if name == "socket" else ("127.0.0.1", 4711)

    def setsockopt(self, *_: object) -> None:
        pass


@target(
    seeds=(
        PUT,
        PUT + PUT,
        PUT.replace(b"Content-Length: 2", b"Expect: 100-continue\r\nTransfer-Encoding: chunked"),
    ),
    words=HTTP,
)
def http_pushed(data: bytes) -> None:
    settings = HttpListenerSettings(
        listen="127.0.0.1:1", allowed_sources=("127.0.0.1",), username="u", password="p"
    )
    run_in_virtual_time(_pushed(HttpListener(settings, lambda *_: None, lambda word: None), data))


async def _pushed(listener: HttpListener, data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    writer: Any = _Writer()
    await listener._accepted(reader, writer)


class _Plain:
    """A socket without the options that only TCP has."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        for name in ("close", "recv_into", "sendall", "settimeout", "shutdown"):
            setattr(self, name, getattr(inner, name))

    def setsockopt(self, *_: object) -> None:
        pass


IMPORTED = b"\x01\x11\0\x03\0\0\0\0" + bytes(256 + 32) + b"\0\0\0\1\0\0\0\2\0\0\0\3" + bytes(12)
ANSWERED = HEAD.pack(3, 1, 0, 0, 0) + b"\0\0\0\0\0\0\0\4" + bytes(20) + b"abcd"


@target(seeds=(IMPORTED + ANSWERED, IMPORTED[:8]), words=(IMPORTED, ANSWERED, ANSWERED[:20]))
def usbip(data: bytes) -> None:
    """Run a server that answers an import and a transfer; real sockets, and the client's own thread."""
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    with theirs, mock.patch("socket.create_connection", return_value=_Plain(ours)):
        try:
            connection = UsbipConnection("localhost", 1, "1-1")
        except (OSError, ImportRefusedError):
            return
        try:
            connection.transfer(0x81, 64, timeout_ms=50)
            connection.transfer(0x01, b"abc", timeout_ms=50)
        finally:
            connection.close()
    assert threading.active_count() < 20


FRAMES = (
    encode_frame(FrameType.RESPONSE_CHUNK, {"ticket": 1}, b"x"),
    encode_frame(FrameType.RESPONSE_CHUNK, {"ticket": 1, "end": True, "refused": ["unknown", "a", "b"]}),
)


@target(FrameError, ValueError, KeyError, TypeError, seeds=FRAMES, words=FRAMES)
def ipc(data: bytes) -> None:
    """Read frames between our processes; an invalid one ends the connection with one of these errors."""
    client = RpcClient(lambda kind, head, body: None)

    def received(kind: FrameType, head: dict[str, Any], body: bytes) -> None:
        if kind is FrameType.RESPONSE_CHUNK:
            client.on_chunk(head, body)

    end = FrameConnection(received, lambda: None)
    rest = memoryview(data)
    while rest:
        buffer = end.get_buffer(-1)
        size = min(len(buffer), len(rest), 257)
        buffer[:size] = rest[:size]
        rest = rest[size:]
        del buffer
        end.buffer_updated(size)
