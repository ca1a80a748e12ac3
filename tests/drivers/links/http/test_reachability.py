"""Detection of a service that was away and is back."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from support.patience import PATIENCE_S

from drivers.links.http.reachability import wait_until_restarted


class Service:
    """Accepts connections at one port, and treats them as set by the test."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.news = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _taken(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        self.news.set()

    async def taken(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.connections) < count:
                self.news.clear()
                await self.news.wait()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self.connections:
            writer.transport.abort()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    await service.start()
    yield service
    await service.stop()


@contextlib.asynccontextmanager
async def waiting(service: Service) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(wait_until_restarted("127.0.0.1", service.port))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_stopped_and_started_service_is_back(service: Service) -> None:
    async with waiting(service) as task:
        await service.taken(1)
        await service.stop()
        await asyncio.sleep(0.1)
        assert not task.done()
        await service.start()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def test_closed_idle_connection_is_no_restart(service: Service) -> None:
    async with waiting(service) as task:
        await service.taken(1)
        service.connections[0].close()
        await service.taken(2)
        assert not task.done()


async def test_reset_connection_is_a_restart(service: Service) -> None:
    async with waiting(service) as task:
        await service.taken(1)
        end = service.connections[0].get_extra_info("socket")
        # The close is a reset, as by a restarted camera.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        service.connections[0].transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await task
