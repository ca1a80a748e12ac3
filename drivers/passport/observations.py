"""Observations of document readers.

One model for every reader. A reader that only swipes emits `document.read` and nothing before it. A reader
with more sensors emits the parts as they come, all under one `transaction`: placed, mrz, image, chip
progress, chip, checked, removed. Every reader emits `document.read`, the sum of the transaction.
"""

from typing import ClassVar

from pydantic import Field

from drivers.observation import (
    Check,
    ChipEffort,
    ChipObservation,
    DataClass,
    DataModel,
    Observation,
    OpenEnum,
    Outcome,
)
from drivers.passport.chip_result import ChipProgress, ChipResult
from drivers.passport.mrz import Mrz
from drivers.passport.seals import Barcode


class ReadTrigger(OpenEnum):
    """Trigger of a read."""

    SWIPE = "swipe"
    INSERT = "insert"
    POLL = "poll"
    MANUAL = "manual"
    UNKNOWN = "unknown"


class FrameFault(OpenEnum):
    """Fault of bytes that gave no read."""

    CHECK_BYTE = "check_byte"
    """The frame's own check byte disagrees."""
    CUT = "cut"
    """The frame stopped in the middle."""
    TOO_LONG = "too_long"
    """More bytes than any document has, without an end."""
    MALFORMED = "malformed"
    """Complete, but not laid out as a document of this reader."""
    UNKNOWN = "unknown"


class LineSource(OpenEnum):
    """Source of lines."""

    OCR = "ocr"
    """The printed zone."""
    DG1 = "dg1"
    """The chip."""
    BARCODE = "barcode"
    UNKNOWN = "unknown"


class IlluminationType(OpenEnum):
    """Light under which an image was taken (BSI TR-03135-1, section 5.5.1.2)."""

    VISIBLE = "visible"
    INFRARED = "infrared"
    """About 900 nm."""
    ULTRAVIOLET = "ultraviolet"
    """About 365 nm."""
    AXIAL = "axial"
    """Along the optical axis, for retroreflective films."""
    UNKNOWN = "unknown"


class DocumentArea(OpenEnum):
    """Part of a document that an image shows."""

    PAGE = "page"
    FACE = "face"
    MRZ = "mrz"
    UNKNOWN = "unknown"


class TransactionEnd(OpenEnum):
    """Reason why a transaction ended."""

    COMPLETE = "complete"
    """Every planned read was tried."""
    REMOVED = "removed"
    """The document was removed before that."""
    REPLACED = "replaced"
    """The next document was presented before that."""
    READER_LOST = "reader_lost"
    """The reader or its service failed before that."""
    UNKNOWN = "unknown"


class CapturedImage(DataModel):
    """One image of a transaction; its bytes came with the `document.image` event before."""

    unredacted_fields = frozenset({"light", "area", "media_type", "size_bytes"})

    light: IlluminationType = Field(description="Light under which it was taken.", examples=["infrared"])
    area: DocumentArea = Field(description="Part of the document that it shows.", examples=["page"])
    media_type: str = Field(description="Media type of the bytes.", examples=["image/jpeg"])
    size_bytes: int = Field(ge=0, alias="bytes", description="Length in bytes.", examples=[184320])
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the bytes, lower-case hexadecimal.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )


class DocumentPlaced(Observation):
    """A document was placed on the reader or inserted; its content follows."""

    event_type: ClassVar[str] = "document.placed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"trigger"}

    trigger: ReadTrigger = Field(description="Trigger of the read.", examples=["insert"])


class DocumentRemoved(Observation):
    """The document was removed."""

    event_type: ClassVar[str] = "document.removed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"end_reason"}

    end_reason: TransactionEnd = Field(
        description="`complete` when every planned read had been tried by then, else `removed`.",
        examples=["complete"],
    )


class MrzRead(Observation):
    """The machine readable zone is known; the rest of the document is still being read."""

    event_type: ClassVar[str] = "document.mrz"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"source", "checks"}

    source: LineSource = Field(description="Source of the lines.", examples=["ocr"])
    lines: tuple[str, ...] = Field(
        description="The lines as the reader sent them, its padding removed.",
        examples=[
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        ],
    )
    mrz: Mrz | None = Field(
        description="The machine readable zone; null when the lines are none, or one that cannot be read: "
        "the check `mrz.check_digits` states which, and what is wrong.",
        examples=[None],
    )
    checks: tuple[Check, ...] = Field(
        description="Checks that need the zone alone.",
        examples=[[{"id": "mrz.check_digits", "group": "optical", "outcome": "successful"}]],
    )


