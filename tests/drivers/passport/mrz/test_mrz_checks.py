"""Checks that need only the zone and the date."""

from datetime import date

import pytest

from drivers.observation import Check, CheckGroup, Outcome, Weight
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.parser import parse

TODAY = date(2012, 4, 15)
UPPER, LOWER = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
CHE_LICENCE = ("AAA001D<<", "FACHE305142128097<<800126<<<<<", "MARCHAND<<FABIENNE<<<<<<<<<<<<")
FRA_ID = ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "9409923102854CORINNE<<<<<<<6512068F4")


def check(identifier: str, *lines: str, today: date = TODAY) -> Check:
    made = {each.id: each for each in mrz_checks(parse(lines, today), lines, today)}
    assert set(made) == {"mrz.check_digits", "combined.not_expired"}
    return made[identifier]


def with_expiry(raw: str) -> str:
    lower = f"L898902C36UTO7408122F{raw}{check_digit(raw)}ZE184226B<<<<<1"
    return lower + str(check_digit(lower[:10] + lower[13:20] + lower[21:43]))


def kenyan_card(raw: str) -> tuple[str, str, str]:
    """Return an identity card of Kenya with that date, YYMMDD, in the place of the expiry."""
    middle = f"9001026M{raw}{check_digit(raw)}KEN23456789<<<0"[:30]
    return "IDKEN1234567897<<<<<<<<<<<<<<<", middle, "KAMAU<<JANE<WANJIKU<<<<<<<<<<<"


def test_right_digits_succeed() -> None:
    made = check("mrz.check_digits", UPPER, LOWER)

    assert made.outcome is Outcome.SUCCESSFUL
    assert (made.group, made.weight) == (CheckGroup.OPTICAL, Weight.MANDATORY)
    assert (made.reason, made.text) == (None, None)


@pytest.mark.parametrize("at", [9, 19, 27, 42, 43])
def test_one_wrong_digit_fails(at: int) -> None:
    wrong = LOWER[:at] + str((int(LOWER[at]) + 1) % 10) + LOWER[at + 1 :]
    made = check("mrz.check_digits", UPPER, wrong)

    assert made.outcome is Outcome.FAILED
    assert made.reason == "check_digit_wrong"


def test_failure_names_field_not_content() -> None:
    made = check("mrz.check_digits", UPPER, LOWER.replace("L898902C36", "L898902C37"))

    assert made.text == "Wrong check digit: document number, composite."


@pytest.mark.parametrize(
    ("lines", "outcome", "reason", "text"),
    [
        (("no zone",), Outcome.NOT_SUPPORTED, "no_mrz", "There is no machine readable zone."),
        (CHE_LICENCE, Outcome.NOT_SUPPORTED, "no_check_digits", "This document has no check digits."),
        (
            ("V" + UPPER[1:], "<" * 10 + "UTO" + "<" * 7 + "F" + "<" * 23),
            Outcome.UNDETERMINED,
            "no_digit_printed",
            "No check digit is printed.",
        ),
        (
            ("V" + UPPER[1:], LOWER.replace("7408122", "740812?")),
            Outcome.UNDETERMINED,
            "unreadable",
            "Cannot be as read: check digit of date of birth (line 2, place 20). "
            "Read the document again, or compare with the print and type it in.",
        ),
        # A wrong digit is a finding; another unreadable one does not undo it.
        (
            (UPPER, LOWER.replace("7408122", "740812?").replace("C36", "C37")),
            Outcome.FAILED,
            "check_digit_wrong",
            "Wrong check digit: document number.",
        ),
    ],
)
def test_undeterminable_digits(lines: tuple[str, ...], outcome: Outcome, reason: str, text: str) -> None:
    made = check("mrz.check_digits", *lines)

    assert (made.outcome, made.reason, made.text) == (outcome, reason, text)


@pytest.mark.parametrize(
    ("today", "outcome"),
    [
        (date(2012, 4, 14), Outcome.SUCCESSFUL),
        (date(2012, 4, 15), Outcome.SUCCESSFUL),
        (date(2012, 4, 16), Outcome.FAILED),
    ],
)
def test_last_day_of_validity_is_valid(today: date, outcome: Outcome) -> None:
    made = check("combined.not_expired", UPPER, LOWER, today=today)

    assert made.outcome is outcome
    assert made.group is CheckGroup.COMBINED
    assert made.reason == ("expired" if outcome is Outcome.FAILED else None)


@pytest.mark.parametrize(
    ("lines", "outcome", "reason"),
    [
        (("no zone",), Outcome.NOT_SUPPORTED, "no_mrz"),
        (FRA_ID, Outcome.NOT_SUPPORTED, "no_expiry"),
        ((UPPER, with_expiry("<<<<<<")), Outcome.NOT_SUPPORTED, "no_expiry"),
        ((UPPER, with_expiry("3004<<")), Outcome.UNDETERMINED, "expiry_unreadable"),
        ((UPPER, with_expiry("300431")), Outcome.UNDETERMINED, "expiry_unreadable"),
        ((UPPER, LOWER.replace("120415", "12O415")), Outcome.UNDETERMINED, "expiry_unreadable"),
        ((UPPER, LOWER.replace("1204159", "2204159")), Outcome.UNDETERMINED, "expiry_digit_wrong"),
        ((UPPER, LOWER.replace("1204159", "120415*")), Outcome.UNDETERMINED, "expiry_digit_wrong"),
    ],
)
def test_undeterminable_expiry(lines: tuple[str, ...], outcome: Outcome, reason: str) -> None:
    made = check("combined.not_expired", *lines)

    assert (made.outcome, made.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("raw", "outcome", "reason"),
    [("110101", Outcome.UNDETERMINED, "expiry_unverified"), ("220101", Outcome.SUCCESSFUL, None)],
)
def test_kenyan_past_date_may_be_issue(raw: str, outcome: Outcome, reason: str | None) -> None:
    made = check("combined.not_expired", *kenyan_card(raw))

    assert (made.outcome, made.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("lines", "today", "text"),
    [
        (("no zone",), TODAY, "There is no machine readable zone."),
        (FRA_ID, TODAY, "This document states no date of expiry."),
        ((UPPER, with_expiry("300431")), TODAY, "The date of expiry is incomplete or unreadable."),
        ((UPPER, LOWER[:20]), TODAY, "The date of expiry could not be read."),
        (
            (UPPER, LOWER.replace("1204159", "2204159")),
            TODAY,
            "The date of expiry does not fit its check digit.",
        ),
        (kenyan_card("110101"), TODAY, "On this document, the date may be the date of issue."),
        ((UPPER, LOWER), date(2012, 4, 16), "The document has expired."),
        ((UPPER, LOWER), TODAY, None),
    ],
)
def test_officer_reads_why(lines: tuple[str, ...], today: date, text: str | None) -> None:
    assert check("combined.not_expired", *lines, today=today).text == text
