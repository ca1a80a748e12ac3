"""3M (later Gemalto, Thales) RTE6701 swipe readers in "RTE Native" mode.

Wire format, RTE6701-OEM manual pages 25 and 26: ``01 len_lo len_hi 'O' 'U' 02 flag line1 CR line2 CR line3 CR
03 BCC``. One way, no commands. There are always three CRs: a zone of two lines comes as an empty first line.
Lines are padded with ``_`` to 30 characters where there are three and to 44 where there are two, so a TD2
ends in eight of them.

The manual's visible pages leave three details open, and a driver should not depend on our choices:

- the length is "a 14 significant bit word"; we count from ``O`` to ETX, seven bits a byte. No frame is
  longer than 127, so an ordinary 16-bit word has the same bytes;
- the flag's meaning is unknown; ours is the digit 0;
- BCC is assumed to be that of ISO 1745: the XOR of all bytes after SOH up to and with ETX.
  The vendor's SDK can switch it off (`UseBCC`); then the frame ends with ETX.
"""

from collections.abc import Sequence
from functools import reduce
from operator import xor
from typing import Literal

from simulators.links.serial_line import SerialLine
from simulators.passport.reader import MrzReader

SOH, STX, ETX, CR = b"\x01", b"\x02", b"\x03", b"\r"
PAD = "_"
Bcc = Literal["xor", "none"]


def rte_frame(lines: Sequence[str], *, bcc: Bcc = "xor", flag: int = 0x30) -> bytes:
    """Return the frame of up to three lines; missing ones are the first. Without lines: nothing was found."""
    width = 30 if all(len(line) <= 30 for line in lines) else 44
    text = b"".join(line.ljust(width, PAD).encode("ascii") + CR for line in lines)
    body = b"OU" + STX + bytes([flag]) + CR * (3 - len(lines)) + text + ETX
    checked = bytes([len(body) & 0x7F, len(body) >> 7]) + body
    return SOH + checked + (bytes([reduce(xor, checked)]) if bcc == "xor" else b"")


class Rte(MrzReader):
    """A one-way RTE reader."""

    def __init__(self, line: SerialLine, *, bcc: Bcc = "xor", flag: int = 0x30) -> None:
        super().__init__(line)
        self.bcc: Bcc = bcc
        self.flag = flag
        self.has_frame_check = bcc == "xor"

    def frame(self, lines: Sequence[str]) -> bytes:
        """See `rte_frame`."""
        return rte_frame(lines, bcc=self.bcc, flag=self.flag)
