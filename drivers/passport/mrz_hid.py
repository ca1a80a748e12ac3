"""Document readers in HID mode: Access-IS, and scanners that are USB HID POS devices.

They are neither a keyboard nor a serial port for the kernel; the driver reads their reports through hidraw.
The layout of the reports comes from the reader's report descriptor (see `hid/layouts.py`).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, Literal

from pydantic import Field

from drivers.driver import BadFrame, Driver, Family, Identity, StateCode, Status
from drivers.links.framing import OTHER_CONTENT, CompleteFrame, DamagedFrame, frames
from drivers.links.hid.link import HidSettings
from drivers.links.hid.uhid import OPEN_EVENT, parse_create, parse_input
from drivers.links.link import Action, Cause, Direction
from drivers.observation import Observation
from drivers.passport.barcodes import BarcodeSettings, load_barcode_verifier
from drivers.passport.chip_reading import (
    CHIP_OBSERVATION_TYPES,
    ChipSettings,
    add_chip_reads,
    open_chip_reader,
)
from drivers.passport.framings import AccessIsFraming
from drivers.passport.hid.framing import HidFraming, LayoutVerdict, ScannedBarcode
from drivers.passport.hid.layouts import LayoutName, choose_layout, clear_to_send_report
from drivers.passport.observations import BarcodeRead, DocumentRead, ReadFailed, ReadTrigger
from drivers.passport.read_result import (
    decode_text,
    document_read,
    not_a_document_frame,
    parse_mrz,
    read_failed,
    split_lines,
)
from drivers.passport.seals import Symbology
from drivers.passport.specimen import specimen_steps
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep


class MrzHidSettings(HidSettings):
    """Settings of one document reader in HID mode."""

    format: LayoutName | Literal["auto"] = Field(
        default="auto",
        description="Layout of the reports. auto: by the report descriptor; accessis: frames of Access-IS in "
        "reports of the maker; pos: USB HID POS.",
        examples=["auto"],
    )
    gap_s: float = Field(
        default=0.5,
        gt=0,
        le=5,
        description="Silence after which half a text is given up, in seconds.",
        examples=[0.5],
    )
    switch_on: bool = Field(
        default=True,
        description="Only accessis: send the report that lets the reader send. Without it, most are silent.",
        examples=[True],
    )
    barcodes: BarcodeSettings | None = Field(
        default=None, description="Publish barcodes, and the certificates that verify their digital seals."
    )
    chip: ChipSettings | None = Field(
        default=None, description="The slot that reads the chips of these documents, where there is one."
    )


class MrzHid(Driver[MrzHidSettings]):
    """A reader that sends the MRZ in HID reports."""

    family = Family.PASSPORT_READER
    settings_model = MrzHidSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (
        DocumentRead,
        ReadFailed,
        BarcodeRead,
        *CHIP_OBSERVATION_TYPES,
    )
    anonymizer = "drivers.anonymize.mrz_hid:mrz_hid"
    self_test_levels = (SelfTestLevel.INTERACTIVE,)

    async def open(self) -> Identity:
        """Open the reader and let it send; raises LinkError for reports that are not understood.

        `close` does not stop it again: a reader that holds a document back until the next `open` would send
        it for another traveller.
        """
        self.barcodes = await load_barcode_verifier(self.settings.barcodes)
        self.chips = await open_chip_reader(self.settings.chip, self.links)
        self.link = await self.links.hid(self.settings)
        info = self.link.info
        self.layout = choose_layout(
            self.link.descriptor, self.settings.format, info.vendor_id, self.settings.port
        )
        self.framing = HidFraming(self.layout)
        if self.layout.name == "accessis" and self.settings.switch_on:
            report = clear_to_send_report(self.link.write_descriptor)
            if report is not None:
                await self.link.write(report)
        return Identity(model=info.name or "HID reader", serial_number=info.serial_number or None)

    @staticmethod
    def describe_chunk(direction: Direction, chunk: bytes, /) -> str:
        """Describe an event: its kind and length."""
        if chunk == OPEN_EVENT:
            return "reader opened"
        if direction == "out":
            return "output report"
        if (info := parse_create(chunk)) is not None:
            return f"report descriptor, {len(info.descriptor)} bytes"
        report = parse_input(chunk)
        return "" if report is None else f"input report, {len(report)} bytes"

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read a specimen; see `specimen`."""
        return specimen_steps(trial)

    def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Yield a read, or a failed one, for every text; with a chip slot, a transaction for every read."""
        return self._reads() if self.chips is None else add_chip_reads(self._reads(), self.chips)

    async def _reads(self) -> AsyncIterator[Observation | BadFrame | Status]:
        async for frame in frames(self.link, self.framing, self.settings.gap_s):
            match frame:
                case LayoutVerdict():
                    yield self._layout_status(frame)
                case ScannedBarcode(payload, wire, symbology):
                    yield self._barcode(payload, symbology, wire)
                case DamagedFrame(fault, wire) if fault == OTHER_CONTENT and wire.startswith(
                    AccessIsFraming.BARCODE
                ):
                    # The byte before the text is the reader's undocumented code of the symbology.
                    yield self._barcode(wire[3:-2], None, wire)
                case DamagedFrame():
                    yield read_failed(frame)
                case CompleteFrame(payload, wire):
                    yield self._read(payload, wire)

    def _barcode(self, data: bytes, symbology: Symbology | None, wire: bytes) -> Observation | BadFrame:
        """Convert a barcode into an observation, where barcodes are configured."""
        if self.barcodes is None:
            return BadFrame(OTHER_CONTENT, wire)
        barcode, made = self.barcodes.verify(data, symbology)
        return BarcodeRead(barcode=barcode, checks=made, wire=wire)

    def _read(self, text: bytes, wire: bytes) -> Observation:
        """Convert the text of one document into an observation."""
        lines = split_lines(decode_text(text))
        mrz = parse_mrz(lines)
        if mrz is None and self.layout.name == "pos":
            return not_a_document_frame(wire)
        return document_read(lines, mrz, ReadTrigger.SWIPE, wire)

    def _layout_status(self, verdict: LayoutVerdict) -> Status:
        if not verdict.is_suspected:
            return Status(StateCode.ONLINE)
        return Status(
            StateCode.FAULT,
            Cause.WRONG_FORMAT,
            f'No document is read: the reports of this reader do not fit format = "{self.layout.name}".',
            Action.CONFIGURE,
            "Set the reader to HID mode (USB HID POS) with its factory settings, by its manual. If that does "
            "not help, record it for support: borderpost record.",
        )
