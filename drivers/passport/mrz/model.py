"""Content of a machine readable zone: every field as printed, every check digit, every deviation."""

from calendar import monthrange
from datetime import date
from itertools import chain, repeat
from operator import mul

from pydantic import Field

from drivers.observation import DataModel, OpenEnum

# The longest text any layout sums is the composite of the French identity card, 71 characters.
_WEIGHTS = tuple(chain.from_iterable(repeat((7, 3, 1), 30)))
_FOREIGN = 255
# 0-9 count as themselves, A-Z as 10 to 35, the filler as 0; anything else cannot be in a zone.
_VALUES = bytes(
    0 if c == 0x3C else c - 0x30 if 0x30 <= c <= 0x39 else c - 55 if 0x41 <= c <= 0x5A else _FOREIGN
    for c in range(256)
)


class MrzFormat(OpenEnum):
    """Layout of the lines."""

    TD1 = "td1"
    """Card, 3 lines of 30 (ICAO Doc 9303-5)."""
    TD2 = "td2"
    """Larger card, 2 lines of 36 (9303-6)."""
    TD3 = "td3"
    """Passport, 2 lines of 44 (9303-4)."""
    MRV_A = "mrv_a"
    """Visa, 2 lines of 44 (9303-7)."""
    MRV_B = "mrv_b"
    """Visa, 2 lines of 36 (9303-7)."""
    FRA_ID = "fra_id"
    """French identity card issued before August 2021, 2 lines of 36."""
    FRA_LICENCE = "fra_licence"
    """French driving licence, 1 line of 30."""
    CHE_LICENCE = "che_licence"
    """Swiss driving licence, lines of 9, 30 and 30."""
    UNKNOWN = "unknown"


class MrzProfile(OpenEnum):
    """Rules for the fields: those of the standard, or of an issuer that departs from it."""

    ICAO = "icao"
    FRA_ID = "fra_id"
    FRA_LICENCE = "fra_licence"
    CHE_LICENCE = "che_licence"
    KEN_ID = "ken_id"
    UGA_ID = "uga_id"
    NLD_ID = "nld_id"
    RUS_INTERNAL = "rus_internal"
    USA_PASSPORT = "usa_passport"
    UNKNOWN = "unknown"


class Sex(OpenEnum):
    """The holder's sex as printed."""

    MALE = "M"
    FEMALE = "F"
    X = "X"
    """Printed as X, where the standard would have a filler."""
    UNSPECIFIED = "unspecified"
    """Printed as a filler."""
    UNKNOWN = "unknown"
    """Printed as something else, or misread."""


class DigitResult(OpenEnum):
    """Result of one check digit."""

    OK = "ok"
    FAILED = "failed"
    ABSENT = "absent"
    """Nothing to compare: an empty field without a digit, or a place that this issuer uses otherwise."""
    UNREADABLE = "unreadable"
    """The field or the digit holds what it cannot hold, such as a letter in a date: the reader misread it."""
    UNKNOWN = "unknown"


class DeviationCode(OpenEnum):
    """Deviation of a zone from Doc 9303, or of a reading from any possible print."""

    LINES_SWAPPED = "lines_swapped"
    LINES_JOINED = "lines_joined"
    LOWER_CASE = "lower_case"
    """A reader in keyboard mode typed small letters only; they were read as capitals."""
    LINE_SHIFTED = "line_shifted"
    OCR_SLIP = "ocr_slip"
    WRONG_CHARACTER = "wrong_character"
    NUMBER_MISSING = "number_missing"
    ISSUER_UNKNOWN = "issuer_unknown"
    NATIONALITY_UNKNOWN = "nationality_unknown"
    SEX_X = "sex_x"
    DATE_INVALID = "date_invalid"
    NAME_DIGITS = "name_digits"
    NAME_SEPARATORS = "name_separators"
    PRIMARY_MISSING = "primary_missing"
    SURNAME_UNMARKED = "surname_unmarked"
    NAME_UNDIVIDED = "name_undivided"
    """No two fillers in a name of several parts: one identifier, or two of which a filler was lost."""
    LONG_NUMBER_FILLER = "long_number_filler"
    OPTIONAL_FREE = "optional_free"
    NUMBER_SPLIT = "number_split"
    NUMBER_UNNAMED = "number_unnamed"
    EXPIRY_UNVERIFIED = "expiry_unverified"
    UNKNOWN = "unknown"


