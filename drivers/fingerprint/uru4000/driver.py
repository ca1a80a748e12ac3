"""The driver: wait for a finger, take its image, make it readable."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pydantic import Field

from drivers.driver import BadFrame, Identity
from drivers.fingerprint.commands import Capture
from drivers.fingerprint.observations import CaptureOutcome, Unreadable
from drivers.fingerprint.raster import Raster, Spoilt
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings
from drivers.fingerprint.self_test import answered
from drivers.fingerprint.uru4000.image import IMAGE_BYTES, Frame, parse
from drivers.fingerprint.uru4000.protocol import Dialogue
from drivers.fingerprint.uru4000.registers import IMAGE_IN, MODELS, Event, Mode, Register, versions
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import VENDOR_SPECIFIC, UsbSettings
from drivers.links.usb.transfers import TransferError
from drivers.self_test import CheckLevel, CheckStep, Trial

RESOLUTION_PPI = 512
"""Of all models, by the vendor's data sheets."""
TRIES = 3
"""How often an image is asked for: after TROUBLE, the first one may be empty."""
LIFTED_S = 0.08
"""How soon a scanner that waits for the finger's end says that none is there, in seconds."""
IMAGE_S = 1.0
"""How long an image may take, in seconds; 130 ms is usual."""


class Uru4000Settings(UsbSettings, ScannerSettings):
    """Settings of one scanner."""

    image_seed: int | None = Field(
        None,
        ge=0,
        le=0xFFFFFFFF,
        description="Only for replaying recordings: what hides the images' keys, instead of a new number "
        "for each image.",
        examples=[1374298404],
    )


class Uru4000(FingerprintScanner[Uru4000Settings]):
    """A scanner of the U.are.U 4000 family."""

    settings_model = Uru4000Settings
    usb_ids = MODELS.keys()
    scrubber = "drivers.anonymize.fingerprint:usb"

    async def open(self) -> Identity:
        """Find the scanner and wake it up; raises LinkError."""
        self.link = await self.links.usb(self.settings, VENDOR_SPECIFIC)
        said = self.link.identity
        model = MODELS.get((said.vendor_id, said.product_id))
        if model is None:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"{said.vendor_id:04x}:{said.product_id:04x} is no scanner that this driver knows.",
                Action.CONFIGURE,
                "Correct `port` or `driver`.",
            )
        self.model = model
        self.scanner = Dialogue(self.link, model)
        self._image: asyncio.Future[bytes] | None = None
        info = await self.scanner.power_up()
        return Identity(
            model=said.product or model.name,
            manufacturer=said.manufacturer,
            serial_number=said.serial_number,
            firmware=versions(info),
        )

    async def check(self, trial: Trial) -> AsyncGenerator[CheckStep]:
        """See `FingerprintScanner`; and whether its registers can be read, which disturbs nothing."""
        async with aclosing(super().check(trial)) as steps:
            async for step in steps:
                yield step
        if trial.level is CheckLevel.INTERNAL:
            began_s = time.monotonic()
            await self.scanner.read(Register.STATUS, 1)
            yield answered(1000 * (time.monotonic() - began_s))

    async def close(self) -> None:
        """Switch the lamp off, if the scanner is still there."""
        if hasattr(self, "scanner") and not self.scanner.dark:
            with contextlib.suppress(LinkError):
                await self.scanner.tell(Mode.OFF)

    async def idle(self) -> None:
        """Listen, so as to notice when it is unplugged."""
        await self.scanner.listen()

    async def ready(self, _wanted: Capture) -> None:
        """Wake it up again, once it has been off."""
        if self.scanner.mode is Mode.OFF:
            await self.scanner.power_up()

    async def finger_on(self) -> None:
        """Wait for the finger."""
        self.scanner.forget_events()
        await self.scanner.tell(Mode.AWAIT_FINGER_ON)
        await self.scanner.await_event(Event.FINGER_ON)

    async def take(self) -> Raster | Spoilt:
        """Take an image, again if it comes to nothing, and let the scanner look out for the finger's end."""
        for number in range(1, TRIES + 1):
            try:
                raw = await self._read_image()
            except TransferError as error:
                if number == TRIES:
                    raise
                self.say(BadFrame(f"no image: {error.cause}", b""))
                continue
            if raw is None:
                return Spoilt(CaptureOutcome.LIFTED_TOO_EARLY)
            match parse(raw):
                case Frame() as frame:
                    return await self._raster(frame)
                case bad:
                    self.say(bad)
        return Spoilt(CaptureOutcome.UNREADABLE, Unreadable.DEVICE)

    async def _raster(self, frame: Frame) -> Raster:
        seed = self.settings.image_seed
        numbers = frame.key_numbers if frame.encrypted else ()
        keys = await self.scanner.keys(numbers, secrets.randbits(32) if seed is None else seed)
        await self.scanner.tell(Mode.AWAIT_FINGER_OFF)
        return Raster(frame.picture(keys, turned=self.model.turned), RESOLUTION_PPI)

    async def _read_image(self) -> bytes | None:
        """Read what is sent as an image; None when the finger was lifted before it was complete."""
        await self._nothing_on_the_way()
        # The read is under way before the scanner is told to send, as in the recordings.
        image = self._image = await self.link.begin_read(IMAGE_IN, IMAGE_BYTES, timeout_s=IMAGE_S)
        await self.scanner.tell(Mode.CAPTURE)
        lifted = asyncio.ensure_future(self.scanner.await_event(Event.FINGER_OFF))
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
        """Wait for the end of a read that was given up: what it gets is nobody's."""
        if self._image is not None:
            await asyncio.wait({self._image})

    async def finger_off(self) -> None:
        """Wait for the finger's end."""
        if not self.scanner.finger:
            return
        if self.scanner.mode is not Mode.AWAIT_FINGER_OFF:
            await self.scanner.tell(Mode.AWAIT_FINGER_OFF)
        await self.scanner.await_event(Event.FINGER_OFF)

    async def lifted(self) -> bool:
        """It has been told to look out for the finger's end: it says so at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIFTED_S):
                await self.finger_off()
        return not self.scanner.finger

    async def rest(self) -> None:
        """Switch it off."""
        await self.scanner.tell(Mode.OFF)
        await self._nothing_on_the_way()
