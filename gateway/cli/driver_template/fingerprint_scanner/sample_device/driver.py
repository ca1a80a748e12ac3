"""Sample device: a fingerprint scanner on a serial line. Source: SHEET.md.

Events and commands (`capture`, `cancel`) are those of every scanner (`drivers.fingerprint`), so workstations
know them. `FingerprintScanner` runs the capture; this driver does the steps of the device.
"""

import contextlib
import re

import numpy as np
from drivers.driver import BadFrame, Identity
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, UnreadableReason
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings, need_libraries
from drivers.links.link import LinkError
from drivers.links.serial import SerialSettings
from pydantic import Field

from sample_device.exchange import Exchange

RESOLUTION_PPI = 500
IMAGE = re.compile(rb"P([0-9]{1,4});([0-9]{1,4});([0-9A-F]*)")


class SampleDeviceSettings(SerialSettings, ScannerSettings):
    """Settings of one scanner."""

    response_timeout_s: float = Field(
        default=5.0, gt=0, le=30, description="Time limit of an answer, in seconds.", examples=[5.0]
    )


class SampleDevice(FingerprintScanner[SampleDeviceSettings]):
    """A scanner that captures on command."""

    driver_api = 1
    settings_model = SampleDeviceSettings
    anonymizer = "sample_device.anonymizer:anonymize"
    _exchange: Exchange
    _is_lit = False
    _is_touched = False

    async def open(self) -> Identity:
        """Open the port and identify the scanner; raises LinkError."""
        need_libraries(self.settings)
        link = await self.links.serial(self.settings)
        self._exchange = Exchange(link, self.settings.response_timeout_s)
        return await self._exchange.identify()

    async def close(self) -> None:
        """Switch the lamp off, if the scanner is still connected."""
        if self._is_lit:
            with contextlib.suppress(LinkError):
                await self._exchange.ask(b"X", answers=(b"A",))

    async def watch_idle(self) -> None:
        """Listen, to notice an unplugged scanner."""
        while True:
            await self._receive()

    async def prepare_capture(self, _wanted: CaptureFinger) -> None:
        """Switch the lamp on."""
        self._is_lit, self._is_touched = True, False
        await self._exchange.ask(b"S", answers=(b"A",))

    async def wait_for_finger(self) -> None:
        """Wait for `F`."""
        while not self._is_touched:
            await self._receive()

    async def wait_for_lift(self) -> None:
        """Wait for `L`."""
        while self._is_touched:
            await self._receive()

    async def capture_image(self) -> Raster | CaptureFailure:
        """Request an image."""
        answer = await self._exchange.ask(b"G", answers=(b"P", b"N"))
        if answer == b"N":
            self._is_touched = False
            return CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)
        raster = parse_image(answer)
        return raster or CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)

    async def end_capture(self) -> None:
        """Switch the lamp off."""
        await self._exchange.ask(b"X", answers=(b"A",))
        self._is_lit = False

    async def _receive(self) -> None:
        match await self._exchange.receive():
            case BadFrame() as bad:
                self.emit(bad)
            case message if message.payload in (b"F", b"L"):
                self._is_touched = message.payload == b"F"


def parse_image(payload: bytes) -> Raster | None:
    """Return the image of a `P`; None for a malformed one."""
    found = IMAGE.fullmatch(payload)
    if found is None:
        return None
    width, height, pixels = int(found[1]), int(found[2]), found[3]
    if not width or not height or len(pixels) != 2 * width * height:
        return None
    image = np.frombuffer(bytes.fromhex(pixels.decode()), np.uint8).reshape(height, width)
    return Raster(image, RESOLUTION_PPI)
