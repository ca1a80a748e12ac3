"""Driver of the U.are.U 4000 family: wait for a finger, read its image, decrypt it."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pydantic import Field

from drivers.driver import BadFrame, Identity
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, UnreadableReason
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings, need_libraries
from drivers.fingerprint.self_test import response_step
from drivers.fingerprint.uru4000.image import IMAGE_BYTES, RawImage, parse
from drivers.fingerprint.uru4000.protocol import Uru4000Protocol
from drivers.fingerprint.uru4000.registers import (
    IMAGE_IN,
    MODELS,
    Register,
    ScannerEvent,
    ScannerMode,
    versions,
)
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import VENDOR_SPECIFIC, UsbSettings
from drivers.links.usb.transfers import TransferError
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

RESOLUTION_PPI = 512
"""Resolution of all models, by the vendor's data sheets."""
TRIES = 3
"""Number of attempts to read an image: after FAULT, the first one may be empty."""
LIFTED_S = 0.08
"""Time within which a scanner in AWAIT_FINGER_OFF reports that no finger is there, in seconds."""
IMAGE_S = 1.0
"""Upper bound on the time of an image, in seconds; 130 ms is usual."""


class Uru4000Settings(UsbSettings, ScannerSettings):
    """Settings of one scanner."""

    image_seed: int | None = Field(
        default=None,
        ge=0,
        le=0xFFFFFFFF,
        description="For replaying recordings only: seed of the keys of images, instead of a new number "
        "for each image.",
        examples=[1374298404],
    )


class Uru4000(FingerprintScanner[Uru4000Settings]):
    """A scanner of the U.are.U 4000 family."""

    settings_model = Uru4000Settings
    usb_ids = MODELS.keys()
    anonymizer = "drivers.anonymize.fingerprint:usb"

    async def open(self) -> Identity:
        """Find the scanner and wake it up; raises LinkError."""
        need_libraries(self.settings)
        self.link = await self.links.usb(self.settings, VENDOR_SPECIFIC)
        device = self.link.identity
        model = MODELS.get((device.vendor_id, device.product_id))
        if model is None:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"This driver does not support the device {device.vendor_id:04x}:{device.product_id:04x}.",
                Action.CONFIGURE,
                "Correct `port` or `driver`.",
            )
        self.model = model
        self.protocol = Uru4000Protocol(self.link, model)
        self._image: asyncio.Future[bytes] | None = None
        info = await self.protocol.power_up()
        return Identity(
            model=device.product or model.name,
            manufacturer=device.manufacturer,
            serial_number=device.serial_number,
            firmware=versions(info),
        )

    async def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Run the steps of `FingerprintScanner`, and read the registers, which disturbs nothing."""
        async with aclosing(super().self_test(trial)) as steps:
            async for step in steps:
                yield step
        if trial.level is SelfTestLevel.INTERNAL:
            began_s = time.monotonic()
            await self.protocol.read(Register.STATUS, 1)
            yield response_step(1000 * (time.monotonic() - began_s))

    async def close(self) -> None:
        """Switch the lamp off, if the scanner is still connected."""
        if hasattr(self, "protocol") and not self.protocol.is_dark:
            with contextlib.suppress(LinkError):
                await self.protocol.set_mode(ScannerMode.OFF)

    async def watch_idle(self) -> None:
        """Listen to interrupts, to detect an unplugged scanner."""
        await self.protocol.listen()

    async def prepare_capture(self, _wanted: CaptureFinger) -> None:
        """Wake the scanner up again, if it is off."""
        if self.protocol.mode is ScannerMode.OFF:
            await self.protocol.power_up()

    async def wait_for_finger(self) -> None:
        """Wait for the finger."""
        self.protocol.forget_events()
        await self.protocol.set_mode(ScannerMode.AWAIT_FINGER_ON)
        await self.protocol.wait_for_event(ScannerEvent.FINGER_ON)

    async def capture_image(self) -> Raster | CaptureFailure:
        """Read an image, again if it is unusable, and switch the scanner to wait for the lift."""
        for number in range(1, TRIES + 1):
            try:
                raw = await self._read_image()
            except TransferError as error:
                if number == TRIES:
                    raise
                self.emit(BadFrame(f"no image: {error.cause}", b""))
                continue
            if raw is None:
                return CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)
            match parse(raw):
                case RawImage() as frame:
                    return await self._raster(frame)
                case bad:
                    self.emit(bad)
        return CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)

    async def _raster(self, frame: RawImage) -> Raster:
        seed = self.settings.image_seed
        numbers = frame.key_numbers if frame.is_encrypted else ()
        keys = await self.protocol.read_keys(numbers, secrets.randbits(32) if seed is None else seed)
        await self.protocol.set_mode(ScannerMode.AWAIT_FINGER_OFF)
        return Raster(frame.decode_pixels(keys, turned=self.model.is_rotated), RESOLUTION_PPI)

    async def _read_image(self) -> bytes | None:
        """Read an image; return None if the finger was lifted before it was complete."""
        await self._nothing_on_the_way()
        # The read is started before the scanner is told to send, as in the recordings.
        image = self._image = await self.link.start_read(IMAGE_IN, IMAGE_BYTES, timeout_s=IMAGE_S)
        await self.protocol.set_mode(ScannerMode.CAPTURE)
        lifted = asyncio.ensure_future(self.protocol.wait_for_event(ScannerEvent.FINGER_OFF))
        ends: set[asyncio.Future[Any]] = {image, lifted}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not image.done():
                await lifted
                return None
        finally:
            lifted.cancel()
            await asyncio.gather(lifted, return_exceptions=True)
        return await image

    async def _nothing_on_the_way(self) -> None:
        """Wait for the end of an abandoned read, and discard its bytes."""
        if self._image is not None:
            await asyncio.wait({self._image})

    async def wait_for_lift(self) -> None:
        """Wait for the lift."""
        if not self.protocol.finger:
            return
        if self.protocol.mode is not ScannerMode.AWAIT_FINGER_OFF:
            await self.protocol.set_mode(ScannerMode.AWAIT_FINGER_OFF)
        await self.protocol.wait_for_event(ScannerEvent.FINGER_OFF)

    async def is_finger_lifted(self) -> bool:
        """Return True if the finger is lifted: a scanner that waits for the lift reports it at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIFTED_S):
                await self.wait_for_lift()
        return not self.protocol.finger

    async def end_capture(self) -> None:
        """Switch the scanner off."""
        await self.protocol.set_mode(ScannerMode.OFF)
        await self._nothing_on_the_way()