class MrzDate(DataModel):
    """A date of two-digit years, of which parts may be unknown (9303-3, section 4.8)."""

    raw: str = Field(description="As printed: YYMMDD, fillers for unknown parts.", examples=["740812"])
    year: int | None = Field(
        default=None,
        description="The year with its century, which is inferred: a birth is not in the future, an expiry "
        "not more than 50 years ahead.",
        examples=[1974],
    )
    month: int | None = Field(default=None, ge=1, le=12, description="Month, 1 to 12.", examples=[8])
    day: int | None = Field(
        default=None, ge=1, le=31, description="Day of the month, 1 to 31.", examples=[12]
    )

    def as_date(self) -> date | None:
        """Return the calendar date, or None when a part is unknown or there is no such day."""
        if self.year is None or self.month is None or self.day is None:
            return None
        try:
            return date(self.year, self.month, self.day)
        except ValueError:
            return None

    @property
    def is_stated(self) -> bool:
        """True when anything but fillers is printed."""
        return self.raw.strip("<") != ""

    @property
    def is_possible(self) -> bool:
        """False when no calendar has such a day, whatever its unknown parts are.

        A part is two digits or two fillers. A year and month alone, as on French cards, are a date too.
        """
        parts = [self.raw[at : at + 2] for at in range(0, len(self.raw), 2)]
        if any(part != "<<" and _number(part) is None for part in parts):
            return False
        month, day = ([_number(part) for part in parts[1:3]] + [None, None])[:2]
        if month is not None and not 1 <= month <= 12:
            return False
        # A leap year where the year is unknown.
        last = 31 if month is None else monthrange(2000 if self.year is None else self.year, month)[1]
        return day is None or 1 <= day <= last


class DigitCheck(DataModel):
    """One check digit of the zone."""

    unredacted_fields = frozenset({"field", "result"})

    field: str = Field(description="The field it protects.", examples=["document_number"])
    printed: str = Field(description="The character in the digit's place.", examples=["6"])
    expected: tuple[str, ...] = Field(
        description="Every digit that would be right; more than one where the standard has been read in two "
        "ways, none where a character was not readable.",
        examples=[["6"]],
    )
    result: DigitResult = Field(description="Result of the comparison.", examples=["ok"])


class MrzDeviation(DataModel):
    """A deviation of the zone. Deviations are reported, never repaired."""

    unredacted_fields = frozenset({"code", "field", "line", "place"})

    code: DeviationCode = Field(description="Code of the deviation.", examples=["lines_swapped"])
    field: str | None = Field(
        default=None, description="The field concerned, if it is one.", examples=["birth_date"]
    )
    line: int | None = Field(
        default=None, ge=1, description="Printed line of the field, counted from 1.", examples=[2]
    )
    place: int | None = Field(
        default=None,
        ge=1,
        description="Place in that line of the first character concerned, counted from 1.",
        examples=[14],
    )
    text: str = Field(
        description="A sentence for a person. Never personal data.",
        examples=["The lines came in another order than they are printed."],
    )


