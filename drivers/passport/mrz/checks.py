"""Checks that need only the lines of a machine readable zone and the date."""

from collections.abc import Sequence
from datetime import date

from drivers.observation import Check, CheckGroup, Outcome
from drivers.passport.mrz.model import DeviationCode, DigitResult, Mrz, MrzDeviation
from drivers.passport.mrz.unreadable import ZoneFault, find_zone_fault

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
