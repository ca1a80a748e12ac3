"""Frames of the Sample device: ``STX kind payload ETX LRC``. Pure.

Source: SHEET.md, section 1.
"""

import re
from functools import reduce
from operator import xor

from drivers.links.framing import CHECK_BYTE, CompleteFrame, DamagedFrame, Delimited, Frame

STX, ETX = b"\x02", b"\x03"
LIMIT_BYTES = 1 << 20
"""Upper bound on a frame, in bytes."""


class SampleDeviceFraming(Delimited):
    """Splits bytes into frames; the payload of a complete frame begins with its kind."""

    def __init__(self) -> None:
        super().__init__(re.compile(rb"\x02[?A-Z]"), start_bytes=2, limit_bytes=LIMIT_BYTES)

    def frame_end(self, start: bytes, buffer: bytearray, search_from: int, stop: int) -> int:
        """Return the offset after the LRC, or -1 while it is missing."""
        end = buffer.find(ETX, search_from, stop) + 2
        return end if 2 <= end <= len(buffer) and end > search_from else -1

    def check_frame(self, start: bytes, wire: bytes) -> Frame:
        """Compare the LRC."""
        if lrc(wire[1:-1]) != wire[-1]:
            return DamagedFrame(CHECK_BYTE, wire)
        return CompleteFrame(wire[1:-2], wire)


def encode(kind: bytes, payload: bytes = b"") -> bytes:
    """Return a frame for the device."""
    body = kind + payload + ETX
    return STX + body + bytes([lrc(body)])


def lrc(body: bytes) -> int:
    """Return the exclusive or of all bytes."""
    return reduce(xor, body, 0)
