"""A slot of a simulated post, at which a reader connects: vpcd's protocol, but the card's side listens.

A reader without a smart card service connects here by itself. While no chip is there, a connection is closed
at once.
"""

import asyncio
from types import TracebackType
from typing import Self

from simulators.passport.chip.chip import Chip
from simulators.passport.chip.vpcd import serve


class ListeningSlot:
    """A slot at a TCP port of loopback; 0: any free one. Leaving its context removes its chip."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._chip: Chip | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._without_power_s = 0.0
        """Time of the event loop's clock until which the chip has no power."""

    async def __aenter__(self) -> Self:
        """Listen; raises OSError."""
        self._server = await asyncio.start_server(self._on_connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self.remove()

    @property
    def is_occupied(self) -> bool:
        """True if a chip is in the field."""
        return self._chip is not None and self._chip.present

    async def place(self, chip: Chip) -> None:
        """Put a chip on the slot, in place of the one before."""
        await self.remove()
        chip.insert()
        self._chip = chip

    async def remove(self) -> None:
        """Remove the chip, if there is one."""
        self._chip = None
        for task, writer in list(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _on_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            now_s = asyncio.get_running_loop().time()
            if self._chip is None or not self.is_occupied or now_s < self._without_power_s:
                return
            lost = await serve(self._chip, reader, writer)
            if lost is not None:
                self._without_power_s = asyncio.get_running_loop().time() + lost.for_s
        except asyncio.CancelledError:
            pass  # of `remove`: asyncio would report it as an error of the connection
        finally:
            writer.close()
            del self._connections[task]
