"""Edition of 2011: one header of 16 bytes, then a self-describing representation for each print.

Layout: ISO/IEC 19794-4:2011, 8.2 to 8.5. All numbers are big-endian.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.fingerprint.records.fields import (
    FORMAT,
    PPI,
    Compression,
    RecordError,
    RecordReader,
    check_size,
    pack_fields,
)

VERSION = b"020\0"
COMPRESSIONS = {
    Compression.NONE: 0,
    Compression.PACKED: 1,
    Compression.WSQ: 2,
    Compression.JPEG: 3,
    Compression.JPEG2000: 4,
    Compression.JPEG2000_LOSSLESS: 5,
    Compression.PNG: 6,
}
NO_VALUE = 255
"""Score of a quality that could not be computed."""
_UNKNOWN_TIME = b"\xff" * 9
_HEADER = struct.Struct(">IHBB")
_HEADER_NAMES = ("length", "representations", "certified", "positions")
_LENGTH = struct.Struct(">I")
_TIME = struct.Struct(">HBBBBBH")
_DEVICE = struct.Struct(">BHHB")
_DEVICE_NAMES = ("technology", "vendor", "device", "qualities")
_QUALITY = struct.Struct(">BHH")
_QUALITY_NAMES = ("score", "vendor", "algorithm")
_COUNT = struct.Struct(">B")
_CERTIFICATE = struct.Struct(">HB")
_IMAGE = struct.Struct(">BBBHHHHBBBHHI")
_IMAGE_NAMES = (
    "position",
    "number",
    "units",
    "scan_x",
    "scan_y",
    "image_x",
    "image_y",
    "depth_bits",
    "compression",
    "impression",
    "width_px",
    "height_px",
    "data length",
)
_BEFORE = len(FORMAT) + len(VERSION)


@dataclass(frozen=True, slots=True)
class QualityBlock:
    """A value of a registered quality algorithm (registered with IBIA)."""

    score: int
    """0 to 100, or 255 if it could not be computed."""
    vendor: int
    algorithm: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certification of the capture device."""

    authority: int
    scheme: int


@dataclass(frozen=True, slots=True)
class Representation:
    """One print, with its numbers as in the record. Resolutions are horizontal, vertical, in `units`."""

    position: int
    width_px: int
    height_px: int
    compression: Compression
    data: bytes
    """The image, compressed."""
    image_resolution: tuple[int, int]
    scan_resolution: tuple[int, int]
    impression: int = 0
    number: int = 1
    """Number of this representation of the finger, counted from 1."""
    depth_bits: int = 8
    units: int = PPI
    captured_at: datetime | None = None
    """Time of capture, with a time zone; kept to the millisecond, in UTC. None: unknown."""
    technology: int = 0
    """Sensing technology of the scanner: 0 unknown."""
    vendor: int = 0
    device: int = 0
    qualities: tuple[QualityBlock, ...] = ()
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Record2011:
    """A record."""

    representations: tuple[Representation, ...]
    certified: bool = False
    """True if its representations have (possibly empty) lists of certificates."""

    def encode(self) -> bytes:
        """Encode the record; raises RecordError if a value does not fit its field."""
        body = b"".join(self._representation(one) for one in self.representations)
        header = pack_fields(
            _HEADER,
            _HEADER_NAMES,
            (
                _BEFORE + _HEADER.size + len(body),
                len(self.representations),
                int(self.certified),
                len({one.position for one in self.representations}),
            ),
        )
        return FORMAT + VERSION + header + body

    def _representation(self, one: Representation) -> bytes:
        if one.certificates and not self.certified:
            raise RecordError("a record without certification has certificates")
        check_size(one.compression, one.width_px, one.height_px, one.depth_bits, one.data)
        parts = [
            _time(one.captured_at),
            pack_fields(_DEVICE, _DEVICE_NAMES, (one.technology, one.vendor, one.device, len(one.qualities))),
            *(
                pack_fields(_QUALITY, _QUALITY_NAMES, (quality.score, quality.vendor, quality.algorithm))
                for quality in one.qualities
            ),
        ]
        if self.certified:
            parts.append(pack_fields(_COUNT, ("certificates",), (len(one.certificates),)))
            parts += [
                pack_fields(_CERTIFICATE, ("authority", "scheme"), (each.authority, each.scheme))
                for each in one.certificates
            ]
        image = (
            one.position,
            one.number,
            one.units,
            *one.scan_resolution,
            *one.image_resolution,
            one.depth_bits,
            COMPRESSIONS[one.compression],
            one.impression,
            one.width_px,
            one.height_px,
            len(one.data),
        )
        rest = b"".join((*parts, pack_fields(_IMAGE, _IMAGE_NAMES, image), one.data))
        return pack_fields(_LENGTH, ("length",), (_LENGTH.size + len(rest),)) + rest

    @classmethod
    def decode(cls, data: bytes) -> "Record2011":
        """Decode a record; raises RecordError, and nothing else, for other bytes."""
        cursor = RecordReader(data)
        if cursor.bytes(_BEFORE) != FORMAT + VERSION:
            raise RecordError("it does not begin as a finger image record of 2011")
        length, representations, certified, positions = cursor.fields(_HEADER)
        if length != len(data):
            raise RecordError("its length differs from the length in its header")
        if certified not in (0, 1):
            raise RecordError("its certification flag is neither 0 nor 1")
        record = cls(
            tuple(_read(cursor, certified=bool(certified)) for _ in range(representations)), bool(certified)
        )
        if cursor.remaining:
            raise RecordError("bytes follow its last image")
        if positions != len({one.position for one in record.representations}):
            raise RecordError("its number of positions differs from the number in its header")
        return record


