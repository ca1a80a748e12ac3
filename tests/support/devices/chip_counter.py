"""Test counter: a swipe reader on a pty, a chip reader on vpcd, and the driver of both."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from support.devices.serial_readers import FRAMES
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.passport.mrz_serial import MrzSerial, MrzSerialSettings
from drivers.passport.observations import DocumentRead, DocumentRemoved
from simulators.errors import SimulatorError
from simulators.links.serial_line import SerialLine
from simulators.mrz import Document
from simulators.passport.chip import Chip, IssuingState, VpcdSlot

SLOT = "Virtual PCD 00 00"


class ChipCounter:
    """Actions at the counter, and events of the driver."""

    def __init__(self, wire: SerialLine, slot: VpcdSlot, driver: MrzSerial) -> None:
        self.slot, self._wire = slot, wire
        self.said: list[Any] = []
        self.heard: Callable[[Any], object] = lambda said: None
        self._listening = asyncio.create_task(self._listen(driver))

    async def _listen(self, driver: MrzSerial) -> None:
        async with contextlib.aclosing(driver.watch()) as observations:
            async for observation in observations:
                self.said.append(observation)
                self.heard(observation)

    async def present(self, document: Document, chip: Chip | None) -> DocumentRead:
        """Swipe a document and place its chip; return the `DocumentRead`."""
        self.said.clear()
        if chip is not None:
            await self.place_chip(chip)
        await self._wire.send(FRAMES["text"](document.lines))
        return await self.until(DocumentRead)

    async def place_chip(self, chip: Chip) -> None:
        """Put a document on the chip reader."""
        await patiently(lambda: self.slot.insert(chip))

    async def until(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [one for one in self.said if isinstance(one, kind)]):
                assert not self._listening.done(), self._listening.exception()
                await asyncio.sleep(0.005)
        return found[0]

    async def remove_chip(self) -> None:
        await self.slot.remove()
        await self.until(DocumentRemoved)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


async def patiently(what: Any) -> None:
    """Retry: pcscd polls its slots a few times a second, and keeps the port of a removed card until then."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await what()
            except (SimulatorError, LinkError):
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def counter_in(
    folder: Path, issuer: IssuingState, return_timeout_s: float = 0.5
) -> AsyncIterator[ChipCounter]:
    """Return the counter, with that issuing state trusted. Needs a pcscd; see support.devices.pcscd."""
    trust = folder / "trust"
    trust.mkdir()
    (trust / "csca.cer").write_bytes(issuer.csca.der)
    (trust / "csca.crl").write_bytes(issuer.crl())
    links = LinkFactory()

    async def service_is_up() -> None:
        async with links.smart_card(SLOT) as slot:
            # pcscd may not have noticed yet that the card of an earlier counter was removed.
            assert await slot.wait_until_empty(10)

    await patiently(service_is_up)
    assert links.is_simulated, "a virtual reader is recognised as simulated"
    async with SerialLine.open_at(folder / "port", look_s=0.002) as wire, VpcdSlot() as slot:
        settings = MrzSerialSettings.model_validate(
            {
                "port": str(folder / "port"),
                "framing": "text",
                "chip": {
                    "reader": SLOT,
                    "trust": [str(trust)],
                    "card_timeout_s": 5,
                    "retry_budget_s": PATIENCE_S,
                    "return_timeout_s": return_timeout_s,
                },
            }
        )
        driver = MrzSerial(settings, links)
        await driver.open()
        await wire.wait_for_host()
        running = ChipCounter(wire, slot, driver)
        try:
            yield running
        finally:
            await running.close()
            await slot.remove()
            await driver.close()
            await links.close()
            await asyncio.get_running_loop().shutdown_default_executor()
