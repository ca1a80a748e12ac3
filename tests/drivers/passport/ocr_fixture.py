"""A scanner on a pty: the far end of the wire, the simulated device on it, and the real driver's output."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from support.patience import PATIENCE_S

from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.passport.ocr_scanner import OcrScanner, OcrScannerSettings
from simulators.links.serial_line import SerialLine
from simulators.passport.reader import MrzReader
from simulators.passport.scanners import Est100, Honeywell, Newland, RowReader
from simulators.passport.scanners.est100 import camera_frame
from simulators.passport.text import LineEnd, text_frame

FRAMES: dict[str, Callable[[Sequence[str]], bytes]] = {
    "honeywell": lambda lines: text_frame(lines, LineEnd.CR, b""),
    "newland": text_frame,
    "zebra": lambda lines: text_frame(lines, LineEnd.LF),
    "code": lambda lines: text_frame(lines, LineEnd.CRLF),
    "est-100pr": camera_frame,
}
DEVICES: dict[str, Callable[[SerialLine], MrzReader]] = {
    "honeywell": Honeywell,
    "newland": Newland,
    "zebra": RowReader,
    "code": RowReader,
    "est-100pr": Est100,
}
GAP_S = 0.03


class OcrScannerFixture:
    """A driver under test, with its wire and its scanner under control of the test."""

    def __init__(self, wire: SerialLine, device: MrzReader, driver: OcrScanner, identity: Identity) -> None:
        self.wire = wire
        self.device: Any = device
        self.driver = driver
        self.identity = identity
        self.output: asyncio.Queue[object] = asyncio.Queue()

    async def listen(self) -> None:
        """Collect the driver's output until its link fails."""
        async with contextlib.aclosing(self.driver.watch()) as observations:
            try:
                async for observation in observations:
                    self.output.put_nowait(observation)
            except LinkError as error:
                self.output.put_nowait(error)

    async def next(self, kind: type[Any] = object) -> Any:
        """Return the next observation of that kind; earlier ones are skipped."""
        passed_over: list[object] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    output = await self.output.get()
                    if isinstance(output, kind):
                        return output
                    assert not isinstance(output, LinkError), output.text
                    passed_over.append(output)
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} within 10 s, but {passed_over}") from None

    async def show(self, lines: Sequence[str]) -> None:
        """Send the bytes of a document, whatever the setup of the scanner."""
        await self.wire.send(FRAMES[self.driver.settings.model](lines))


def settings_of(model: str, port: Path, **more: Any) -> OcrScannerSettings:
    """Build settings for tests: short silences, and a repeated document is published again.

    A pty carries no parity bit, and glibc refuses to set one on a pty whose other settings are already as
    requested.
    """
    usual = {"gap_s": GAP_S, "same_document_s": 0, "response_timeout_s": 2, "parity": "N"}
    return OcrScannerSettings.model_validate({"model": model, "port": str(port)} | usual | more)


@contextlib.asynccontextmanager
async def plugged(port: Path, model: str) -> AsyncIterator[tuple[SerialLine, Any]]:
    """Open a line with a scanner on it."""
    async with SerialLine.open_at(port, look_s=0.002) as wire:
        yield wire, DEVICES[model](wire)


@contextlib.asynccontextmanager
async def listening(
    wire: SerialLine, device: MrzReader, settings: OcrScannerSettings
) -> AsyncIterator[OcrScannerFixture]:
    """Open a driver that watches the scanner on that line."""
    links = LinkFactory()
    driver = OcrScanner(settings, links)
    try:
        identity = await driver.open()
        await wire.wait_for_host()
        scanner = OcrScannerFixture(wire, device, driver, identity)
        task = asyncio.create_task(scanner.listen())
        try:
            yield scanner
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await driver.close()
        await links.close()


@contextlib.asynccontextmanager
async def ocr_fixture(port: Path, model: str, **more: Any) -> AsyncIterator[OcrScannerFixture]:
    """Open a line with a scanner on it and a driver that watches it."""
    async with (
        plugged(port, model) as (wire, device),
        listening(wire, device, settings_of(model, port, **more)) as scanner,
    ):
        yield scanner
