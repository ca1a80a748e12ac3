"""Position of each field, layout by layout.

Positions are of the joined lines, counted from 0, so that a TD3's second line starts at 44. The five layouts
of the standard are here (ICAO Doc 9303-4, -5, -6 and -7, sections 4.2.2 and 4.2.4); those of issuers that
depart from it are in `profiles`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from drivers.passport.mrz.model import MrzDeviation, MrzFormat, MrzProfile

DigitReading = tuple[slice, ...]
"""Pieces of text that one check digit sums, in order."""

# Characters that each kind of field may hold, and the characters that readers mistake them for.
_CLEAN = {"any": "[A-Z0-9<]", "alpha": "[A-Z<]", "digit": "[0-9<]", "code": "[A-Z]", "sex": "[MFX<]"}
_LOOSE = {**dict.fromkeys(_CLEAN, "."), "digit": "[0-9<OQDILZSBG]", "code": "[A-Z]", "sex": "[A-Z0-9<]"}


@dataclass(frozen=True, slots=True)
class CheckDigitLayout:
    """One check digit: the field it protects, its place, and every interpretation of its text."""

    field: str
    at: int
    readings: tuple[DigitReading, ...]
    blank: bool = False
    """A filler is as valid as 0 when the field is empty (TD3 optional data)."""
    free: bool = False
    """The issuer prints another number here that has no digit; a mismatch is no error."""


@dataclass(frozen=True)
class MrzLayout:
    """A format as one issuer, or the standard, uses it."""

    format: MrzFormat
    profile: MrzProfile
    lengths: tuple[int, ...]
    marks: re.Pattern[str]
    """Beginning of the joined lines to which this layout applies."""
    code: slice
    issuer: slice
    number: slice
    name: slice
    digits: tuple[CheckDigitLayout, ...]
    given_names: slice | None = None
    """Place of the given names, when they have a field of their own."""
    nationality: slice | None = None
    birth: slice | None = None
    sex: int | None = None
    issue: slice | None = None
    expiry: slice | None = None
    optional: tuple[slice, ...] = ()
    long_number: slice | None = None
    """Optional field into which a long document number continues."""
    second_number: slice | None = None
    surname_unmarked: bool = False
    """Names may come with single fillers only, given names first."""
    name_digits: bool = False
    """Digits in names are this issuer's letters."""
    notes: tuple[MrzDeviation, ...] = ()

    @cached_property
    def strict_pattern(self) -> re.Pattern[str]:
        """Pattern of joined lines in which every place holds a permitted character."""
        return self._pattern(_CLEAN)

    @cached_property
    def tolerant_pattern(self) -> re.Pattern[str]:
        """Pattern of joined lines that have this layout's shape, misread characters included."""
        return self._pattern(_LOOSE)

    @cached_property
    def fields(self) -> tuple[tuple[str, slice, str], ...]:
        """Name, place and kind of every field."""
        return tuple(self._fields())

    def _fields(self) -> Iterator[tuple[str, slice, str]]:
        # Those without restriction first: where fields overlap, the later one decides.
        yield "document_code", slice(self.code.start, self.code.start + 1), "code"
        yield "document_code", slice(self.code.start + 1, self.code.stop), "any"
        yield "document_number", self.number, "any"
        for optional in self.optional:
            yield "optional_data", optional, "any"
        yield "issuer", self.issuer, "alpha"
        yield "name", self.name, "any" if self.name_digits else "alpha"
        for name, place, kind in (
            ("name", self.given_names, "alpha"),
            ("nationality", self.nationality, "alpha"),
            ("birth_date", self.birth, "digit"),
            ("expiry_date", self.expiry, "digit"),
            ("sex", None if self.sex is None else slice(self.sex, self.sex + 1), "sex"),
        ):
            if place is not None:
                yield name, place, kind
        for digit in self.digits:
            yield f"{digit.field}_digit", slice(digit.at, digit.at + 1), "any" if digit.free else "digit"

    def line_and_place(self, at: int) -> tuple[int, int]:
        """Return line and place of an offset in the joined lines, both counted from 1."""
        line = 0
        while at >= self.lengths[line]:
            at -= self.lengths[line]
            line += 1
        return line + 1, at + 1

    def _pattern(self, classes: dict[str, str]) -> re.Pattern[str]:
        kinds = ["any"] * sum(self.lengths)
        for _, place, kind in self.fields:
            kinds[place] = [kind] * (place.stop - place.start)
        return re.compile("".join(classes[kind] for kind in kinds), re.DOTALL)


def two_lines(
    format_: MrzFormat, marks: str, width: int, optional_end: int, digits: tuple[CheckDigitLayout, ...]
) -> MrzLayout:
    """Lay out TD3, TD2 and both visas, which differ in width and in the fields after the date of expiry."""
    w = width
    return MrzLayout(
        format=format_,
        profile=MrzProfile.ICAO,
        lengths=(w, w),
        marks=re.compile(marks),
        code=slice(0, 2),
        issuer=slice(2, 5),
        name=slice(5, w),
        number=slice(w, w + 9),
        nationality=slice(w + 10, w + 13),
        birth=slice(w + 13, w + 19),
        sex=w + 20,
        expiry=slice(w + 21, w + 27),
        optional=(slice(w + 28, w + optional_end),),
        long_number=slice(w + 28, w + optional_end) if format_ is MrzFormat.TD2 else None,
        digits=(
            CheckDigitLayout("document_number", w + 9, ((slice(w, w + 9),),)),
            CheckDigitLayout("birth_date", w + 19, ((slice(w + 13, w + 19),),)),
            CheckDigitLayout("expiry_date", w + 27, ((slice(w + 21, w + 27),),)),
            *digits,
        ),
    )


def composite_digit(width: int, end: int) -> CheckDigitLayout:
    """Lay out the composite digit of a two-line format: the second line without nationality and sex."""
    w = width
    return CheckDigitLayout(
        "composite", w + end, ((slice(w, w + 10), slice(w + 13, w + 20), slice(w + 21, w + end)),)
    )


TD3_OPTIONAL = CheckDigitLayout("optional_data", 86, ((slice(72, 86),),), blank=True)
TD3 = two_lines(MrzFormat.TD3, "[^V]", 44, 42, (TD3_OPTIONAL, composite_digit(44, 43)))
TD2 = two_lines(MrzFormat.TD2, "[^V]", 36, 35, (composite_digit(36, 35),))
MRV_A = two_lines(MrzFormat.MRV_A, "V", 44, 44, ())
MRV_B = two_lines(MrzFormat.MRV_B, "V", 36, 36, ())

TD1_COMPOSITE: DigitReading = (slice(5, 30), slice(30, 37), slice(38, 45), slice(48, 59))
TD1 = MrzLayout(
    format=MrzFormat.TD1,
    profile=MrzProfile.ICAO,
    lengths=(30, 30, 30),
    marks=re.compile(""),
    code=slice(0, 2),
    issuer=slice(2, 5),
    number=slice(5, 14),
    birth=slice(30, 36),
    sex=37,
    expiry=slice(38, 44),
    nationality=slice(45, 48),
    name=slice(60, 90),
    optional=(slice(15, 30), slice(48, 59)),
    long_number=slice(15, 30),
    digits=(
        CheckDigitLayout("document_number", 14, ((slice(5, 14),),)),
        CheckDigitLayout("birth_date", 36, ((slice(30, 36),),)),
        CheckDigitLayout("expiry_date", 44, ((slice(38, 44),),)),
        CheckDigitLayout("composite", 59, (TD1_COMPOSITE,)),
    ),
)
ICAO = (TD1, TD2, TD3, MRV_A, MRV_B)
