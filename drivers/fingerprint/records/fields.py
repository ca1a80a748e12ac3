"""Common parts of both editions: compressions, and checked reading and writing of fields."""

import struct
from collections.abc import Sequence
from enum import Enum

FORMAT = b"FIR\0"
PPI, PPCM = 1, 2
"""Scale units: pixels per inch, pixels per centimetre."""


class RecordError(ValueError):
    """The bytes are not such a record, or the values do not fit one; names the fault, not the content."""


class Compression(Enum):
    """Compression of the image of a record. The numbers differ between the editions."""

    NONE = "none"
    PACKED = "packed"
    """Pixels of less than 8 bits, without gaps between them."""
    WSQ = "wsq"
    JPEG = "jpeg"
    JPEG2000 = "jpeg2000"
    """Edition of 2011 only: lossy."""
    JPEG2000_LOSSLESS = "jpeg2000_lossless"
    PNG = "png"


class RecordReader:
    """Reader of consecutive fields; raises RecordError where the bytes end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self, layout: struct.Struct) -> tuple[int, ...]:
        """Read the numbers of a layout."""
        return layout.unpack(self.bytes(layout.size))

    def bytes(self, count: int) -> bytes:
        """Read `count` bytes."""
        if count > self.remaining:
            raise RecordError("it ends in the middle of a field")
        self._at += count
        return self._data[self._at - count : self._at]

    @property
    def remaining(self) -> int:
        """Number of remaining bytes."""
        return len(self._data) - self._at


def pack_fields(layout: struct.Struct, names: Sequence[str], values: Sequence[int]) -> bytes:
    """Pack the fields of a layout; raises RecordError with the name of a field whose value does not fit."""
    try:
        return layout.pack(*values)
    except struct.error:
        # Layouts are big-endian and without gaps, so each field's width is that of its own format.
        codes = layout.format.lstrip(">")
        for name, code, value in zip(names, codes, values, strict=True):
            if not 0 <= value < 1 << 8 * struct.calcsize(f">{code}"):
                raise RecordError(f"{name} does not fit its field") from None
        raise


def check_size(compression: Compression, width_px: int, height_px: int, depth_bits: int, data: bytes) -> None:
    """Raise RecordError if an uncompressed image has a number of bytes that does not fit its pixels."""
    match compression:
        case Compression.NONE:
            wanted = width_px * height_px * (1 if depth_bits <= 8 else 2)
        case Compression.PACKED:
            wanted = (width_px * height_px * depth_bits + 7) // 8
        case _:
            return
    if len(data) != wanted:
        raise RecordError("the size of its image differs from the size in its header")
