"""Faults of lines that are a zone and cannot be parsed: what is wrong, in which line, at which place.

A zone with one character lost or read twice has no layout any more. It is there nevertheless, and the
officer must see more than "no zone". Texts give lines, lengths and places, never the characters themselves.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice

from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.profiles import LAYOUTS

_MAX_LINES = 8
_MAX_LINE_LENGTH = 128
# Layouts of the standard come first: they win where two fit equally well.
_LENGTHS = tuple(dict.fromkeys(layout.lengths for layout in reversed(LAYOUTS)))
_JOINED = frozenset(sum(lengths) for lengths in _LENGTHS)
# No other text has two fillers side by side. Mark-up has single ones: one counts in a long line only.
_FILLERS = re.compile("<<")
_FILLER_LENGTH, _ZONE_SHARE = 20, 0.8
_DIGIT = "[0-9OQDILZSBG]"
# Birth, digit, sex, expiry and digit: with a few letters in the line, or with right digits.
_DATES = re.compile(f"{_DIGIT}{{6,8}}[MFX<]?{_DIGIT}{{6,8}}")
_DATES_LENGTH, _DATES_LETTERS = 25, 3
_DATE = "([0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))([0-9])"
_PROVED_DATES = re.compile(f"(?={_DATE}[MFX]?{_DATE})")
_ZONE_CHARACTERS = re.compile("[A-Z0-9<]")
_FOREIGN = re.compile("[^A-Z0-9<]")
_LINE = 3
"""A missing line counts as so many missing characters."""


@dataclass(frozen=True, slots=True)
class ZoneFault:
    """Reason why the lines of a zone cannot be parsed."""

    reason: str
    """`line_count`, `line_length`, `wrong_character`, `lower_case`, `line_shifted` or `layout_unknown`."""
    text: str
    """One or more sentences for a person, without personal data."""


def find_zone_fault(lines: Sequence[str]) -> ZoneFault | None:
    """Find what is wrong with lines that have no known layout; None when they are no zone at all."""
    kept = [line.strip() for line in islice(lines, _MAX_LINES + 1)]
    kept = [line[: _MAX_LINE_LENGTH + 1] for line in kept if line]
    if not _is_zone(kept):
        return None
    faults = [*_shape_faults(kept), *_character_faults(kept)]
    if not faults:
        faults = [_content_fault(kept)]
    return ZoneFault(faults[0].reason, " ".join(fault.text for fault in faults))


def _is_zone(lines: Sequence[str]) -> bool:
    """Return true when the lines can only be those of a zone, however worn."""
    lengths = tuple(map(len, lines))
    return (len(lines) > 1 and lengths in _LENGTHS) or any(map(_is_zone_line, lines))


def _is_zone_line(line: str) -> bool:
    capitals = line.upper()
    if _FILLERS.search(capitals):
        return True
    if "<" in capitals and ">" not in capitals and len(line) >= _FILLER_LENGTH:
        return len(_ZONE_CHARACTERS.findall(capitals)) >= _ZONE_SHARE * len(line)
    if len(line) < _DATES_LENGTH:
        return False
    bare = capitals.replace(" ", "")
    if sum(map(str.isalpha, bare)) >= _DATES_LETTERS and _DATES.search(bare):
        return True
    proved = (found.groups() for found in _PROVED_DATES.finditer(bare))
    return any(
        check_digit(birth) == birth_digit and check_digit(expiry) == expiry_digit
        for birth, birth_digit, expiry, expiry_digit in proved
    )


def _shape_faults(lines: Sequence[str]) -> Iterator[ZoneFault]:
    """Compare number and lengths of the lines with the nearest layout."""
    lengths = tuple(map(len, lines))
    if lengths in _LENGTHS or (len(lines) == 1 and lengths[0] in _JOINED):
        return
    if len(lines) > max(map(len, _LENGTHS)):
        yield ZoneFault("line_count", f"{_count(len(lines))} came, more than any zone has.")
        return
    expected = _nearest(lengths)
    if len(lengths) == 1 < len(expected) and abs(sum(expected) - lengths[0]) <= len(expected):
        size = sum(expected)
        yield ZoneFault(
            "line_length", f"The lines came as one, of {lengths[0]} characters instead of {size}."
        )
        return
    if len(expected) != len(lengths):
        came = f"{_count(len(lines))} came, of {_sizes(lengths)} characters"
        due = (
            f"lines of {_sizes(expected)}"
            if len(set(expected)) > 1
            else f"{len(expected)} lines of {expected[0]}"
        )
        yield ZoneFault("line_count", f"{came}; a zone has {due}.")
        return
    for number, (length, right) in enumerate(zip(lengths, expected, strict=True), start=1):
        if length != right:
            yield ZoneFault("line_length", f"Line {number} has {length} characters instead of {right}.")


@lru_cache(maxsize=256)
def _nearest(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Find the layout that needs the fewest changes: characters, whole lines, or line breaks."""
    return min(
        _LENGTHS, key=lambda layout: min(_difference(layout, lengths), _difference((sum(layout),), lengths))
    )


def _difference(layout: tuple[int, ...], lengths: tuple[int, ...]) -> int:
    """Count the characters between both, at the best choice of the lines in excess."""
    few, many = sorted((layout, lengths), key=len)
    least = min(
        sum(abs(one - other) for one, other in zip(few, chosen, strict=True))
        for chosen in combinations(many, len(few))
    )
    return least + _LINE * (len(many) - len(few))


def _character_faults(lines: Sequence[str]) -> Iterator[ZoneFault]:
    """Name the first foreign character of each line by its place."""
    for number, line in enumerate(lines, start=1):
        small = sum(map(str.islower, line))
        if small:
            place = next(at for at, character in enumerate(line, start=1) if character.islower())
            yield ZoneFault(
                "lower_case", f"Line {number} has {small} small letters, the first at place {place}."
            )
        other = _FOREIGN.search(line.upper())
        if other is not None:
            kind = "a space" if other[0] == " " else "a character that no zone has"
            yield ZoneFault("wrong_character", f"Line {number} has {kind} at place {other.start() + 1}.")


def _content_fault(lines: Sequence[str]) -> ZoneFault:
    """Describe lines of the right shape in which the fields are not where they must be."""
    for number, line in enumerate(lines, start=1):
        if line[0] == "<":
            return ZoneFault(
                "line_shifted",
                f"Line {number} begins with a filler: its characters stand beside their places.",
            )
    return ZoneFault(
        "layout_unknown", "The lines have the lengths of a zone, but codes and dates are not in their places."
    )


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def _sizes(lengths: tuple[int, ...]) -> str:
    return " and ".join(map(str, lengths))
