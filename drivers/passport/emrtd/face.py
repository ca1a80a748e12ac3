"""Face of the holder in DG2, in either of the two formats that documents use.

Source: ICAO Doc 9303-10, section 4.7.2 (CBEFF wrapping); ISO/IEC 19794-5:2005, section 5; ISO/IEC
39794-5:2019 in its tagged binary encoding. The image is passed on unchanged; nothing is decoded here.
"""

import struct
from dataclasses import dataclass, field

from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import MalformedError, UnsupportedError

_RECORD_HEADER = struct.Struct(">4s4sIH")
_FACIAL_BLOCK = struct.Struct(">IH14x")
_FEATURE_POINT = 8
_IMAGE_BLOCK = struct.Struct(">BBHH6x")
_MAGIC, _VERSION = b"FAC\0", b"010\0"
_FACE_DATA_BLOCK = 0x65
_MEDIA_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/x-jp2-codestream"),
)


@dataclass(frozen=True, slots=True)
class FaceImage:
    """One encoded image."""

    media_type: str
    content: bytes = field(repr=False)


def face_image(content: bytes) -> FaceImage:
    """Return the first face of DG2; raises MalformedError, or UnsupportedError for another encoding."""
    group = tlv.required(tlv.children(tlv.parse_whole(content, 0x75), most=4), 0x7F61)
    templates = tlv.children(group, most=16)
    template = tlv.children(tlv.required(templates, 0x7F60), most=8)
    block = tlv.optional(template, 0x5F2E)
    if block is None:
        block = tlv.required(template, 0x7F2E)
    image = _from_19794(block) if block.startswith(_MAGIC) else _from_39794(block)
    return FaceImage(media_type(image), image)


def media_type(image: bytes) -> str:
    """Detect the media type by the first bytes, because some issuers declare the wrong one."""
    for magic, name in _MEDIA_TYPES:
        if image.startswith(magic):
            return name
    raise UnsupportedError("the face is neither JPEG nor JPEG 2000")


def _from_19794(block: bytes) -> bytes:
    """Skip record header, facial information, feature points and image information."""
    try:
        _, version, length, faces = _RECORD_HEADER.unpack_from(block)
        size, points = _FACIAL_BLOCK.unpack_from(block, _RECORD_HEADER.size)
    except struct.error:
        raise MalformedError("a face record ends before its image") from None
    if version != _VERSION or not faces or length > len(block):
        raise MalformedError("a face record has an unknown version, no face, or more bytes than are present")
    start = _RECORD_HEADER.size + _FACIAL_BLOCK.size + points * _FEATURE_POINT + _IMAGE_BLOCK.size
    stop = _RECORD_HEADER.size + size
    if not start < stop <= len(block):
        raise MalformedError("a face record has no room for its image")
    return block[start:stop]


def _from_39794(block: bytes) -> bytes:
    """Follow face block, representations, the first of them, image representation, base, 2D, data."""
    at = tlv.parse_first(block)
    # The block may stand in the template as it is, or inside one more constructed object.
    if at.tag != _FACE_DATA_BLOCK:
        at = tlv.parse_first(at.value)
    if at.tag != _FACE_DATA_BLOCK:
        raise MalformedError("DG2 holds no face in a known format")
    value = at.value
    for tag in (0xA1, 0x30, 0xA1, 0xA0, 0xA0):
        value = tlv.required(tlv.children(value, most=64), tag)
    return tlv.required(tlv.children(value, most=64), 0x80)
