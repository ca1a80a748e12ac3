"""Choices of the reader between layouts and orders of lines, and the bounds of each."""

from datetime import date

import pytest

from drivers.passport.mrz import DigitResult, Mrz, MrzProfile
from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.parser import parse

TODAY = date(2026, 6, 1)
UPPER, LOWER = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
LONG = ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<")
FRA_ID = ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "9409923102854CORINNE<<<<<<<6512068F4")
FOR_A_DIGIT, FOR_A_LETTER, FOR_THE_SEX = "OQDILZSBG", "0125678", "HNE4P"
"""Characters that readers take for others, by what the place holds (0 as O, 5 as S, F as E, ...)."""


def read(*lines: str) -> Mrz:
    mrz = parse(lines, TODAY)
    assert mrz is not None
    return mrz


def noted(mrz: Mrz) -> list[tuple[str, str | None]]:
    return [(deviation.code, deviation.field) for deviation in mrz.deviations]


def with_digit(text: str) -> str:
    return f"{text}{check_digit(text)}"


def passport(
    *, number: str = "L898902C3", optional: str, digit: str | None = None, issuer: str = "UTO"
) -> Mrz:
    """Complete a passport with all its digits; `digit`: that of the optional data."""
    optional = optional.ljust(14, "<")
    lower = with_digit(number.ljust(9, "<")) + f"UTO7408122F1204159{optional}"
    lower += digit or str(check_digit(optional))
    lower += str(check_digit(lower[:10] + lower[13:20] + lower[21:43]))
    return read("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", lower)


def card(upper: str, middle: str, lower: str) -> Mrz:
    middle = middle.ljust(29, "<")
    upper = upper.ljust(30, "<")
    digit = check_digit(upper[5:] + middle[:7] + middle[8:15] + middle[18:29])
    return read(upper, f"{middle}{digit}", lower.ljust(30, "<"))


# Layout and order.


def test_order_as_read_wins_over_another() -> None:
    """Both orders fit once misread characters are allowed for: this name could be digits."""
    upper = "P<UTODOLIDZ<<BOGOZIL".ljust(44, "<")
    mrz = read(upper, LOWER.replace("740812", "74O812"))

    assert (mrz.primary_identifier, mrz.secondary_identifier) == ("DOLIDZ", "BOGOZIL")
    assert noted(mrz) == [("ocr_slip", "birth_date")]


@pytest.mark.parametrize("misread", FOR_A_DIGIT)
def test_swapped_with_a_misread_digit(misread: str) -> None:
    mrz = read(LOWER.replace("740812", f"74{misread}812"), UPPER)

    assert noted(mrz) == [("lines_swapped", None), ("ocr_slip", "birth_date")]


@pytest.mark.parametrize("misread", [*FOR_THE_SEX, "Q", "1"])
def test_swapped_with_a_misread_sex(misread: str) -> None:
    mrz = read(LOWER[:20] + misread + LOWER[21:], UPPER)
    code = "ocr_slip" if misread in FOR_THE_SEX else "wrong_character"

    assert noted(mrz) == [("lines_swapped", None), (code, "sex")]


def test_swapped_without_a_document_code() -> None:
    assert parse((LOWER, "9" + UPPER[1:]), TODAY) is None


@pytest.mark.parametrize(("foreign", "is_zone"), [(22, True), (23, False)])
def test_share_of_foreign_characters(foreign: int, is_zone: bool) -> None:
    """One character in four may be none of a zone's."""
    mrz = parse(("P<UTO" + ("?" * foreign).ljust(39, "<"), LOWER), TODAY)

    assert (mrz is not None) is is_zone


@pytest.mark.parametrize("issuer", ["UTO", "D<<"])
def test_issuer_identifies_an_unreadable_zone(issuer: str) -> None:
    mrz = read(f"P<{issuer}ERIKSSON<<ANNA".ljust(44, "<"), LOWER.replace("740812", "??????"))

    assert (mrz.issuer, mrz.primary_identifier) == (issuer.rstrip("<"), "ERIKSSON")


