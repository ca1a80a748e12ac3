"""Every example zone and check digit of ICAO Doc 9303, parts 3 to 7 and 11."""

from datetime import date

import pytest

from drivers.passport.mrz import DigitResult, Mrz, MrzFormat, MrzProfile, Sex
from drivers.passport.mrz.model import check_digit
from drivers.passport.mrz.parser import parse

TODAY = date(2026, 6, 1)

TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD3_OLD = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C<3UTO6908061F9406236ZE184226B<<<<<14")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
TD1_PART_3 = (
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "3407127M9507122UTO<<<<<<<<<<<2",
    "STEVENSON<<PETER<<<<<<<<<<<<<<",
)
TD1_LONG = (
    "I<UTOD23145890<7349<<<<<<<<<<<",
    "3407127M9507122UTO<<<<<<<<<<<2",
    "STEVENSON<<PETER<JOHN<<<<<<<<<",
)
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
TD2_LONG = ("I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<", "D23145890<UTO3407127M95071227349<<<8")
MRV_A = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<")
MRV_B = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<")
SPECIMENS = {
    MrzFormat.TD3: TD3,
    MrzFormat.TD1: TD1,
    MrzFormat.TD2: TD2,
    MrzFormat.MRV_A: MRV_A,
    MrzFormat.MRV_B: MRV_B,
}


def read(*lines: str) -> Mrz:
    mrz = parse(lines, TODAY)
    assert mrz is not None
    return mrz


@pytest.mark.parametrize(
    ("text", "digit"),
    [
        ("520727", "3"),
        ("AB2134<<<", "5"),
        ("HA672242<658022549601086<<<<<<<<<<<<<<0", "8"),
        ("D231458907<<<<<<<<<<<<<<<34071279507122<<<<<<<<<<<", "2"),
        ("HA672242<658022549601086<<<<<<<", "8"),
        ("L898902C3", "6"),
        ("ZE184226B<<<<<", "1"),
        ("", "0"),
        ("1" * 91, str((30 * 11 + 7) % 10)),
    ],
)
def test_check_digit_of_standard(text: str, digit: str) -> None:
    assert check_digit(text) == digit


@pytest.mark.parametrize("text", ["52072a", "AB 134", "É", "٣", "\ud800", "😀", "12?456"])
def test_foreign_text_has_no_check_digit(text: str) -> None:
    assert check_digit(text) is None


@pytest.mark.parametrize(("format_", "lines"), SPECIMENS.items())
def test_specimen_has_no_deviations(format_: MrzFormat, lines: tuple[str, ...]) -> None:
    mrz = read(*lines)

    assert (mrz.format, mrz.profile) == (format_, MrzProfile.ICAO)
    assert mrz.lines == lines
    assert {digit.result for digit in mrz.digits} == {DigitResult.OK}
    assert mrz.deviations == ()
    assert (mrz.primary_identifier, mrz.secondary_identifier) == ("ERIKSSON", "ANNA MARIA")
    assert mrz.sex is Sex.FEMALE
    assert mrz.issuer == "UTO"
    assert not mrz.name_truncated


def test_every_field_of_passport_specimen() -> None:
    mrz = read(*TD3)

    assert mrz.document_code == "P"
    assert mrz.document_number == "L898902C3"
    assert mrz.nationality == "UTO"
    assert mrz.birth_date is not None
    assert mrz.birth_date.as_date() == date(1974, 8, 12)
    assert mrz.expiry_date is not None
    assert mrz.expiry_date.as_date() == date(2012, 4, 15)
    assert mrz.optional_data == ("ZE184226B",)
    assert [digit.field for digit in mrz.digits] == [
        "document_number",
        "birth_date",
        "expiry_date",
        "optional_data",
        "composite",
    ]


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (TD1, ["document_number", "birth_date", "expiry_date", "composite"]),
        (TD2, ["document_number", "birth_date", "expiry_date", "composite"]),
        (MRV_A, ["document_number", "birth_date", "expiry_date"]),
        (MRV_B, ["document_number", "birth_date", "expiry_date"]),
    ],
)
def test_digits_of_each_format(lines: tuple[str, ...], fields: list[str]) -> None:
    assert [digit.field for digit in read(*lines).digits] == fields


def test_visa_optional_data() -> None:
    assert read(*MRV_A).optional_data == ("6ZE184226B",)
    assert read(*MRV_A).nationality == "XXX"


@pytest.mark.parametrize("lines", [TD3_OLD, TD1_PART_3])
def test_older_specimens_agree_too(lines: tuple[str, ...]) -> None:
    assert {digit.result for digit in read(*lines).digits} == {DigitResult.OK}


@pytest.mark.parametrize("lines", [TD1_LONG, TD2_LONG])
def test_long_number_in_optional_data(lines: tuple[str, ...]) -> None:
    mrz = read(*lines)

    assert mrz.document_number == "D23145890734"
    assert mrz.digits[0].printed == "9"
    assert {digit.result for digit in mrz.digits} == {DigitResult.OK}
    assert mrz.optional_data[0] == ""


