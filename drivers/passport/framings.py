"""Framings of serial document readers: one class for each reader family, all pure.

Sources: Access-IS: the vendor's HID sample and UART demo. RTE: 3M *RTE6701-OEM* manual, "RTE Native".
Elyctis: *Scanner Command Set* 1.7. Text: area imagers of Honeywell, Newland, Zebra and Code.
"""

import re
from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import ClassVar, Literal

from drivers.links.framing import (
    CHECK_BYTE,
    INCOMPLETE,
    MALFORMED,
    NOISE,
    OTHER_CONTENT,
    TOO_LONG,
    CompleteFrame,
    DamagedFrame,
    Delimited,
    Frame,
)
from drivers.passport.read_result import JOINED_LINES, is_complete, is_incomplete

Bcc = Literal["none", "xor", "ignore"]
# The longest frame is that of the largest QR code, 4,296 letters and digits (ISO/IEC 18004, version 40-L),
# with its two marks and the reader's code of the symbology; no document's lines come near it.
LIMIT_BYTES = 4296 + 5


class AccessIsFraming(Delimited):
    """Access-IS OCR313, 315 and 640: text between `1C 02` and `03 1D`, without check byte.

    Magnetic stripes come between `0E 02` and `03 0F`, barcodes between `1E 02` and `03 1F`; neither is a
    zone.
    """

    BARCODE: ClassVar = b"\x1e\x02"

    _ENDS: ClassVar = {b"\x1c\x02": b"\x03\x1d", b"\x0e\x02": b"\x03\x0f", b"\x1e\x02": b"\x03\x1f"}

    def __init__(self) -> None:
        super().__init__(re.compile(rb"[\x1c\x0e\x1e]\x02"), start_bytes=2, limit_bytes=LIMIT_BYTES)

    def frame_end(self, start: bytes, buffer: bytearray, search_from: int, stop: int) -> int:
        """Return the offset after the trailer that belongs to this start."""
        found = buffer.find(self._ENDS[start], search_from, stop)
        return found + 2 if found >= 0 else -1

    def check_frame(self, start: bytes, wire: bytes) -> Frame:
        """Classify a frame: only OCR frames carry a document."""
        return CompleteFrame(wire[2:-2], wire) if start == b"\x1c\x02" else DamagedFrame(OTHER_CONTENT, wire)


class RteFraming(Delimited):
    """RTE Native: `01 len len 'O' 'U' 02 flag  line1 0D line2 0D line3 0D  03 BCC`.

    The manual's definition of the length is cut off in the copy at hand, so frames are found by SOH and ETX
    alone. The BCC's algorithm is not printed either; exclusive-or is the usual one, hence a setting.
    """

    def __init__(self, bcc: Bcc) -> None:
        super().__init__(re.compile(rb"\x01..OU\x02.", re.DOTALL), start_bytes=7, limit_bytes=LIMIT_BYTES)
        self._bcc = bcc

    def frame_end(self, start: bytes, buffer: bytearray, search_from: int, stop: int) -> int:  # noqa: ARG002
        """Return the offset after the ETX, or after the BCC when there is one."""
        etx = buffer.find(b"\x03", search_from, stop)
        if etx < 0:
            return -1
        end = etx + 1 + (self._bcc != "none")
        return end if end <= len(buffer) else -1

    def check_frame(self, start: bytes, wire: bytes) -> Frame:
        """Check the BCC over all bytes after SOH up to and including ETX; three lines are always present."""
        body = wire[len(start) : wire.index(b"\x03", len(start))]
        if self._bcc == "xor" and reduce(xor, wire[1:-1]) != wire[-1]:
            return DamagedFrame(CHECK_BYTE, wire)
        if body.count(b"\r") != 3:
            return DamagedFrame(MALFORMED, wire)
        # `_` pads every line to 30 or 44: a TD2 arrives as 44 with eight of them.
        return CompleteFrame(b"\r".join(line.rstrip(b"_") for line in body.split(b"\r")), wire)


