"""Document readers in keyboard mode: they type the machine readable zone, as a person would.

The reader is grabbed, so that its keystrokes reach only this driver and no window. Typed text that is no
document may come from a person and may be a password: it is counted and discarded, byte for byte.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, Literal

from pydantic import Field

from drivers.driver import BadFrame, Driver, Family, Identity, Status
from drivers.links.framing import MALFORMED, CompleteFrame, DamagedFrame, Frame
from drivers.links.keyboard import KeyboardSettings
from drivers.observation import Observation
from drivers.passport.chip_reading import (
    CHIP_OBSERVATION_TYPES,
    ChipSettings,
    add_chip_reads,
    open_chip_reader,
)
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, ReadTrigger
from drivers.passport.read_result import decode_text, document_read, split_lines, zone_detail
from drivers.passport.serial_format.format_check import FormatVerdict, format_status
from drivers.passport.specimen import specimen_steps
from drivers.passport.wedge.keymap import IsoKey, KeyLayout, LayoutName
from drivers.passport.wedge.layout_check import LayoutCheck, typed_zone
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

KEYSTROKES = "keystrokes"
"""Fault of a text that a person may have typed."""
MACHINE_CHARACTERS = 20
"""Number of characters without a pause of 0.1 s that no person types; a zone's lines have 30 or more."""
MRZ_FRAGMENT = re.compile(rb"(?=.{8})[A-Z0-9\r]*<[A-Z0-9<\r]*", re.DOTALL)


class MrzWedgeSettings(KeyboardSettings):
    """Settings of one document reader in keyboard mode."""

    gap_s: float = Field(
        default=0.1,
        gt=0,
        le=5,
        description="Pause between two keys that ends a text, in seconds. Readers are faster, people slower.",
        examples=[0.1],
    )
    layout: LayoutName = Field(
        default="us",
        description="Keyboard layout of the machine that the reader was set up for.",
        examples=["azerty"],
    )
    iso_key: IsoKey = Field(
        default="<",
        description="Only us: meaning of the reader's key left of Z, which only ISO keyboards have.",
        examples=["<"],
    )
    non_mrz_text: Literal["refuse", "publish"] = Field(
        default="refuse",
        description="publish: texts without a zone are published, keystrokes included; refuse: they are not.",
        examples=["refuse"],
    )
    chip: ChipSettings | None = Field(
        default=None, description="The slot that reads the chips of these documents, where there is one."
    )


class MrzWedge(Driver[MrzWedgeSettings]):
    """A reader that types the MRZ."""

    family = Family.PASSPORT_READER
    settings_model = MrzWedgeSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (
        DocumentRead,
        ReadFailed,
        *CHIP_OBSERVATION_TYPES,
    )
    anonymizer = "drivers.anonymize.mrz_wedge:mrz_wedge"
    self_test_levels = (SelfTestLevel.INTERACTIVE,)

    async def open(self) -> Identity:
        """Grab the keyboard; its identity comes from its USB descriptors."""
        self.chips = await open_chip_reader(self.settings.chip, self.links)
        self.link = await self.links.keyboard(self.settings)
        self.layout = KeyLayout(self.settings.layout, self.settings.iso_key)
        self.framing = LayoutCheck(self.settings.gap_s, self.layout)
        return Identity(model=self.link.name or "keyboard reader", serial_number=self.link.serial_number)

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read a specimen; see `specimen`."""
        return specimen_steps(trial)

    def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Yield a read, a failed read or mere keystrokes for every text; with a chip slot, transactions."""
        return self._reads() if self.chips is None else add_chip_reads(self._reads(), self.chips)

    async def _reads(self) -> AsyncIterator[Observation | BadFrame | Status]:
        async for frame in self._frames():
            match frame:
                case FormatVerdict():
                    yield format_status(frame, self.layout.settings)
                case DamagedFrame(fault, text):
                    yield _failed_or_counted(fault, text)
                case CompleteFrame(text):
                    yield self._read(text)

    async def _frames(self) -> AsyncIterator[Frame]:
        while True:
            try:
                async with asyncio.timeout(self.settings.gap_s if self.framing.has_pending else None):
                    typed = await self.link.read()
            except TimeoutError:
                # If this process was late, the keys are queued already, and their own timestamps count.
                typed = self.link.read_pending()
            for frame in self.framing.feed(typed) if typed else self.framing.on_silence():
                yield frame

    def _read(self, text: bytes) -> Observation | BadFrame:
        """Convert one text into an observation."""
        lines, mrz = typed_zone(text)
        if mrz is None and self.settings.non_mrz_text == "publish":
            return document_read(split_lines(decode_text(text)), None, ReadTrigger.SWIPE, text)
        return (
            _failed_or_counted(MALFORMED, text)
            if mrz is None
            else document_read(lines, mrz, ReadTrigger.SWIPE, text)
        )


def _failed_or_counted(fault: str, text: bytes) -> ReadFailed | BadFrame:
    """Return a failed read if a reader typed the text; else a count without the text."""
    of_a_zone = MRZ_FRAGMENT.fullmatch(text) is not None
    if not of_a_zone and len(text) < MACHINE_CHARACTERS:
        return BadFrame(KEYSTROKES, b"")
    return ReadFailed(
        fault=FrameFault(fault),
        size_bytes=len(text),
        detail=zone_detail(text),
        wire=text if of_a_zone else b"",
    )
