"""Documents of issuers that depart from the standard."""

from datetime import date

import pytest

from drivers.passport.mrz import Mrz, MrzFormat, MrzProfile
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.parser import parse

TODAY = date(2026, 6, 1)
FRA_ID = ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "9409923102854CORINNE<<<<<<<6512068F4")
CHE_LICENCE = ("AAA001D<<", "FACHE305142128097<<800126<<<<<", "MARCHAND<<FABIENNE<<<<<<<<<<<<")


def read(*lines: str) -> Mrz:
    mrz = parse(lines, TODAY)
    assert mrz is not None
    return mrz


def codes(mrz: Mrz) -> list[str]:
    return [deviation.code for deviation in mrz.deviations]


def results(mrz: Mrz) -> list[str]:
    return [digit.result for digit in mrz.digits]


def card(upper: str, middle: str, lower: str, *, composite: str | None = None) -> Mrz:
    """Complete a card of three lines with fillers and a composite digit."""
    upper, middle = upper.ljust(30, "<"), middle.ljust(29, "<")
    digit = composite or check_digit(upper[5:] + middle[:7] + middle[8:15] + middle[18:29])
    return read(upper, f"{middle}{digit}", lower.ljust(30, "<"))


def with_digit(text: str) -> str:
    return f"{text}{check_digit(text)}"


def test_french_card_given_names() -> None:
    mrz = read(*FRA_ID)

    assert (mrz.format, mrz.profile) == (MrzFormat.FRA_ID, MrzProfile.FRA_ID)
    assert (mrz.primary_identifier, mrz.secondary_identifier) == ("BERTHIER", "CORINNE")
    assert mrz.document_number == "940992310285"
    assert mrz.issue_date is not None
    assert (mrz.issue_date.year, mrz.issue_date.month, mrz.issue_date.day) == (1994, 9, None)
    assert mrz.birth_date is not None
    assert mrz.birth_date.as_date() == date(1965, 12, 6)
    assert mrz.expiry_date is None
    assert mrz.nationality is None
    assert results(mrz) == ["ok", "ok", "ok"]
    assert codes(mrz) == []


def test_french_card_with_office() -> None:
    mrz = read("IDFRATEST<NAME<<<<<<<<<<<<<<<<0CHE02", "1710GVA123451ROBERTA<<<<<<<9112311F2")
    assert mrz.optional_data == ("0CHE02",)
    assert mrz.primary_identifier == "TEST NAME"
    assert results(mrz) == ["ok", "ok", "ok"]

    assert read(FRA_ID[0], FRA_ID[1].replace("CORINNE<<<<<<<", "MARIE<<CORINNE")).name_truncated


@pytest.mark.parametrize("month", ["00", "13"])
def test_french_card_impossible_issue_date(month: str) -> None:
    """The check digits agree, and no calendar has the month."""
    given_and_birth = "CORINNE".ljust(14, "<") + with_digit("651206") + "F"
    lower = with_digit(f"94{month}92310285") + given_and_birth
    mrz = read(FRA_ID[0], f"{lower}{check_digit(FRA_ID[0] + lower)}")

    assert mrz.profile is MrzProfile.FRA_ID
    assert [(note.code, note.field, note.line, note.place) for note in mrz.deviations] == [
        ("date_invalid", "issue_date", 2, 1)
    ]
    assert results(mrz) == ["ok", "ok", "ok"]


def test_french_licence_is_one_line() -> None:
    mrz = read("D1FRA13AA000026181231MARTIN<<9")

    assert (mrz.format, mrz.profile) == (MrzFormat.FRA_LICENCE, MrzProfile.FRA_LICENCE)
    assert (mrz.document_number, mrz.primary_identifier) == ("13AA00002", "MARTIN")
    assert mrz.expiry_date is not None
    assert mrz.expiry_date.as_date() == date(2018, 12, 31)
    assert (mrz.birth_date, mrz.sex) == (None, None)
    assert results(mrz) == ["ok", "ok"]


def test_swiss_licence_has_no_digits() -> None:
    mrz = read(*CHE_LICENCE)

    assert (mrz.format, mrz.document_code, mrz.issuer) == (MrzFormat.CHE_LICENCE, "FA", "CHE")
    assert (mrz.document_number, mrz.second_number) == ("305142128097", "AAA001D")
    assert (mrz.primary_identifier, mrz.secondary_identifier) == ("MARCHAND", "FABIENNE")
    assert mrz.birth_date is not None
    assert mrz.birth_date.as_date() == date(1980, 1, 26)
    assert mrz.digits == ()


