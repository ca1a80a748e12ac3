"""Framing of reports: the text of several reports joined, and its documents and barcodes found. Pure.

Line 1 of a passport has no check digit, so the beginning of one text is never joined to the end of another:
a text ends by its flag or trailer, and is given up at a pause, at another symbology and at a malformed
report.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.links.framing import INCOMPLETE, NOISE, TOO_LONG, CompleteFrame, DamagedFrame, Frame, Framing
from drivers.passport.framings import LIMIT_BYTES, AccessIsFraming, PlainTextFraming
from drivers.passport.hid.layouts import Piece, ReportLayout, UnreadReport
from drivers.passport.seals import Symbology

UNREADABLE_RUNS = 3
"""Number of unreadable runs of reports, without a read between them, after which the layout is suspected."""
FRAMED = re.compile(rb"[\x1c\x0e\x1e]\x02")
"""Start of a frame of Access-IS, which its scanners also send in reports of USB HID POS."""
_OCR = b"o"
_OTHER = b"X"
"""Code characters of AIM identifiers of text that is no barcode (AIM ITS/04-001: OCR, other)."""
_SYMBOLOGIES = {
    b"z": Symbology.AZTEC,
    b"d": Symbology.DATA_MATRIX,
    b"Q": Symbology.QR,
    b"L": Symbology.PDF417,
    b"A": Symbology.CODE_39,
    b"C": Symbology.CODE_128,
    b"I": Symbology.INTERLEAVED_2_OF_5,
}


@dataclass(frozen=True, slots=True)
class ScannedBarcode(CompleteFrame):
    """A complete barcode, which may be a digital seal."""

    symbology: Symbology | None


@dataclass(frozen=True, slots=True)
class LayoutVerdict(DamagedFrame):
    """Changed judgement on the layout of the reports: a frame without bytes."""

    is_suspected: bool = True


def is_barcode(symbology: bytes) -> bool:
    """Return True if an AIM identifier is that of a barcode, not of printed text."""
    return symbology[:1] == b"]" and symbology[1:2] not in (_OCR, _OTHER)


class HidFraming:
    """Reports of one reader, each a chunk: documents, barcodes and damaged texts out."""

    def __init__(self, layout: ReportLayout) -> None:
        self._layout = layout
        self._is_framed = layout.name == "accessis"
        self._text: Framing = AccessIsFraming() if self._is_framed else PlainTextFraming()
        self._message = bytearray()
        """Text of a scanner that continues in the next report."""
        self._symbology = b""
        self._reads = self._unreadable = False
        """Kinds of frames in the present run of reports."""
        self._unreadable_runs = 0
        self._is_suspected = False

    @property
    def has_pending(self) -> bool:
        """Return true while a text, a document or a run of reports is unfinished."""
        return bool(self._message) or self._text.has_pending or self._unreadable or self._reads

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take one report and yield complete texts."""
        for frame in self._report(chunk):
            self._note(frame)
            yield frame
        if self._reads and self._is_suspected:
            yield from self._judge()

    def on_silence(self) -> Iterator[Frame]:
        """Give up an unfinished text, and yield documents that need no end."""
        for frame in (*self._end_message(), *self._text.on_silence()):
            self._note(frame)
            yield frame
        yield from self._judge()

    def _report(self, report: bytes) -> Iterator[Frame]:
        match self._layout.piece(report):
            case UnreadReport.OTHER:
                return
            case UnreadReport.MALFORMED:
                yield from self._end_message()
                yield from self._text.on_silence()
                yield DamagedFrame(NOISE, report)
            case Piece(text) if self._is_framed:
                yield from self._text.feed(text)
            case Piece() as piece:
                yield from self._scanned(piece)

    def _scanned(self, piece: Piece) -> Iterator[Frame]:
        """Add the text of a scanner's report."""
        if self._message and piece.symbology != self._symbology:
            yield from self._end_message()
        self._symbology = piece.symbology
        self._message += piece.text
        if len(self._message) > LIMIT_BYTES:
            wire = self._take_message()
            yield DamagedFrame(TOO_LONG, wire)
        elif not piece.continues and self._message:
            yield from self._complete(self._take_message(), piece.symbology)

    def _complete(self, message: bytes, symbology: bytes) -> Iterator[Frame]:
        """Yield the frames of a whole text."""
        if FRAMED.match(message):
            framing = AccessIsFraming()
            yield from framing.feed(message)
            yield from framing.on_silence()
        elif is_barcode(symbology):
            yield from self._text.on_silence()
            kind = _SYMBOLOGIES.get(symbology[1:2], Symbology.UNKNOWN)
            yield ScannedBarcode(message, message, kind)
        else:
            yield from self._text.feed(message + b"\r")

    def _end_message(self) -> Iterator[Frame]:
        if self._message:
            yield DamagedFrame(INCOMPLETE, self._take_message())

    def _take_message(self) -> bytes:
        message = bytes(self._message)
        self._message.clear()
        return message

    def _note(self, frame: Frame) -> None:
        if isinstance(frame, DamagedFrame):
            self._unreadable = self._unreadable or frame.fault in (NOISE, TOO_LONG)
            # Barcodes and stripes between Access-IS's frames are of the expected layout as well.
            self._reads = self._reads or FRAMED.match(frame.wire) is not None
        else:
            self._reads = True

    def _judge(self) -> Iterator[LayoutVerdict]:
        """Judge a run of reports, and yield the verdict if it has changed."""
        reads, unreadable = self._reads, self._unreadable
        self._reads = self._unreadable = False
        if reads:
            self._unreadable_runs = 0
        elif unreadable:
            self._unreadable_runs += 1
        is_suspected = self._unreadable_runs >= UNREADABLE_RUNS
        if is_suspected != self._is_suspected:
            self._is_suspected = is_suspected
            yield LayoutVerdict("", b"", is_suspected)
