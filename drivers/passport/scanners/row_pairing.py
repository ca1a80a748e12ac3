"""Zebra and Code scanners: rows of plain text, to be paired.

Source: Code Corporation, *CR1200 to CR3500 Interface Configuration Document* (2011), section 12.5.1: each row
is read by itself, one of them may be missing, and rows that follow each other need not be of one passport.
Zebra's OCR-B variants for travel documents send plain text as well. Neither is sent commands: none is known
that sets up the reading of documents; that is done once with the vendor's own configuration barcodes.

Not detected: two passports in view at once, of which exactly one row each is read, first the upper row of one
and then the lower row of the other. No digit of a passport covers its upper row.
"""

from collections.abc import Iterator, Sequence

from drivers.links.framing import INCOMPLETE, MALFORMED, OTHER_CONTENT, DamagedFrame, Frame
from drivers.passport.mrz import DeviationCode, DigitResult, MrzProfile
from drivers.passport.read_result import is_complete, is_incomplete
from drivers.passport.scanners.rows import RowFraming, join_rows, mrz_from_rows, rows_to_wire


class RowPairing(RowFraming):
    """Scanners that send every row by itself: perhaps just one, perhaps rows of several documents in view.

    All rows without a silence are one presentation. They must be the rows of exactly one document, in order,
    with all digits right; else none is accepted. A document is therefore known after the silence.
    """

    _REPEATS = 3
    """Number of repeats after which a document without a silence is accepted."""
    _MAX_ROWS = 8

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._rejected: list[str] = []

    @property
    def has_pending(self) -> bool:
        """True until the silence that ends a presentation."""
        return bool(super().has_pending or self._rejected)

    def _is_accepted(self, rows: Sequence[str]) -> bool:
        """Require every digit to be right, the composite one included.

        Random rows have mostly wrong digits.
        """
        mrz = mrz_from_rows(rows)
        if mrz is None:
            return False
        unknown = any(note.code is DeviationCode.ISSUER_UNKNOWN for note in mrz.deviations)
        if unknown and mrz.profile is MrzProfile.ICAO:  # older Kenyan cards have a profile, and KYA for KEN
            return False
        wrong = {DigitResult.FAILED, DigitResult.UNREADABLE}
        return not any(digit.result in wrong for digit in mrz.digits) and all(
            digit.result is DigitResult.OK for digit in mrz.digits if digit.field == "composite"
        )

    def _other_text(self, text: str) -> Iterator[Frame]:
        if "<<" in text:
            self._reject(text)
        else:
            yield DamagedFrame(OTHER_CONTENT, text.encode())

    def _row(self, row: str) -> Iterator[Frame]:
        if self._rejected:
            self._reject(row)
            return
        self._count += 1
        if row not in self._rows:
            self._rows.append(row)
        if len(self._rows) > self._MAX_ROWS:
            self._reject()
        elif is_complete(self._rows) and self._count >= self._REPEATS * len(self._rows):
            yield from self._give_up()

    def _reject(self, *rows: str) -> None:
        """Reject this presentation; its last rows are kept for the diagnostic view."""
        self._rejected = [*self._rejected, *self._rows, *rows][-self._MAX_ROWS :]
        self._rows = []

    def _give_up(self) -> Iterator[Frame]:
        """Decide on the presentation, which has ended."""
        rows, rejected = self._rows, self._rejected
        self._rows, self._rejected, self._count = [], [], 0
        if rejected:
            yield DamagedFrame(MALFORMED, rows_to_wire(rejected))
        elif is_complete(rows) and self._is_accepted(rows):
            yield join_rows(rows)
        elif rows:
            yield DamagedFrame(
                INCOMPLETE if is_incomplete(rows) and not is_complete(rows) else MALFORMED, rows_to_wire(rows)
            )
