"""Swipe and OCR readers that send the machine readable zone over a serial line.

One driver for the family: what differs is the framing (see framings.py), and Elyctis readers, which are
spoken to. The others say what they read and take no commands.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, Literal

from pydantic import Field

from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.framing import Damaged, Frame, Framing, Whole, frames
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from drivers.passport import elyctis
from drivers.passport.barcodes import BarcodeSettings, barcode_judge
from drivers.passport.chip_reading import CHIP_SAYS, ChipSettings, chip_reader, with_chips
from drivers.passport.framings import AccessIs, Bcc, Elyctis, Rte, Text
from drivers.passport.lines import split_lines, text_of
from drivers.passport.observations import BarcodeRead, DocumentRead, ReadFailed, Trigger
from drivers.passport.read_result import given_up, not_a_document, read_of, zone_of
from drivers.passport.specimen import specimen_read
from drivers.self_test import CheckLevel, CheckStep, Trial


class MrzSerialSettings(SerialSettings):
    """Settings of one serial document reader."""

    framing: Literal["text", "accessis", "elyctis", "rte"] = Field(
        description="How the reader frames its lines.", examples=["accessis"]
    )
    bcc: Bcc = Field(
        "ignore",
        description="Only rte: is there a check byte, and is it checked?",
        examples=["xor"],
    )
    gap_s: float = Field(
        0.5,
        gt=0,
        le=5,
        description="Silence after which a half frame is given up, in seconds.",
        examples=[0.5],
    )
    presence_poll_s: float = Field(
        0.3,
        gt=0,
        le=5,
        description="Only elyctis: how often to ask whether a document is still there, in seconds.",
        examples=[0.3],
    )
    other_text: Literal["refuse", "publish"] = Field(
        "refuse",
        description="Only text: are lines that are no machine readable zone published as they are?",
        examples=["refuse"],
    )
    barcodes: BarcodeSettings | None = Field(
        None, description="Only accessis: publish barcodes, and what their digital seals are judged by."
    )
    chip: ChipSettings | None = Field(
        None, description="The slot that reads the chips of these documents, where there is one."
    )


class MrzSerial(Driver[MrzSerialSettings]):
    """A reader that sends the MRZ over a serial line."""

    family = Family.PASSPORT_READER
    settings_model = MrzSerialSettings
    says: ClassVar[tuple[type[Observation], ...]] = (DocumentRead, ReadFailed, BarcodeRead, *CHIP_SAYS)
    scrubber = "drivers.anonymize.mrz_serial:mrz_serial"
    checks = (CheckLevel.INTERACTIVE,)

    async def open(self) -> Identity:
        """Open the port; Elyctis readers also say who they are and are set to read by themselves."""
        self.barcodes = await barcode_judge(self.settings.barcodes)
        self.chips = await chip_reader(self.settings.chip, self.links)
        self.link = await self.links.serial(self.settings)
        self.framing = self._framing()
        if self.settings.framing == "elyctis":
            return await elyctis.wake(self.link, self.framing, self.settings.gap_s)
        usb = self.link.usb
        return Identity(
            model=(usb and usb.product) or f"{self.settings.framing} reader",
            manufacturer=usb and usb.manufacturer,
            serial_number=usb and usb.serial_number,
        )

    def _framing(self) -> Framing:
        match self.settings.framing:
            case "text":
                return Text()
            case "accessis":
                return AccessIs()
            case "elyctis":
                return Elyctis()
            case "rte":
                return Rte(self.settings.bcc)

    def check(self, trial: Trial) -> AsyncGenerator[CheckStep]:
        """A specimen is read; see `specimen`."""
        return specimen_read(trial)

    def watch(self) -> AsyncIterator[Observation | BadFrame]:
        """Yield a read, or a failed one, for every frame; with a chip slot, a transaction for every read."""
        return self._reads() if self.chips is None else with_chips(self._reads(), self.chips)

    async def _reads(self) -> AsyncIterator[Observation | BadFrame]:
        async for frame in self._frames():
            match frame:
                case Damaged(_, wire) if self.barcodes is not None and wire.startswith(AccessIs.BARCODE):
                    # Before the text stands the reader's byte for the symbology, which nothing documents.
                    barcode, made = self.barcodes.judge(wire[3:-2], None)
                    yield BarcodeRead(barcode=barcode, checks=made, wire=wire)
                case Damaged():
                    yield given_up(frame)
                case Whole(payload, wire):
                    yield self._read(payload, wire)

    def _frames(self) -> AsyncIterator[Frame]:
        if self.settings.framing == "elyctis":
            return elyctis.documents(
                self.link, self.framing, self.settings.gap_s, self.settings.presence_poll_s
            )
        return frames(self.link, self.framing, self.settings.gap_s)

    def _read(self, text: bytes, wire: bytes) -> Observation:
        """What the text of one frame says."""
        lines = split_lines(text_of(text))
        mrz = zone_of(lines)
        if mrz is None and self.settings.framing == "text" and self.settings.other_text == "refuse":
            return not_a_document(wire)
        trigger = Trigger.INSERT if self.settings.framing == "elyctis" else Trigger.SWIPE
        return read_of(lines, mrz, trigger, wire)
