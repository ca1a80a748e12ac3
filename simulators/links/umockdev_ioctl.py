"""Ioctls of a program under umockdev's preload, answered in place of Linux: the messages on its socket.

`libumockdev-preload.so.0` (Debian: umockdev) turns every ioctl on an emulated node into messages on a stream
socket, one connection per open(): three native words each; the caller's memory is read and written on
request. Source of the messages: umockdev's preload library.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

PRELOAD = "libumockdev-preload.so.0"
_MESSAGE = struct.Struct("=QQQ")
_IOCTL, _DONE, _RUN, _READ, _WRITE = 1, 3, 4, 5, 6


class IoctlError(Exception):
    """An ioctl fails, with this errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(eq=False)
class Caller:
    """One open file of a program, and that program's memory."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self, address: int, size: int) -> bytes:
        """Read bytes of its memory."""
        self._send(_READ, address, size)
        return await self.reader.readexactly(size)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes into its memory."""
        self._send(_WRITE, address, len(data))
        self.writer.write(data)

    def _send(self, kind: int, first: int, second: int) -> None:
        self.writer.write(_MESSAGE.pack(kind, first, second))

    async def serve(self, answer: "Answer") -> None:
        """Answer its ioctls until it closes the node: `answer` returns, or raises IoctlError."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, request, argument = await self._receive()
                if kind != _IOCTL:
                    # A read or a write: the program carries it out, and is given its own result back.
                    self._send(_RUN, 0, 0)
                    _, result, number = await self._receive()
                    self._send(_DONE, result, number)
                    continue
                try:
                    await answer(self, request & 0xFFFFFFFF, argument)
                    self._send(_DONE, 0, 0)
                except IoctlError as refused:
                    self._send(_DONE, 2**64 - 1, refused.number)

    async def _receive(self) -> tuple[int, int, int]:
        kind, first, second = _MESSAGE.unpack(await self.reader.readexactly(_MESSAGE.size))
        return kind, first, second


Answer = Callable[[Caller, int, int], Awaitable[None]]


class NodeSocket:
    """The socket of a node's ioctls for the preload. An async context manager."""

    def __init__(self, path: Path, answer: Answer, closed: Callable[[Caller], None]) -> None:
        self._path = path
        self._answer = answer
        self._closed = closed
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "NodeSocket":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        caller = Caller(reader, writer)
        try:
            await caller.serve(self._answer)
        finally:
            self._open.discard(task)
            self._closed(caller)
            writer.transport.abort()
