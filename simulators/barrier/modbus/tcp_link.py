"""Modbus TCP on loopback: connections of hosts, directly on the bus.

There is no task in it: the event loop calls it when bytes arrive, and the bus answers at once, so that the
times in the log are those of the bytes.
"""

import asyncio
import socket
from typing import Self

from simulators.barrier.bus import ModbusBus
from simulators.barrier.modbus.framing import InvalidBytes
from simulators.barrier.modbus.mbap import MbapFraming, MbapReader
from simulators.links.tcp_listener import TcpListener


class TcpLink:
    """The boards' end of Modbus TCP: an async context manager. With `port` 0 a free one is chosen."""

    def __init__(self, bus: ModbusBus, port: int = 0) -> None:
        self.bus = bus
        self.port = port
        self._listener: TcpListener | None = None
        self._hosts: set[_Host] = set()
        self._count = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        """Listen; raise SimulatorError if the port is not free."""
        self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self.cut()

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.drop()

    def drop(self) -> None:
        """Drop every connection."""
        for host in tuple(self._hosts):
            host.hang_up()

    def restore(self) -> None:
        """Accept connections (again)."""
        if self._listener is not None or self._closed:
            return
        self._listener = TcpListener(self.port, self._accept)
        self.port = self._listener.port

    def _accept(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._count += 1
        self._hosts.add(_Host(self._count, connection, self.bus, self._hosts))


class _Host:
    """One connection of a host."""

    baud = None

    def __init__(self, number: int, connection: socket.socket, bus: ModbusBus, hosts: "set[_Host]") -> None:
        self.number = number
        self.framing = MbapFraming()
        self._connection: socket.socket | None = connection
        self._bus = bus
        self._hosts = hosts
        self._reader = MbapReader()
        bus.log.connection(number, opened=True)
        asyncio.get_running_loop().add_reader(connection, self._readable)

    @property
    def _open(self) -> bool:
        """Return whether the connection is open: an earlier request may have ended it."""
        return self._connection is not None

    def send(self, data: bytes) -> bool:
        """See `BusConnection`. A host that does not read until the buffer is full is disconnected."""
        if self._connection is None:
            return False
        try:
            if self._connection.send(data) == len(data):
                return True
        except OSError:
            pass
        self.hang_up()
        return False

    def hang_up(self) -> None:
        """See `BusConnection`."""
        if self._connection is None:
            return
        if self._reader.pending_bytes:
            self._bus.on_noise(InvalidBytes("cut short", self._reader.pending_bytes), self)
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        self._connection = None
        self._hosts.discard(self)
        self._bus.log.connection(self.number, opened=False)

    def _readable(self) -> None:
        assert self._connection is not None
        try:
            data = self._connection.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.hang_up()
            return
        for message in self._reader.feed(data):
            if isinstance(message, InvalidBytes):
                self._bus.on_noise(message, self)
                self.hang_up()
            elif self._open:
                self._bus.on_message(message, self)