@pytest.mark.parametrize("issuer", ["KEN", "KYA"])
def test_kenyan_card_has_two_numbers(
    issuer: str,
) -> None:
    mrz = card(
        f"IDK{issuer[1:]}" + with_digit("123456789") + "<195<4741",
        with_digit("900102") + "M" + with_digit("350609") + "KEN23456789",
        "JANE<WANJIKU<KAMAU",
    )

    assert mrz.profile is MrzProfile.KEN_ID
    assert (mrz.document_number, mrz.second_number) == ("123456789", "23456789")
    assert mrz.nationality == "KEN"
    assert mrz.primary_identifier == "JANE WANJIKU KAMAU"
    assert mrz.secondary_identifier == ""
    assert set(results(mrz)) == {"ok"}
    unknown = ["issuer_unknown"] if issuer == "KYA" else []
    assert codes(mrz) == [*unknown, "surname_unmarked", "number_unnamed", "expiry_unverified"]


@pytest.mark.parametrize("summed", [slice(15, 29), slice(18, 29)])
def test_older_kenyan_card_second_number(summed: slice) -> None:
    upper = "IDKYA" + with_digit("123456789") + "<<4002<<<<<4002"[:15]
    middle = with_digit("921018") + "M" + with_digit("130920") + "2<B123456789E<"
    composite = check_digit(upper[5:] + middle[:7] + middle[8:15] + middle[summed])

    mrz = card(upper, middle, "WANJIKU<KAMAU", composite=composite)

    assert mrz.second_number == "2<B123456789E"
    assert mrz.nationality is None
    assert set(results(mrz)) == {"ok"}


def test_kenyan_card_with_marked_surname() -> None:
    mrz = card(
        "IDKEN" + with_digit("123456789"),
        with_digit("900102") + "F" + with_digit("350609") + "KEN23456789",
        "KAMAU<<JANE<WANJIKU",
    )

    assert (mrz.primary_identifier, mrz.secondary_identifier) == ("KAMAU", "JANE WANJIKU")
    assert "surname_unmarked" not in codes(mrz)


def test_ugandan_card_number_and_issue_date() -> None:
    mrz = card(
        "IDUGA" + with_digit("012345678") + "CM90012345ABCD<",
        with_digit("900102") + "M" + with_digit("300609") + "UGA150610",
        "OKELLO<<JOHN",
    )

    assert mrz.profile is MrzProfile.UGA_ID
    assert mrz.second_number == "CM90012345ABCD"
    assert mrz.issue_date is not None
    assert mrz.issue_date.as_date() == date(2015, 6, 10)
    assert set(results(mrz)) == {"ok"}
    assert codes(mrz) == []


def test_old_dutch_card_has_service_number() -> None:
    mrz = read(
        "I<NLDSPECI20142999999990<<<<<8", "6503101F2403096NLD<<<<<<<<<<<8", "DE<BRUIJN<<WILLEKE<LISELOTTE<<"
    )

    assert mrz.profile is MrzProfile.NLD_ID
    assert mrz.second_number == "999999990"
    assert [digit.field for digit in mrz.digits][3] == "optional_data"
    assert results(mrz) == ["ok"] * 5
    assert mrz.optional_data == ("999999990", "")


def test_newer_dutch_card_follows_standard() -> None:
    mrz = read(
        "I<NLDSPECI20212<<<<<<<<<<<<<<<", "6503101F3108022NLD<<<<<<<<<<<8", "DE<BRUIJN<<WILLEKE<LISELOTTE<<"
    )

    assert (mrz.profile, mrz.second_number) == (MrzProfile.ICAO, None)
    assert set(results(mrz)) == {"ok"}


def test_russian_passport_digits_in_names() -> None:
    mrz = read("PNRUSIVANOV<<IVAN<IVANOVI3<<<<<<<<<<<<<<<<<<", "1235678909RUS9503157M<<<<<<04160002150620<98")

    assert mrz.profile is MrzProfile.RUS_INTERNAL
    assert mrz.secondary_identifier == "IVAN IVANOVI3"
    assert set(results(mrz)) == {"ok"}
    assert codes(mrz) == ["name_digits", "number_split"]
    assert mrz.optional_data == ("4160002150620",)
    assert mrz_checks(mrz, mrz.lines, TODAY)[1].reason == "no_expiry"


def passport_with_free_number(issuer: str) -> Mrz:
    """Print a passport whose optional data is a number that does not end in a digit of its own."""
    assert check_digit("123456789<1234") != "6"
    lower = f"{with_digit('340007237')}{issuer}{with_digit('800101')}M{with_digit('300101')}123456789<12346"
    lower += str(check_digit(lower[:10] + lower[13:20] + lower[21:43]))
    return read(f"P<{issuer}TRAVELER<<HAPPY<<<<<<<<<<<<<<<<<<<<<<<<", lower)


def test_american_optional_number_is_free() -> None:
    mrz = passport_with_free_number("USA")

    assert mrz.profile is MrzProfile.USA_PASSPORT
    assert results(mrz) == ["ok", "ok", "ok", "absent", "ok"]
    assert codes(mrz) == ["optional_free"]


def test_optional_number_wrong_elsewhere() -> None:
    mrz = passport_with_free_number("UTO")

    assert results(mrz) == ["ok", "ok", "ok", "failed", "ok"]
    assert codes(mrz) == []
