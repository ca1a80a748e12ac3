"""Scan items: the pieces in which a reader's service reports one document."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.driver import BadFrame
from drivers.links.framing import MALFORMED
from drivers.observation import Check
from drivers.passport.observations import DocumentArea, IlluminationType

RAW_EXCERPT_BYTES = 4096
"""Number of bytes of an unreadable answer that are kept for the technician."""
# The first bytes of images from readers: JFIF/EXIF, PNG, BMP, TIFF in both orders, JP2 and a bare JPEG 2000.
_BEGINNINGS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"BM": "image/bmp",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"\x00\x00\x00\x0cjP  ": "image/jp2",
    b"\xff\x4f\xff\x51": "image/jp2",
}


@dataclass(frozen=True, slots=True)
class MrzItem:
    """Lines read from the page, as the reader sent them."""

    lines: tuple[str, ...]
    wire: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ImageItem:
    """An image of the page or of a part of it."""

    light: IlluminationType
    area: DocumentArea
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChecksItem:
    """Checks that the service made."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class PlacedItem:
    """A document was placed: sent by services that wait for one by themselves."""


@dataclass(frozen=True, slots=True)
class RemovedItem:
    """The document was removed before the scan was complete."""


ScanItem = MrzItem | ImageItem | ChecksItem | PlacedItem | RemovedItem | BadFrame


def image_item(light: IlluminationType, area: DocumentArea, content: bytes) -> ImageItem | BadFrame:
    """Build an image from its bytes; the media type is read from them, because services state it wrongly."""
    for beginning, media_type in _BEGINNINGS.items():
        if content.startswith(beginning):
            return ImageItem(light, area, media_type, content)
    return unreadable_response(content)


def unreadable_response(wire: bytes) -> BadFrame:
    """Build the bad frame of bytes that cannot be parsed."""
    return BadFrame(MALFORMED, wire[:RAW_EXCERPT_BYTES])
