"""Recognition of zones among lines of text, and their deviations."""

from datetime import date
from itertools import permutations

import pytest

from drivers.observation import redact
from drivers.passport.mrz import DigitCheck, Mrz, MrzDeviation, MrzFormat, Sex
from drivers.passport.mrz.codes import CODES
from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.parser import parse

TODAY = date(2026, 6, 1)
UPPER, LOWER = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
MRV_A = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<")
MRV_B = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<")


def read(*lines: str) -> Mrz:
    mrz = parse(lines, TODAY)
    assert mrz is not None
    return mrz


def noted(mrz: Mrz) -> list[tuple[str, str | None]]:
    return [(deviation.code, deviation.field) for deviation in mrz.deviations]


@pytest.mark.parametrize("lines", [(UPPER, LOWER), TD2, MRV_A, MRV_B])
def test_two_swapped_lines_are_recognised(lines: tuple[str, str]) -> None:
    mrz = read(*reversed(lines))

    assert noted(mrz) == [("lines_swapped", None)]
    assert mrz.primary_identifier == "ERIKSSON"
    assert mrz.lines == (lines[1], lines[0])


@pytest.mark.parametrize("order", list(permutations(TD1))[1:])
def test_three_lines_in_any_order(order: tuple[str, ...]) -> None:
    mrz = read(*order)

    assert noted(mrz) == [("lines_swapped", None)]
    assert mrz.primary_identifier == "ERIKSSON"
    assert mrz.lines == order


def test_swapped_lines_with_misread_character() -> None:
    mrz = read(LOWER.replace("740812", "74O812"), UPPER)

    assert noted(mrz) == [("lines_swapped", None), ("ocr_slip", "birth_date")]
    assert mrz.primary_identifier == "ERIKSSON"


@pytest.mark.parametrize(
    ("lines", "format_"),
    [((UPPER, LOWER), "td3"), (TD1, "td1"), (TD2, "td2"), (MRV_A, "mrv_a"), (MRV_B, "mrv_b")],
)
def test_joined_lines_are_split_and_noted(lines: tuple[str, ...], format_: str) -> None:
    mrz = read("".join(lines))

    assert mrz.format == MrzFormat(format_)
    assert mrz.lines == ("".join(lines),)
    assert noted(mrz) == [("lines_joined", None)]


def test_blank_lines_are_ignored() -> None:
    mrz = read("", f"{UPPER}\r\n", "\r", f"  {LOWER}\n", "")

    assert mrz.document_number == "L898902C3"
    assert mrz.deviations == ()


@pytest.mark.parametrize(
    ("printed", "misread", "note", "digit"),
    [
        ("740812", "74O812", ("ocr_slip", "birth_date"), "birth_date"),
        ("120415", "12O41S", ("ocr_slip", "expiry_date"), "expiry_date"),
        ("C36UTO", "C3GUTO", ("ocr_slip", "document_number_digit"), "document_number"),
        ("UTO7408", "UT07408", ("ocr_slip", "nationality"), None),
        ("2F12", "2E12", ("ocr_slip", "sex"), None),
        ("740812", "74*812", ("wrong_character", "birth_date"), "birth_date"),
        ("UTO7408", "UT97408", ("wrong_character", "nationality"), None),
    ],
)
def test_misread_character_is_noted(
    printed: str, misread: str, note: tuple[str, str], digit: str | None
) -> None:
    lower = LOWER.replace(printed, misread)
    mrz = read(UPPER, lower)

    assert note in noted(mrz)
    assert mrz.lines[1] == lower
    wrong = {check.field for check in mrz.digits if check.result != "ok"}
    assert digit is None or digit in wrong


@pytest.mark.parametrize(
    ("upper", "note"),
    [
        (UPPER.replace("ERIKSSON", "ERIK5S0N"), ("ocr_slip", "name")),
        (UPPER.replace("ERIKSSON", "ERIK9SON"), ("wrong_character", "name")),
        (UPPER.replace("UTO", "UT0"), ("ocr_slip", "issuer")),
        (UPPER.replace("UTO", "ABC"), ("issuer_unknown", "issuer")),
        (UPPER.replace("ANNA", "aNNA"), ("wrong_character", "name")),
        (UPPER.replace("ANNA", "ÄNNA"), ("wrong_character", "name")),
    ],
)
def test_misread_first_line_is_noted(upper: str, note: tuple[str, str]) -> None:
    mrz = read(upper, LOWER)

    assert note in noted(mrz)
    assert mrz.lines[0] == upper


