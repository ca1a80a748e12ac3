"""Logical data structure: content of EF.COM and of the data groups of text.

Source: ICAO Doc 9303-10, sections 4.6 (EF.COM), 4.7.1 (DG1), 4.7.11 (DG11), 4.7.12 (DG12).
"""

import re
from datetime import date

from drivers.passport.chip_result import DocumentDetails, HolderDetails
from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import MalformedError

# Tags of the data groups, by which EF.COM lists them (9303-10, section 4.6).
DATA_GROUP_TAGS = {
    0x61: 1,
    0x75: 2,
    0x63: 3,
    0x76: 4,
    0x65: 5,
    0x66: 6,
    0x67: 7,
    0x68: 8,
    0x69: 9,
    0x6A: 10,
    0x6B: 11,
    0x6C: 12,
    0x6D: 13,
    0x6E: 14,
    0x6F: 15,
    0x70: 16,
}
_LINES = {90: 30, 72: 36, 88: 44}
_MAX_NAMES = 16
_MAX_TEXT_LENGTH = 1024
_DATE = re.compile(r"[0-9]{8}", re.ASCII)


def com_data_groups(content: bytes) -> frozenset[int]:
    """Parse the data groups that EF.COM lists; raises MalformedError."""
    tags = tlv.required(tlv.children(tlv.parse_whole(content, 0x60), most=32), 0x5C)
    if not set(tags) <= DATA_GROUP_TAGS.keys():
        raise MalformedError("EF.COM lists a tag that no data group has")
    return frozenset(DATA_GROUP_TAGS[tag] for tag in tags)


def dg1_lines(content: bytes) -> tuple[str, ...]:
    """Parse the lines of the zone in DG1; raises MalformedError."""
    zone = tlv.required(tlv.children(tlv.parse_whole(content, 0x61), most=8), 0x5F1F)
    width = _LINES.get(len(zone))
    if width is None or not zone.isascii():
        raise MalformedError("DG1 holds no zone of a known format")
    text = zone.decode("ascii")
    return tuple(text[start : start + width] for start in range(0, len(text), width))


def holder_details(content: bytes) -> HolderDetails:
    """Read DG11; raises MalformedError."""
    items = tlv.children(tlv.parse_whole(content, 0x6B), most=64)
    others = tlv.optional(items, 0xA0)
    names = [item.value for item in tlv.children(others, most=64) if item.tag == 0x5F0F] if others else []
    return HolderDetails(
        full_name=_text(tlv.optional(items, 0x5F0E)),
        other_names=tuple(name for value in names[:_MAX_NAMES] if (name := _text(value)) is not None),
        birth_date=_date(tlv.optional(items, 0x5F2B)),
        birth_place=_text(tlv.optional(items, 0x5F11)),
        personal_number=_text(tlv.optional(items, 0x5F10)),
    )


def document_details(content: bytes) -> DocumentDetails:
    """Read DG12; raises MalformedError."""
    items = tlv.children(tlv.parse_whole(content, 0x6C), most=64)
    return DocumentDetails(
        issuing_authority=_text(tlv.optional(items, 0x5F19)), issue_date=_date(tlv.optional(items, 0x5F26))
    )


def calendar_date(text: str | None) -> date | None:
    """Return the calendar date of a YYYYMMDD, or None when a part is unknown or there is no such day."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if text else None
    except ValueError:
        return None


def _text(value: bytes | None) -> str | None:
    """Decode UTF-8, or Latin-1 as used by older issuers."""
    if not value:
        return None
    if len(value) > _MAX_TEXT_LENGTH:
        raise MalformedError("a text of a data group is too long")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _date(value: bytes | None) -> str | None:
    """Parse YYYYMMDD, written as eight characters or as four bytes of two digits each."""
    if value is None:
        return None
    text = value.hex() if len(value) == 4 else value.decode("latin-1")
    if not _DATE.fullmatch(text):
        raise MalformedError("a date of a data group is malformed")
    return text
