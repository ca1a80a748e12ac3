"""Rows of a document as scanners send them: plain text between control characters, and command answers.

Line 1 of a passport has no check digit, so a row of one document beside a row of another would look perfectly
valid. Rows are therefore joined only in the order in which they are printed, and only when a check digit of
the joined rows is right.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from drivers.links.framing import (
    INCOMPLETE,
    MALFORMED,
    OTHER_CONTENT,
    TOO_LONG,
    CompleteFrame,
    DamagedFrame,
    Frame,
)
from drivers.passport.mrz import DeviationCode, DigitResult, Mrz
from drivers.passport.mrz.parser import parse
from drivers.passport.read_result import JOINED_LINES, is_complete, is_incomplete, split_joined_lines

LIMIT_BYTES = 4096
"""Upper bound on a row, barcode or answer of these scanners."""
ANSWER_END_BYTES = 3
_END = re.compile(rb"[^\x20-\x7e]+")
_ROW = re.compile(r"[A-Z0-9<]+")
_DIGIT = re.compile(r"[0-9]")
# The century of a date has no effect on which rows belong together.
_ANY_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class CommandReply(CompleteFrame):
    """A scanner's answer to a command among its rows: `payload` is the command with its status."""


@dataclass(frozen=True, slots=True)
class ReplyPatterns:
    """Patterns that tell a vendor's command answers from rows.

    The long patterns are tried only where the short one fits: bytes that come one at a time would otherwise
    cost a search through all earlier ones.
    """

    pattern: re.Pattern[bytes]
    end_pattern: re.Pattern[bytes]
    """Pattern of the end of an answer, of ANSWER_END_BYTES at most."""
    prefix_pattern: re.Pattern[bytes]
    """Pattern of received bytes whose end is an incomplete answer."""
    longest_bytes: int
    """Upper bound on an incomplete answer, in bytes."""


def mrz_from_rows(rows: Sequence[str]) -> Mrz | None:
    """Parse the zone of these rows in this order; None when they are none, or may be rows of two.

    A right check digit proves that the row with the dates is complete and in its place. A digit in a name
    means a row in the wrong place, or a misread character that no check digit covers.
    """
    mrz = parse(rows, _ANY_DAY)
    if mrz is None:
        return None
    notes = {note.code for note in mrz.deviations}
    proofs = [digit for digit in mrz.digits if digit.result is DigitResult.OK and digit.printed.isdigit()]
    named = not _DIGIT.search(mrz.primary_identifier + mrz.secondary_identifier)
    in_place = DeviationCode.LINES_SWAPPED not in notes and (named or DeviationCode.NAME_DIGITS in notes)
    return mrz if in_place and (proofs or not mrz.digits) else None


class RowFraming:
    """Scanners that send all rows of a document at once: joined as soon as they are complete."""

    def __init__(self, answers: ReplyPatterns | None = None) -> None:
        self._answers = answers
        self._rest = b""
        self._kept_bytes = 0
        """Length of the incomplete answer at the end of the rest; before it are only printable characters."""
        self._rows: list[str] = []

    @property
    def has_pending(self) -> bool:
        """Return true while a row or a document is unfinished."""
        return bool(self._rest or self._rows)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Add a chunk and yield the complete documents, answers and other texts."""
        new_from = len(self._rest) - self._kept_bytes
        answer_from = max(0, len(self._rest) - ANSWER_END_BYTES + 1)
        self._rest += chunk
        if self._answers is not None and self._answers.end_pattern.search(self._rest, answer_from):
            at = new_from = 0
            for found in self._answers.pattern.finditer(self._rest):
                yield from self._text(self._rest[at : found.start()])
                yield CommandReply(found["reply"], found[0])
                at = found.end()
            self._rest = self._rest[at:]
        kept = b""
        if self._answers is not None:
            tail_from = max(0, len(self._rest) - self._answers.longest_bytes)
            if begun := self._answers.prefix_pattern.search(self._rest, tail_from):
                self._rest, kept = self._rest[: begun.start()], self._rest[begun.start() :]
        if _END.search(self._rest, new_from):
            *ended, self._rest = _END.split(self._rest)
            for text in ended:
                yield from self._text(text)
        self._rest, self._kept_bytes = self._rest + kept, len(kept)
        if len(self._rest) > LIMIT_BYTES:
            wire, self._rest, self._kept_bytes = self._rest, b"", 0
            yield from self._give_up()
            yield DamagedFrame(TOO_LONG, wire)

    def on_silence(self) -> Iterator[Frame]:
        """End the last row, which needs no terminator, and give up an incomplete document."""
        rest, self._rest, self._kept_bytes = self._rest, b"", 0
        for text in _END.split(rest):
            yield from self._text(text)
        yield from self._give_up()

    def _text(self, data: bytes) -> Iterator[Frame]:
        """Add a text without its end: joined rows, a row, or neither."""
        for text in filter(None, (part.strip() for part in _END.split(data))):
            row = text.decode("ascii")
            sound = _ROW.fullmatch(row) is not None and not row.isdigit()
            if sound and len(row) in JOINED_LINES:
                yield from self._give_up()
                yield self._joined(row)
            elif sound and is_incomplete([row]):
                yield from self._row(row)
            else:
                yield from self._other_text(row)

    def _is_accepted(self, rows: Sequence[str]) -> bool:
        """Return true when complete rows are of one document."""
        return mrz_from_rows(rows) is not None

    def _joined(self, text: str) -> Frame:
        """Build the frame of all rows in one text."""
        rows = split_joined_lines(text, JOINED_LINES[len(text)])
        return join_rows(rows) if self._is_accepted(rows) else DamagedFrame(MALFORMED, text.encode())

    def _other_text(self, text: str) -> Iterator[Frame]:
        """Report a text that is no row: a misread row, or a barcode."""
        yield from self._give_up()
        yield DamagedFrame(MALFORMED if "<<" in text else OTHER_CONTENT, text.encode())

    def _row(self, row: str) -> Iterator[Frame]:
        """Add a row; the oldest rows that it cannot follow are given up."""
        grown, dropped = [*self._rows, row], []
        self._rows = []
        while grown:
            if is_complete(grown) and self._is_accepted(grown):
                break
            if is_incomplete(grown) and not is_complete(grown):
                self._rows, grown = grown, []
                break
            dropped.append(grown.pop(0))
        if dropped:
            yield DamagedFrame(INCOMPLETE, rows_to_wire(dropped))
        if grown:
            yield join_rows(grown)

    def _give_up(self) -> Iterator[Frame]:
        """Give up the rows of an unfinished document."""
        if self._rows:
            wire, self._rows = rows_to_wire(self._rows), []
            yield DamagedFrame(INCOMPLETE, wire)


def rows_to_wire(rows: Sequence[str]) -> bytes:
    """Build the wire bytes of rows, with uniform line ends."""
    return "\r".join(rows).encode()


def join_rows(rows: Sequence[str]) -> CompleteFrame:
    """Build the frame of the rows of one document."""
    wire = rows_to_wire(rows)
    return CompleteFrame(wire, wire)
