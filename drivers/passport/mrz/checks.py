"""Checks of a zone that need only its lines and the date: its fields, its check digits, its last day.

Nothing is repaired: a field that cannot be as it was read is a deviation that names it, its line and its
place. A check digit that covers such a place proves nothing, neither when it agrees nor when it differs: of
1,000 dates in which one digit is read as a letter (G for 6, L for 1), 23 keep their check digit.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date

from drivers.observation import Check, CheckGroup, Outcome
from drivers.passport.mrz.codes import CODES
from drivers.passport.mrz.layouts import MrzLayout
from drivers.passport.mrz.model import DeviationCode, DigitResult, Mrz, MrzDate, MrzDeviation, MrzProfile
from drivers.passport.mrz.unreadable import ZoneFault, find_zone_fault

_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
ALLOWED = {
    "any": frozenset(_LETTERS + _DIGITS + "<"),
    "code": frozenset(_LETTERS),
    "alpha": frozenset(_LETTERS + "<"),
    "digit": frozenset(_DIGITS + "<"),
    "sex": frozenset("MFX<"),
}
"""Characters that each kind of field may hold."""
_CONFUSED_WITH = {
    "digit": frozenset("OQDILZSBG"),  # for 0 0 0 1 1 2 5 8 6
    "alpha": frozenset("0125678"),  # for O I Z S G T B
    "sex": frozenset("HNE4P"),
}
_MISREAD = {
    DeviationCode.OCR_SLIP: "Holds a character that readers confuse with the right one, such as O for 0.",
    DeviationCode.WRONG_CHARACTER: "Holds a character that is not permitted in this field.",
}
_SHIFTED = "Characters seem to stand beside their places: one was lost or read twice."
# A single misread character is wrong in one field. A shifted line is wrong in many.
_FIELDS_OF_A_SHIFT = 2
_FIELD_WORDS = {
    "document_code": "document code",
    "issuer": "issuing state",
    "name": "name",
    "document_number": "document number",
    "nationality": "nationality",
    "birth_date": "date of birth",
    "sex": "sex",
    "issue_date": "date of issue",
    "expiry_date": "date of expiry",
    "optional_data": "optional data",
    "composite": "composite",
}
_IMPOSSIBLE = frozenset(
    {
        DeviationCode.OCR_SLIP,
        DeviationCode.WRONG_CHARACTER,
        DeviationCode.LINE_SHIFTED,
        DeviationCode.NUMBER_MISSING,
        DeviationCode.PRIMARY_MISSING,
        DeviationCode.DATE_INVALID,
    }
)
"""Deviations of fields that cannot be as they were read."""
READ_AGAIN = "Read the document again, or compare with the print and type it in."
"""Remedy for a zone that was not read completely, for the officer."""


class Readability:
    """Findings about the text of one zone, the joined lines in printed order."""

    def __init__(self, layout: MrzLayout, text: str, *, clean: bool) -> None:
        self._layout = layout
        self._text = text
        self.deviations: list[MrzDeviation] = []
        """Findings so far, each with its line and, where it is one place, with field and place."""
        self._misread: set[int] = set()
        self._impossible: set[int] = set()
        self._unreadable_lines: set[int] = set()
        if not clean:
            self._find_misread_characters()
        self._find_shifted_codes()
        self._find_missing_number()

    def take_date(self, field: str, place: slice, value: MrzDate) -> None:
        """Note a date that no calendar has; a misread character in it has a note already."""
        if value.is_possible or not self._misread.isdisjoint(range(place.start, place.stop)):
            return
        self._impossible.update(range(place.start, place.stop))
        self._note(DeviationCode.DATE_INVALID, field, place.start, "There is no such day.")

    def take_name(self, field: str, place: slice) -> None:
        """Note a name that is empty or starts with a filler."""
        if self._text[place].startswith("<"):
            text = "The name starts with fillers, where its primary part must be."
            self._note(DeviationCode.PRIMARY_MISSING, field, place.start, text)

    def is_misread(self, places: AbstractSet[int]) -> bool:
        """Return true when a character in these places, or the whole line, was misread."""
        return not self._misread.isdisjoint(places)

    def is_unreliable(self, places: AbstractSet[int]) -> bool:
        """Return true when a wrong digit over these places may be the reader's fault as well."""
        # The code of the document decides between layouts: a visa without its V looks like a passport.
        lines = {self._layout.line_and_place(place)[0] for place in (self._layout.code.start, *places)}
        return not (self._impossible.isdisjoint(places) and self._unreadable_lines.isdisjoint(lines))

    def _find_misread_characters(self) -> None:
        wrong_fields: dict[int, set[str]] = {}
        for field, place, kind in self._layout.fields:
            allowed = ALLOWED[kind]
            wrong = [at for at in range(place.start, place.stop) if self._text[at] not in allowed]
            if not wrong:
                continue
            self._misread.update(wrong)
            characters = {self._text[at] for at in wrong}
            slip = characters <= _CONFUSED_WITH.get(kind, frozenset())
            code = DeviationCode.OCR_SLIP if slip else DeviationCode.WRONG_CHARACTER
            self._note(code, field, wrong[0], _MISREAD[code])
            if field == "document_code":
                self._unreadable_lines.add(1)
            if not slip and characters <= ALLOWED["any"]:
                line, _ = self._layout.line_and_place(wrong[0])
                wrong_fields.setdefault(line, set()).add(field)
        for line, fields in wrong_fields.items():
            if len(fields) >= _FIELDS_OF_A_SHIFT:
                self._unreadable_lines.add(line)
                self.deviations.append(
                    MrzDeviation(code=DeviationCode.LINE_SHIFTED, line=line, text=_SHIFTED)
                )

    def _find_shifted_codes(self) -> None:
        """Note codes of states that only a shifted line explains.

        No digit covers the first line of most layouts. A state whose code is not in the list, because the
        list is old, writes the same code as the nationality of its people.
        """
        # Issuers with a profile of their own were recognised by their code, as Kenya by KYA.
        if self._layout.nationality is not None and self._layout.profile is MrzProfile.ICAO:
            issuer, nationality = (
                self._text[place].rstrip("<") for place in (self._layout.issuer, self._layout.nationality)
            )
            if issuer not in CODES and nationality in CODES:
                self._note_shift("issuer", self._layout.issuer.start)
        for field, place in (("issuer", self._layout.issuer), ("nationality", self._layout.nationality)):
            if place is None or (code := self._text[place].rstrip("<")) in CODES:
                continue
            if "<" in code:
                at = place.start + code.index("<")
                self._misread.add(at)
                self._note(
                    DeviationCode.WRONG_CHARACTER,
                    field,
                    at,
                    "Holds a filler in front of a letter of the code.",
                )
            beside = (self._text[place.start + step : place.stop + step] for step in (-1, 1))
            if any(len(other) == 3 and other in CODES for other in beside):
                self._note_shift(field, place.start)

    def _find_missing_number(self) -> None:
        place = self._layout.number
        number = self._text[place]
        if not number.strip("<"):
            text = "The field is empty."
            self._note(DeviationCode.NUMBER_MISSING, "document_number", place.start, text)
        elif number[0] == "<":
            self._note_shift("document_number", place.start)

    def _note_shift(self, field: str, at: int) -> None:
        line, _ = self._layout.line_and_place(at)
        self._unreadable_lines.add(line)
        self._note(DeviationCode.LINE_SHIFTED, field, at, _SHIFTED)

    def _note(self, code: DeviationCode, field: str, at: int, text: str) -> None:
        line, place = self._layout.line_and_place(at)
        self.deviations.append(MrzDeviation(code=code, field=field, line=line, place=place, text=text))


