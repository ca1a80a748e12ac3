"""NEXT Biometrics NB-1010-U: a thermal scanner of 256 by 180 pixels that is polled.

Source: libfprint 1.94.9 (`nb1010.c`), checked against the recording of a scanner, whose image is decoded
pixel for pixel. Every command begins with 80, its number, a sequence number that the response repeats, and
from byte 4 its length, as u32, little-endian. The vendor documents none of it.
"""

import asyncio

import numpy as np

from drivers.driver import BadFrame, Identity
from drivers.fingerprint.observations import CaptureOutcome, UnreadableReason
from drivers.fingerprint.raster import CaptureFailure, Pixels, Raster
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings, need_libraries
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import UsbSettings
from drivers.links.usb.transfers import TransferError, TransferStalled, TransferTimedOut

IDS = (0x298D, 0x1010)
COMMAND_OUT, ANSWER_IN = 0x02, 0x83
FINGER = bytes.fromhex("80380100 08000000")
PREPARE = bytes.fromhex("800d0300 0c000000 00040000")
CAPTURE = bytes.fromhex("80120400 20000000 02000000") + bytes(16) + bytes.fromhex("20000000")
ANSWER_BYTES = 16
COVERED_AT, FINGER_THRESHOLD = 12, 0x30
"""Byte of the response to FINGER with the covered area, and its value from which a finger is there."""

WIDTH_PX, HEIGHT_PX = 256, 180
ROWS_A_PACKET = 2
PACKET_BYTES, ROWS_AT = 540, 25
RESOLUTION_PPI = 385
"""Resolution, by the vendor's data sheet."""

POLL_S = 0.1
"""Interval between two requests for the presence of a finger, in seconds."""
ANSWER_S = 0.5
PACKET_S = 0.2
"""Upper bound on the time of a part of an image, in seconds; parts come within a few milliseconds."""
QUIET_S = 0.05
TRIES = 2


class Nb1010Settings(UsbSettings, ScannerSettings):
    """Settings of one scanner."""


class Nb1010(FingerprintScanner[Nb1010Settings]):
    """NEXT Biometrics NB-1010-U."""

    settings_model = Nb1010Settings
    usb_ids = (IDS,)
    anonymizer = "drivers.anonymize.fingerprint:usb"

    async def open(self) -> Identity:
        """Find the scanner and send it a request; raises LinkError."""
        need_libraries(self.settings)
        self.link = await self.links.usb(self.settings)
        device = self.link.identity
        if (device.vendor_id, device.product_id) != IDS:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"{device.vendor_id:04x}:{device.product_id:04x} is not an NB-1010-U.",
                Action.CONFIGURE,
                "Correct `port` or `driver`.",
            )
        await self._covered()
        return Identity(
            model=device.product or "NB-1010-U",
            manufacturer=device.manufacturer,
            serial_number=device.serial_number,
        )

    async def watch_idle(self) -> None:
        """Wait until it is unplugged, without requests."""
        await self.link.wait_until_unplugged()

    async def wait_for_finger(self) -> None:
        """Poll until a finger is there."""
        await self._until(covered=True)

    async def wait_for_lift(self) -> None:
        """Poll until no finger is there."""
        await self._until(covered=False)

    async def is_finger_lifted(self) -> bool:
        """Request the presence of a finger once."""
        return not await self._covered()

    async def capture_image(self) -> Raster | CaptureFailure:
        """Capture an image, once more if a part of it is missing while the finger is still there."""
        if await self.is_finger_lifted():  # an image takes 0.2 s, whatever is on the platen
            return CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)
        for _ in range(TRIES):
            pixels = await self._image()
            if pixels is not None:
                return Raster(pixels, RESOLUTION_PPI)
            await self._until_quiet()
            if await self.is_finger_lifted():
                return CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)
        return CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)

    async def end_capture(self) -> None:
        """Read pending responses: there is nothing else to end."""
        if self._midway:
            await self._until_quiet()

    async def _until(self, *, covered: bool) -> None:
        while True:
            if await self._covered() is covered:
                return
            await asyncio.sleep(POLL_S)

    async def _covered(self) -> bool:
        return (await self._ask(FINGER))[COVERED_AT] > FINGER_THRESHOLD

    async def _ask(self, command: bytes) -> bytes:
        """Send a request and return its response, once more if it is refused; raises LinkError."""
        try:
            return await self._asked(command)
        except TransferStalled:
            await self._until_quiet()
            return await self._asked(command)

    async def _asked(self, command: bytes) -> bytes:
        self._midway = True
        await self.link.write(COMMAND_OUT, command, timeout_s=ANSWER_S)
        answer = await self.link.read(ANSWER_IN, ANSWER_BYTES, timeout_s=ANSWER_S)
        if len(answer) != ANSWER_BYTES:
            self.emit(BadFrame("response cut short", answer))
            raise LinkError(
                Cause.NO_RESPONSE,
                "The scanner responds only in part.",
                Action.REPLUG,
                "Unplug the scanner, wait five seconds, plug it in again.",
            )
        self._midway = False
        return answer

    async def _image(self) -> Pixels | None:
        """Return the image, from its parts; None if one is missing."""
        await self._ask(PREPARE)
        await self._ask(CAPTURE)
        self._midway = True
        rows = bytearray()
        while len(rows) < WIDTH_PX * HEIGHT_PX:
            try:
                packet = await self.link.read(ANSWER_IN, PACKET_BYTES, timeout_s=PACKET_S)
            except TransferError as error:
                self.emit(BadFrame(f"no part of the image: {error.cause}", b""))
                return None
            if len(packet) != PACKET_BYTES:
                self.emit(BadFrame("part of the image cut short", packet[:ROWS_AT]))
                return None
            rows += packet[ROWS_AT : ROWS_AT + ROWS_A_PACKET * WIDTH_PX]
        self._midway = False
        return np.frombuffer(rows, np.uint8).reshape(HEIGHT_PX, WIDTH_PX)

    async def _until_quiet(self) -> None:
        """Read pending bytes: they would be taken for the next response."""
        try:
            while True:
                await self.link.read(ANSWER_IN, PACKET_BYTES, timeout_s=QUIET_S)
        except TransferTimedOut:
            self._midway = False