class Mrz(DataModel):
    """A machine readable zone as read. Fillers are taken off the ends; nothing else is changed."""

    unredacted_fields = frozenset(
        {"format", "profile", "document_code", "issuer", "name_truncated", "digits", "deviations"}
    )

    format: MrzFormat = Field(description="Layout of the lines.", examples=["td3"])
    profile: MrzProfile = Field(description="Rules by which the fields were parsed.", examples=["icao"])
    lines: tuple[str, ...] = Field(
        description="The lines as read, in the order they came.",
        examples=[
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        ],
    )
    document_code: str = Field(description="Kind of document, one or two characters.", examples=["P"])
    issuer: str = Field(
        description="Issuing state or organization: three letters, or `D` for Germany.", examples=["UTO"]
    )
    document_number: str = Field(
        description="Number of the document; the whole of it where it runs on into the optional data.",
        examples=["L898902C3"],
    )
    second_number: str | None = Field(
        default=None,
        description="A further number of the profile: on Kenyan and Ugandan cards, old Dutch ones "
        "and Swiss licences.",
        examples=[None],
    )
    nationality: str | None = Field(
        default=None,
        description="Nationality of the holder, null where the layout has none.",
        examples=["UTO"],
    )
    primary_identifier: str = Field(
        description="Primary identifier, mostly the family name.", examples=["ERIKSSON"]
    )
    secondary_identifier: str = Field(
        description="Secondary identifier, mostly the given names; empty if there is none.",
        examples=["ANNA MARIA"],
    )
    name_truncated: bool = Field(
        description="True if the name fills its field, so that part of it may be missing.", examples=[False]
    )
    birth_date: MrzDate | None = Field(
        default=None,
        description="Date of birth, null where the layout has none.",
        examples=[{"raw": "740812", "year": 1974, "month": 8, "day": 12}],
    )
    sex: Sex | None = Field(default=None, description="Sex, null where the layout has none.", examples=["F"])
    issue_date: MrzDate | None = Field(
        default=None, description="Date of issue, where the profile has one.", examples=[None]
    )
    expiry_date: MrzDate | None = Field(
        default=None,
        description="Last day of validity, null where the layout has none.",
        examples=[{"raw": "120415", "year": 2012, "month": 4, "day": 15}],
    )
    optional_data: tuple[str, ...] = Field(
        default=(),
        description="The fields left to the issuer, one or two, without what belongs to a long number.",
        examples=[["ZE184226B"]],
    )
    digits: tuple[DigitCheck, ...] = Field(
        default=(),
        description="Every check digit of the layout.",
        examples=[[{"field": "document_number", "printed": "6", "expected": ["6"], "result": "ok"}]],
    )
    deviations: tuple[MrzDeviation, ...] = Field(
        default=(),
        description="Deviations of the zone.",
        examples=[[]],
    )


# A zone prints YYMMDD without a century (Doc 9303-3, section 4.8), so the century is inferred. A birth is
# never in the future: the latest century that is not wins, and people older than 100 come out too young, as
# on every reader. An expiry is at most 50 years ahead, which keeps the 30 past years that an old document
# needs.
EXPIRY_AHEAD_YEARS = 50


def birth_date(raw: str, today: date) -> MrzDate:
    """Parse a date of birth; parts that are not two digits are unknown."""
    year, month, day = _parts(raw)
    if year is not None:
        # An unknown month or day counts as the earliest: an infant of this year is not a centenarian.
        latest = (today.year, today.month, today.day)
        century = today.year - today.year % 100
        year += century if (century + year, month or 1, day or 1) <= latest else century - 100
    return MrzDate(raw=raw, year=year, month=month, day=day)


def expiry_date(raw: str, today: date) -> MrzDate:
    """Parse a date of expiry or of the end of a visa; parts that are not two digits are unknown."""
    year, month, day = _parts(raw)
    if year is not None:
        latest = today.year + EXPIRY_AHEAD_YEARS
        year = latest - (latest - year) % 100
    return MrzDate(raw=raw, year=year, month=month, day=day)


def _parts(raw: str) -> tuple[int | None, int | None, int | None]:
    """Split a date into year, month and day; a month or day that no calendar has is unknown."""
    year, month, day = _number(raw[0:2]), _number(raw[2:4]), _number(raw[4:6])
    return (
        year,
        month if month and month <= 12 else None,
        day if day and day <= 31 else None,
    )


def _number(text: str) -> int | None:
    # isdecimal alone would accept Arabic-Indic digits.
    return int(text) if len(text) == 2 and text.isascii() and text.isdecimal() else None


def check_digit(text: str) -> str | None:
    """Compute the check digit over `text` (ICAO Doc 9303-3, section 4.9): weights 7-3-1, modulo 10.

    None when it has a character that no zone can have.
    """
    values = text.encode("latin-1", "replace").translate(_VALUES)
    if _FOREIGN in values:
        return None
    weights = _WEIGHTS if len(values) <= len(_WEIGHTS) else chain.from_iterable(repeat((7, 3, 1)))
    return "0123456789"[sum(map(mul, values, weights)) % 10]


def foreign_characters(text: str) -> int:
    """Count the characters that no zone can have."""
    return text.encode("latin-1", "replace").translate(_VALUES).count(_FOREIGN)