class ImageCaptured(Observation):
    """An image of the document was taken; its bytes are the one attachment."""

    event_type: ClassVar[str] = "document.image"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"light", "area"}

    light: IlluminationType = Field(description="Light under which it was taken.", examples=["infrared"])
    area: DocumentArea = Field(description="Part of the document that it shows.", examples=["page"])


class BarcodeRead(Observation):
    """A barcode was read, with a digital seal in it or other content."""

    event_type: ClassVar[str] = "document.barcode"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"barcode", "checks"}

    barcode: Barcode = Field(
        description="Content of the barcode.",
        examples=[{"kind": "other", "payload_encoding": "binary", "size_bytes": 5, "text": "12345"}],
    )
    checks: tuple[Check, ...] = Field(
        description="Checks of the seal.",
        examples=[[{"id": "seal.readable", "group": "seal", "outcome": "successful"}]],
    )


class ChipReadProgress(Observation):
    """Progress of the chip read."""

    event_type: ClassVar[str] = "document.chip_progress"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"progress"}

    progress: ChipProgress = Field(
        description="Progress of the read.", examples=[{"stage": "access", "access": "pace_mrz"}]
    )


class ChipRead(ChipObservation):
    """The chip was read as far as possible; the face from it is the attachment."""

    event_type: ClassVar[str] = "document.chip"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"chip"}

    chip: ChipResult = Field(
        description="Data of the chip, and every check of it.",
        examples=[{"access": "pace_mrz", "checks": []}],
    )

    def chip_effort(self) -> ChipEffort | None:
        """Return the effort of the read; None when the chip was sent nothing."""
        if not self.chip.commands:
            return None
        return ChipEffort(self.chip.attempts, self.chip.duration_ms or 0.0)


class DocumentChecked(Observation):
    """Checks by the reader or its software, as soon as they are known."""

    event_type: ClassVar[str] = "document.checked"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"checks"}

    checks: tuple[Check, ...] = Field(
        description="Each with one of five outcomes.",
        examples=[[{"id": "optical.ir_ab_mr", "group": "optical", "outcome": "successful"}]],
    )


class DocumentRead(Observation):
    """A document was read: the sum of its transaction. `mrz` is null when nothing could be decoded."""

    event_type: ClassVar[str] = "document.read"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {
        "trigger",
        "end_reason",
        "checks",
        "overall_outcome",
        "chip",
        "barcodes",
        "images",
        "previous_side_transaction",
    }

    trigger: ReadTrigger = Field(description="Trigger of the read.", examples=["swipe"])
    end_reason: TransactionEnd = Field(
        default=TransactionEnd.COMPLETE,
        description="Reason why the transaction ended.",
        examples=["complete"],
    )
    lines: tuple[str, ...] = Field(
        description="The lines as the reader sent them, its padding removed.",
        examples=[
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        ],
    )
    mrz: Mrz | None = Field(
        description="The machine readable zone; null when the lines are none, or one that cannot be read: "
        "the check `mrz.check_digits` states which, and what is wrong.",
        examples=[None],
    )
    checks: tuple[Check, ...] = Field(
        description="Every check made, each with one of five outcomes.",
        examples=[[{"id": "mrz.check_digits", "group": "optical", "outcome": "successful"}]],
    )
    overall_outcome: Outcome = Field(
        description="Sum of the checks that count. An observation, never a decision on admission.",
        examples=["successful"],
    )
    chip: ChipResult | None = Field(
        default=None, description="Data of the chip, null when none was read.", examples=[None]
    )
    barcodes: tuple[Barcode, ...] = Field(
        default=(), description="Barcodes read from the document, digital seals among them.", examples=[[]]
    )
    images: tuple[CapturedImage, ...] = Field(
        default=(), description="Images of the transaction, published before this event.", examples=[[]]
    )
    previous_side_transaction: str | None = Field(
        default=None,
        description="Transaction of the side read just before, when this is the other side of a card.",
        examples=["6f3a0a52-8d0b-4c6e-9d62-0a1f4d0e7c11"],
    )


class ReadFailed(Observation):
    """The reader sent bytes that gave no read: the officer should present the document again."""

    event_type: ClassVar[str] = "document.read_failed"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    unredacted_fields = Observation.unredacted_fields | {"fault", "size_bytes", "detail"}

    fault: FrameFault = Field(description="Fault of the bytes.", examples=["check_byte"])
    size_bytes: int = Field(ge=0, description="Number of discarded bytes.", examples=[93])
    detail: str | None = Field(
        default=None,
        description="A sentence on what is wrong with the lines of a zone, by line, length and place. Never "
        "personal data.",
        examples=["Line 2 has 43 characters instead of 44."],
    )
