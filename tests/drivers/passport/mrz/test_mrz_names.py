"""Names as Doc 9303 prints them, parsed and generated."""

from datetime import date

import pytest

from drivers.passport.mrz.names import Truncation, name_field
from drivers.passport.mrz.parser import parse

TODAY = date(2026, 6, 1)
TD3_LINE, TD2_LINE = "L898902C36UTO7408122F1204159ZE184226B<<<<<10", "D231458907UTO7408122F1204159<<<<<<<6"
TD1_LINES = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6")
MRV_B_LINE = "L8988901C4XXX4009078F9612109<<<<<<<<"
BENNELONG = "BENNELONG<WOOLOOMOOLOO<WARRANDYTE<WARNAMBOOL"
WIDTHS = {44: 39, 36: 31, 30: 30}


def lines_with(upper: str) -> tuple[str, ...]:
    """Complete a line that holds a name with those of the specimen of its format."""
    match len(upper), upper[0]:
        case 44, _:
            return upper, TD3_LINE
        case 36, "V":
            return upper, MRV_B_LINE
        case 36, _:
            return upper, TD2_LINE
        case _:
            return *TD1_LINES, upper


@pytest.mark.parametrize(
    ("line", "primary", "secondary"),
    [
        ("PPUTOHENG<<DEBORAH<MING<LO<<<<<<<<<<<<<<<<<<", "HENG", "DEBORAH MING LO"),
        ("PPUTOSMITH<JONES<<SUSIE<MARGARET<<<<<<<<<<<<", "SMITH JONES", "SUSIE MARGARET"),
        ("PPUTOOCONNOR<<ENYA<SIOBHAN<<<<<<<<<<<<<<<<<<", "OCONNOR", "ENYA SIOBHAN"),
        ("PPUTOVAN<DER<MUELLEN<<MARTIN<<<<<<<<<<<<<<<<", "VAN DER MUELLEN", "MARTIN"),
        ("PPUTOAL<BASRI<<HUDA<MUHAMMAD<JAWAD<<<<<<<<<<", "AL BASRI", "HUDA MUHAMMAD JAWAD"),
        ("PPUTOVILARCHAO<FERNANDEZ<<JOSE<RAMON<<<<<<<<", "VILARCHAO FERNANDEZ", "JOSE RAMON"),
        ("P<UTOARKFREITH<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "ARKFREITH", ""),
        ("P<UTOSATRIYA<SUDARPA<<<<<<<<<<<<<<<<<<<<<<<<", "SATRIYA SUDARPA", ""),
        ("VAN<DER<MUELLEN<<MARTIN<<<<<<<", "VAN DER MUELLEN", "MARTIN"),
        ("AL<BASRI<<HUDA<MUHAMMAD<JAWAD<", "AL BASRI", "HUDA MUHAMMAD JAWAD"),
        ("ARKFREITH<<<<<<<<<<<<<<<<<<<<<", "ARKFREITH", ""),
        ("I<UTOAL<BASRI<<HUDA<MUHAMMAD<JAWAD<<", "AL BASRI", "HUDA MUHAMMAD JAWAD"),
        ("I<UTOSATRIYA<SUDARPA<<<<<<<<<<<<<<<<", "SATRIYA SUDARPA", ""),
        ("V<UTOSMITH<JONES<<SUSIE<MARGARET<<<<", "SMITH JONES", "SUSIE MARGARET"),
    ],
)
def test_whole_names_are_divided(line: str, primary: str, secondary: str) -> None:
    mrz = parse(lines_with(line), TODAY)

    assert mrz is not None
    assert (mrz.primary_identifier, mrz.secondary_identifier) == (primary, secondary)
    assert not mrz.name_truncated
    # One identifier of several parts reads like two of which a filler was lost.
    undivided = ["name_undivided"] if " " in primary and not secondary else []
    assert [deviation.code for deviation in mrz.deviations] == undivided


@pytest.mark.parametrize(
    ("line", "primary", "secondary"),
    [
        ("PPUTONILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K", "NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG K"),
        ("PPUTONILAVADHANANANDA<<ARNPOL<PETCH<CHARONGU", "NILAVADHANANANDA", "ARNPOL PETCH CHARONGU"),
        ("PPUTOBENNELONG<WOOLOOMOOLOO<WARRANDYTE<W<<DI", "BENNELONG WOOLOOMOOLOO WARRANDYTE W", "DI"),
        ("PPUTOBENNELONG<WOOLOOM<WARRAND<WARNAM<<DINGO", "BENNELONG WOOLOOM WARRAND WARNAM", "DINGO"),
        ("PPUTOBENNEL<WOOLOO<WARRAN<WARNAM<<DINGO<POTO", "BENNEL WOOLOO WARRAN WARNAM", "DINGO POTO"),
        ("PPUTOPAPANDROPOULOUS<<JONATHON<WARREN<TREVOR", "PAPANDROPOULOUS", "JONATHON WARREN TREVOR"),
        ("NILAVADHANANANDA<<CHAYAPA<DE<K", "NILAVADHANANANDA", "CHAYAPA DE K"),
        ("NILAVADHANANANDA<<ARNPOL<PE<CH", "NILAVADHANANANDA", "ARNPOL PE CH"),
        ("BENNELONG<WOOLOOMOOLOO<W<W<<DI", "BENNELONG WOOLOOMOOLOO W W", "DI"),
        ("BENNELONG<WOOLOOM<WA<WARN<<D<P", "BENNELONG WOOLOOM WA WARN", "D P"),
        ("BENNE<WOOLO<WARRA<WARNA<<DIN<P", "BENNE WOOLO WARRA WARNA", "DIN P"),
        ("PAPANDROPOULOUS<<JONATHON<ALEC", "PAPANDROPOULOUS", "JONATHON ALEC"),
        ("VILARCHAO<FERNANDEZ<<JOSE<RAMO", "VILARCHAO FERNANDEZ", "JOSE RAMO"),
        ("I<UTONILAVADHANANANDA<<CHAYAPA<DEJ<K", "NILAVADHANANANDA", "CHAYAPA DEJ K"),
        ("I<UTONILAVADHANANANDA<<ARN<PET<CHARO", "NILAVADHANANANDA", "ARN PET CHARO"),
        ("I<UTOBENNELONG<WOOLOOMOOLOO<W<W<<D<P", "BENNELONG WOOLOOMOOLOO W W", "D P"),
        ("I<UTOBENNELONG<WOOLOOM<WAR<WARN<<D<P", "BENNELONG WOOLOOM WAR WARN", "D P"),
        ("I<UTOBENNEL<WOOLO<WARRA<WARNA<<DIN<P", "BENNEL WOOLO WARRA WARNA", "DIN P"),
        ("I<UTOPAPANDROPOULOUS<<JONATHOON<ALEC", "PAPANDROPOULOUS", "JONATHOON ALEC"),
        ("I<UTOVILARCHAO<FERNANDEZ<<JOSE<RAMON", "VILARCHAO FERNANDEZ", "JOSE RAMON"),
        ("V<UTONILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K", "NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG K"),
        ("V<UTOBENNELONG<WOOLOOM<WARRAND<WARNAM<<DINGO", "BENNELONG WOOLOOM WARRAND WARNAM", "DINGO"),
        ("V<UTONILAVADHANANANDA<<ARNP<PE<CHARO", "NILAVADHANANANDA", "ARNP PE CHARO"),
        ("V<UTOBENNELONG<WOOLOOMOOLOO<WAR<W<<D", "BENNELONG WOOLOOMOOLOO WAR W", "D"),
        ("V<UTOBENNELONG<WOOLOOM<WAR<WA<<DINGO", "BENNELONG WOOLOOM WAR WA", "DINGO"),
        ("V<UTOBENN<WOOL<WARR<WARN<<DINGO<POTO", "BENN WOOL WARR WARN", "DINGO POTO"),
        ("V<UTOPAPANDROPOULOUS<<STEPHEN<TREVOR", "PAPANDROPOULOUS", "STEPHEN TREVOR"),
    ],
)
def test_letter_in_last_place_marks_truncation(line: str, primary: str, secondary: str) -> None:
    mrz = parse(lines_with(line), TODAY)

    assert mrz is not None
    assert (mrz.primary_identifier, mrz.secondary_identifier) == (primary, secondary)
    assert mrz.name_truncated


@pytest.mark.parametrize(
    ("line", "primary", "secondary", "code"),
    [
        # Indian passports of people with one name only.
        ("P<IND<<SANTOSH<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", "", "SANTOSH", "primary_missing"),
        ("P<UTOIVANOV<<PETR<<SIDOROVICH<<<<<<<<<<<<<<<", "IVANOV", "PETR SIDOROVICH", "name_separators"),
    ],
)
def test_unusual_name_division_is_noted(line: str, primary: str, secondary: str, code: str) -> None:
    mrz = parse(lines_with(line), TODAY)

    assert mrz is not None
    assert (mrz.primary_identifier, mrz.secondary_identifier) == (primary, secondary)
    assert [deviation.code for deviation in mrz.deviations] == [code]


@pytest.mark.parametrize(
    ("primary", "secondary", "width", "truncation", "length", "field"),
    [
        ("ERIKSSON", "ANNA<MARIA", 39, "initials", 6, "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"),
        ("ARKFREITH", "", 30, "initials", 6, "ARKFREITH<<<<<<<<<<<<<<<<<<<<<"),
        ("PAPANDROPOULOUS", "JONATHON<ALEC", 30, "initials", 6, "PAPANDROPOULOUS<<JONATHON<ALEC"),
        (
            "NILAVADHANANANDA",
            "CHAYAPA<DEJTHAMRONG<KRASUANG",
            39,
            "initials",
            6,
            "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K",
        ),
        (
            "NILAVADHANANANDA",
            "ARNPOL<PETCH<CHARONGUANG",
            39,
            "cut",
            6,
            "NILAVADHANANANDA<<ARNPOL<PETCH<CHARONGU",
        ),
        (BENNELONG, "DINGO<POTOROO", 39, "initials", 6, "BENNELONG<WOOLOOMOOLOO<WARRANDYTE<W<<DI"),
        (BENNELONG, "DINGO<POTOROO", 39, "fixed", 6, "BENNEL<WOOLOO<WARRAN<WARNAM<<DINGO<POTO"),
        (
            "NILAVADHANANANDA",
            "CHAYAPA<DEJTHAMRONG<KRASUANG",
            30,
            "initials",
            6,
            "NILAVADHANANANDA<<CHAYAPA<DE<K",
        ),
        (
            "NILAVADHANANANDA",
            "CHAYAPA<DEJTHAMRONG<KRASUANG",
            31,
            "initials",
            6,
            "NILAVADHANANANDA<<CHAYAPA<DEJ<K",
        ),
        (BENNELONG, "DINGO<POTOROO", 30, "initials", 6, "BENNELONG<WOOLOOMOOLOO<W<W<<DI"),
        (BENNELONG, "DINGO<POTOROO", 31, "initials", 6, "BENNELONG<WOOLOOMOOLOO<W<W<<D<P"),
        (BENNELONG, "DINGO<POTOROO", 31, "fixed", 4, "BENN<WOOL<WARR<WARN<<DINGO<POTO"),
        ("VILARCHAO<FERNANDEZ", "JOSE<RAMON", 30, "cut", 6, "VILARCHAO<FERNANDEZ<<JOSE<RAMO"),
        # The primary identifier fills all places: three are freed for the secondary one.
        ("A" * 45, "BO", 39, "cut", 6, "A" * 36 + "<<B"),
        ("A" * 45, "", 39, "cut", 6, "A" * 39),
        # The cut falls behind a component, which gives one letter to the next.
        ("ABCD<EF", "", 5, "cut", 6, "ABC<E"),
        # Shrinking to initials frees more than is needed, and the letters are restored.
        ("A" * 20 + "<" + "B" * 20, "CY", 39, "initials", 6, "A" * 20 + "<" + "B" * 14 + "<<CY"),
        # Components so short that nothing is omitted are not that short in print.
        ("A" * 20 + "<" + "B" * 20, "CY", 39, "fixed", 3, "A" * 20 + "<" + "B" * 15 + "<<C"),
        ("MUELLERSON", "ANNA<MARIA<ELISABETHA", 30, "fixed", 6, "MUELLERSON<<ANNA<MARIA<ELISABE"),
    ],
)
def test_name_fields_cut_as_in_examples(
    primary: str, secondary: str, width: int, truncation: str, length: int, field: str
) -> None:
    written = name_field(primary, secondary, width, Truncation(truncation), length)

    assert written.startswith(field)
    assert len(written) == width


def test_name_of_single_letters_fills_field() -> None:
    assert name_field("A", "B<C", 4) == "A<<B"
    assert name_field("A<B<C", "", 4) == "A<B<"
    assert name_field("A<B<C<D", "X<Y", 9) == "A<B<C<<X<"
