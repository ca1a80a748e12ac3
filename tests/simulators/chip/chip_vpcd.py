"""The other end of a VpcdSlot: a vpcd controlled by the test."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from support.patience import PATIENCE_S


class FakeVpcd:
    """A listening vpcd; `card` waits for an inserted card."""

    def __init__(self) -> None:
        self.port = 0
        self._cards: asyncio.Queue[FakeSlot] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._slots: list[FakeSlot] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._arrived, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for slot in self._slots:
            await slot.close()
        await self._server.wait_closed()

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        slot = FakeSlot(reader, writer)
        self._slots.append(slot)
        await self._cards.put(slot)

    async def card(self) -> "FakeSlot":
        return await asyncio.wait_for(self._cards.get(), PATIENCE_S)


class FakeSlot:
    """vpcd's view of one card."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, message: bytes) -> None:
        self._writer.write(len(message).to_bytes(2, "big") + message)
        await self._writer.drain()

    async def request(self, message: bytes) -> bytes:
        """Send a message; raise IncompleteReadError if the card was removed."""
        await self.send(message)
        size = int.from_bytes(await asyncio.wait_for(self._reader.readexactly(2), PATIENCE_S), "big")
        return await asyncio.wait_for(self._reader.readexactly(size), PATIENCE_S)

    async def wait_removed(self) -> None:
        # Unread data of vpcd make the end of the connection a reset.
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(self._reader.read(), PATIENCE_S) == b""

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
