"""A PC/SC slot without a service: chips of the simulator, placed and removed by a test."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.links.smartcard import CardUnavailable, NotTransacted
from simulators.passport.chip import CardRemovedError, Chip
from simulators.passport.chip.faults import FieldLostError


class FakeSlotCard:
    def __init__(self, chip: Chip, slot: "FakePcscSlot") -> None:
        self._chip, self._slot = chip, slot
        self._abandoned = False
        self.max_apdu_data_bytes = slot.stated_apdu_data_bytes

    def abandon(self) -> None:
        self._abandoned = True

    def transmit(self, command: bytes) -> bytes:
        self._slot.before_command()
        if self._abandoned or self._slot.chip is not self._chip:
            raise CardUnavailable
        if self._slot.failure is not None:
            raise self._slot.failure
        if len(command) >= 7 and command[4] == 0:
            self._slot.extended_commands += 1
            if not self._slot.passes_extended:
                raise NotTransacted
        try:
            return self._chip.transmit(command)
        except FieldLostError:
            raise NotTransacted from None
        except CardRemovedError:
            self._slot.loop.call_soon_threadsafe(self._slot.place, None)
            raise CardUnavailable from None

    def renew(self, timeout_s: float) -> bool:
        self._slot.renewals += 1
        deadline_s = time.monotonic() + timeout_s
        self._slot.before_renewal()
        while not self._abandoned:
            if self._slot.chip is not None and self._slot.chip.present:
                self._slot.power_up()
                self._chip = self._slot.chip
                return True
            if time.monotonic() >= deadline_s:
                break
            time.sleep(0.002)
        return False

    def release(self) -> None:
        self._slot.released += 1


class FakePcscSlot:
    """Replacement of the PC/SC service for simulated chips."""

    name = "Slot 00 00"

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.chip: Chip | None = None
        """Chip that answers; of several that lie there, another one after each power-up."""
        self.failure: LinkError | None = None
        self.before_command: Callable[[], object] = lambda: None
        self.before_renewal: Callable[[], object] = lambda: None
        self.stated_apdu_data_bytes: int | None = None
        self.passes_extended = True
        self.extended_commands = 0
        self.is_mute = False
        self.renewals = 0
        self.released = 0
        self._chips: list[Chip] = []

    def place(self, *chips: Chip | None) -> None:
        self._chips = [chip for chip in chips if chip is not None]
        for chip in self._chips:
            chip.insert()
        self.chip = self._chips[0] if self._chips else None

    def power_up(self) -> None:
        self._chips = self._chips[1:] + self._chips[:1]
        self.chip = self._chips[0]
        self.chip.reset()

    async def wait_for_card(self, timeout_s: float) -> FakeSlotCard | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.chip is None or self.is_mute:
                    await asyncio.sleep(0.002)
        return FakeSlotCard(self.chip, self) if self.chip is not None and not self.is_mute else None

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
        self.slots_opened = self.slots_open = 0

    @contextlib.asynccontextmanager
    async def smart_card(self, reader: str) -> AsyncIterator[Any]:
        if self.slot.failure is not None:
            raise self.slot.failure
        self.slots_opened += 1
        self.slots_open += 1
        try:
            yield self.slot
        finally:
            self.slots_open -= 1