@pytest.mark.parametrize(("blank", "is_zone"), [(6, True), (7, False)])
def test_most_lines(blank: int, is_zone: bool) -> None:
    assert (parse(("",) * blank + (UPPER, LOWER), TODAY) is not None) is is_zone


@pytest.mark.parametrize(("length", "is_zone"), [(128, True), (129, False)])
def test_longest_line(length: int, is_zone: bool) -> None:
    assert (parse((UPPER, LOWER.ljust(length)), TODAY) is not None) is is_zone


@pytest.mark.parametrize(
    ("upper", "profile"),
    [
        ("PNRUSIVANOV<<IVAN", MrzProfile.RUS_INTERNAL),
        ("P<RUSIVANOV<<IVAN", MrzProfile.ICAO),
        ("P<USATRAVELER<<HAPPY", MrzProfile.USA_PASSPORT),
        ("PPUSATRAVELER<<HAPPY", MrzProfile.USA_PASSPORT),
        ("P<UTOTRAVELER<<HAPPY", MrzProfile.ICAO),
    ],
)
def test_profile_of_a_passport(upper: str, profile: MrzProfile) -> None:
    assert read(upper.ljust(44, "<"), LOWER).profile is profile


@pytest.mark.parametrize(
    ("upper", "profile"),
    [
        ("IDUGA0123456784CM90012345ABCD<", MrzProfile.UGA_ID),
        ("I<UGA0123456784CM90012345ABCD<", MrzProfile.UGA_ID),
        ("A<UGA0123456784CM90012345ABCD<", MrzProfile.ICAO),
        ("I<NLDSPECI20142999999990<<<<<8", MrzProfile.NLD_ID),
        ("IDNLDSPECI20142999999990<<<<<8", MrzProfile.NLD_ID),
        ("I<NLDSPECI20142999999990<<<<<<", MrzProfile.ICAO),
        ("I<NLDSPECI2014299999999<<<<<<8", MrzProfile.ICAO),
    ],
)
def test_profile_of_a_card(upper: str, profile: MrzProfile) -> None:
    assert read(upper, "6503101F2403096UTO<<<<<<<<<<<8", LONG[2]).profile is profile


# Characters.


@pytest.mark.parametrize("misread", FOR_A_LETTER)
def test_digit_for_a_letter(misread: str) -> None:
    mrz = read(UPPER.replace("ERIKSSON", f"ERIK{misread}SON"), LOWER)

    assert noted(mrz) == [("ocr_slip", "name")]


@pytest.mark.parametrize("wrong", ["349", "5S9", "1?2"])
def test_one_impossible_character_decides(wrong: str) -> None:
    mrz = read(UPPER.replace("ERIKSSON", f"ERI{wrong}ON"), LOWER)

    assert noted(mrz) == [("wrong_character", "name")]


@pytest.mark.parametrize("wrong", "ACX")
def test_letter_that_is_no_digit(wrong: str) -> None:
    mrz = read(UPPER, LOWER.replace("740812", f"74{wrong}812"))

    assert ("wrong_character", "birth_date") in noted(mrz)


# Numbers and optional data.


def test_long_number_needs_two_more_characters() -> None:
    """A single character after the filler is no long number: it would be all digit and no number."""
    mrz = read("I<UTOD23145890<7<<<<<<<<<<<<<<", *LONG[1:])

    assert (mrz.document_number, mrz.optional_data) == ("D23145890", ("7", ""))
    assert mrz.digits[0].printed == "<"
    assert mrz.digits[0].result is DigitResult.FAILED


def test_shortest_long_number() -> None:
    digit = check_digit("D231458907")
    mrz = read(f"I<UTOD23145890<7{digit}<<<<<<<<<<<<<", *LONG[1:])

    assert (mrz.document_number, mrz.optional_data) == ("D231458907", ("", ""))
    assert (mrz.digits[0].printed, mrz.digits[0].result) == (digit, DigitResult.OK)


def test_short_number_is_not_continued() -> None:
    """A number that ends in a filler has ended, whatever stands in the optional data."""
    mrz = read("I<UTOAB12<<<<<<7349<<<<<<<<<<<", *LONG[1:])

    assert (mrz.document_number, mrz.optional_data) == ("AB12", ("7349", ""))


