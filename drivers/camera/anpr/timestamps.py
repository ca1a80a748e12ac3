"""Timestamps of cameras: parsed from many formats, never corrected."""

import re
from datetime import datetime

_TIME = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ]?(\d\d):?(\d\d):?(\d\d)(?:[.:]?(\d{1,9}))?\s*(Z|[+-]\d\d?:?\d\d)?",
    re.ASCII,
)


def to_iso(text: str | None) -> str | None:
    """Convert a time with or without separators to ISO 8601; None if invalid. No zone is added."""
    found = _TIME.fullmatch(text.strip()) if text else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction_s, zone = found.groups()
    written = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    if fraction_s:
        written += f".{fraction_s}"
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "").rjust(4, "0")
        zone = f"{zone[0]}{digits[:2]}:{digits[2:]}"
    written += zone or ""
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return None
    return written


def to_local_time(text: str | None) -> datetime | None:
    """Return the time to the second and without zone, to compare times of one camera; None if invalid."""
    written = to_iso(text)
    return datetime.fromisoformat(written[:19]) if written else None
