"""Machine readable zones as an issuing office writes them: ICAO Doc 9303 parts 3 to 7.

This module only writes. It is kept apart from the gateway's parser on purpose: a mistake in a shared table
would confirm itself.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FILLER = "<"

# Doc 9303-3 section 6, table A: the letters whose decomposition is not their transliteration.
_LATIN = {
    "Æ": "AE", "Å": "AA", "Ä": "AE", "Ð": "D", "Đ": "D", "Ł": "L", "Ö": "OE", "Ø": "OE", "Œ": "OE",
    "ẞ": "SS", "Þ": "TH", "Ü": "UE", "İ": "I", "Ħ": "H", "Ŋ": "N", "Ŧ": "T",
}  # fmt: skip


class Format(StrEnum):
    """The five sizes of a machine readable zone."""

    TD1 = "TD1"
    TD2 = "TD2"
    TD3 = "TD3"
    MRV_A = "MRV-A"
    MRV_B = "MRV-B"


LINES: dict[Format, int] = {f: 3 if f is Format.TD1 else 2 for f in Format}
WIDTH: dict[Format, int] = {
    Format.TD1: 30,
    Format.TD2: 36,
    Format.TD3: 44,
    Format.MRV_A: 44,
    Format.MRV_B: 36,
}


class Check(StrEnum):
    """The check digits a zone may carry."""

    NUMBER = "number"
    BIRTH = "birth"
    EXPIRY = "expiry"
    OPTIONAL = "optional"
    COMPOSITE = "composite"


_SECOND_LINE = {Check.NUMBER: (1, 9), Check.BIRTH: (1, 19), Check.EXPIRY: (1, 27)}
CHECK_AT: dict[Format, dict[Check, tuple[int, int]]] = {
    Format.TD1: {
        Check.NUMBER: (0, 14),
        Check.BIRTH: (1, 6),
        Check.EXPIRY: (1, 14),
        Check.COMPOSITE: (1, 29),
    },
    Format.TD2: _SECOND_LINE | {Check.COMPOSITE: (1, 35)},
    Format.TD3: _SECOND_LINE | {Check.OPTIONAL: (1, 42), Check.COMPOSITE: (1, 43)},
    Format.MRV_A: _SECOND_LINE,
    Format.MRV_B: _SECOND_LINE,
}
"""Position of each check digit: line and column, both counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Data printed on one travel document; `lines` is its machine readable zone.

    Dates are YYMMDD as printed, unknown parts filled with `<`. Raises ValueError for data that no zone can
    hold.
    """

    format: Format
    code: str
    issuer: str
    number: str
    nationality: str
    surname: str
    given_names: str
    birth: str
    sex: str
    expiry: str
    optional: str = ""
    """Optional data; on a TD1 the data after the number on the first line."""
    optional_2: str = ""
    """TD1 only: optional data of the second line."""
    blank_optional_check: str = FILLER
    """TD3 only: the digit of an empty optional field, which issuers print as `<` or as 0."""
    long_number_check_counts_filler: bool = False
    """True if the check digit of a long number counts the `<` in the digit's own position.

    Numbers of more than 9 characters have it there; the standard does not say: Portugal leaves it out,
    Belgium once counted it.
    """

    @property
    def lines(self) -> tuple[str, ...]:
        """The zone, one string a line."""
        return generate_mrz(self)

    def __post_init__(self) -> None:
        generate_mrz(self)


def check_digit(text: str) -> str:
    """Compute the check digit of `text`: weights 7, 3, 1; `<` counts 0, A to Z 10 to 35 (Doc 9303-3, 4.9)."""
    values = (0 if c == FILLER else int(c, 36) for c in text)
    return str(sum(value * (7, 3, 1)[i % 3] for i, value in enumerate(values)) % 10)


def transliterate(name: str) -> str:
    """Write a name in the letters of the zone: apostrophes dropped, space and hyphen become `<`."""
    letters: list[str] = []
    for character in name.upper():
        if character in _LATIN:
            letters.append(_LATIN[character])
            continue
        for part in unicodedata.normalize("NFKD", character):
            if part in " -<":
                letters.append(FILLER)
            elif part in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
                letters.append(part)
            elif part not in "'\u2019.," and not unicodedata.combining(part):
                raise ValueError(f"no transliteration for {part!r}")
    return FILLER.join(filter(None, "".join(letters).split(FILLER)))


def names_field(surname: str, given_names: str, width: int) -> str:
    """Write the primary identifier, `<<` and the secondary identifier, filled to `width`.

    A name too long for the field is cut so that its last position holds a letter, which tells a reader that
    it was cut (Doc 9303-4, 4.2.3); at least one letter of the given names is kept.
    """
    primary, secondary = transliterate(surname), transliterate(given_names)
    if not primary:
        raise ValueError("a document needs a name")
    if secondary:
        primary = primary[: width - 3].rstrip(FILLER)
    names = f"{primary}{FILLER * 2}{secondary}" if secondary else primary
    while len(names) > width and names[width - 1] == FILLER:
        # The cut falls on a filler: shorten the name before it by one letter, so that a letter of the next
        # shows.
        before = names[:width].rstrip(FILLER)
        names = before[:-1] + names[len(before) :]
    return names[:width].ljust(width, FILLER)


def _field(text: str, width: int, what: str) -> str:
    if len(text) > width or not all(c == FILLER or (c.isascii() and c.isalnum()) for c in text):
        raise ValueError(f"{what} {text!r} does not fit {width} characters of A-Z, 0-9 and <")
    return text.upper().ljust(width, FILLER)


def _date(text: str, what: str) -> str:
    if len(text) != 6 or not all(c == FILLER or c in "0123456789" for c in text):
        raise ValueError(f"{what} {text!r} is not YYMMDD with < for what is unknown")
    return text + check_digit(text)


def _number(document: Document) -> tuple[str, str]:
    """Return number and check digit in 10 positions, and the part of a long number in the optional data."""
    number = document.number.upper()
    if len(number) <= 9:
        held = _field(number, 9, "number")
        return held + check_digit(held), ""
    if document.format not in (Format.TD1, Format.TD2):
        raise ValueError(f"a number of more than 9 characters does not fit a {document.format}")
    start, rest = number[:9] + FILLER, number[9:]
    digit = check_digit((start if document.long_number_check_counts_filler else start[:9]) + rest)
    return start, f"{rest}{digit}{FILLER}"


def generate_mrz(document: Document) -> tuple[str, ...]:
    """Return the lines of a document's machine readable zone."""
    width = WIDTH[document.format]
    head = _field(document.code, 2, "code") + _field(document.issuer, 3, "issuer")
    nationality = _field(document.nationality, 3, "nationality")
    number, spilled = _number(document)
    birth = _date(document.birth, "birth")
    life = birth + _field(document.sex, 1, "sex") + _date(document.expiry, "expiry")

    if document.format is Format.TD1:
        first = head + number + _field(spilled + document.optional, 15, "optional")
        second = life + nationality + _field(document.optional_2, 11, "optional_2")
        composite = check_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
        return first, second + composite, names_field(document.surname, document.given_names, width)

    first = head + names_field(document.surname, document.given_names, width - 5)
    second = number + nationality + life
    match document.format:
        case Format.TD3:
            optional = _field(document.optional, 14, "optional")
            digit = check_digit(optional) if document.optional else document.blank_optional_check
            second += optional + _field(digit, 1, "blank_optional_check")
        case Format.TD2:
            second += _field(spilled + document.optional, 7, "optional")
        case _:
            # A visa has no composite digit; its optional data run to the end of the line.
            return first, second + _field(document.optional, width - 28, "optional")
    return first, second + check_digit(second[0:10] + second[13:20] + second[21:])


def format_of(lines: Sequence[str]) -> Format | None:
    """Return the format with this many lines of this length; None if Doc 9303 has none."""
    visa = bool(lines) and lines[0].startswith("V")
    shape = (len(lines), {len(line) for line in lines})
    for candidate in Format:
        is_visa = candidate in (Format.MRV_A, Format.MRV_B)
        if shape == (LINES[candidate], {WIDTH[candidate]}) and visa == is_visa:
            return candidate
    return None
