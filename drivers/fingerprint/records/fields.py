"""What both editions share: how images are compressed, and bytes read and written without surprises."""

import struct
from collections.abc import Sequence
from enum import Enum

FORMAT = b"FIR\0"
PPI, PPCM = 1, 2
"""Scale units: pixels per inch, pixels per centimetre."""


class RecordError(ValueError):
    """These bytes are no such record, or there can be none: says what is wrong, not what is in it."""


class Compression(Enum):
    """How the image of a record is compressed. The numbers differ between the editions."""

    NONE = "none"
    PACKED = "packed"
    """Pixels of less than 8 bits, without gaps between them."""
    WSQ = "wsq"
    JPEG = "jpeg"
    JPEG2000 = "jpeg2000"
    """Of the edition of 2011: lossy."""
    JPEG2000_LOSSLESS = "jpeg2000_lossless"
    PNG = "png"


class RecordReader:
    """Reads fields one after the other; RecordError where the bytes end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self, layout: struct.Struct) -> tuple[int, ...]:
        """The numbers of a layout."""
        return layout.unpack(self.bytes(layout.size))

    def bytes(self, count: int) -> bytes:
        """So many bytes."""
        if count > self.remaining:
            raise RecordError("it ends in the middle of a field")
        self._at += count
        return self._data[self._at - count : self._at]

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at


def pack_fields(layout: struct.Struct, names: Sequence[str], values: Sequence[int]) -> bytes:
    """The bytes of a layout; RecordError names the field whose value does not fit."""
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
    """Refuse an image without compression that has not as many bytes as pixels need."""
    match compression:
        case Compression.NONE:
            wanted = width_px * height_px * (1 if depth_bits <= 8 else 2)
        case Compression.PACKED:
            wanted = (width_px * height_px * depth_bits + 7) // 8
        case _:
            return
    if len(data) != wanted:
        raise RecordError("its image has not the size that its header says")