def mrz_checks(mrz: Mrz | None, lines: Sequence[str], today: date) -> tuple[Check, ...]:
    """Make the checks that need only the zone and the date, always the same ones in the same order.

    `mrz` is what `lines` were parsed into. Lines that are a zone and cannot be parsed are not "no zone": the
    checks are undetermined and state the fault.
    """
    fault = find_zone_fault(lines) if mrz is None else None
    return check_digits(mrz, fault), not_expired(mrz, today, fault)


def check_digits(mrz: Mrz | None, fault: ZoneFault | None = None) -> Check:
    """Check all digits together.

    One wrong digit fails. A field that cannot be as it was read leaves the result undetermined, also where
    its digit agrees or where no digit covers it.
    """
    if fault is not None:
        return _digits(Outcome.UNDETERMINED, fault.reason, f"{fault.text} {READ_AGAIN}")
    if mrz is None:
        return _digits(Outcome.NOT_SUPPORTED, "no_mrz", "There is no machine readable zone.")
    if not mrz.digits:
        return _digits(Outcome.NOT_SUPPORTED, "no_check_digits", "This document has no check digits.")
    results = {digit.result for digit in mrz.digits}
    if DigitResult.FAILED in results:
        wrong = ", ".join(
            _FIELD_WORDS[digit.field] for digit in mrz.digits if digit.result is DigitResult.FAILED
        )
        return _digits(Outcome.FAILED, "check_digit_wrong", f"Wrong check digit: {wrong}.")
    if results <= {DigitResult.ABSENT}:
        return _digits(Outcome.UNDETERMINED, "no_digit_printed", "No check digit is printed.")
    impossible = [deviation for deviation in mrz.deviations if deviation.code in _IMPOSSIBLE]
    if impossible or DigitResult.UNREADABLE in results:
        reason = "unreadable" if DigitResult.UNREADABLE in results else "field_impossible"
        named = ", ".join(dict.fromkeys(map(_named, impossible))) or "a protected field"
        return _digits(Outcome.UNDETERMINED, reason, f"Cannot be as read: {named}. {READ_AGAIN}")
    return _digits(Outcome.SUCCESSFUL)


