"""A service on a TCP port of this machine that can be stopped at once and restarted at the same address."""

import asyncio
import contextlib
import functools
import socket
import ssl
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from simulators.links.tcp_listener import TcpListener

KEPT = 1000


class ServiceStoppedError(Exception):
    """The service stopped during an answer: the connection ends."""


class ClientDisconnectedError(Exception):
    """The service ends the connection during an answer: the part sent before still arrives."""


class TcpService(ABC):
    """One service: an async context manager. With `port` 0 a free one is chosen and stored in `port`."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.request_count: list[Any] = []
        """The last requests, at least KEPT of them, for tests."""
        self.requests = 0
        self.first_request = asyncio.Event()
        self._listener: TcpListener | None = None
        self._talking: set[asyncio.Task[None]] = set()
        self._reviving: asyncio.Task[None] | None = None

    @abstractmethod
    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; it is closed on return."""

    def note(self, request: Any) -> None:
        """Store a received request."""
        self.requests += 1
        self.request_count.append(request)
        if len(self.request_count) > 2 * KEPT:
            del self.request_count[:KEPT]
        self.first_request.set()

    @property
    def is_running(self) -> bool:
        """True if it accepts connections."""
        return self._listener is not None

    async def __aenter__(self) -> Self:
        """Listen; raise SimulatorError if the port is not free."""
        self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, even during an answer."""
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
        self._stop()
        await self._silent()

    def stop_for(self, for_s: float | None = None) -> None:
        """Stop at once with all connections; restart after `for_s` seconds, or never."""
        self._stop()
        if self._reviving is not None:
            self._reviving.cancel()
        if for_s is not None:
            self._reviving = asyncio.create_task(self._revive(for_s))

    async def resume(self) -> None:
        """Listen again now, if the service was stopped."""
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
            self._reviving = None
        if self._listener is None:
            await self._silent()
            self._listen()

    async def _revive(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        await self._silent()
        self._listen()

    def _listen(self) -> None:
        self._listener = TcpListener(self.port, self._accept)
        self.port = self._listener.port

    def _accept(self, connection: socket.socket) -> None:
        task = asyncio.create_task(self._talk(connection))
        self._talking.add(task)
        task.add_done_callback(self._talking.discard)
        # Also if the task is cancelled before it has started.
        task.add_done_callback(functools.partial(_closed, connection))

    def _stop(self) -> None:
        if self._listener is not None:
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
        with contextlib.suppress(ServiceStoppedError, OSError, EOFError):
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self.tls)
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            try:
                await self.handle_connection(reader, writer)
            except ClientDisconnectedError:
                writer.close()
                await writer.wait_closed()
            finally:
                transport.abort()


def _closed(connection: socket.socket, _task: object) -> None:
    connection.close()
