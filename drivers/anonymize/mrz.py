"""Pseudonymous zones in place of real ones, with the same layout, lengths and check digits.

Document code, issuer, nationality and sex are kept: they decide by which rules a zone is parsed. All other
characters are replaced, whether their field is known or not. A right digit stays right, a wrong digit stays
wrong.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import accumulate, pairwise, permutations

from drivers.anonymize.pseudonyms import DIGITS, REDRAWS, Pseudonymizer
from drivers.passport.mrz.layouts import CheckDigitLayout, MrzLayout
from drivers.passport.mrz.model import DeviationCode, DigitCheck, DigitResult, Mrz, check_digit
from drivers.passport.mrz.parser import parse
from drivers.passport.mrz.profiles import LAYOUTS

BIRTH_YEARS = (40, 79)
"""Years of the twentieth century at any date of parsing."""


def pseudonymize_mrz(
    lines: Sequence[str], today: date, pseudonymizer: Pseudonymizer
) -> tuple[str, ...] | None:
    """Return other lines of the same lengths in the same order; None when these are not certainly a zone."""
    mrz = parse(lines, today)
    if mrz is None or tuple(lines) != mrz.lines or not _is_confirmed(mrz):
        return None
    order = _print_order(lines, mrz, today)
    if order is None:
        return None
    text = "".join(lines[at] for at in order)
    layout = next(
        layout
        for layout in LAYOUTS
        if (layout.format, layout.profile) == (mrz.format, mrz.profile) and layout.marks.match(text)
    )
    pseudonymizer.add_marks(*_identifying_texts(layout, text, mrz))
    page = _MrzRewriter(layout, text, mrz, pseudonymizer).rewrite()
    ends = accumulate((len(lines[at]) for at in order), initial=0)
    found = dict(zip(order, (page[start:stop] for start, stop in pairwise(ends)), strict=True))
    return tuple(found[at] for at in range(len(lines)))


def _is_confirmed(mrz: Mrz) -> bool:
    """Return true when a check digit confirms these lines; some layouts have no check digit."""
    proofs = [digit for digit in mrz.digits if digit.result is DigitResult.OK and digit.printed.isdigit()]
    return bool(proofs) or not mrz.digits


def _print_order(lines: Sequence[str], mrz: Mrz, today: date) -> tuple[int, ...] | None:
    """Return the order in which the lines are printed; None when every order swaps some, as in two zones."""
    if all(note.code is not DeviationCode.LINES_SWAPPED for note in mrz.deviations):
        return tuple(range(len(lines)))
    for order in permutations(range(len(lines))):
        other = parse([lines[at] for at in order], today)
        if other is not None and all(
            note.code is not DeviationCode.LINES_SWAPPED for note in other.deviations
        ):
            return order
    return None


def _identifying_texts(layout: MrzLayout, text: str, mrz: Mrz) -> Iterator[str]:
    """Yield the texts that identify the holder and the document."""
    yield mrz.document_number
    yield mrz.second_number or ""
    yield from mrz.optional_data
    for when in (mrz.birth_date, mrz.expiry_date, mrz.issue_date):
        if when is not None:
            yield when.raw
    yield from (mrz.primary_identifier + " " + mrz.secondary_identifier).split()
    yield from text[layout.name].split("<")


class _MrzRewriter:
    """Joined lines of a zone while they are rewritten."""

    def __init__(self, layout: MrzLayout, text: str, mrz: Mrz, pseudonymizer: Pseudonymizer) -> None:
        self._layout = layout
        self._old = text
        self._mrz = mrz
        self._pseudonymizer = pseudonymizer
        self._page = list[str]()
        self._attempt = 0

    def rewrite(self) -> str:
        """Return all lines, joined; none of their fields makes a mark with its neighbours."""
        for self._attempt in range(REDRAWS):
            page = self._draw()
            if not self._pseudonymizer.has_mark(page):
                break
        return page

    def _draw(self) -> str:
        layout = self._layout
        self._page = list(self._pseudonym("zone", self._old))
        for kind, place in (
            *(("optional", place) for place in layout.optional),
            ("second", layout.second_number),
            ("number", layout.number),
        ):
            if place is not None:
                self._put(place, self._pseudonym(kind, self._old[place]))
        for place in (layout.name, layout.given_names):
            if place is not None:
                self._put(place, self._name(self._old[place]))
        for kind, place in (("issue", layout.issue), ("expiry", layout.expiry), ("birth", layout.birth)):
            if place is not None:
                self._put(place, self._date(kind, self._old[place]))
        sex = None if layout.sex is None else slice(layout.sex, layout.sex + 1)
        for place in (layout.code, layout.issuer, layout.nationality, sex):
            if place is not None:
                self._put(place, self._old[place])
        for digit, was in zip(layout.digits, self._mrz.digits, strict=True):
            self._put_digit(digit, was)
        return "".join(self._page)

    def _put(self, place: slice, text: str) -> None:
        self._page[place] = text

    def _pseudonym(self, kind: str, text: str) -> str:
        """Return the pseudonym of a text, in a later attempt another one."""
        return self._pseudonymizer.pseudonym(f"{kind} {self._attempt}", text)

    def _name(self, field: str) -> str:
        """Rewrite each component by itself.

        Two documents of one person may separate them in different places.
        """
        return "<".join(self._pseudonym("name", component) for component in field.split("<"))

    def _date(self, kind: str, field: str) -> str:
        """Rewrite a date as another one that is equally possible; expiry and issue keep their year."""
        parts = [field[at : at + 2] for at in range(0, len(field), 2)]
        bounds = (None if kind != "birth" else BIRTH_YEARS, (1, 12), (1, 28))
        for attempt in range(REDRAWS):
            drawn = [
                self._part(f"{kind} {at} {attempt}", field, part, bounds[at]) for at, part in enumerate(parts)
            ]
            new = "".join(drawn)
            differs = all(now != old for now, old in zip(drawn[1:], parts[1:], strict=True) if old.isdigit())
            if differs and (new != field or kind != "birth") and not self._pseudonymizer.has_mark(new):
                break
        return new

    def _part(self, kind: str, field: str, part: str, bounds: tuple[int, int] | None) -> str:
        """Rewrite a year, month or day; an impossible one stays impossible."""
        if not part.isdigit():
            return self._pseudonym(kind, part)
        if bounds is None:
            return part
        if bounds != BIRTH_YEARS and not bounds[0] <= int(part) <= 31:
            return "99" if part == "00" else "00"
        return f"{self._pseudonymizer.pseudonymous_number(f'{kind} {self._attempt}', field, *bounds):02}"

    def _put_digit(self, digit: CheckDigitLayout, was: DigitCheck) -> None:
        """Write a check digit that is right or wrong for the new text as the old one was for the old text."""
        if digit.field == "document_number" and self._old[digit.at] == "<" and was.printed != "<":
            self._put_long_digit(was)
            return
        if was.printed == "<" or was.result is DigitResult.UNREADABLE:
            self._page[digit.at] = was.printed
        elif (
            was.result is DigitResult.ABSENT or not was.printed.isdigit()
        ):  # a number of the issuer's own, or misread
            self._page[digit.at] = self._pseudonym("own", was.printed)
        else:
            sums = [
                (check_digit(_summed(self._old, places)), check_digit(_summed(self._page, places)))
                for places in digit.readings
            ]
            new = next((new for old, new in sums if old == was.printed), sums[0][1])
            self._page[digit.at] = _equally_right(was, {right for _, right in sums}, new)

    def _put_long_digit(self, was: DigitCheck) -> None:
        """Write the digit of a long number, which follows the number in the optional data."""
        place = self._layout.long_number
        assert place is not None
        rest = self._old[place].partition("<")[0]
        at = place.start + len(rest) - 1
        number, remainder = "".join(self._page[self._layout.number]), "".join(self._page[place.start : at])
        without, with_filler = check_digit(number + remainder), check_digit(f"{number}<{remainder}")
        filler_counted = len(was.expected) > 1 and was.printed == was.expected[1]
        new = with_filler if filler_counted else without
        self._page[at] = _equally_right(was, {without, with_filler}, new)


def _summed(text: Sequence[str], places: Sequence[slice]) -> str:
    return "".join("".join(text[place]) for place in places)


def _equally_right(was: DigitCheck, right: set[str | None], new: str | None) -> str:
    """Return the new digit when the old one was right, else one that is wrong in every reading."""
    if was.result is DigitResult.OK and new is not None:
        return new
    return next(digit for digit in DIGITS if digit not in right)
