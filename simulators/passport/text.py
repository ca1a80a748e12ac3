"""Readers that send plain lines: Zebra, Newland, Honeywell, Code, DESKO and many more in serial mode.

There is no frame: only lines, a separator and a terminator. Both are settings of the reader, so they are
settings here. Some send the lines without a separator, so that only the length identifies the format (90
characters: a TD1; 88: a TD3 or MRV-A; 72: a TD2 or MRV-B), some without a terminator, so that only silence
marks the end.
"""

from collections.abc import Sequence
from enum import StrEnum

from simulators.links.serial_line import SerialLine
from simulators.passport.reader import MrzReader


class LineEnd(StrEnum):
    """Separator of two lines."""

    CR = "cr"
    LF = "lf"
    CRLF = "crlf"
    NONE = "none"

    @property
    def data(self) -> bytes:
        """Bytes of the separator."""
        return {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "none": b""}[self.value]


def text_frame(lines: Sequence[str], line_end: LineEnd = LineEnd.CR, suffix: bytes | None = None) -> bytes:
    """Join `lines` with `line_end` and append `suffix`, by default another line end.

    A read without a document is one empty line.
    """
    after = line_end.data if suffix is None else suffix
    return line_end.data.join(line.encode("ascii") for line in lines) + after


class Text(MrzReader):
    """A one-way reader that sends lines of text."""

    def __init__(
        self, line: SerialLine, *, line_end: LineEnd = LineEnd.CR, suffix: bytes | None = None
    ) -> None:
        super().__init__(line)
        self.line_end = line_end
        self.suffix = suffix

    def frame(self, lines: Sequence[str]) -> bytes:
        """See `text_frame`."""
        return text_frame(lines, self.line_end, self.suffix)
