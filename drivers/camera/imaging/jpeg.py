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


def parse_jpeg(content: bytes) -> JpegInfo | str:
    """Parse the markers; for a picture that is not used return the fault.

    Faults: `not_jpeg`, `cut`, `malformed`, `too_many_pixels`, `too_many_scans`.
    """
    if not content.startswith(SOI):
        return "cut" if SOI.startswith(content) else "not_jpeg"
    size: tuple[int, int] | None = None
    at, scans = 2, 0
    while True:
        marker = content[at : at + 2]
        if len(marker) < 2:
            return "cut"
        if marker[0] != 0xFF or marker == SOI:  # another picture begins before the end of this one
            return "malformed"
        if marker == EOI:
            return JpegInfo(*size, at + 2) if size and min(size) > 0 else "malformed"
        if marker[1] == 0xFF:  # fill bytes may precede any marker
            at += 1
            continue
        if marker[1] in _ALONE:
            at += 2
            continue
        length = int.from_bytes(content[at + 2 : at + 4])
        segment = content[at + 4 : at + 2 + length]
        if len(content) < at + 4 or (length >= 2 and len(segment) < length - 2):
            return "cut"
        if length < 2:
            return "malformed"
        if marker[1] in _SOF:
            if len(segment) < 5:
                return "malformed"
            size = int.from_bytes(segment[3:5]), int.from_bytes(segment[1:3])
            if size[0] * size[1] > MAX_PIXELS:
                return "too_many_pixels"
        at += 2 + length
        if marker[1] == _SOS:
            scans += 1
            if scans > MAX_SCANS:
                return "too_many_scans"
            found = _AFTER_SCAN.search(content, at)
            if found is None:
                return "cut"
            at = found.end() - 2


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """A frame as delivered, and the arrival of its first byte, by CLOCK_BOOTTIME."""

    content: bytes
    first_byte_ns: int
