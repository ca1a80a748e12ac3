"""Generator of the lines of a zone from a holder and a document, for the five layouts of ICAO Doc 9303.

For simulators and tests. Unlike the parser it is strict: data that cannot be printed raises ValueError.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from drivers.passport.mrz.layouts import MRV_A, MRV_B, TD1, TD2, TD3, MrzLayout
from drivers.passport.mrz.model import MrzFormat, Sex, check_digit
from drivers.passport.mrz.names import Truncation, name_field
from drivers.passport.mrz.transliteration import Language, transliterate

_LAYOUTS = {layout.format: layout for layout in (TD1, TD2, TD3, MRV_A, MRV_B)}
_SEX_PRINTED = {Sex.MALE: "M", Sex.FEMALE: "F", Sex.X: "X", Sex.UNSPECIFIED: "<"}
_PRINTABLE = re.compile(r"[A-Z0-9<]*", re.ASCII)
_PARTIAL_DATE = re.compile(r"(?:[0-9]{2}|<<){3}", re.ASCII)


class LongNumberDigit(StrEnum):
    """Text summed by the check digit of a long number (9303-5, section 4.2.4)."""

    FILLER_EXCLUDED = "filler_excluded"
    """The number alone, as in today's standard."""
    FILLER_INCLUDED = "filler_included"
    """The number and the filler in the digit's place, as on older cards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Holder of a document."""

    primary_identifier: str
    """In any script of the transliteration tables."""
    secondary_identifier: str = ""
    nationality: str
    birth_date: date | str
    """A date, or YYMMDD with two fillers for each unknown part."""
    sex: Sex = Sex.UNSPECIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class TravelDocument:
    """Data of a document, before it is laid out."""

    format: MrzFormat
    document_code: str
    issuer: str
    document_number: str
    expiry_date: date | str
    """A date, or YYMMDD as in `Holder.birth_date`."""
    holder: Holder
    optional_data: tuple[str, ...] = ()
    """Up to two fields on a TD1, one on the others."""


def generate(
    document: TravelDocument,
    *,
    long_number: LongNumberDigit = LongNumberDigit.FILLER_EXCLUDED,
    truncation: Truncation = Truncation.INITIALS,
    component_length: int = 6,
    language: Language | None = None,
    choice: int = 0,
) -> tuple[str, ...]:
    """Print the lines of a zone with all their check digits.

    `truncation` and `component_length` select the shortening of a long name, `language` and `choice` its
    transliteration. Raises ValueError for data that the layout cannot hold.
    """
    layout = _LAYOUTS.get(document.format)
    if layout is None:
        raise ValueError(f"{document.format} is no layout of Doc 9303")
    page = ["<"] * sum(layout.lengths)
    holder = document.holder
    if layout.sex is None or (sex := _SEX_PRINTED.get(holder.sex)) is None:
        raise ValueError("the sex cannot be printed")
    page[layout.sex] = sex
    _put(page, layout.code, "document code", document.document_code)
    _put(page, layout.issuer, "issuer", document.issuer)
    _put(page, layout.nationality, "nationality", holder.nationality)
    _put(page, layout.birth, "date of birth", _printed_date(holder.birth_date))
    _put(page, layout.expiry, "date of expiry", _printed_date(document.expiry_date))
    primary = transliterate(holder.primary_identifier, language, choice)
    secondary = transliterate(holder.secondary_identifier, language, choice)
    if not primary:
        raise ValueError("a primary identifier has letters")
    width = layout.name.stop - layout.name.start
    name = name_field(primary, secondary, width, truncation, component_length)
    _put(page, layout.name, "name", name)
    is_visa = document.format in {MrzFormat.MRV_A, MrzFormat.MRV_B}
    if is_visa != document.document_code.startswith("V"):
        raise ValueError("the code of a visa, and of nothing else, starts with V")
    number_has_digit = _put_number(page, layout, document, long_number)
    _put_digits(page, layout, number_has_digit)
    lines, start = [], 0
    for length in layout.lengths:
        lines.append("".join(page[start : start + length]))
        start += length
    return tuple(lines)


def _put_number(
    page: list[str], layout: MrzLayout, document: TravelDocument, long_number: LongNumberDigit
) -> bool:
    """Print number and optional data; return true when the number has its digit in the usual place.

    A long number takes the beginning of the first optional field, digit included.
    """
    number, optional = document.document_number, document.optional_data
    width = layout.number.stop - layout.number.start
    if not number or number.strip("<") != number:
        raise ValueError("a document number starts and ends with a letter or a digit")
    if len(optional) > len(layout.optional):
        raise ValueError("there are more optional fields than the layout has")
    fields = [*optional, *[""] * (len(layout.optional) - len(optional))]
    is_long = len(number) > width
    if is_long:
        if layout.long_number is None:
            raise ValueError("this layout has no room for a long document number")
        principal, rest = number[:width], number[width:]
        if "<" in rest or principal.endswith("<"):
            raise ValueError("a long document number has no fillers where it is parted")
        filler = "<" if long_number is LongNumberDigit.FILLER_INCLUDED else ""
        fields[0] = f"{rest}{_digit_of(principal + filler + rest)}<{fields[0]}"
        number = principal
    for place, text in zip(layout.optional, fields, strict=True):
        _put(page, place, "optional data", text)
    _put(page, layout.number, "document number", number)
    return not is_long


def _put_digits(page: list[str], layout: MrzLayout, number_has_digit: bool) -> None:
    """Print every digit, the composite last because it sums the others."""
    for digit in layout.digits:
        summed = "".join("".join(page[place]) for place in digit.readings[0])
        empty = digit.blank and not summed.strip("<")
        if empty or (digit.field == "document_number" and not number_has_digit):
            continue
        page[digit.at] = _digit_of(summed)


def _digit_of(text: str) -> str:
    value = check_digit(text)
    if value is None:
        raise ValueError("a field holds a character that no zone has")
    return value


def _put(page: list[str], place: slice | None, what: str, text: str) -> None:
    """Print a field from its first place on; unused places stay fillers."""
    assert place is not None, "the layouts of the standard have all these fields"
    width = place.stop - place.start
    if len(text) > width:
        raise ValueError(f"the {what} has {len(text)} characters, its field {width}")
    if not _PRINTABLE.fullmatch(text):
        raise ValueError(f"the {what} holds a character that no zone has")
    page[place] = text.ljust(width, "<")


def _printed_date(value: date | str) -> str:
    """Print YYMMDD; unknown parts stay fillers."""
    if isinstance(value, date):
        return value.strftime("%y%m%d")
    if not _PARTIAL_DATE.fullmatch(value):
        raise ValueError("a date is YYMMDD, with two fillers for an unknown part")
    return value
