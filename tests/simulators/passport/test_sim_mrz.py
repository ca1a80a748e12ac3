"""Generated zones, against ICAO's specimens and numbers that states have printed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.mrz import (
    CHECK_AT,
    LINES,
    WIDTH,
    Check,
    Document,
    Format,
    check_digit,
    format_of,
    generate_mrz,
    names_field,
    transliterate,
)
from simulators.specimens import ERIKSSON, ERIKSSON_LINES, STEVENSON, STEVENSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON[Format.TD3]


@pytest.mark.parametrize("kind", Format)
def test_eriksson_zone_matches_standard(kind: Format) -> None:
    assert ERIKSSON[kind].lines == ERIKSSON_LINES[kind]
    assert format_of(ERIKSSON_LINES[kind]) is kind


def test_stevenson_number_exceeds_field() -> None:
    assert STEVENSON.lines == STEVENSON_LINES
    assert replace(STEVENSON, format=Format.TD1).lines[0] == "I<UTOD23145890<7349<<<<<<<<<<<"


@pytest.mark.parametrize(
    ("text", "digit"),
    [
        ("520727", "3"),  # the examples of Doc 9303-3, appendix A
        ("AB2134<<<", "5"),
        ("HA672242<658022549601086<<<<<<<<<<<<<<0", "8"),
        ("D231458907<<<<<<<<<<<<<<<34071279507122<<<<<<<<<<", "2"),
        ("", "0"),
    ],
)
def test_check_digits(text: str, digit: str) -> None:
    assert check_digit(text) == digit


@pytest.mark.parametrize(
    ("number", "counts_filler", "start"),
    [
        ("007777779ZZ9", False, "007777779<ZZ92"),  # Portugal
        ("600001795015", False, "600001795<0152"),  # Belgium
        ("000590240601", True, "000590240<6013"),  # Belgium, earlier
    ],
)
def test_long_numbers_as_states_print_them(number: str, counts_filler: bool, start: str) -> None:
    card = replace(ERIKSSON[Format.TD1], number=number, long_number_check_counts_filler=counts_filler)
    assert card.lines[0] == f"I<UTO{start}<".ljust(30, "<")


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Müller-Lüdenscheidt", "MUELLER<LUEDENSCHEIDT"),
        ("O'Connor", "OCONNOR"),
        ("D\u2019Artagnan, Jr.", "DARTAGNAN<JR"),
        ("Åse Øst Ægir", "AASE<OEST<AEGIR"),
        ("Straße", "STRASSE"),
        ("Núñez  Peña", "NUNEZ<PENA"),
        ("Đặng Łoś", "DANG<LOS"),
    ],
)
def test_transliteration(name: str, letters: str) -> None:
    assert transliterate(name) == letters


def test_no_transliteration_is_refused() -> None:
    with pytest.raises(ValueError, match="no transliteration for '3'"):
        transliterate("Agent 3")


@pytest.mark.parametrize(
    ("surname", "given", "width", "field"),
    [
        ("Abc", "", 6, "ABC<<<"),
        ("Abcde", "Fg Hij", 8, "ABCDE<<F"),
        ("Abcdef Gh", "", 7, "ABCDE<G"),  # the cut would fall on a filler
        ("Abcdefghij", "Kl", 6, "ABC<<K"),  # a letter of the given names is kept
    ],
)
def test_names_short_and_truncated(surname: str, given: str, width: int, field: str) -> None:
    assert names_field(surname, given, width) == field


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"surname": "''"}, "needs a name"),
        ({"number": "L898902C34"}, "more than 9 characters does not fit a TD3"),
        ({"number": "AB 12"}, "number 'AB 12' does not fit"),
        ({"number": "ÄB12"}, "does not fit"),
        ({"birth": "7408"}, "birth '7408' is not YYMMDD"),
        ({"expiry": "12O415"}, "expiry '12O415' is not YYMMDD"),
        ({"issuer": "UTOP"}, "issuer"),
        ({"optional": "X" * 15}, "optional"),
        ({"format": Format.TD2, "number": "D" * 16}, "optional"),
    ],
)
def test_unprintable_document_is_refused(wrong: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(PASSPORT, **{"optional": "", **wrong})


def test_digit_of_empty_optional_field() -> None:
    assert replace(PASSPORT, optional="").lines[1][42] == "<"
    assert replace(PASSPORT, optional="", blank_optional_check="0").lines[1][42] == "0"


@given(seed=st.integers(), kind=st.sampled_from(Format))
def test_every_zone_has_valid_shape_and_digits(seed: int, kind: Format) -> None:
    document = TravellerGenerator(seed).document(kind)
    lines = generate_mrz(document)

    assert format_of(lines) is kind
    assert [len(line) for line in lines] == [WIDTH[kind]] * LINES[kind]
    for check, (row, column) in CHECK_AT[kind].items():
        spans = {Check.NUMBER: 9, Check.BIRTH: 6, Check.EXPIRY: 6, Check.OPTIONAL: 14}
        digit = lines[row][column]
        if check in spans and digit != "<":
            assert digit == check_digit(lines[row][column - spans[check] : column])


def test_unknown_shapes_are_no_format() -> None:
    assert format_of(()) is None
    assert format_of(("A" * 44,)) is None
    assert format_of(("A" * 44, "A" * 43)) is None


def test_same_seed_gives_same_people() -> None:
    first, second, other = TravellerGenerator(7), TravellerGenerator(7), TravellerGenerator(8)
    people = [next(first) for _ in range(50)]

    assert [next(second) for _ in range(50)] == people
    assert [next(other) for _ in range(50)] != people


def test_chosen_traveller_keeps_sequence() -> None:
    plain, chosen = TravellerGenerator(7), TravellerGenerator(7)
    next(plain)
    chosen.document_with(format=Format.TD1)
    assert next(chosen) == next(plain)


def test_mix_is_kept() -> None:
    only_cards = TravellerGenerator(1, mix={Format.TD1: 1, Format.TD2: 0})
    assert {next(only_cards).format for _ in range(50)} == {Format.TD1}


def test_travellers_are_utopian_and_varied() -> None:
    travellers = TravellerGenerator(3)
    people = [next(travellers) for _ in range(500)]

    assert {p.issuer for p in people} == {p.nationality for p in people} == {"UTO"}
    assert {p.format for p in people} == set(Format)
    assert any(len(p.number) > 9 for p in people)
    assert any("<" in p.birth for p in people)
    assert any(not p.given_names for p in people)
    assert any(p.sex == "<" for p in people)


def test_document_with_given_name_and_number() -> None:
    marked = TravellerGenerator(1).document_with(surname="Xyzzy", number="XYZZY1234", format=Format.MRV_A)
    assert "XYZZY" in marked.lines[0]
    assert marked.lines[1].startswith("XYZZY1234")
    assert isinstance(marked, Document)


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="no field shoe_size"):
        TravellerGenerator(1).document(shoe_size=43)