@pytest.mark.parametrize(
    ("printed", "sex", "notes"),
    [
        ("M", Sex.MALE, []),
        ("<", Sex.UNSPECIFIED, []),
        ("X", Sex.X, [("sex_x", "sex")]),
        ("Q", Sex.UNKNOWN, [("wrong_character", "sex")]),
    ],
)
def test_sex_as_printed(printed: str, sex: Sex, notes: list[tuple[str, str]]) -> None:
    mrz = read(UPPER, LOWER[:20] + printed + LOWER[21:])

    assert mrz.sex is sex
    assert noted(mrz) == notes


def test_zone_with_unreadable_dates() -> None:
    mrz = read(UPPER, LOWER.replace("740812", "??????"))

    assert mrz.primary_identifier == "ERIKSSON"
    assert mrz.digits[1].result == "unreadable"
    assert mrz.digits[1].expected == ()


def test_unreadable_digit_is_not_wrong() -> None:
    assert read(UPPER, LOWER.replace("7408122", "740812?")).digits[1].result == "unreadable"


def test_empty_field_has_absent_digit() -> None:
    mrz = read(UPPER, "<" * 10 + "UTO" + "<" * 7 + "F1204159" + "<" * 15 + "<")

    assert [digit.result for digit in mrz.digits] == ["absent", "absent", "ok", "ok", "failed"]


@pytest.mark.parametrize("code", ["D", "RKS", "GBD", "EUE", "UNO", "XXA", "XOM", "XXK", "ANT", "NTZ", "KEN"])
def test_special_codes_are_known(code: str) -> None:
    assert code in CODES
    mrz = read(
        f"P<{code:<<3}ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", LOWER[:10] + f"{code:<<3}" + LOWER[13:]
    )

    assert (mrz.issuer, mrz.nationality) == (code, code)
    assert mrz.deviations == ()


def test_unknown_nationality_is_noted() -> None:
    # Printed on a German visa: BOS is no code.
    mrz = read("VBD<<DEDIC<<SIDNAN<<<<<<<<<<<<<<<<<<", "D091740530BOS8201135M9708011<2020711")

    assert noted(mrz) == [("nationality_unknown", "nationality")]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("",),
        ("", "", ""),
        (UPPER,),
        (LOWER, LOWER[:-1]),
        (UPPER, LOWER[:-1]),
        (UPPER[:-1], LOWER),
        (UPPER, LOWER, LOWER),
        (UPPER, LOWER, LOWER, LOWER),
        TD1[:2],
        ("X" * 44, "Y" * 44),
        ("x" * 44, "y" * 44),
        ("<" * 30,) * 3,
        ("THE QUICK BROWN FOX JUMPS OVER THE LAZY DOGS", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOGS"),
        ("\N{SNOWMAN}" * 44, "\N{SNOWMAN}" * 44),
        ("\ud800" * 30,) * 3,
        ("D2FRA13AA000026181231MARTIN<<9",),
        ("x" * 1_000_000,),
        (UPPER, LOWER + " " * 1_000_000),
        (("",) * 8) + (UPPER, LOWER),
        ("A",) * 100_000,
        ("\n",) * 100_000,
        UPPER,
    ],
)
def test_other_lines_give_none(lines: tuple[str, ...]) -> None:
    assert parse(lines, TODAY) is None


def test_logs_have_no_personal_data() -> None:
    shown = str(redact(read(UPPER, LOWER.replace("740812", "74O812"))))

    for personal in ("ERIKSSON", "ANNA", "L898902C3", "74O812", "1974", "120415", "ZE184226B", "'F'"):
        assert personal not in shown
    assert "td3" in shown
    assert "ocr_slip" in shown
    assert "UTO" in shown


def test_notes_never_quote_the_zone() -> None:
    mrz = read(UPPER.replace("ERIKSSON", "ERIK5SON"), LOWER.replace("740812", "74O832"))

    assert not any("ERIK" in deviation.text or "74O" in deviation.text for deviation in mrz.deviations)


@pytest.mark.parametrize("model", [Mrz, DigitCheck, MrzDeviation])
def test_every_field_has_description_and_example(model: type[Mrz]) -> None:
    for field in model.model_fields.values():
        assert field.description
        assert field.examples


def test_zone_survives_json() -> None:
    mrz = read(UPPER, LOWER)

    assert Mrz.model_validate_json(mrz.model_dump_json()) == mrz


def test_kenyan_number_as_published() -> None:
    assert check_digit("633307836") == "3"
