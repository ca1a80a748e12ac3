"""Two-digit years, unknown parts and days that do not exist."""

from datetime import date

import pytest

from drivers.passport.mrz.model import birth_date, check_digit, expiry_date
from drivers.passport.mrz.parser import parse

TODAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("740812", date(1974, 8, 12)),
        ("260601", date(2026, 6, 1)),
        ("260602", date(1926, 6, 2)),
        ("000229", date(2000, 2, 29)),
        ("270101", date(1927, 1, 1)),
    ],
)
def test_birth_is_in_latest_past_year(raw: str, expected: date) -> None:
    assert birth_date(raw, TODAY).as_date() == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("120415", date(2012, 4, 15)),
        ("960601", date(1996, 6, 1)),
        ("760601", date(2076, 6, 1)),
        ("770601", date(1977, 6, 1)),
        ("991231", date(1999, 12, 31)),
    ],
)
def test_expiry_at_most_fifty_years_ahead(raw: str, expected: date) -> None:
    assert expiry_date(raw, TODAY).as_date() == expected


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("74<<<<", (1974, None, None)),
        ("7408<<", (1974, 8, None)),
        ("<<<<<<", (None, None, None)),
        ("26<<<<", (2026, None, None)),
        ("2612<<", (1926, 12, None)),
        ("7<0812", (None, 8, 12)),
        ("741300", (1974, None, None)),
        ("74O812", (1974, None, 12)),
        ("\u0667\u06640812", (None, 8, 12)),
        ("9409", (1994, 9, None)),
    ],
)
def test_unknown_parts_stay_unknown(raw: str, parts: tuple[int | None, ...]) -> None:
    value = birth_date(raw, TODAY)

    assert (value.year, value.month, value.day) == parts
    assert value.raw == raw
    assert value.as_date() is None


def test_partial_birth_date_digit() -> None:
    lower = f"L898902C36UTO74<<<<{check_digit('74<<<<')}F1204159ZE184226B<<<<<1"
    lower += str(check_digit(lower[:10] + lower[13:20] + lower[21:43]))

    mrz = parse(("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", lower), TODAY)

    assert mrz is not None
    assert mrz.birth_date is not None
    assert mrz.birth_date.year == 1974
    assert mrz.birth_date.is_stated
    assert {digit.result for digit in mrz.digits} == {"ok"}
    assert mrz.deviations == ()


@pytest.mark.parametrize("raw", ["740230", "741301", "740832", "740800"])
def test_impossible_day_is_noted(raw: str) -> None:
    lower = f"L898902C36UTO{raw}{check_digit(raw)}F1204159ZE184226B<<<<<10"

    mrz = parse(("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", lower), TODAY)

    assert mrz is not None
    assert mrz.birth_date is not None
    assert mrz.birth_date.as_date() is None
    assert [(d.code, d.field) for d in mrz.deviations] == [("date_invalid", "birth_date")]
