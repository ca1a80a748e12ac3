"""Zones that cannot be read, and fields that cannot be as they were read: what an officer is shown."""

from datetime import date

import pytest

from drivers.observation import Check, Outcome
from drivers.passport.mrz import DigitResult
from drivers.passport.mrz.checks import READ_AGAIN, mrz_checks
from drivers.passport.mrz.layouts import TD1
from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.parser import parse
from drivers.passport.mrz.unreadable import find_zone_fault

TODAY = date(2026, 6, 1)
UPPER, LOWER = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3204153ZE184226B<<<<<16"
CARD = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F3204153UTO<<<<<<<<<<<2", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")


def digits_of(*lines: str) -> Check:
    return mrz_checks(parse(lines, TODAY), lines, TODAY)[0]


def lower_with(number: str = "L898902C3", birth: str = "740812", expiry: str = "320415") -> str:
    """Return a second line whose digits are all right."""
    dates = f"UTO{birth}{check_digit(birth)}F{expiry}{check_digit(expiry)}"
    line = f"{number}{check_digit(number)}{dates}ZE184226B<<<<<1"
    return line + str(check_digit(line[:10] + line[13:20] + line[21:43]))


def test_sound_zones_succeed() -> None:
    assert digits_of(UPPER, lower_with()).outcome is Outcome.SUCCESSFUL
    assert lower_with() == LOWER
    assert digits_of(*CARD).outcome is Outcome.SUCCESSFUL


@pytest.mark.parametrize("birth", ["740230", "741301", "740832", "740800", "740012", "7<0812", "<<0230"])
def test_impossible_date_is_undetermined(birth: str) -> None:
    made = digits_of(UPPER, lower_with(birth=birth))

    assert made.outcome is Outcome.UNDETERMINED
    assert made.text == f"Cannot be as read: date of birth (line 2, place 14). {READ_AGAIN}"


@pytest.mark.parametrize("birth", ["740229", "320431"])
def test_impossible_date_with_wrong_digit(birth: str) -> None:
    """A misread digit, so the reader is blamed and not the document."""
    made = digits_of(UPPER, LOWER.replace("740812", birth))

    assert made.outcome is Outcome.UNDETERMINED
    assert "date of birth (line 2, place 14)" in (made.text or "")


@pytest.mark.parametrize("birth", ["<<<<<<", "74<<<<", "7408<<", "<<0812", "<<0229"])
def test_unknown_parts_of_date_are_possible(birth: str) -> None:
    assert digits_of(UPPER, lower_with(birth=birth)).outcome is Outcome.SUCCESSFUL


@pytest.mark.parametrize(
    ("printed", "misread", "named"),
    [
        # Each keeps its check digit: G and 6 count alike, L and 1, and so on.
        ("3204153", "32041S3", "date of expiry (line 2, place 27)"),
        ("C36UTO", "C3GUTO", "check digit of document number (line 2, place 10)"),
        ("UTO7408", "UT07408", "nationality (line 2, place 13)"),
        ("2F32", "2E32", "sex (line 2, place 21)"),
        ("L898902C3", "L898902?3", "document number (line 2, place 8)"),
    ],
)
def test_misread_field_is_named(printed: str, misread: str, named: str) -> None:
    made = digits_of(UPPER, LOWER.replace(printed, misread))

    assert made.outcome is Outcome.UNDETERMINED
    assert made.text == f"Cannot be as read: {named}. {READ_AGAIN}"


def test_misread_field_leaves_other_digits() -> None:
    mrz = parse((UPPER, LOWER.replace("L898902C3", "L898902?3")), TODAY)

    assert mrz is not None
    results = {digit.field: digit.result for digit in mrz.digits}
    unreadable = {field for field, result in results.items() if result is DigitResult.UNREADABLE}
    assert unreadable == {"document_number", "composite"}


def test_letter_with_same_check_digit() -> None:
    """G counts as 6 does: every digit is right, and the date is none."""
    printed = lower_with(birth="640612")
    misread = printed.replace("640612", "G40612")

    assert check_digit("G40612") == check_digit("640612")
    assert digits_of(UPPER, printed).outcome is Outcome.SUCCESSFUL
    assert digits_of(UPPER, misread).outcome is Outcome.UNDETERMINED


@pytest.mark.parametrize(
    ("number", "named"),
    [("<<<<<<<<<", "document number (line 2, place 1)"), ("<L898902C", "document number (line 2, place 1)")],
)
def test_empty_or_shifted_number(number: str, named: str) -> None:
    assert named in (digits_of(UPPER, lower_with(number=number)).text or "")


@pytest.mark.parametrize("name", ["<ERIKSSON<<ANNA<MARIA", "<<ERIKSSON<<ANNA", "<"])
def test_name_with_leading_fillers(name: str) -> None:
    made = digits_of(f"P<UTO{name:<<39}", LOWER)

    assert made.outcome is Outcome.UNDETERMINED
    assert made.text == f"Cannot be as read: name (line 1, place 6). {READ_AGAIN}"