def test_long_number_leaves_other_digits() -> None:
    mrz = read(LONG[0], LONG[1].replace("3407127", "3407128"), LONG[2])

    assert [digit.field for digit in mrz.digits] == [
        "document_number",
        "birth_date",
        "expiry_date",
        "composite",
    ]
    assert [digit.printed for digit in mrz.digits] == ["9", "8", "2", "2"]
    assert [digit.result for digit in mrz.digits] == ["ok", "failed", "ok", "failed"]


def test_one_wrong_place_fails_the_composite_alone() -> None:
    """The composite sums also what no digit of its own protects, here a card's optional data."""
    mrz = read("I<UTOD231458907B<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", LONG[2])

    assert [digit.result for digit in mrz.digits] == ["ok", "ok", "ok", "failed"]
    assert mrz.digits[3].expected == (check_digit("D231458907B" + "<" * 14 + "74081221204159" + "<" * 11),)


@pytest.mark.parametrize(("printed", "expected"), [("<", ("0", "<")), ("0", ("0",))])
def test_expected_digit_of_empty_optional_data(printed: str, expected: tuple[str, ...]) -> None:
    digit = passport(optional="", digit=printed).digits[3]

    assert (digit.printed, digit.expected, digit.result) == (printed, expected, DigitResult.OK)


@pytest.mark.parametrize(
    ("digit", "result", "notes"),
    [
        (None, DigitResult.OK, []),
        ("A", DigitResult.ABSENT, [("optional_free", "optional_data")]),
        ("?", DigitResult.UNREADABLE, [("wrong_character", "optional_data_digit")]),
    ],
)
def test_free_optional_data(
    digit: str | None, result: DigitResult, notes: list[tuple[str, str | None]]
) -> None:
    """The last place of an American passport's optional data may be a digit all the same."""
    lower = f"{with_digit('340007237')}USA{with_digit('800101')}M{with_digit('300101')}"
    lower += "123456789<1234" + (digit or str(check_digit("123456789<1234")))
    mrz = read("P<USATRAVELER<<HAPPY".ljust(44, "<"), f"{lower}{check_digit(lower) or 0}")

    assert mrz.digits[3].result is result
    assert noted(mrz) == notes


def test_leading_fillers_are_kept() -> None:
    mrz = passport(number="<L89890", optional="<ZE1")

    assert (mrz.document_number, mrz.optional_data) == ("<L89890", ("<ZE1",))


@pytest.mark.parametrize(("printed", "number"), [("<CM9001<", "CM9001"), ("", None)])
def test_second_number(printed: str, number: str | None) -> None:
    birth, expiry = with_digit("900102"), with_digit("300609")
    mrz = card("IDUGA" + with_digit("012345678") + printed, f"{birth}M{expiry}UGA150610", "OKELLO<<JOHN")

    assert mrz.second_number == number


def test_single_name_needs_no_surname() -> None:
    birth, expiry = with_digit("900102"), with_digit("350609")
    mrz = card("IDKEN" + with_digit("123456789"), f"{birth}F{expiry}KEN23456789", "KAMAU")

    assert "surname_unmarked" not in [code for code, _ in noted(mrz)]


def test_french_surname_may_be_truncated() -> None:
    assert not read(*FRA_ID).name_truncated
    assert read("IDFRA" + "BERTHIER<" * 2 + "BERTHIE" + "<" * 6, FRA_ID[1]).name_truncated


# Dates.


@pytest.mark.parametrize("raw", ["300231", "301301"])
def test_expiry_that_does_not_exist(raw: str) -> None:
    mrz = read(UPPER, LOWER.replace("1204159", with_digit(raw)))

    assert mrz.expiry_date is not None
    assert mrz.expiry_date.as_date() is None
    assert noted(mrz) == [("date_invalid", "expiry_date")]


def test_unreadable_dates_are_not_invalid() -> None:
    mrz = read(UPPER, LOWER.replace("120415", "12O415"))

    assert noted(mrz) == [("ocr_slip", "expiry_date")]
