"""What a machine readable zone alone proves: its digits, and that the document has not expired."""

from datetime import date

from drivers.observation import Check, CheckGroup, Outcome
from drivers.passport.mrz.model import DeviationCode, DigitResult, Mrz

_FIELD_WORDS = {
    "document_number": "document number",
    "birth_date": "date of birth",
    "expiry_date": "date of expiry",
    "optional_data": "optional data",
    "composite": "composite",
}


def mrz_checks(mrz: Mrz | None, today: date) -> tuple[Check, ...]:
    """Make the checks that need the zone and the calendar only, always the same ones in the same order."""
    return check_digits(mrz), not_expired(mrz, today)


def check_digits(mrz: Mrz | None) -> Check:
    """Judge all digits together: one wrong digit fails, an unreadable one leaves it open."""
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
    if DigitResult.UNREADABLE in results:
        return _digits(Outcome.UNDETERMINED, "unreadable", "A protected field was not read completely.")
    if DigitResult.OK not in results:
        return _digits(Outcome.UNDETERMINED, "no_digit_printed", "No check digit is printed.")
    return _digits(Outcome.SUCCESSFUL)


def not_expired(mrz: Mrz | None, today: date) -> Check:
    """Compare the last day of validity with today; that day itself is still valid."""
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
        # Misread or altered: either way the date proves nothing. The digit itself fails its own check.
        return _expiry(
            Outcome.UNDETERMINED, "expiry_digit_wrong", "The date of expiry does not fit its check digit."
        )
    if last_day >= today:
        return _expiry(Outcome.SUCCESSFUL)
    if any(deviation.code is DeviationCode.EXPIRY_UNVERIFIED for deviation in mrz.deviations):
        # A past date in this place may be the issue; only a future one can be nothing but an expiry.
        return _expiry(
            Outcome.UNDETERMINED, "expiry_unverified", "The date may be that of issue on this document."
        )
    return _expiry(Outcome.FAILED, "expired", "The document has expired.")


def _digits(outcome: Outcome, reason: str | None = None, text: str | None = None) -> Check:
    return Check(id="mrz.check_digits", group=CheckGroup.OPTICAL, outcome=outcome, reason=reason, text=text)


def _expiry(outcome: Outcome, reason: str | None = None, text: str | None = None) -> Check:
    return Check(
        id="combined.not_expired", group=CheckGroup.COMBINED, outcome=outcome, reason=reason, text=text
    )
