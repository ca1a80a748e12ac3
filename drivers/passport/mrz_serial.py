"""Swipe and OCR readers that send the machine readable zone over a serial line.

One driver for the family; the models differ in their framing (see framings.py). Only Elyctis readers take
commands, all others only send.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, Literal

from pydantic import Field

from drivers.driver import BadFrame, Driver, Family, Identity, Status
from drivers.links.framing import CompleteFrame, DamagedFrame, Frame, Framing, frames
from drivers.links.serial import SerialSettings
from drivers.observation import Observation
from drivers.passport.barcodes import BarcodeSettings, load_barcode_verifier
from drivers.passport.chip_reading import (
    CHIP_OBSERVATION_TYPES,
    ChipSettings,
    add_chip_reads,
    open_chip_reader,
)
from drivers.passport.framings import AccessIsFraming, Bcc, ElyctisFraming, PlainTextFraming, RteFraming
from drivers.passport.observations import BarcodeRead, DocumentRead, ReadFailed, ReadTrigger
from drivers.passport.read_result import (
    decode_text,
    document_read,
    not_a_document_frame,
    parse_mrz,
    read_failed,
    split_lines,
)
from drivers.passport.serial_format import elyctis
from drivers.passport.serial_format.format_check import FormatCheck, FormatVerdict, format_status
from drivers.passport.specimen import specimen_steps
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep


class MrzSerialSettings(SerialSettings):
    """Settings of one serial document reader."""

    framing: Literal["text", "accessis", "elyctis", "rte"] = Field(
        description="Framing of the reader's lines.", examples=["accessis"]
    )
    bcc: Bcc = Field(
        default="ignore",
        description="Only rte: is there a check byte, and is it checked?",
        examples=["xor"],
    )
    gap_s: float = Field(
        default=0.5,
        gt=0,
        le=5,
        description="Silence after which a half frame is given up, in seconds.",
        examples=[0.5],
    )
    presence_poll_s: float = Field(
        default=0.3,
        gt=0,
        le=5,
        description="Only elyctis: interval of the requests whether a document is still inserted, "
        "in seconds.",
        examples=[0.3],
    )
    non_mrz_text: Literal["refuse", "publish"] = Field(
        default="refuse",
        description="Only text: are lines that are no machine readable zone published as they are?",
        examples=["refuse"],
    )
    barcodes: BarcodeSettings | None = Field(
        default=None,
        description="Only accessis: publish barcodes, and the certificates that verify their digital seals.",
    )
    chip: ChipSettings | None = Field(
        default=None, description="The slot that reads the chips of these documents, where there is one."
    )


class MrzSerial(Driver[MrzSerialSettings]):
    """A reader that sends the MRZ over a serial line."""

    family = Family.PASSPORT_READER
    settings_model = MrzSerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (
        DocumentRead,
        ReadFailed,
        BarcodeRead,
        *CHIP_OBSERVATION_TYPES,
    )
    anonymizer = "drivers.anonymize.mrz_serial:mrz_serial"
    self_test_levels = (SelfTestLevel.INTERACTIVE,)

    async def open(self) -> Identity:
        """Open the port; an Elyctis reader is asked for its identity and set to read continuously."""
        self.barcodes = await load_barcode_verifier(self.settings.barcodes)
        self.chips = await open_chip_reader(self.settings.chip, self.links)
        self.link = await self.links.serial(self.settings)
        self.framing = FormatCheck(
            self._framing(), self.settings.framing, has_bcc=self.settings.bcc != "none"
        )
        if self.settings.framing == "elyctis":
            return await elyctis.initialise(self.link, self.framing, self.settings.gap_s)
        usb = self.link.usb
        return Identity(
            model=(usb and usb.product) or f"{self.settings.framing} reader",
            manufacturer=usb and usb.manufacturer,
            serial_number=usb and usb.serial_number,
        )

    def _framing(self) -> Framing:
        match self.settings.framing:
            case "text":
                return PlainTextFraming()
            case "accessis":
                return AccessIsFraming()
            case "elyctis":
                return ElyctisFraming()
            case "rte":
                return RteFraming(self.settings.bcc)

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read a specimen; see `specimen`."""
        return specimen_steps(trial)

    def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Yield a read, or a failed one, for every frame; with a chip slot, a transaction for every read."""
        return self._reads() if self.chips is None else add_chip_reads(self._reads(), self.chips)

    async def _reads(self) -> AsyncIterator[Observation | BadFrame | Status]:
        async for frame in self._frames():
            match frame:
                case FormatVerdict():
                    yield format_status(frame, f'framing = "{self.settings.framing}"')
                case DamagedFrame(_, wire) if self.barcodes is not None and wire.startswith(
                    AccessIsFraming.BARCODE
                ):
                    # The byte before the text is the reader's undocumented code of the symbology.
                    barcode, made = self.barcodes.verify(wire[3:-2], None)
                    yield BarcodeRead(barcode=barcode, checks=made, wire=wire)
                case DamagedFrame():
                    yield read_failed(frame)
                case CompleteFrame(payload, wire):
                    yield self._read(payload, wire)

    def _frames(self) -> AsyncIterator[Frame]:
        if self.settings.framing == "elyctis":
            return elyctis.read_documents(
                self.link, self.framing, self.settings.gap_s, self.settings.presence_poll_s
            )
        return frames(self.link, self.framing, self.settings.gap_s)

    def _read(self, text: bytes, wire: bytes) -> Observation:
        """Convert the text of one frame into an observation."""
        lines = split_lines(decode_text(text))
        mrz = parse_mrz(lines)
        if mrz is None and self.settings.framing == "text" and self.settings.non_mrz_text == "refuse":
            return not_a_document_frame(wire)
        trigger = ReadTrigger.INSERT if self.settings.framing == "elyctis" else ReadTrigger.SWIPE
        return document_read(lines, mrz, trigger, wire)
