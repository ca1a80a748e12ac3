"""A PC/SC slot without a service: chips of the simulator, placed and removed by a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.links.smartcard import CardUnavailable
from simulators.passport.chip import CardRemovedError, Chip


class FakeSlotCard:
    def __init__(self, chip: Chip, slot: "FakePcscSlot") -> None:
        self._chip, self._slot = chip, slot
        self._abandoned = False

    def abandon(self) -> None:
        self._abandoned = True

    def transmit(self, command: bytes) -> bytes:
        self._slot.before_command()
        if self._abandoned or self._slot.chip is not self._chip:
            raise CardUnavailable
        try:
            return self._chip.transmit(command)
        except CardRemovedError:
            self._slot.loop.call_soon_threadsafe(self._slot.place, None)
            raise CardUnavailable from None

    def release(self) -> None:
        self._slot.released += 1


class FakePcscSlot:
    """Replacement of the PC/SC service for a simulated chip."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.chip: Chip | None = None
        self.failure: LinkError | None = None
        self.before_command: Callable[[], object] = lambda: None
        self.released = 0
        self._changed = asyncio.Condition()

    def place(self, chip: Chip | None) -> None:
        if chip is not None:
            chip.insert()
        self.chip = chip

    async def wait_for_card(self, timeout_s: float) -> FakeSlotCard | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.chip is None:
                    await asyncio.sleep(0.002)
        return FakeSlotCard(self.chip, self) if self.chip is not None else None

    async def wait_until_empty(self, timeout_s: float) -> bool:
        while self.chip is not None:
            await asyncio.sleep(0.002)
        return True

    async def run_blocking(self, call: Callable[..., Any], *arguments: Any) -> Any:
        running = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


class SlotLinkFactory(LinkFactory):
    """Link factory whose smart card slots are all one slot."""

    def __init__(self, slot: FakePcscSlot | None = None) -> None:
        super().__init__()
        self.slot = slot or FakePcscSlot()

    @contextlib.asynccontextmanager
    async def smart_card(self, reader: str) -> AsyncIterator[Any]:
        if self.slot.failure is not None:
            raise self.slot.failure
        yield self.slot
