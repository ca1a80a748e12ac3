"""BER-TLV data objects (ISO/IEC 7816-4, section 5.2.2; ITU-T X.690, section 8.1).

Every length is checked against the bytes that are present, nothing recurses, and the number of siblings is
bounded, so that hostile bytes cost no more than their own length.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.passport.emrtd.errors import MalformedError

MAX_SIBLINGS = 4096
MAX_NESTING = 32
MAX_OBJECTS = 100_000
_MAX_TAG_LENGTH = 4
_MAX_LENGTH_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object."""

    tag: int
    """All bytes of the tag as one number, for example 0x7F61."""
    value: bytes = field(repr=False)
    size: int
    """Encoded length in bytes, header included."""


def parse_header(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """Parse tag, length of the value, and offset of the value.

    The value may be incomplete: four bytes of a file are enough for its length. Raises MalformedError when
    the header is cut or has no definite length.
    """
    tag, at = _tag(data, at)
    length, at = _length(data, at)
    if length is None:
        raise MalformedError("a data object has no definite length")
    return tag, length, at


def parse_first(data: bytes, at: int = 0) -> Tlv:
    """Parse the data object at offset `at`; raises MalformedError when it is cut."""
    tag, length, start = parse_header(data, at)
    if start + length > len(data):
        raise MalformedError("a data object is longer than the bytes that hold it")
    return Tlv(tag, data[start : start + length], start + length - at)


def parse_whole(data: bytes, tag: int) -> bytes:
    """Return the value of a file that is one data object of that tag.

    Bytes after the object are padding of the file and ignored. Raises MalformedError.
    """
    found = parse_first(data)
    if found.tag != tag:
        raise MalformedError(f"a data object has tag {found.tag:X} and not {tag:X}")
    return found.value


def parse_value(data: bytes, tag: int) -> bytes:
    """Read the value of a data object of that tag with nothing after it; raises MalformedError."""
    found = parse_first(data)
    if found.tag != tag or found.size != len(data):
        raise MalformedError(f"not exactly one data object of tag {tag:X}")
    return found.value


def children(value: bytes, most: int = MAX_SIBLINGS) -> tuple[Tlv, ...]:
    """Read the data objects that fill a constructed value; raises MalformedError."""
    found: list[Tlv] = []
    at = 0
    while at < len(value):
        if len(found) == most:
            raise MalformedError("too many data objects on one level")
        item = parse_first(value, at)
        found.append(item)
        at += item.size
    return tuple(found)


def optional(items: Iterable[Tlv], tag: int) -> bytes | None:
    """Return the value of the first object of that tag, or None."""
    return next((item.value for item in items if item.tag == tag), None)


def required(items: Iterable[Tlv], tag: int) -> bytes:
    """Return the value of the first object of that tag; raises MalformedError when there is none."""
    value = optional(items, tag)
    if value is None:
        raise MalformedError(f"a data object of tag {tag:X} is missing")
    return value


def encode(tag: int, value: bytes) -> bytes:
    """Write a data object, its length in the fewest bytes."""
    tag_bytes = tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big")
    size = len(value)
    if size < 0x80:
        return tag_bytes + bytes([size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag_bytes + bytes([0x80 | len(length)]) + length + value


def check_nesting(data: bytes) -> None:
    """Refuse BER that a recursive parser could not parse in bounded depth and time; raises MalformedError.

    Indefinite lengths are accepted: some signers of security objects do not write DER.
    """
    ends: list[int | None] = []  # end of each open object; None until its end-of-contents
    at = objects = 0
    while at < len(data) or ends:
        if ends and ends[-1] is not None and at >= ends[-1]:
            ends.pop()
            continue
        if ends and ends[-1] is None and data[at : at + 2] == b"\0\0":
            ends.pop()
            at += 2
            continue
        tag_start = at
        _, at = _tag(data, at)
        length, at = _length(data, at)
        limit = next((end for end in reversed(ends) if end is not None), len(data))
        if length is not None and at + length > limit:
            raise MalformedError("a data object is longer than the one around it")
        if data[tag_start] & 0x20:
            ends.append(None if length is None else at + length)
        elif length is None:
            raise MalformedError("a primitive data object has no definite length")
        else:
            at += length
        objects += 1
        if len(ends) > MAX_NESTING or objects > MAX_OBJECTS:
            raise MalformedError("data objects are nested too deep or are too many")


def _tag(data: bytes, at: int) -> tuple[int, int]:
    start = at
    if at >= len(data):
        raise MalformedError("a data object ends before its tag")
    more = data[at] & 0x1F == 0x1F
    at += 1
    while more:
        if at >= len(data) or at - start == _MAX_TAG_LENGTH:
            raise MalformedError("a tag is cut or too long")
        more = bool(data[at] & 0x80)
        at += 1
    return int.from_bytes(data[start:at], "big"), at


def _length(data: bytes, at: int) -> tuple[int | None, int]:
    if at >= len(data):
        raise MalformedError("a data object ends before its length")
    octet = data[at]
    at += 1
    if octet < 0x80:
        return octet, at
    if octet == 0x80:
        return None, at
    count = octet & 0x7F
    if count > _MAX_LENGTH_LENGTH or at + count > len(data):
        raise MalformedError("a length is cut or too long")
    return int.from_bytes(data[at : at + count], "big"), at + count
