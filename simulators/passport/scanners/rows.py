"""Zebra and Code scanners: every row of a zone is a message of its own, a text and a terminator.

Code's interface document (12.5.1 of 2011): one row alone may be sent when the other cannot be decoded, and
with several passports in view the rows of different passports may be mixed. To simulate that, present the
rows in the order in which they are to be sent.
"""

import asyncio
from collections.abc import Sequence

from simulators.links.serial_line import SerialLine
from simulators.passport.reader import MrzReader
from simulators.passport.text import LineEnd, text_frame


class RowReader(MrzReader):
    """A one-way scanner in presentation mode. `row_gap_s`: time between two rows."""

    def __init__(self, line: SerialLine, *, line_end: LineEnd = LineEnd.CRLF, row_gap_s: float = 0.0) -> None:
        super().__init__(line)
        self.line_end = line_end
        self.row_gap_s = row_gap_s

    def frame(self, lines: Sequence[str]) -> bytes:
        """Return all rows, each with its terminator."""
        return text_frame(lines, self.line_end)

    async def transmit(self, lines: tuple[str, ...]) -> bool:
        """See `MrzReader.transmit`; the pauses between rows are kept unless a fault is due."""
        if not self.row_gap_s or len(self.faults):
            return await super().transmit(lines)
        received = True
        for number, row in enumerate(lines):
            if number:
                await asyncio.sleep(self.row_gap_s)
            received = await self.send(self.frame((row,))) and received
        self.counters.documents_sent += received
        return received
