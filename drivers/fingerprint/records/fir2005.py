"""Edition of 2005: one header of 32 bytes, then a view of 14 bytes and an image for each print.

Layout: ISO/IEC 19794-4:2005, 8.2 and 8.3; also used in data group 3 of a passport (Doc 9303-10). All numbers
are big-endian, all images of a record have the same resolution, depth and compression.
"""

import struct
from dataclasses import dataclass

from drivers.fingerprint.records.fields import (
    FORMAT,
    PPI,
    Compression,
    RecordError,
    RecordReader,
    check_size,
    pack_fields,
)

VERSION = b"010\0"
UNDEFINED_QUALITY = 254
COMPRESSIONS = {
    Compression.NONE: 0,
    Compression.PACKED: 1,
    Compression.WSQ: 2,
    Compression.JPEG: 3,
    Compression.JPEG2000: 4,
    Compression.PNG: 5,
}
_HEADER = struct.Struct(">HIHHBBHHHHBBH")
_HEADER_NAMES = (
    "length_high",
    "length_low",
    "device",
    "acquisition_level",
    "views",
    "units",
    "scan_x",
    "scan_y",
    "image_x",
    "image_y",
    "depth_bits",
    "compression",
    "reserved",
)
_VIEW = struct.Struct(">IBBBBBHHB")
_VIEW_NAMES = (
    "length",
    "position",
    "view_count",
    "view_number",
    "quality",
    "impression",
    "width_px",
    "height_px",
    "reserved",
)
_BEFORE = len(FORMAT) + len(VERSION)


@dataclass(frozen=True, slots=True)
class View:
    """One print, with its numbers as in the record."""

    position: int
    width_px: int
    height_px: int
    data: bytes
    """The image, in the compression of the record."""
    impression: int = 0
    quality: int = UNDEFINED_QUALITY
    """0 to 100, or 254 for undefined."""
    view_count: int = 1
    """Number of views of this finger."""
    view_number: int = 1


@dataclass(frozen=True, slots=True)
class Record2005:
    """A record. Resolutions are horizontal, vertical, in `units`."""

    views: tuple[View, ...]
    compression: Compression
    image_resolution: tuple[int, int]
    scan_resolution: tuple[int, int]
    depth_bits: int = 8
    units: int = PPI
    device: int = 0
    """Capture device, in its maker's numbers; 0 unreported."""
    acquisition_level: int = 0
    """Image acquisition settings level (clause 7): 30 is 500 ppi and 8 bits, 31 the same, certified."""

    def encode(self) -> bytes:
        """Encode the record; raises RecordError if a value does not fit its field."""
        if self.compression not in COMPRESSIONS:
            raise RecordError("the edition of 2005 has no such compression")
        body = b"".join(self._view(view) for view in self.views)
        length = _BEFORE + _HEADER.size + len(body)
        header = pack_fields(
            _HEADER,
            _HEADER_NAMES,
            (
                length >> 32,
                length & 0xFFFFFFFF,
                self.device,
                self.acquisition_level,
                len(self.views),
                self.units,
                *self.scan_resolution,
                *self.image_resolution,
                self.depth_bits,
                COMPRESSIONS[self.compression],
                0,
            ),
        )
        return FORMAT + VERSION + header + body

    def _view(self, view: View) -> bytes:
        check_size(self.compression, view.width_px, view.height_px, self.depth_bits, view.data)
        header = pack_fields(
            _VIEW,
            _VIEW_NAMES,
            (
                _VIEW.size + len(view.data),
                view.position,
                view.view_count,
                view.view_number,
                view.quality,
                view.impression,
                view.width_px,
                view.height_px,
                0,
            ),
        )
        return header + view.data

    @classmethod
    def decode(cls, data: bytes) -> "Record2005":
        """Decode a record; raises RecordError, and nothing else, for other bytes."""
        cursor = RecordReader(data)
        if cursor.bytes(_BEFORE) != FORMAT + VERSION:
            raise RecordError("it does not begin as a finger image record of 2005")
        high, low, device, level, views, units, *resolutions, depth_bits, number, _ = cursor.fields(_HEADER)
        if (high << 32 | low) != len(data):
            raise RecordError("its length differs from the length in its header")
        compression = next((known for known, code in COMPRESSIONS.items() if code == number), None)
        if compression is None:
            raise RecordError("its compression is unknown")
        record = cls(
            tuple(_read_view(cursor, compression, depth_bits) for _ in range(views)),
            compression,
            image_resolution=(resolutions[2], resolutions[3]),
            scan_resolution=(resolutions[0], resolutions[1]),
            depth_bits=depth_bits,
            units=units,
            device=device,
            acquisition_level=level,
        )
        if cursor.remaining:
            raise RecordError("bytes follow its last image")
        return record


def _read_view(cursor: RecordReader, compression: Compression, depth_bits: int) -> View:
    length, position, count, number, quality, impression, width, height, _ = cursor.fields(_VIEW)
    if length < _VIEW.size:
        raise RecordError("a view is shorter than its own header")
    image = cursor.bytes(length - _VIEW.size)
    check_size(compression, width, height, depth_bits, image)
    return View(position, width, height, image, impression, quality, count, number)
