"""Centuries for two-digit years.

Doc 9303-3, section 4.8 prints YYMMDD and does not say which century. A birth is never in the future, so
the latest century that is not wins; people older than 100 come out too young, as on every reader. Validity
looks ahead: the latest year not more than 50 years away, which leaves at least the 30 past years that an
old document needs.
"""

from datetime import date

from drivers.passport.mrz.model import MrzDate

EXPIRY_AHEAD_YEARS = 50


def birth_date(raw: str, today: date) -> MrzDate:
    """Read a date of birth; parts that are not two digits are unknown."""
    year, month, day = _parts(raw)
    if year is not None:
        # An unknown month or day counts as the earliest: an infant of this year is not a centenarian.
        latest = (today.year, today.month, today.day)
        century = today.year - today.year % 100
        year += century if (century + year, month or 1, day or 1) <= latest else century - 100
    return MrzDate(raw=raw, year=year, month=month, day=day)


def expiry_date(raw: str, today: date) -> MrzDate:
    """Read a date of expiry or of the end of a visa; parts that are not two digits are unknown."""
    year, month, day = _parts(raw)
    if year is not None:
        latest = today.year + EXPIRY_AHEAD_YEARS
        year = latest - (latest - year) % 100
    return MrzDate(raw=raw, year=year, month=month, day=day)


def _parts(raw: str) -> tuple[int | None, int | None, int | None]:
    """Take year, month and day apart; a month or day that no calendar has is unknown."""
    year, month, day = _number(raw[0:2]), _number(raw[2:4]), _number(raw[4:6])
    return (
        year,
        month if month and month <= 12 else None,
        day if day and day <= 31 else None,
    )


def _number(text: str) -> int | None:
    # isdecimal alone would let Arabic-Indic digits through.
    return int(text) if len(text) == 2 and text.isascii() and text.isdecimal() else None
