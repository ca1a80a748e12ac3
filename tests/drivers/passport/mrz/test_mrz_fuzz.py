"""Bad text of every kind never raises. `BORDERPOST_FUZZ=1000000` makes the run longer."""

import os
import random
from datetime import date
from string import ascii_uppercase, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.observation import Outcome
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.parser import parse
from drivers.passport.mrz.unreadable import find_zone_fault

TODAY = date(2026, 6, 1)
EXAMPLES = int(os.environ.get("BORDERPOST_FUZZ", "10000"))
ZONES = (
    ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"),
    ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"),
    ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
    ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"),
    ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<"),
    ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "9409923102854CORINNE<<<<<<<6512068F4"),
    ("D1FRA13AA000026181231MARTIN<<9",),
    ("AAA001D<<", "FACHE305142128097<<800126<<<<<", "MARCHAND<<FABIENNE<<<<<<<<<<<<"),
    ("I<NLDSPECI20142999999990<<<<<8", "6503101F2403096NLD<<<<<<<<<<<8", "DE<BRUIJN<<WILLEKE<LISELOTTE<<"),
    ("IDKYA1234567897<<4002<<<<<4002", "9210184M1309202<B029473825E<<5", "JANE<WANJIKU<KAMAU<<<<<<<<<<<<"),
    ("IDKEN1234567897<<195<4741<<<<<", "9210184M1309202KEN23456789<<<5", "KAMAU<<JANE<WANJIKU<<<<<<<<<<<"),
    ("IDUGA0123456784CM90012345ABCD<", "9001026M3006095UGA150610<<<<<6", "OKELLO<<JOHN<<<<<<<<<<<<<<<<<<"),
    ("PNRUSIVANOV<<IVAN<IVANOVI3<<<<<<<<<<<<<<<<<<", "1235678909RUS9503157M<<<<<<04160002150620<98"),
    ("P<USATRAVELER<<HAPPY<<<<<<<<<<<<<<<<<<<<<<<<", "3400072374USA8001014M3001014123456789<123456"),
)
ALPHABET = ascii_uppercase + digits + "<" * 6
STRANGE = "oil*?_ \r\n\t\x00éÄ٣\u0651\ud800😀\u202e"


def mutated(random_: random.Random) -> list[str]:
    """Damage a valid zone as readers, cables and cards do."""
    lines = list(random_.choice(ZONES))
    for _ in range(random_.randrange(1, 8)):
        at = random_.randrange(len(lines))
        line = lines[at]
        place = random_.randrange(len(line) + 1)
        match random_.randrange(12):
            case 0 | 1 | 2 | 3:
                lines[at] = line[:place] + random_.choice(ALPHABET) + line[place + 1 :]
            case 4 | 5:
                lines[at] = line[:place] + random_.choice(STRANGE) + line[place + 1 :]
            case 6:
                lines[at] = line[:place] + random_.choice(ALPHABET) + line[place:]
            case 7:
                lines[at] = line[:place] + line[place + 1 :]
            case 8:
                random_.shuffle(lines)
            case 9:
                lines = ["".join(lines)]
            case 10:
                lines.insert(at, random_.choice(["", "<", line, "\r"]))
            case _:
                lines[at] = "".join(random_.choices(ALPHABET, k=len(line)))
    return lines


def verify_invariants(lines: list[str]) -> Mrz | None:
    """Parse and check, and verify the invariants of the result."""
    mrz = parse(lines, TODAY)
    made = mrz_checks(mrz, lines, TODAY)
    assert [check.id for check in made] == ["mrz.check_digits", "combined.not_expired"]
    if mrz is None:
        absent = find_zone_fault(lines) is None
        outcome = Outcome.NOT_SUPPORTED if absent else Outcome.UNDETERMINED
        assert {check.outcome for check in made} == {outcome}
    else:
        assert set(mrz.lines) <= set(lines)
    return mrz


@pytest.mark.timeout(60 + EXAMPLES // 1000)
def test_damaged_zones_never_raise() -> None:
    random_ = random.Random(9303)
    read = sum(verify_invariants(mutated(random_)) is not None for _ in range(EXAMPLES))

    assert 0 < read < EXAMPLES


@settings(max_examples=200)
@given(st.lists(st.text(), max_size=12))
def test_any_text_never_raises(lines: list[str]) -> None:
    verify_invariants(lines)


@settings(max_examples=200)
@given(
    st.sampled_from([(44, 44), (36, 36), (30, 30, 30), (30,), (9, 30, 30), (90,), (88,)]).flatmap(
        lambda widths: st.tuples(*[st.text(ALPHABET + STRANGE, min_size=w, max_size=w) for w in widths])
    )
)
def test_text_of_right_shape_never_raises(lines: tuple[str, ...]) -> None:
    verify_invariants(list(lines))