def _read(cursor: RecordReader, *, certified: bool) -> Representation:
    (length,) = cursor.fields(_LENGTH)
    if length < _LENGTH.size:
        raise RecordError("a representation is shorter than its own length")
    part = RecordReader(cursor.bytes(length - _LENGTH.size))
    captured = _read_time(part.bytes(_TIME.size))
    technology, vendor, device, qualities = part.fields(_DEVICE)
    blocks = tuple(QualityBlock(*part.fields(_QUALITY)) for _ in range(qualities))
    certificates: tuple[Certificate, ...] = ()
    if certified:
        (count,) = part.fields(_COUNT)
        certificates = tuple(Certificate(*part.fields(_CERTIFICATE)) for _ in range(count))
    position, number, units, *resolutions, depth_bits, code, impression, width, height, size = part.fields(
        _IMAGE
    )
    compression = next((known for known, each in COMPRESSIONS.items() if each == code), None)
    if compression is None:
        raise RecordError("its compression is unknown")
    image = part.bytes(size)
    if part.remaining:
        raise RecordError("bytes follow the image of a representation")
    check_size(compression, width, height, depth_bits, image)
    return Representation(
        position,
        width,
        height,
        compression,
        image,
        image_resolution=(resolutions[2], resolutions[3]),
        scan_resolution=(resolutions[0], resolutions[1]),
        impression=impression,
        number=number,
        depth_bits=depth_bits,
        units=units,
        captured_at=captured,
        technology=technology,
        vendor=vendor,
        device=device,
        qualities=blocks,
        certificates=certificates,
    )


def _time(captured: datetime | None) -> bytes:
    if captured is None:
        return _UNKNOWN_TIME
    utc = captured.astimezone(UTC)
    return _TIME.pack(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond // 1000)


def _read_time(data: bytes) -> datetime | None:
    if data == _UNKNOWN_TIME:
        return None
    year, month, day, hour, minute, second, ms = _TIME.unpack(data)
    try:
        return datetime(year, month, day, hour, minute, second, ms * 1000, tzinfo=UTC)
    except ValueError:
        raise RecordError("its time of capture is invalid") from None
