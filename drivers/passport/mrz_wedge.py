"""Document readers in keyboard mode: they type the machine readable zone, as a person would.

The reader is grabbed, so that what it types reaches this driver and no window. What is typed and is no
document is somebody's keystrokes, maybe a password: counted and forgotten, byte for byte.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, Literal

from pydantic import Field

from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.framing import MALFORMED, Damaged, Frame, Whole
from drivers.links.keyboard import KeyboardSettings
from drivers.observation import Observation
from drivers.passport.chip_reading import CHIP_SAYS, ChipSettings, chip_reader, with_chips
from drivers.passport.lines import split_lines, text_of
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, Trigger
from drivers.passport.read_result import read_of, zone_of
from drivers.passport.specimen import specimen_read
from drivers.passport.wedge.framing import Wedge
from drivers.passport.wedge.keymap import IsoKey
from drivers.self_test import CheckLevel, CheckStep, Trial

KEYSTROKES = "keystrokes"
"""The fault of a text that a person may have typed."""
MACHINE_CHARACTERS = 20
"""So many without a pause of a tenth of a second are typed by no person; a zone's lines have 30 or more."""
SHIFTED_DIGITS = frozenset("!@#$%^&*()")
"""What digits become while Shift seems held: its release was lost, which says nothing of the document."""
PART_OF_A_ZONE = re.compile(rb"(?=.{8})[A-Z0-9\r]*<[A-Z0-9<\r]*", re.DOTALL)


class MrzWedgeSettings(KeyboardSettings):
    """Settings of one document reader in keyboard mode."""

    gap_s: float = Field(
        0.1,
        gt=0,
        le=5,
        description="Pause between two keys that ends a text, in seconds. Readers are faster, people slower.",
        examples=[0.1],
    )
    iso_key: IsoKey = Field(
        "<",
        description="What the reader means by the key left of Z that only ISO keyboards have.",
        examples=["<"],
    )
    other_text: Literal["refuse", "publish"] = Field(
        "refuse",
        description="Are texts that are no machine readable zone published, people's keystrokes among them?",
        examples=["refuse"],
    )
    chip: ChipSettings | None = Field(
        None, description="The slot that reads the chips of these documents, where there is one."
    )


class MrzWedge(Driver[MrzWedgeSettings]):
    """A reader that types the MRZ."""

    family = Family.PASSPORT_READER
    settings_model = MrzWedgeSettings
    says: ClassVar[tuple[type[Observation], ...]] = (DocumentRead, ReadFailed, *CHIP_SAYS)
    scrubber = "drivers.anonymize.mrz_wedge:mrz_wedge"
    checks = (CheckLevel.INTERACTIVE,)

    async def open(self) -> Identity:
        """Grab the keyboard; who it is comes from its descriptors."""
        self.chips = await chip_reader(self.settings.chip, self.links)
        self.link = await self.links.keyboard(self.settings)
        self.typing = Wedge(self.settings.gap_s, self.settings.iso_key)
        return Identity(model=self.link.name or "keyboard reader", serial_number=self.link.serial_number)

    def check(self, trial: Trial) -> AsyncGenerator[CheckStep]:
        """A specimen is read; see `specimen`."""
        return specimen_read(trial)

    def watch(self) -> AsyncIterator[Observation | BadFrame]:
        """Yield a read, a failed one or mere keystrokes for every text; with a chip slot, transactions."""
        return self._reads() if self.chips is None else with_chips(self._reads(), self.chips)

    async def _reads(self) -> AsyncIterator[Observation | BadFrame]:
        async for frame in self._frames():
            match frame:
                case Damaged(fault, text):
                    yield _given_up(fault, text)
                case Whole(text):
                    yield self._read(text)

    async def _frames(self) -> AsyncIterator[Frame]:
        while True:
            try:
                async with asyncio.timeout(self.settings.gap_s if self.typing.pending else None):
                    typed = await self.link.read()
            except TimeoutError:
                # If it is this process that was late, the keys are there, and their own time counts.
                typed = self.link.waiting()
            for frame in self.typing.feed(typed) if typed else self.typing.silence():
                yield frame

    def _read(self, text: bytes) -> Observation | BadFrame:
        """What one text says."""
        # Zones have capitals only; small letters are a Caps Lock that reader and host see differently.
        lines = split_lines(text_of(text.upper()))
        mrz = None if SHIFTED_DIGITS & set("".join(lines)) else zone_of(lines)
        if mrz is None and self.settings.other_text == "publish":
            return read_of(split_lines(text_of(text)), None, Trigger.SWIPE, text)
        return _given_up(MALFORMED, text) if mrz is None else read_of(lines, mrz, Trigger.SWIPE, text)


def _given_up(fault: str, text: bytes) -> ReadFailed | BadFrame:
    """A document to present again if a reader typed it; else nobody may learn what was typed."""
    of_a_zone = PART_OF_A_ZONE.fullmatch(text) is not None
    if not of_a_zone and len(text) < MACHINE_CHARACTERS:
        return BadFrame(KEYSTROKES, b"")
    return ReadFailed(fault=FrameFault(fault), size_bytes=len(text), wire=text if of_a_zone else b"")