def test_single_filler_between_names_is_noted() -> None:
    """It may be the name of a person with one identifier, as in the examples of the standard."""
    mrz = parse((UPPER.replace("<<", "<", 1) + "<", LOWER), TODAY)

    assert mrz is not None
    assert [(note.code, note.field) for note in mrz.deviations] == [("name_undivided", "name")]
    assert (mrz.primary_identifier, mrz.secondary_identifier) == ("ERIKSSON ANNA MARIA", "")


@pytest.mark.parametrize(
    ("lines", "reason", "text"),
    [
        ((UPPER, LOWER[:20] + LOWER[21:]), "line_length", "Line 2 has 43 characters instead of 44."),
        ((UPPER[:9] + UPPER[8:], LOWER), "line_length", "Line 1 has 45 characters instead of 44."),
        ((CARD[0], CARD[1][1:], CARD[2]), "line_length", "Line 2 has 29 characters instead of 30."),
        ((UPPER + LOWER[:-1],), "line_length", "The lines came as one, of 87 characters instead of 88."),
        ((UPPER,), "line_count", "1 line came, of 44 characters; a zone has 2 lines of 44."),
        (CARD[:2], "line_count", "2 lines came, of 30 and 30 characters; a zone has 3 lines of 30."),
        ((UPPER, LOWER, LOWER, LOWER), "line_count", "4 lines came, more than any zone has."),
        (
            (UPPER.lower(), LOWER),
            "lower_case",
            "Line 1 has 21 small letters, the first at place 1.",
        ),
        (
            (f"{UPPER[:20]} {UPPER[20:]}", LOWER),
            "line_length",
            "Line 1 has 45 characters instead of 44. Line 1 has a space at place 21.",
        ),
        (
            ("<" + UPPER[:-1], LOWER),
            "line_shifted",
            "Line 1 begins with a filler: its characters stand beside their places.",
        ),
        (
            ("X" * 44, "Y" * 44),
            "layout_unknown",
            "The lines have the lengths of a zone, but codes and dates are not in their places.",
        ),
        (
            ("\N{SNOWMAN}" * 44,) * 2,
            "wrong_character",
            "Line 1 has a character that no zone has at place 1. "
            "Line 2 has a character that no zone has at place 1.",
        ),
    ],
)
def test_unreadable_zone_is_not_absent(lines: tuple[str, ...], reason: str, text: str) -> None:
    digits, expiry = mrz_checks(parse(lines, TODAY), lines, TODAY)

    assert (digits.outcome, digits.reason) == (Outcome.UNDETERMINED, reason)
    assert digits.text == f"{text} {READ_AGAIN}"
    assert (expiry.outcome, expiry.reason) == (Outcome.UNDETERMINED, "expiry_unreadable")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("",),
        ("no zone",),
        ("4006381333931",),
        ("1234567890" * 4,),
        ("<note>A LETTER FOR THE POST</note>",),
        ("Dear colleague, this is a letter with a few numbers: 123456 and 7890123.",),
    ],
)
def test_other_text_is_no_zone(lines: tuple[str, ...]) -> None:
    assert find_zone_fault(lines) is None
    assert {check.reason for check in mrz_checks(parse(lines, TODAY), lines, TODAY)} == {"no_mrz"}


@pytest.mark.parametrize(
    ("upper", "named"),
    [
        # The line lost one to three characters, and no digit covers it.
        ("PUTOERIKSSON<<ANNA<MARIA".ljust(44, "<"), "issuing state"),
        ("UTOERIKSSON<<ANNA<MARIA".ljust(44, "<"), "issuing state"),
        ("TOSOLBERG<<ANNA<MARIA".ljust(44, "<"), "issuing state"),
        ("PP<UTOERIKSSON<<ANNA<MARIA".ljust(44, "<"), "issuing state"),
    ],
)
def test_shifted_first_line_does_not_pass(upper: str, named: str) -> None:
    made = digits_of(upper, LOWER)

    assert made.outcome is Outcome.UNDETERMINED
    assert named in (made.text or "")


@pytest.mark.parametrize("by", [1, 2, 3])
def test_shifted_second_line_is_not_wrong(by: int) -> None:
    for shifted in (("<" * by + LOWER)[:44], LOWER[by:] + "<" * by):
        assert digits_of(UPPER, shifted).outcome is Outcome.UNDETERMINED


def test_visa_without_its_v_is_not_wrong() -> None:
    """Its first line is shifted, so it looks like a passport, whose composite it lacks."""
    visa = "VUTOERIKSSON<<ANNA<MARIA".ljust(44, "<")

    for misread in (visa[1:] + "<", "v<" + visa[1:-1]):
        assert digits_of(misread, LOWER[:28] + "<" * 16).outcome is Outcome.UNDETERMINED


def test_small_letters_never_swap_lines() -> None:
    """The line with small letters was once taken for the names, where any character is tolerated."""
    made = digits_of(CARD[0].lower(), *CARD[1:])

    assert (made.outcome, made.reason) == (Outcome.UNDETERMINED, "lower_case")


@pytest.mark.parametrize(("at", "place"), [(0, (1, 1)), (29, (1, 30)), (30, (2, 1)), (89, (3, 30))])
def test_line_and_place_of_an_offset(at: int, place: tuple[int, int]) -> None:
    assert TD1.line_and_place(at) == place
