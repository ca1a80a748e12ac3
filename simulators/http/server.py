"""A small HTTP/1.1 server on loopback that can also do what servers should not: die, stall, talk nonsense."""

import asyncio
import base64
import contextlib
import functools
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import parse_qsl, urlsplit

import h11

from simulators.errors import SimulatorError

HOST = "127.0.0.1"
SIMULATED = ("X-Borderpost-Simulated", "1")
"""Every answer says that no real service gave it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    query: Mapping[str, str]
    credentials: tuple[str, str] | None
    """By Basic authentication."""
    body: bytes
    target: str = ""
    """Path and query as they were sent: what a Digest is computed over."""
    authorization: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object; empty where it is none."""
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
    """What is declared of a stream's length; without it, chunks."""
    unframed: bool = False
    """Neither length nor chunks, as of HTTP/1.0: the stream ends with the connection."""


def json_response(value: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, json.dumps(value).encode())


Answer = Callable[[Request], Awaitable[Response]]


class DiedError(Exception):
    """The service died while it was answering: the connection just ends."""


class HungUpError(Exception):
    """The service ends the connection in the middle of an answer: what it said till then still arrives."""


@dataclass
class HttpServer:
    """One server: an async context manager. `port` 0 takes a free one, which `port` then is."""

    answer: Answer
    port: int = 0
    tls: ssl.SSLContext | None = None
    asked: list[Request] = field(default_factory=list)
    """Every request, for a test to look at."""
    _listener: socket.socket | None = None
    _talking: set[asyncio.Task[None]] = field(default_factory=set)
    _reviving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen; SimulatorError where that cannot be."""
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever is being said."""
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
        self._stop()
        await self._silent()

    def die(self, for_s: float | None = None) -> None:
        """Be gone at once, connections and all; back after `for_s` seconds, or never."""
        self._stop()
        if for_s is not None:
            self._reviving = asyncio.create_task(self._revive(for_s))

    async def _revive(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        await self._silent()
        await self._listen()

    async def _listen(self) -> None:
        # With the protocol named: asyncio sends small packets at once (TCP_NODELAY) only where it sees TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.port))
            listener.listen()
        except OSError as error:
            listener.close()
            raise SimulatorError(f"port {self.port}: {error.strerror}") from error
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._listener = listener
        # Not asyncio.start_server or sock_accept: both can lose a connection accepted while they are ended,
        # which then stays open and mute.
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # it has gone again
            return
        connection.setblocking(False)
        task = asyncio.create_task(self._talk(connection))
        self._talking.add(task)
        task.add_done_callback(self._talking.discard)
        # Also where the task is cancelled before it has begun.
        task.add_done_callback(functools.partial(_closed, connection))

    def _stop(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for task in self._talking:
            task.cancel()

    async def _silent(self) -> None:
        if self._talking:
            await asyncio.wait(self._talking)

    async def _talk(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with contextlib.suppress(DiedError, OSError, h11.ProtocolError, EOFError):
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self.tls)
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            try:
                await self._converse(reader, writer)
            except HungUpError:
                writer.close()
                await writer.wait_closed()
            finally:
                transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        while (request := await _request(wire, reader)) is not None:
            self.asked.append(request)
            # The client that goes away while an answer is held back is noticed, and the answer dropped.
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
            await _say_unframed(writer, response.status, head, response.stream)
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


async def _say_unframed(
    writer: asyncio.StreamWriter,
    status: int,
    head: list[tuple[str, str]],
    stream: AsyncGenerator[bytes, None],
) -> NoReturn:
    """Not through h11, which gives every stream to a client of HTTP/1.1 in chunks."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in head)]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
    async with contextlib.aclosing(stream) as pieces:
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
    raise HungUpError


def _closed(connection: socket.socket, _task: object) -> None:
    connection.close()


async def _request(wire: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the client has gone."""
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
