"""Transaction of one document from placed to removed: its observations, in order, under one id.

Used by every reader that reports a document in pieces. No I/O and no clock: the driver calls a method for
each event and yields the observation that it returns.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from drivers.observation import Attachment, Check, CheckGroup, Outcome, Weight
from drivers.passport.chip_result import ChipProgress, ChipResult
from drivers.passport.mrz import Mrz, MrzFormat
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.parser import parse
from drivers.passport.observations import (
    BarcodeRead,
    CapturedImage,
    ChipRead,
    ChipReadProgress,
    DocumentArea,
    DocumentChecked,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    IlluminationType,
    ImageCaptured,
    LineSource,
    MrzRead,
    ReadTrigger,
    TransactionEnd,
)
from drivers.passport.read_result import overall_outcome
from drivers.passport.seals import Barcode

ChipExpectation = Literal["always", "passports", "never"]
"""Documents that should have a chip, as configured by the operator."""

BOTH_SIDES = Check(
    id="combined.both_sides",
    group=CheckGroup.COMBINED,
    outcome=Outcome.UNDETERMINED,
    weight=Weight.OPTIONAL,
    reason="nothing_in_common",
    text="The two sides were read one after the other and have no data in common to compare.",
)


@dataclass(frozen=True, slots=True)
class CardSide:
    """Link from one side of a card to the next one: the zone of a TD1 is on the back."""

    transaction: str
    mrz: Mrz | None

    def is_other_of(self, mrz: Mrz | None) -> bool:
        """Return true when a side with this zone may be the other side.

        Just one side of a card has a zone.
        """
        one, other = self.mrz, mrz
        return (one is None) is not (other is None) and (one or other).format is MrzFormat.TD1  # type: ignore[union-attr]


class DocumentTransaction:
    """Observations of one document. `before` is the side read just before, if there was one."""

    def __init__(self, trigger: ReadTrigger, today: date, before: CardSide | None = None) -> None:
        self.id = str(uuid.uuid4())
        self.mrz: Mrz | None = None
        self._trigger = trigger
        self._today = today
        self._before = before
        self._lines: tuple[str, ...] = ()
        self._images: list[CapturedImage] = []
        self._barcodes: list[Barcode] = []
        self._chip: ChipResult | None = None
        self._checks: dict[str, Check] = {}

    def on_placed(self) -> DocumentPlaced:
        """Report a document on the reader."""
        return DocumentPlaced(trigger=self._trigger, transaction=self.id)

    def on_mrz(self, lines: Sequence[str], source: LineSource = LineSource.OCR, wire: bytes = b"") -> MrzRead:
        """Report lines with the checks of their zone."""
        self._lines = tuple(lines)
        self.mrz = parse(self._lines, self._today)
        made = mrz_checks(self.mrz, self._lines, self._today)
        self._note(made)
        return MrzRead(
            source=source, lines=self._lines, mrz=self.mrz, checks=made, wire=wire, transaction=self.id
        )

    def on_image(
        self, light: IlluminationType, area: DocumentArea, media_type: str, content: bytes
    ) -> ImageCaptured:
        """Report an image."""
        image = Attachment.from_bytes(f"{area}_{light}", media_type, content)
        self._images.append(
            CapturedImage(
                light=light,
                area=area,
                media_type=media_type,
                size_bytes=image.size_bytes,
                sha256=image.sha256,
            )
        )
        return ImageCaptured(light=light, area=area, attachments=(image,), transaction=self.id)

    def on_barcode(self, barcode: Barcode, made: Iterable[Check]) -> BarcodeRead:
        """Report a barcode with its checks against the zone of this document."""
        made = tuple(made)
        self._barcodes.append(barcode)
        self._note(made)
        return BarcodeRead(barcode=barcode, checks=made, transaction=self.id)

    def on_chip_progress(self, progress: ChipProgress) -> ChipReadProgress:
        """Report progress of the chip read."""
        return ChipReadProgress(progress=progress, transaction=self.id)

    def on_chip_result(self, result: ChipResult) -> ChipRead:
        """Report the end of the chip read, complete or not."""
        self._chip = result
        self._note(result.checks)
        faces = tuple(face for face in (result.face, result.face_decoded) if face is not None)
        return ChipRead(chip=result, attachments=faces, transaction=self.id)

    def on_no_chip(self, expected: ChipExpectation, *, is_mute: bool = False) -> DocumentChecked:
        """Report that no chip responded: a finding only when one is expected, or is there (`is_mute`)."""
        is_mute = is_mute and expected != "never"
        missed = (
            is_mute
            or expected == "always"
            or (expected == "passports" and self.mrz is not None and self.mrz.document_code.startswith("P"))
        )
        reason = "chip_mute" if is_mute else "chip_expected" if missed else "no_chip"
        return self.on_checks(
            [
                Check(
                    id="chip.access",
                    group=CheckGroup.ELECTRONIC,
                    outcome=Outcome.UNDETERMINED if missed else Outcome.NOT_SUPPORTED,
                    # A document without a chip has nothing to fail: the check must not lower its outcome.
                    weight=Weight.MANDATORY if missed else Weight.OPTIONAL,
                    reason=reason,
                    text=_NO_CHIP_TEXTS[reason],
                )
            ]
        )

    def on_checks(self, made: Iterable[Check]) -> DocumentChecked:
        """Report checks by the reader."""
        made = tuple(made)
        self._note(made)
        return DocumentChecked(checks=made, transaction=self.id)

    def on_interrupted(self, ended: TransactionEnd, expected: Iterable[str]) -> DocumentChecked:
        """Report an early end: every one of the `expected` checks that is missing is aborted.

        The zone's own checks are among them when no zone was read.
        """
        zone = () if self._lines else tuple(check.id for check in mrz_checks(None, (), self._today))
        missing = (name for name in (*zone, *expected) if name not in self._checks)
        return self.on_checks(_aborted(name, ended) for name in missing)

    def on_removed(self, ended: TransactionEnd) -> DocumentRemoved:
        """Report the removal, after the result (`complete`) or before it."""
        return DocumentRemoved(end_reason=ended, transaction=self.id)

    def result(self, ended: TransactionEnd = TransactionEnd.COMPLETE, wire: bytes = b"") -> DocumentRead:
        """Build the sum of the transaction, once no more pieces come."""
        if not self._lines:
            # A zone that was not read before the end is not a zone that does not exist.
            self._checks = {check.id: check for check in mrz_checks(None, (), self._today)} | self._checks
        before = self._before
        if before is not None and not before.is_other_of(self.mrz):
            before = None
        if before is not None:
            self._note([BOTH_SIDES])
        made = tuple(self._checks.values())
        return DocumentRead(
            trigger=self._trigger,
            end_reason=ended,
            lines=self._lines,
            mrz=self.mrz,
            checks=made,
            overall_outcome=overall_outcome(made),
            chip=self._chip,
            barcodes=tuple(self._barcodes),
            images=tuple(self._images),
            previous_side_transaction=None if before is None else before.transaction,
            transaction=self.id,
            wire=wire,
        )

    def side(self) -> CardSide:
        """Return the link for the other side of the same card."""
        return CardSide(self.id, self.mrz)

    def _note(self, made: Iterable[Check]) -> None:
        self._checks |= {check.id: check for check in made}


_GROUPS = {
    "mrz": CheckGroup.OPTICAL,
    "optical": CheckGroup.OPTICAL,
    "chip": CheckGroup.ELECTRONIC,
    "seal": CheckGroup.SEAL,
    "combined": CheckGroup.COMBINED,
}
_NO_CHIP_TEXTS = {
    "no_chip": "No chip responded.",
    "chip_expected": "No chip responded, although such documents have one.",
    "chip_mute": "A document lies on the chip reader, but its chip does not respond. Place it alone and "
    "flat, without its cover.",
}
_INTERRUPTED = {
    TransactionEnd.REMOVED: ("document_removed", "The document was removed during the read."),
    TransactionEnd.REPLACED: ("document_replaced", "The next document was presented during the read."),
    TransactionEnd.READER_LOST: ("reader_lost", "The reader failed during the read."),
}


def _aborted(check: str, ended: TransactionEnd) -> Check:
    reason, text = _INTERRUPTED.get(ended, (str(ended), None))
    return Check(
        id=check,
        group=_GROUPS.get(check.partition(".")[0], CheckGroup.UNKNOWN),
        outcome=Outcome.ABORTED,
        reason=reason,
        text=text,
    )
