"""Parser of the lines of a zone: layout, order of the lines, content of each field.

Bad text raises nothing and nothing is repaired: a character that cannot be right is kept, and its place is
noted. Work is bounded because no layout is longer than 90 characters.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate, islice, pairwise, permutations

from drivers.passport.mrz.checks import ALLOWED, Readability
from drivers.passport.mrz.codes import CODES
from drivers.passport.mrz.layouts import CheckDigitLayout, MrzLayout
from drivers.passport.mrz.model import (
    DeviationCode,
    DigitCheck,
    DigitResult,
    Mrz,
    MrzDeviation,
    MrzFormat,
    Sex,
    birth_date,
    check_digit,
    expiry_date,
    foreign_characters,
)
from drivers.passport.mrz.profiles import LAYOUTS

_MAX_LINE_LENGTH = 128  # 90 characters in one line, and some white space of the reader
_MAX_LINES = 8  # three, and blank ones between them
_BY_LENGTHS: dict[tuple[int, ...], tuple[MrzLayout, ...]] = {
    lengths: tuple(layout for layout in LAYOUTS if layout.lengths == lengths)
    for lengths in {layout.lengths for layout in LAYOUTS}
}
# Readers that send one line without breaks; a single line of 30 is always a French licence.
_JOINED = {sum(lengths): lengths for lengths in _BY_LENGTHS if len(lengths) > 1}
_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE, "X": Sex.X, "<": Sex.UNSPECIFIED}
_FOREIGN_SHARE = 4  # one character in four that no zone has: the text is no zone

_SWAPPED = MrzDeviation(
    code=DeviationCode.LINES_SWAPPED, text="The lines came in another order than they are printed."
)
_JOINED_NOTE = MrzDeviation(code=DeviationCode.LINES_JOINED, text="The lines came as one, without breaks.")
_LONG_FILLER = MrzDeviation(
    code=DeviationCode.LONG_NUMBER_FILLER,
    field="document_number",
    text="The digit of the long number counts the filler in its place, which Doc 9303-5 leaves out.",
)
_FREE = MrzDeviation(
    code=DeviationCode.OPTIONAL_FREE,
    field="optional_data",
    text="The issuer keeps a number of its own here, without a check digit.",
)
_SEX_X = MrzDeviation(
    code=DeviationCode.SEX_X, field="sex", text="X is printed where the standard has a filler."
)
_UNMARKED = MrzDeviation(
    code=DeviationCode.SURNAME_UNMARKED,
    field="name",
    text="Names follow each other with single fillers, given names first: the surname is not marked.",
)
_UNDIVIDED = MrzDeviation(
    code=DeviationCode.NAME_UNDIVIDED,
    field="name",
    text="Single fillers only: all parts are taken as the primary identifier, though a filler may be lost.",
)
_NATIONAL_LETTERS = MrzDeviation(
    code=DeviationCode.NAME_DIGITS, field="name", text="Digits stand for national letters; kept as printed."
)
_SEPARATORS = MrzDeviation(
    code=DeviationCode.NAME_SEPARATORS, field="name", text="The name is divided by fillers more than once."
)


def parse(lines: Sequence[str], today: date) -> Mrz | None:
    """Parse a machine readable zone, or return None when the lines have no known layout.

    Blank lines and white space around lines are ignored. `today` decides the centuries, nothing else.
    """
    kept = _text_lines(lines)
    if kept is None:
        return None
    notes: list[MrzDeviation] = []
    pieces = tuple(line.strip() for line in kept)
    if len(pieces) == 1 and (lengths := _JOINED.get(len(pieces[0]))):
        ends = accumulate(lengths, initial=0)
        pieces = tuple(pieces[0][start:stop] for start, stop in pairwise(ends))
        notes.append(_JOINED_NOTE)
    found = _recognise(pieces)
    if found is None:
        return None
    layout, text, clean, in_order = found
    if not in_order:
        notes.append(_SWAPPED)
    return _read(layout, text, kept, today, notes, Readability(layout, text, clean=clean))


def _text_lines(lines: Iterable[str]) -> tuple[str, ...] | None:
    """Keep the lines with text on them; None when there are too many, or one is too long to be a line."""
    kept: list[str] = []
    for count, line in enumerate(islice(lines, _MAX_LINES + 1)):
        if count == _MAX_LINES or len(line) > _MAX_LINE_LENGTH:
            return None
        if line and not line.isspace():
            kept.append(line)
    return tuple(kept) if kept else None


def _recognise(pieces: tuple[str, ...]) -> tuple[MrzLayout, str, bool, bool] | None:
    """Find the layout and the joined text; also whether it is clean and whether the order was right.

    The order as read is preferred unless another one fits better: a clean order over one with misread
    characters, one with dates in the places of dates over any.
    """
    text = "".join(pieces)
    layout = _layout(pieces, text)
    if layout is not None and layout.strict_pattern.fullmatch(text):
        return layout, text, True, True
    if len(pieces) > 3 or foreign_characters(text) * _FOREIGN_SHARE > len(text):
        return None
    others = []
    for order in islice(permutations(pieces), 1, None):
        joined = "".join(order)
        if (candidate := _layout(order, joined)) is not None:
            others.append((candidate, joined))
    for candidate, joined in others:
        if candidate.strict_pattern.fullmatch(joined):
            return candidate, joined, True, False
    if layout is not None and layout.tolerant_pattern.fullmatch(text):
        return layout, text, False, True
    # A line with characters that no zone has would take the place of the names, where any is tolerated.
    for candidate, joined in others if not foreign_characters(text) else ():
        if candidate.tolerant_pattern.fullmatch(joined):
            return candidate, joined, False, False
    # The dates are unrecognisable: the remaining evidence is a first line with codes of document and issuer.
    if layout is not None and "<" in text and text[layout.issuer].rstrip("<") in CODES:
        return layout, text, False, True
    return None


def _layout(pieces: tuple[str, ...], text: str) -> MrzLayout | None:
    """Choose the layout by number and length of lines, then by their beginning."""
    for layout in _BY_LENGTHS.get(tuple(map(len, pieces)), ()):
        if layout.marks.match(text):
            return layout
    return None


def _read(
    layout: MrzLayout,
    text: str,
    lines: tuple[str, ...],
    today: date,
    notes: list[MrzDeviation],
    readability: Readability,
) -> Mrz:
    """Parse every field of a layout."""
    number, optional, long_check = _number(layout, text, notes)
    issuer = text[layout.issuer].rstrip("<")
    if issuer not in CODES:
        notes.append(_unknown_code(DeviationCode.ISSUER_UNKNOWN, "issuer"))
    nationality = None
    if layout.nationality is not None:
        nationality = text[layout.nationality].rstrip("<")
        if nationality not in CODES:
            notes.append(_unknown_code(DeviationCode.NATIONALITY_UNKNOWN, "nationality"))
    primary, secondary, truncated = _name(layout, text, notes)
    readability.take_name("name", layout.name)
    sex = None
    if layout.sex is not None:
        sex = _SEXES.get(text[layout.sex], Sex.UNKNOWN)
        if sex is Sex.X:
            notes.append(_SEX_X)
    birth = None if layout.birth is None else birth_date(text[layout.birth], today)
    expiry = None if layout.expiry is None else expiry_date(text[layout.expiry], today)
    # The issue is in the past as birth is, and French cards print only its year and month.
    issue = None if layout.issue is None else birth_date(text[layout.issue], today)
    for field, place, value in (
        ("birth_date", layout.birth, birth),
        ("expiry_date", layout.expiry, expiry),
        # Elsewhere the date of issue is optional data, whose layout no public source confirms.
        ("issue_date", layout.issue if layout.format is MrzFormat.FRA_ID else None, issue),
    ):
        if place is not None and value is not None:
            readability.take_date(field, place, value)
    notes.extend(readability.deviations)
    digits = []
    for digit in layout.digits:
        check = long_check if long_check and digit.field == "document_number" else _check(digit, text)
        if readability.deviations:
            check = _trusted(check, digit, readability)
        if digit.free and check.result is DigitResult.FAILED:
            check = check.model_copy(update={"result": DigitResult.ABSENT})
            notes.append(_FREE)
        digits.append(check)
    notes.extend(layout.notes)
    second = None if layout.second_number is None else text[layout.second_number].strip("<")
    return Mrz(
        format=layout.format,
        profile=layout.profile,
        lines=lines,
        document_code=text[layout.code].rstrip("<"),
        issuer=issuer,
        document_number=number,
        second_number=second or None,
        nationality=nationality,
        primary_identifier=primary,
        secondary_identifier=secondary,
        name_truncated=truncated,
        birth_date=birth,
        sex=sex,
        issue_date=issue,
        expiry_date=expiry,
        optional_data=optional,
        digits=tuple(digits),
        deviations=tuple(notes),
    )


def _number(
    layout: MrzLayout, text: str, notes: list[MrzDeviation]
) -> tuple[str, tuple[str, ...], DigitCheck | None]:
    """Parse the document number, which a card may continue in its optional data (9303-5, note j).

    The digit's own place then holds a filler. The standard once left open whether that filler is summed and
    now leaves it out; cards of both kinds are in use, so either digit is right.
    """
    number = text[layout.number]
    optional = tuple(text[place] for place in layout.optional)
    place = layout.long_number
    if place is not None and text[layout.number.stop] == "<" and not number.endswith("<"):
        rest, _, remaining = text[place].partition("<")
        if len(rest) >= 2:
            remainder, printed = rest[:-1], rest[-1]
            without, with_filler = check_digit(number + remainder), check_digit(f"{number}<{remainder}")
            expected = () if without is None or with_filler is None else (without, with_filler)
            if printed == with_filler != without:
                notes.append(_LONG_FILLER)
            check = DigitCheck(
                field="document_number",
                printed=printed,
                expected=tuple(dict.fromkeys(expected)),
                result=_compare(printed, expected),
            )
            return number + remainder, _stripped((remaining, *optional[1:])), check
    return number.rstrip("<"), _stripped(optional), None


def _stripped(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(field.rstrip("<") for field in fields)


def _check(digit: CheckDigitLayout, text: str) -> DigitCheck:
    """Compare one digit with the expected digit of each interpretation."""
    printed = text[digit.at]
    reading = digit.readings[0]
    summed = text[reading[0]] if len(reading) == 1 else "".join([text[place] for place in reading])
    value = check_digit(summed)
    expected = () if value is None else (value,)
    for reading in digit.readings[1:]:
        other = check_digit("".join([text[place] for place in reading]))
        if other is not None and other not in expected:
            expected = (*expected, other)
    if printed == "<" and not summed.strip("<"):
        if digit.blank:
            expected, result = (*expected, "<"), DigitResult.OK
        else:
            result = DigitResult.ABSENT
    else:
        result = _compare(printed, expected)
    return DigitCheck(field=digit.field, printed=printed, expected=expected, result=result)


def _trusted(check: DigitCheck, digit: CheckDigitLayout, readability: Readability) -> DigitCheck:
    """Return the check, `unreadable` where it covers what the reader misread.

    Over a date that no calendar has, a digit that agrees stays `ok`; one that differs proves a misreading.
    """
    covered = [place for reading in digit.readings for place in reading]
    places = {digit.at}.union(*(range(place.start, place.stop) for place in covered))
    if readability.is_misread(places):
        return check.model_copy(update={"expected": (), "result": DigitResult.UNREADABLE})
    if check.result is DigitResult.FAILED and readability.is_unreliable(places):
        return check.model_copy(update={"result": DigitResult.UNREADABLE})
    return check


def _compare(printed: str, expected: tuple[str, ...]) -> DigitResult:
    if printed in expected:
        return DigitResult.OK
    if not expected or printed not in ALLOWED["any"]:
        return DigitResult.UNREADABLE
    return DigitResult.FAILED


def _name(layout: MrzLayout, text: str, notes: list[MrzDeviation]) -> tuple[str, str, bool]:
    """Divide the name: primary identifier, two fillers, secondary identifier (9303-3, section 4.6)."""
    field = text[layout.name]
    # A letter in the last place marks a name that may have been cut (9303-4 to -7, section 4.2.3).
    truncated = field[-1] != "<"
    if layout.name_digits and any(character.isdigit() for character in field):
        notes.append(_NATIONAL_LETTERS)
    if layout.given_names is not None:
        given = text[layout.given_names]
        return _spaced(field), _spaced(given), truncated or given[-1] != "<"
    printed = field.rstrip("<")
    primary, marked, secondary = printed.partition("<<")
    if "<<" in secondary:
        notes.append(_SEPARATORS)
    if not marked and "<" in primary:
        if layout.surname_unmarked:
            notes.append(_UNMARKED)
        elif not truncated:
            notes.append(_UNDIVIDED)
    return _spaced(primary), _spaced(secondary), truncated


def _spaced(text: str) -> str:
    return " ".join(text.replace("<", " ").split())


def _unknown_code(code: DeviationCode, field: str) -> MrzDeviation:
    return MrzDeviation(
        code=code, field=field, text="The code is neither in ISO 3166-1 nor in Doc 9303-3, section 5."
    )
