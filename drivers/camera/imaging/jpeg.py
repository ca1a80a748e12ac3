"""Integrity and size of a JPEG, from its markers alone (ITU-T T.81, annex B).

A camera that is reset in the middle of a picture, or a relay that aborts, leaves a JPEG that decoders fill
with grey. Those pictures are never delivered.

Neither are pictures made to exhaust a decoder: a progressive JPEG is decoded once more for each of its scans,
so 60,000 of them take twenty minutes that nothing can interrupt, and a decoder needs memory for every pixel.
"""

import re
from dataclasses import dataclass

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS = 0xDA
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a segment: TEM and the restarts."""
MAX_PIXELS = 40_000_000
"""Upper bound on the pixels of a picture; cameras of lanes and counters have up to 12 million."""
MAX_SCANS = 64
"""Upper bound on the scans of a picture; cameras write one to three, progressive files about ten."""
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Marker with the last of its fill bytes: to begin at the first would take quadratic time."""


@dataclass(frozen=True, slots=True)
class JpegInfo:
    """A whole picture."""

    width_px: int
    height_px: int
    size_bytes: int
    """Length up to the end of the picture; later bytes are not part of it."""


class JpegParser:
    """Parser of one picture that grows: each call continues where the last one stopped."""

    def __init__(self) -> None:
        self._at = len(SOI)
        self._size: tuple[int, int] | None = None
        self._scans = 0
        self._in_scan = False

    def parse(self, content: bytes | bytearray) -> JpegInfo | str:
        """Parse the markers of what has come so far; for a picture that is not used return the fault.

        Faults: `not_jpeg`, `cut` (as yet), `malformed`, `too_many_pixels`, `too_many_scans`.
        """
        if not content.startswith(SOI):
            return "cut" if SOI.startswith(content) else "not_jpeg"
        while True:
            if self._in_scan:
                found = _AFTER_SCAN.search(content, self._at)
                if found is None:
                    self._at = max(self._at, len(content) - 1)
                    return "cut"
                self._at, self._in_scan = found.end() - 2, False
            if (outcome := self._segment(content)) is not None:
                return outcome

    def _segment(self, content: bytes | bytearray) -> JpegInfo | str | None:
        """Parse one marker with its segment; None if the picture goes on."""
        at = self._at
        marker = content[at : at + 2]
        if len(marker) < 2:
            return "cut"
        if marker[0] != 0xFF or marker == SOI:  # another picture begins before the end of this one
            return "malformed"
        if marker == EOI:
            return JpegInfo(*self._size, at + 2) if self._size and min(self._size) > 0 else "malformed"
        if marker[1] == 0xFF:  # fill bytes may precede any marker
            self._at += 1
            return None
        if marker[1] in _ALONE:
            self._at += 2
            return None
        length = int.from_bytes(content[at + 2 : at + 4])
        if len(content) < at + 4 or (length >= 2 and len(content) < at + 2 + length):
            return "cut"
        if length < 2:
            return "malformed"
        if marker[1] in _SOF:
            if length < 7:
                return "malformed"
            size = int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
            if size[0] * size[1] > MAX_PIXELS:
                return "too_many_pixels"
            self._size = size
        self._at += 2 + length
        if marker[1] == _SOS:
            self._in_scan = True
            self._scans += 1
            if self._scans > MAX_SCANS:
                return "too_many_scans"
        return None


def parse_jpeg(content: bytes) -> JpegInfo | str:
    """Parse the markers of a whole picture; see `JpegParser.parse`."""
    return JpegParser().parse(content)


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """A frame as delivered, and the arrival of its first byte, by CLOCK_BOOTTIME."""

    content: bytes
    first_byte_ns: int
