"""A device on a TCP port of this machine: a stream of bytes to one host, and a cable that can be pulled.

It has the interface of a serial line (`serial_line`), so a simulator can be on either. A second host is
disconnected at once, as by most serial device servers. The host's kernel acknowledges what was sent; only an
answer shows that its program has read it.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from typing import Self

from simulators.links.line import Line
from simulators.links.tcp_listener import HOST, TcpListener

CHUNK_BYTES = 4096
_NO_LINGER = struct.pack("ii", 1, 0)


class TcpLine(Line):
    """The device end of a TCP connection. With `port` 0 a free one is chosen when the cable is plugged in."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self.port = port
        self._listener: TcpListener | None = None
        self._host: socket.socket | None = None
        self._visit = 0

    @classmethod
    def open_at(cls, port: int = 0) -> Self:
        """Return the line whose port will listen once entered."""
        return cls(port)

    @property
    def address(self) -> str:
        """`tcp://127.0.0.1:PORT`."""
        return f"tcp://{HOST}:{self.port}"

    @property
    def is_plugged(self) -> bool:
        """True if a host can connect."""
        return self._listener is not None

    @property
    def has_host(self) -> bool:
        """True while a host is connected."""
        return self._host is not None

    async def wait_for_host_close(self) -> None:
        """Wait until no host is connected (or it is unplugged)."""
        await self._until(lambda: self._host is None)

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send `data` to the host, if requested in pieces of `chunk` bytes every `every_s` seconds.

        Returns whether a host was there for all of it; without a host the bytes are lost. Messages do not
        mix: a second one waits for the first. A host that disconnects ends the message.
        """
        async with self._sending:
            visit, step = self._visit, chunk or max(len(data), 1)
            for start in range(0, len(data), step):
                if start:
                    await asyncio.sleep(every_s)
                if not await self._write(data[start : start + step], visit):
                    return False
            return self.has_host

    def unplug(self, for_s: float | None = None) -> None:
        """Pull the cable: the connection is reset, and none is accepted.

        Plug it in again after `for_s` seconds.
        """
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.hang_up()
        self._replug_after(for_s)

    def replug(self) -> None:
        """Plug in the cable: the same port listens again. Raises SimulatorError if another program has it."""
        self._forget_replugging()
        if self._listener is not None or self._closed:
            return
        self._listener = TcpListener(self.port, self._accept)
        self.port = self._listener.port
        self._wake()

    def hang_up(self) -> None:
        """Reset the connection of the host; it may connect again at once."""
        host, self._host = self._host, None
        if host is None:
            return
        self._visit += 1
        asyncio.get_running_loop().remove_reader(host)
        asyncio.get_running_loop().remove_writer(host)
        with contextlib.suppress(OSError):  # the host has reset it already
            host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        host.close()
        self._wake()

    def _accept(self, connection: socket.socket) -> None:
        if self._host is not None:
            self._read()  # a host that has closed its connection makes place for the next
        if self._host is not None:
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = connection
        asyncio.get_running_loop().add_reader(connection, self._read)
        self._wake()

    def _read(self) -> None:
        assert self._host is not None
        try:
            data = self._host.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self.hang_up()

    async def _write(self, data: bytes, visit: int) -> bool:
        while data:
            if self._host is None or visit != self._visit:
                return False
            try:
                data = data[self._host.send(data) :]
            except BlockingIOError:
                await self._writable(self._host)
            except OSError:
                self.hang_up()
                return False
        return True

    async def _writable(self, host: socket.socket) -> None:
        """Wait until the host has read some bytes, or is gone."""
        loop = asyncio.get_running_loop()
        loop.add_writer(host, self._wake)
        try:
            await self._change()
        finally:
            if self._host is host:
                loop.remove_writer(host)

    def _unread(self) -> int:
        """Return the number of bytes that the host's kernel has not acknowledged; 0 without a host."""
        if self._host is None:
            return 0
        (count,) = struct.unpack("i", fcntl.ioctl(self._host, termios.TIOCOUTQ, bytes(4)))
        return int(count)
