"""Check digits of a machine readable zone, and the checks that need only the zone and the date.

Check digit: weights 7-3-1, modulo 10 (ICAO Doc 9303-3, section 4.9).
"""

from datetime import date
from itertools import chain, repeat
from operator import mul

from drivers.observation import Check, CheckGroup, Outcome
from drivers.passport.mrz.model import DeviationCode, DigitResult, Mrz

# The longest text any layout sums is the composite of the French identity card, 71 characters.
_WEIGHTS = tuple(chain.from_iterable(repeat((7, 3, 1), 30)))
_FOREIGN = 255
# 0-9 count as themselves, A-Z as 10 to 35, the filler as 0; anything else cannot be in a zone.
_VALUES = bytes(
    0 if c == 0x3C else c - 0x30 if 0x30 <= c <= 0x39 else c - 55 if 0x41 <= c <= 0x5A else _FOREIGN
    for c in range(256)
)


def check_digit(text: str) -> str | None:
    """Compute the check digit over `text`, or None when it has a character that no zone can have."""
    values = text.encode("latin-1", "replace").translate(_VALUES)
    if _FOREIGN in values:
        return None
    weights = _WEIGHTS if len(values) <= len(_WEIGHTS) else chain.from_iterable(repeat((7, 3, 1)))
    return "0123456789"[sum(map(mul, values, weights)) % 10]


def foreign_characters(text: str) -> int:
    """Count the characters that no zone can have."""
    return text.encode("latin-1", "replace").translate(_VALUES).count(_FOREIGN)


_FIELD_WORDS = {
    "document_number": "document number",
    "birth_date": "date of birth",
    "expiry_date": "date of expiry",
    "optional_data": "optional data",
    "composite": "composite",
}


def mrz_checks(mrz: Mrz | None, today: date) -> tuple[Check, ...]:
    """Make the checks that need only the zone and the date, always the same ones in the same order."""
    return check_digits(mrz), not_expired(mrz, today)


def check_digits(mrz: Mrz | None) -> Check:
    """Check all digits together: one wrong digit fails, an unreadable one leaves the result undetermined."""
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