def _named(deviation: MrzDeviation) -> str:
    """Name the field of a deviation with its line and place."""
    if deviation.field is None:
        return f"line {deviation.line}, whose characters stand beside their places"
    name, digit = deviation.field.removesuffix("_digit"), deviation.field.endswith("_digit")
    words = f"check digit of {_FIELD_WORDS[name]}" if digit else _FIELD_WORDS[name]
    return f"{words} (line {deviation.line}, place {deviation.place})"


def not_expired(mrz: Mrz | None, today: date, fault: ZoneFault | None = None) -> Check:
    """Compare the last day of validity with today; that day itself is still valid."""
    if fault is not None:
        return _expiry(Outcome.UNDETERMINED, "expiry_unreadable", "The date of expiry could not be read.")
    if mrz is None:
        return _expiry(Outcome.NOT_SUPPORTED, "no_mrz", "There is no machine readable zone.")
    if mrz.expiry_date is None or not mrz.expiry_date.is_stated:
        return _expiry(Outcome.NOT_SUPPORTED, "no_expiry", "This document states no date of expiry.")
    last_day = mrz.expiry_date.as_date()
    if last_day is None:
        return _expiry(
            Outcome.UNDETERMINED, "expiry_unreadable", "The date of expiry is incomplete or unreadable."
        )
    if any(
        digit.field == "expiry_date" and digit.result in {DigitResult.FAILED, DigitResult.UNREADABLE}
        for digit in mrz.digits
    ):
        # Misread or altered: in both cases the date proves nothing. The digit itself fails its own check.
        return _expiry(
            Outcome.UNDETERMINED, "expiry_digit_wrong", "The date of expiry does not fit its check digit."
        )
    if last_day >= today:
        return _expiry(Outcome.SUCCESSFUL)
    if any(deviation.code is DeviationCode.EXPIRY_UNVERIFIED for deviation in mrz.deviations):
        # A past date in this place may be the date of issue; only a future one is certainly an expiry.
        return _expiry(
            Outcome.UNDETERMINED, "expiry_unverified", "On this document, the date may be the date of issue."
        )
    return _expiry(Outcome.FAILED, "expired", "The document has expired.")


def _digits(outcome: Outcome, reason: str | None = None, text: str | None = None) -> Check:
    return Check(id="mrz.check_digits", group=CheckGroup.OPTICAL, outcome=outcome, reason=reason, text=text)


def _expiry(outcome: Outcome, reason: str | None = None, text: str | None = None) -> Check:
    return Check(
        id="combined.not_expired", group=CheckGroup.COMBINED, outcome=outcome, reason=reason, text=text
    )
