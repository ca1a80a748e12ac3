"""A TCP connection to a device: bytes not sent in time are never sent later."""

import asyncio
import fcntl
import ipaddress
import os
import re
import socket
import struct
import termios
from contextlib import suppress
from typing import Self

from pydantic import Field, field_validator

from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.settings import LinkRights, Settings, network_rights

TCP_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+)(?::(?P<port>\d{1,5}))?")
CHUNK_BYTES = 4096
KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""Seconds before the first probe, between probes, and their number: a pulled cable is noticed in 25 s."""
_NO_LINGER = struct.pack("ii", 1, 0)


class TcpSettings(Settings):
    """Address of a device that speaks over one TCP connection, or of a serial device server."""

    port: str = Field(
        description="`tcp://host:port` of the device, or of the serial device server that it is on.",
        examples=["tcp://192.168.10.30:4001"],
    )
    connect_timeout_s: float = Field(
        default=3.0, gt=0, le=60, description="Time limit of connecting, in seconds.", examples=[3.0]
    )

    def link_rights(self) -> LinkRights:
        """Return the right to be connected to that port of the host."""
        found = TCP_ADDRESS.fullmatch(self.port)
        assert found is not None
        return super().link_rights() | network_rights(found["host"], int(found["port"]))

    @field_validator("port")
    @classmethod
    def _check_address(cls, port: str) -> str:
        found = TCP_ADDRESS.fullmatch(port)
        if found is None or found["port"] is None or not 1 <= int(found["port"]) <= 65535:
            raise ValueError("is not the address of a device; write it as tcp://host:port")
        return port


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
    """A connection to `tcp://host:port`: an async context manager. `timeout_s` limits connecting.

    A device at an address of this machine (loopback) counts as simulated: nothing in a stream of bytes says
    what sends it, and simulators listen there only.
    """

    def __init__(self, address: str, default_port: int, timeout_s: float, tap: Tap) -> None:
        found = TCP_ADDRESS.fullmatch(address)
        assert found is not None
        self.address = address
        self._host, self._port = found["host"].strip("[]"), int(found["port"] or default_port)
        self._within_s = timeout_s
        self._tap = tap
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.is_simulated = self.is_replayed = False

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
        writer = self._streams[1]
        peer = writer.get_extra_info("peername")  # None if the device has closed it already
        self.is_simulated = peer is not None and _is_loopback(peer[0])
        # A device that lost its power, or its cable, does not close the connection.
        end = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            end.setsockopt(socket.IPPROTO_TCP, option, value)

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
            "Check the device's power supply, its network cable and its address.",
        )

    def _connection_lost_error(self, error: OSError | None = None) -> LinkError:
        why = "" if error is None or error.errno is None else f" ({os.strerror(error.errno)})"
        return LinkError(
            Cause.UNPLUGGED,
            f"The connection to {self.address} ended{why}.",
            Action.WAIT,
            "If it does not come back by itself, check the device's power supply and its network cable.",
        )


def _is_loopback(address: str) -> bool:
    """Return True for an address of this machine, also as IPv6 writes one of IPv4."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