class ElyctisFraming:
    """Elyctis ID BOX: `CMD LEN_hi LEN_lo DATA`, without start, end or check byte.

    Nothing marks a start, so a header counts only while all bytes after it can be its text. After a silence,
    the pending bytes are searched for a complete frame before they are given up.
    """

    _COMMANDS = frozenset(b"ILCVWRT")
    _HEADS = frozenset(bytes((command, 0)) for command in b"ILCVWRT")
    _TEXT = re.compile(rb"[\x20-\x7e\r\n]*")
    LONGEST_DATA_BYTES = 0xFF

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def has_pending(self) -> bool:
        """Return true while bytes wait for the rest of their frame."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Add a chunk and yield the complete frames."""
        self._buffer += chunk
        yield from self._scan(silent=False)

    def on_silence(self) -> Iterator[Frame]:
        """Search the pending bytes for a complete frame, give up the rest."""
        yield from self._scan(silent=True)

    def _scan(self, *, silent: bool) -> Iterator[Frame]:
        start, skipped_from = 0, 0
        cut = False
        while start < len(self._buffer):
            size = self._possible_length(start)
            if size is None:
                # A header whose text is not text: the frame stopped and another byte stream began.
                cut = cut or self._buffer[start : start + 2] in self._HEADS
                start += 1
            elif start + size > len(self._buffer):
                if not silent:
                    break
                cut = True
                start += 1
            else:
                if start > skipped_from:
                    yield DamagedFrame(INCOMPLETE if cut else NOISE, self._buffer[skipped_from:start])
                    cut = False
                wire = self._buffer[start : start + size]
                start = skipped_from = start + size
                yield CompleteFrame(wire[:1] + wire[3:], wire)
        if start > skipped_from:
            yield DamagedFrame(INCOMPLETE if cut else NOISE, self._buffer[skipped_from:start])
        self._buffer = self._buffer[start:]

    def _possible_length(self, start: int) -> int | None:
        """Return the length of the frame that may begin here, in bytes, with its missing end.

        None if none can.
        """
        head = self._buffer[start : start + 3]
        if head[0] not in self._COMMANDS or head[1:2] not in (b"", b"\x00"):
            return None
        if len(head) < 3:
            return 3
        size = 3 + head[2]
        data = self._buffer[start + 3 : start + size]
        if head[:1] == b"C":  # the echo of a mode switch carries one byte, 00 or 01
            return size if head[2] == 1 and data in (b"", b"\x00", b"\x01") else None
        return size if self._TEXT.fullmatch(data) else None


class PlainTextFraming:
    """Plain lines ended by CR, LF or both, or all lines of a document in one line.

    Lines of a known length are collected until they form a document. Line 1 of a passport has no check digit,
    so lines of two documents must never be combined: any other line in between ends the collection.

    A line of a zone with a character lost or read twice is collected with the others of its document: they
    are one frame, and one failed read that names the line.
    """

    _END = re.compile(rb"[^\x20-\x7e]+")
    _ZONE_LINE = re.compile(rb"[A-Za-z0-9<]+")
    _FILLERS = b"<<"

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._is_worn = self._is_cut = False
        """State of the lines: one has not the length of its layout; the last one stopped without its end."""

    @property
    def has_pending(self) -> bool:
        """Return true while a line or a document is unfinished."""
        return bool(self._rest or self._lines)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Add a chunk and yield the complete documents and other lines."""
        # The rest has no line end: only the chunk is searched, however small.
        first, *others = self._END.split(chunk)
        *ended, self._rest = [self._rest + first, *others]
        for line in ended:
            if stripped := line.strip():
                yield from self._line(stripped)
        if len(self._rest) > LIMIT_BYTES:
            wire, self._rest = self._rest, b""
            yield from self._give_up()
            yield DamagedFrame(TOO_LONG, wire)

    def on_silence(self) -> Iterator[Frame]:
        """End the last line, which needs no line end, and give up an incomplete document."""
        line, self._rest = self._rest.strip(), b""
        if line:
            yield from self._line(line, is_ended=False)
        yield from self._give_up()

    def _line(self, line: bytes, *, is_ended: bool = True) -> Iterator[Frame]:
        """Add one line without its end; `is_ended`: there was one."""
        if len(line) in JOINED_LINES:
            yield from self._give_up()
            yield CompleteFrame(line, line)
            return
        if self._is_part_of_worn(line):
            self._lines.append(line)
            self._is_worn, self._is_cut = True, not is_ended and len(line) < _nearest_length(line)
            if len(self._lines) == _LINES_OF_LENGTH[_nearest_length(line)]:
                yield from self._give_up()
            return
        grown = [*(text.decode("latin-1") for text in self._lines), line.decode("latin-1")]
        if not is_incomplete(grown) and not is_complete(grown):
            yield from self._give_up()
            grown = grown[-1:]
            if not is_incomplete(grown):
                yield CompleteFrame(line, line)
                return
        self._lines.append(line)
        if is_complete(grown):
            wire, self._lines = b"\r".join(self._lines), []
            yield CompleteFrame(wire, wire)

    def _is_part_of_worn(self, line: bytes) -> bool:
        """Return true for a line of a zone, if it or one before it has the wrong length."""
        length = _nearest_length(line)
        if self._ZONE_LINE.fullmatch(line) is None or abs(len(line) - length) > MAX_WEAR:
            return False
        if self._lines:
            return (self._is_worn or len(line) != length) and _nearest_length(self._lines[0]) == length
        return len(line) != length and self._FILLERS in line

    def _give_up(self) -> Iterator[Frame]:
        """End a document of which lines are missing, or one of them has the wrong length."""
        if self._lines:
            wire, self._lines = b"\r".join(self._lines), []
            is_whole = self._is_worn and not self._is_cut
            yield CompleteFrame(wire, wire) if is_whole else DamagedFrame(INCOMPLETE, wire)
        self._is_worn = self._is_cut = False


MAX_WEAR = 2
"""Characters that a worn line may have lost or have in excess."""
_LINES_OF_LENGTH = {44: 2, 36: 2, 30: 3}


def _nearest_length(line: bytes) -> int:
    return min(_LINES_OF_LENGTH, key=lambda length: abs(len(line) - length))
