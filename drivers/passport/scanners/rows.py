"""Rows of a document as scanners send them: plain text between control characters, and answers to commands.

Line 1 of a passport is covered by no check digit, so a row of one document beside a row of another would look
perfectly valid. Rows are therefore joined only in the order in which they are printed, and only when a check
digit of the joined rows is right.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from drivers.links.framing import CUT, MALFORMED, OTHER, TOO_LONG, Damaged, Frame, Whole
from drivers.passport.lines import GLUED, complete, cut_glued, may_continue
from drivers.passport.mrz import DeviationCode, DigitResult, Mrz, parse

LIMIT_BYTES = 4096
"""More than any row, barcode or answer of these scanners."""
_END = re.compile(rb"[^\x20-\x7e]+")
_ROW = re.compile(r"[A-Z0-9<]+")
_DIGIT = re.compile(r"[0-9]")
# Which century a date is in changes nothing about which rows belong together.
_ANY_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Answer(Whole):
    """What a scanner answers to a command, among its rows: `payload` is the command with its status."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How a maker's answers are told from rows."""

    whole: re.Pattern[bytes]
    begun: re.Pattern[bytes]
    """What the end of the received bytes looks like while an answer is still coming."""


def zone_in_order(rows: Sequence[str]) -> Mrz | None:
    """The zone that these rows are, in this order; None when they are none, or may be rows of two.

    A right check digit proves that the row with the dates is one, and in its place. A digit in a name is a
    row out of its place, or misread where no check digit would tell.
    """
    mrz = parse(rows, _ANY_DAY)
    if mrz is None:
        return None
    notes = {note.code for note in mrz.deviations}
    proofs = [digit for digit in mrz.digits if digit.result is DigitResult.OK and digit.printed.isdigit()]
    named = not _DIGIT.search(mrz.primary_identifier + mrz.secondary_identifier)
    in_place = DeviationCode.LINES_SWAPPED not in notes and (named or DeviationCode.NAME_DIGITS in notes)
    return mrz if in_place and (proofs or not mrz.digits) else None


class Rows:
    """Scanners that send all rows of a document in one go: joined as soon as they are complete."""

    def __init__(self, answers: Answers | None = None) -> None:
        self._answers = answers
        self._rest = b""
        self._rows: list[str] = []

    @property
    def pending(self) -> bool:
        """Whether a row or a document is unfinished."""
        return bool(self._rest or self._rows)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk and yield the documents, answers and other texts that are complete."""
        self._rest += chunk
        if self._answers is not None:
            while found := self._answers.whole.search(self._rest):
                before, self._rest = self._rest[: found.start()], self._rest[found.end() :]
                yield from self._text(before)
                yield Answer(found["said"], found[0])
        kept = b""
        if self._answers is not None and (begun := self._answers.begun.search(self._rest)):
            self._rest, kept = self._rest[: begun.start()], self._rest[begun.start() :]
        *ended, last = _END.split(self._rest)
        self._rest = last + kept
        for text in ended:
            yield from self._text(text)
        if len(self._rest) > LIMIT_BYTES:
            wire, self._rest = self._rest, b""
            yield from self._abandon()
            yield Damaged(TOO_LONG, wire)

    def silence(self) -> Iterator[Frame]:
        """A last row needs no terminator; what is then still no document is given up."""
        rest, self._rest = self._rest, b""
        for text in _END.split(rest):
            yield from self._text(text)
        yield from self._abandon()

    def _text(self, data: bytes) -> Iterator[Frame]:
        """Take a text without its end: rows glued together, a row, or neither."""
        for text in filter(None, (part.strip() for part in _END.split(data))):
            row = text.decode("ascii")
            sound = _ROW.fullmatch(row) is not None and not row.isdigit()
            if sound and len(row) in GLUED:
                yield from self._abandon()
                yield self._glued(row)
            elif sound and may_continue([row]):
                yield from self._row(row)
            else:
                yield from self._stray(row)

    def _believed(self, rows: Sequence[str]) -> bool:
        """Whether complete rows are of one document."""
        return zone_in_order(rows) is not None

    def _glued(self, text: str) -> Frame:
        """All rows at once."""
        rows = cut_glued(text, GLUED[len(text)])
        return joined(rows) if self._believed(rows) else Damaged(MALFORMED, text.encode())

    def _stray(self, text: str) -> Iterator[Frame]:
        """A text that is no row: a row read badly, or a barcode."""
        yield from self._abandon()
        yield Damaged(MALFORMED if "<<" in text else OTHER, text.encode())

    def _row(self, row: str) -> Iterator[Frame]:
        """Take a row; the oldest rows that it cannot follow are given up."""
        grown, dropped = [*self._rows, row], []
        self._rows = []
        while grown:
            if complete(grown) and self._believed(grown):
                break
            if may_continue(grown) and not complete(grown):
                self._rows, grown = grown, []
                break
            dropped.append(grown.pop(0))
        if dropped:
            yield Damaged(CUT, wire_of(dropped))
        if grown:
            yield joined(grown)

    def _abandon(self) -> Iterator[Frame]:
        """Give up the rows of an unfinished document."""
        if self._rows:
            wire, self._rows = wire_of(self._rows), []
            yield Damaged(CUT, wire)


def wire_of(rows: Sequence[str]) -> bytes:
    """What is kept of the wire: the rows, however they were ended."""
    return "\r".join(rows).encode()


def joined(rows: Sequence[str]) -> Whole:
    """The frame that rows of one document make."""
    wire = wire_of(rows)
    return Whole(wire, wire)
