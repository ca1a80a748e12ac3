"""A TCP connection to a device: bytes not sent in time are never sent later."""

import asyncio
import fcntl
import os
import re
import socket
import struct
import termios
from contextlib import suppress
from typing import Self

from drivers.links.link import Action, Cause, LinkError, Tap

TCP_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+)(?::(?P<port>\d{1,5}))?")
CHUNK_BYTES = 4096
_NO_LINGER = struct.pack("ii", 1, 0)


class _SocketKeeper(asyncio.Protocol):
    """Duplicates the socket of a new connection, before any byte is read from it."""

    kept: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self.kept = transport.get_extra_info("socket").dup()
        transport.abort()


async def open_socket(host: str, port: int) -> socket.socket:
    """Connect and return the socket, for a thread that blocks on it; raises OSError.

    Through the event loop, because a confined worker may not connect by itself.
    """
    _, keeper = await asyncio.get_running_loop().create_connection(_SocketKeeper, host, port)
    assert keeper.kept is not None
    return keeper.kept


def connect_failure(error: OSError) -> str:
    """Return why a connection failed, for a sentence.

    asyncio writes addresses into its messages, and resolvers have own numbers: `errno` is enough.
    """
    if isinstance(error, socket.gaierror) or error.errno is None:
        return "the name does not resolve"
    return os.strerror(error.errno)


class TcpLink:
    """A connection to `tcp://host:port`: an async context manager. `timeout_s` limits connecting."""

    def __init__(self, address: str, default_port: int, timeout_s: float, tap: Tap) -> None:
        found = TCP_ADDRESS.fullmatch(address)
        assert found is not None
        self.address = address
        self._host, self._port = found["host"].strip("[]"), int(found["port"] or default_port)
        self._within_s = timeout_s
        self._tap = tap
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        """Connect; raises LinkError."""
        await self.connect()
        return self

    async def connect(self) -> None:
        """Connect, or connect again; raises LinkError."""
        self.abort()
        try:
            async with asyncio.timeout(self._within_s):
                self._streams = await asyncio.open_connection(self._host, self._port)
        except TimeoutError:
            raise self._connect_error(f"no connection within {self._within_s:g} seconds") from None
        except OSError as error:
            raise self._connect_error(connect_failure(error)) from error

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        self.abort()

    async def read(self) -> bytes:
        """Wait for bytes and return those available, at least one; raises LinkError."""
        reader, _ = self._open()
        try:
            chunk = await reader.read(CHUNK_BYTES)
        except OSError as error:
            raise self._connection_lost_error(error) from error
        if not chunk:
            raise self._connection_lost_error()
        self._tap("in", chunk)
        return chunk

    async def write(self, data: bytes) -> None:
        """Send all of it; raises LinkError."""
        _, writer = self._open()
        try:
            writer.write(data)
            await writer.drain()
        except OSError as error:
            raise self._connection_lost_error(error) from error
        self._tap("out", data)

    @property
    def unsent_bytes(self) -> int:
        """Number of written bytes that the other end has not acknowledged; raises LinkError."""
        _, writer = self._open()
        try:
            waiting = fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError as error:
            raise self._connection_lost_error(error) from error
        return writer.transport.get_write_buffer_size() + int(struct.unpack("i", waiting)[0])

    @property
    def peer(self) -> str:
        """Address and port of the other end, as numbers; raises LinkError."""
        _, writer = self._open()
        host, port, *_ = writer.get_extra_info("peername")
        return f"{host}:{port}"

    def abort(self) -> None:
        """Cut the connection and discard bytes that are not sent or not acknowledged."""
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            # After a normal close, the kernel would retry the delivery for minutes.
            with suppress(OSError):  # already closed by the other end
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()

    def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise self._connection_lost_error()
        return self._streams

    def _connect_error(self, why: str) -> LinkError:
        return LinkError(
            Cause.NO_RESPONSE,
            f"No device responds at {self.address}: {why}.",
            Action.CALL_SUPPORT,
            "Check the board's power supply, its network cable and its address.",
        )

    def _connection_lost_error(self, error: OSError | None = None) -> LinkError:
        why = "" if error is None or error.errno is None else f" ({os.strerror(error.errno)})"
        return LinkError(
            Cause.UNPLUGGED,
            f"The connection to {self.address} ended{why}.",
            Action.WAIT,
            "If it does not come back by itself, check the board's power supply and its network cable.",
        )