@pytest.mark.parametrize(
    ("lines", "number", "codes"),
    [
        # Portugal and newer Belgian cards leave the filler out of the sum, as 9303-5 says today.
        (
            (
                "I<PRT007777779<ZZ92<<<<<<<<<<<",
                "8303143M3405282PRT<<<<<<<<<<<2",
                "CACADOR<<ANDRE<<<<<<<<<<<<<<<<",
            ),
            "007777779ZZ9",
            [],
        ),
        (
            (
                "IDBEL600001795<0152<<<<<<<<<<<",
                "1301014F2311207BEL130101987398",
                "SPECIMEN<<SPECIMEN<<<<<<<<<<<<",
            ),
            "600001795015",
            [],
        ),
        # Either reading gives 0.
        (
            (
                "I<PRT007666667<ZZ00<<<<<<<<<<<",
                "8303143M3405293PRT<<<<<<<<<<<4",
                "CACADOR<<ANDRE<<<<<<<<<<<<<<<<",
            ),
            "007666667ZZ0",
            [],
        ),
        # Older Belgian cards sum it.
        (
            (
                "IDBEL000590240<6013<<<<<<<<<<<",
                "8512017F1311048BEL851201002007",
                "REINARTZ<<ULRIKE<KATIA<E<<<<<<",
            ),
            "000590240601",
            ["long_number_filler"],
        ),
    ],
)
def test_both_long_number_digits_are_right(lines: tuple[str, ...], number: str, codes: list[str]) -> None:
    mrz = read(*lines)

    assert mrz.document_number == number
    assert {digit.result for digit in mrz.digits} == {DigitResult.OK}
    assert [deviation.code for deviation in mrz.deviations] == codes


def test_long_number_with_wrong_digit_fails() -> None:
    mrz = read(
        "IDBEL000590240<6016<<<<<<<<<<<", "8512017F1311048BEL851201002007", "REINARTZ<<ULRIKE<KATIA<E<<<<<<"
    )

    assert mrz.digits[0].result is DigitResult.FAILED
    assert len(mrz.digits[0].expected) == 2


def test_long_number_leaves_rest_to_issuer() -> None:
    mrz = read(
        "I<UTOD23145890<7349<ABC<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"
    )

    assert mrz.document_number == "D23145890734"
    assert mrz.optional_data == ("ABC", "")


def test_long_number_with_unreadable_character() -> None:
    mrz = read(
        "I<UTOD2?145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"
    )

    assert mrz.digits[0].expected == ()
    assert mrz.digits[0].result is DigitResult.UNREADABLE


def test_missing_number_digit_is_wrong() -> None:
    mrz = read(
        "I<UTOD23145890<<<<<<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"
    )

    assert mrz.document_number == "D23145890"
    assert mrz.digits[0].result is DigitResult.FAILED


@pytest.mark.parametrize(
    ("lines", "format_"),
    [
        (
            (
                "I<FINXA10000585010195<112X<<<<",
                "9501016F2803135FIN<<<<<<<<<<<7",
                "SPECIMEN<TRAVEL<<VILMA<SOFIA<<",
            ),
            MrzFormat.TD1,
        ),
        (
            (
                "IDESPBAA000589599999999R<<<<<<",
                "8001014F2501017ESP<<<<<<<<<<<7",
                "ESPANOLA<ESPANOLA<<CARMEN<<<<<",
            ),
            MrzFormat.TD1,
        ),
        (
            (
                "I<SWE59000002<8198703142391<<<",
                "8703145M1701027SWE<<<<<<<<<<<8",
                "SPECIMEN<<SVEN<<<<<<<<<<<<<<<<",
            ),
            MrzFormat.TD1,
        ),
        (
            ("P<CZESPECIMEN<<VZOR<<<<<<<<<<<<<<<<<<<<<<<<<", "99003853<1CZE1101018M1207046110101111<<<<<94"),
            MrzFormat.TD3,
        ),
        (
            ("P<CANMARTIN<<SARAH<<<<<<<<<<<<<<<<<<<<<<<<<<", "ZE000509<9CAN8501019F2301147<<<<<<<<<<<<<<08"),
            MrzFormat.TD3,
        ),
        (
            ("VNUSATRAVELER<<HAPPY<<<<<<<<<<<<<<<<<<<<<<<<", "1234567897CAN6612120M1407282B3XLC000FD142955"),
            MrzFormat.MRV_A,
        ),
        (("VBD<<DEDIC<<SIDNAN<<<<<<<<<<<<<<<<<<", "D091740530BIH8201135M9708011<2020711"), MrzFormat.MRV_B),
    ],
)
def test_published_specimens_have_right_digits(lines: tuple[str, ...], format_: MrzFormat) -> None:
    mrz = read(*lines)

    assert mrz.format is format_
    assert {digit.result for digit in mrz.digits} == {DigitResult.OK}


@pytest.mark.parametrize("printed", ["0", "<"])
def test_empty_optional_data_digit(printed: str) -> None:
    body = "L898902C36UTO7408122F1204159" + "<" * 14 + printed
    composite = check_digit(body[:10] + body[13:20] + body[21:43])

    digits = read(TD3[0], f"{body}{composite}").digits

    assert {digit.result for digit in digits} == {DigitResult.OK}


def test_optional_data_needs_digit() -> None:
    assert read(TD3[0], TD3[1][:42] + "<" + TD3[1][43]).digits[3].result is DigitResult.FAILED
