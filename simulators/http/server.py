"""A small HTTP/1.1 server on loopback that can also misbehave: die, stall, send invalid data."""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import h11

from simulators.links.tcp_listener import HOST
from simulators.links.tcp_service import ClientDisconnectedError, TcpService

SIMULATED = ("X-Borderpost-Simulated", "1")
"""Header of every answer: no real service sent it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request."""

    method: str
    path: str
    query: Mapping[str, str]
    credentials: tuple[str, str] | None
    """User name and password of Basic authentication."""
    body: bytes
    target: str = ""
    """Path and query as they were sent: input of the Digest."""
    authorization: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """Return the body as an object; empty if it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: a body, or a stream of pieces that are sent as they come."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    stream: AsyncGenerator[bytes, None] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    """Declared length of a stream; without it, chunks."""
    unframed: bool = False
    """Neither length nor chunks, as in HTTP/1.0: the stream ends with the connection."""


def json_response(value: object, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(status, json.dumps(value).encode())


Answer = Callable[[Request], Awaitable[Response]]


class HttpServer(TcpService):
    """One server: an async context manager. With `port` 0 a free one is chosen and stored in `port`."""

    def __init__(self, answer: Answer, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port, tls)
        self.answer = answer
        self.request_count: list[Request] = []

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one client."""
        with contextlib.suppress(h11.ProtocolError):
            await self._converse(reader, writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        while (request := await _request(wire, reader)) is not None:
            self.note(request)
            # If the client disconnects while an answer is delayed, the answer is dropped.
            answering = asyncio.ensure_future(self._respond(wire, writer, request))
            hanging_up = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({answering, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    return
                await answering
                hanging_up.cancel()
                await asyncio.wait({hanging_up})
                early = b"" if hanging_up.cancelled() else hanging_up.result()
            finally:
                for future in (answering, hanging_up):
                    future.cancel()
                await asyncio.gather(answering, hanging_up, return_exceptions=True)
            if wire.our_state is h11.MUST_CLOSE or wire.their_state is not h11.DONE:
                return
            wire.start_next_cycle()
            if early:
                wire.receive_data(early)

    async def _respond(self, wire: h11.Connection, writer: asyncio.StreamWriter, request: Request) -> None:
        response = await self.answer(request)
        head = [("Content-Type", response.media_type), SIMULATED, *response.headers]
        if response.stream is None:
            head.append(("Content-Length", str(len(response.body))))
        elif response.length is not None:
            head.append(("Content-Length", str(response.length)))
        if response.unframed and response.stream is not None:
            await _send_unframed(writer, response.status, head, response.stream)
        writer.write(wire.send(h11.Response(status_code=response.status, headers=head)) or b"")
        if response.stream is None:
            writer.write(wire.send(h11.Data(data=response.body)) or b"")
        else:
            async with contextlib.aclosing(response.stream) as pieces:
                async for piece in pieces:
                    writer.write(wire.send(h11.Data(data=piece)) or b"")
                    await writer.drain()
        writer.write(wire.send(h11.EndOfMessage()) or b"")
        await writer.drain()


async def _send_unframed(
    writer: asyncio.StreamWriter,
    status: int,
    head: list[tuple[str, str]],
    stream: AsyncGenerator[bytes, None],
) -> NoReturn:
    """Send without h11, which sends every stream to an HTTP/1.1 client in chunks."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in head)]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
    async with contextlib.aclosing(stream) as pieces:
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
    raise ClientDisconnectedError


async def _request(wire: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """Return the next request; None if the client has disconnected."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            target = urlsplit(head.target.decode("ascii"))
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            return Request(
                head.method.decode(),
                target.path,
                dict(parse_qsl(target.query)),
                _credentials(headers.get("authorization", "")),
                bytes(body),
                head.target.decode("ascii"),
                headers.get("authorization", ""),
            )
        else:
            return None


def _credentials(header: str) -> tuple[str, str] | None:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return name, password
