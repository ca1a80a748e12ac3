"""A serial document reader on a pty: the far end of its line, and the events of the real driver."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from support.patience import PATIENCE_S

from drivers.passport.mrz_serial import MrzSerial
from drivers.passport.ocr_scanner import OcrScanner
from gateway.testing.open_driver import OpenDriver, open_driver
from simulators.links.serial_line import SerialLine
from simulators.passport import accessis, elyctis, rte, text

FRAMES: dict[str, Callable[[Sequence[str]], bytes]] = {
    "accessis": accessis.ocr_frame,
    "elyctis": elyctis.inquire_answer,
    "rte": rte.rte_frame,
    "text": text.text_frame,
}


REARM = b"C\x00\x01\x00C\x00\x01\x01"
"""Command that makes an Elyctis reader continue."""


class SerialReaderFixture:
    """A driver under test, and the far end of its line."""

    def __init__(
        self, wire: SerialLine, opened: OpenDriver[MrzSerial], device: elyctis.Elyctis | None
    ) -> None:
        self.device = device
        self.wire = wire
        self.driver = opened.driver
        self.said = opened.said
        self.next = opened.next

    async def wait_idle(self) -> None:
        """Wait until the driver has read everything, and a silence has ended what looked like a frame."""
        await wait_idle(self.wire, self.driver)


async def wait_idle(wire: SerialLine, driver: MrzSerial | OcrScanner) -> None:
    """Wait until a driver has read everything, and a silence has ended what looked like a frame.

    A wait by the clock proves nothing: test and driver share an event loop, and after a stall of the machine
    the time of both is over at once.
    """
    seen = 0
    while seen < 2:  # a chunk that is read and not yet taken is in neither place
        assert await wire.wait_drained(within_s=PATIENCE_S)
        seen = 0 if driver.framing.has_pending else seen + 1


@contextlib.asynccontextmanager
async def reader_on(port: Path, **settings: Any) -> AsyncIterator[SerialReaderFixture]:
    """Return an opened driver and its line."""
    async with SerialLine.open_at(port, look_s=0.002) as wire:
        # It answers the requests at open; the other kinds read nothing.
        device = elyctis.Elyctis(wire) if settings["framing"] == "elyctis" else None

        async def ready() -> None:
            await wire.wait_for_host()
            if device is not None:
                await wire.wait_for_bytes(REARM)
                wire.discard_received()

        async with open_driver(MrzSerial, {"port": str(port), **settings}, ready) as opened:
            yield SerialReaderFixture(wire, opened, device)
