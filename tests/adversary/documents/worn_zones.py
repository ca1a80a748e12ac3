"""Worn zones: what readers make of documents that are dirty, bent, or moved while they are read.

Every zone is generated with right digits, then damaged in one way. The same seed gives the same zones.
"""

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from drivers.passport.mrz import MrzFormat, Sex
from drivers.passport.mrz.generator import Holder, TravelDocument, generate

Lines = tuple[str, ...]

FIRST_DAY = date(1935, 1, 1)
NAMES = ("ERIKSSON", "OTIENO", "BIZIMANA", "NAKIMULI", "SOLBERG", "DE<BRUIJN", "QUISPE", "BOZOGLU", "GOSI")
GIVEN = ("ANNA<MARIA", "JANE<WANJIKU", "JOHN", "IBSEN", "ZOE<LIZ", "OSCAR<SILAS", "")
STATES = ("UTO", "KEN", "UGA", "RWA", "TZA", "D", "GBR", "BOL", "ZAF")
NATIONAL: tuple[Lines, ...] = (
    ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "9409923102854CORINNE<<<<<<<6512068F4"),
    ("D1FRA13AA000026181231MARTIN<<9",),
    ("IDKEN1234567897<<195<4741<<<<<", "9210181M3309209KEN23456789<<<7", "KAMAU<<JANE<WANJIKU<<<<<<<<<<<"),
    ("IDUGA0123456784CM90012345ABCD<", "9001022M3006092UGA150610<<<<<3", "OKELLO<<JOHN<<<<<<<<<<<<<<<<<<"),
    ("PNRUSIVANOV<<IVAN<IVANOVI3<<<<<<<<<<<<<<<<<<", "1235678909RUS9503157M<<<<<<04160002150620<98"),
)
# Pairs of OCR-B characters that worn print makes alike.
ALIKE = ("0O", "0Q", "0D", "1I", "1L", "2Z", "5S", "6G", "8B", "<K", "<C", "MH", "MN", "FE", "FP", "UV", "VY")


def zone(random_: random.Random) -> Lines:
    """Return the lines of one sound zone."""
    if random_.random() < 0.2:
        return random_.choice(NATIONAL)
    format_ = random_.choice([MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3, MrzFormat.MRV_A, MrzFormat.MRV_B])
    is_visa = format_ in {MrzFormat.MRV_A, MrzFormat.MRV_B}
    state = random_.choice(STATES)
    number = "".join(random_.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=9))
    optional = "".join(random_.choices("ABCDEFG0123456789", k=random_.choice([0, 0, 6])))
    return generate(
        TravelDocument(
            format=format_,
            document_code="V"
            if is_visa
            else "P"
            if format_ is MrzFormat.TD3
            else random_.choice(["I", "ID"]),
            issuer=state,
            document_number=number,
            expiry_date=date(2026, 12, 2) + timedelta(days=random_.randrange(3650)),
            holder=Holder(
                primary_identifier=random_.choice(NAMES),
                secondary_identifier=random_.choice(GIVEN),
                nationality=state,
                birth_date=FIRST_DAY + timedelta(days=random_.randrange(32_000)),
                sex=random_.choice([Sex.MALE, Sex.FEMALE, Sex.UNSPECIFIED]),
            ),
            optional_data=(optional,) if optional else (),
        )
    )


def _on_one_line(lines: Lines, random_: random.Random, damage: Callable[[str, int], str]) -> Lines:
    at = random_.randrange(len(lines))
    place = random_.randrange(len(lines[at]))
    return (*lines[:at], damage(lines[at], place), *lines[at + 1 :])


def lost(lines: Lines, random_: random.Random) -> Lines:
    return _on_one_line(lines, random_, lambda line, at: line[:at] + line[at + 1 :])


def doubled(lines: Lines, random_: random.Random) -> Lines:
    return _on_one_line(lines, random_, lambda line, at: line[: at + 1] + line[at:])


def confused(lines: Lines, random_: random.Random) -> Lines:
    """One or two characters are read as others that look alike."""

    def damage(line: str, at: int) -> str:
        places = [place for place in range(len(line)) if any(line[place] in pair for pair in ALIKE)]
        place = min(places, key=lambda other: abs(other - at))
        pair = random_.choice([pair for pair in ALIKE if line[place] in pair])
        return line[:place] + pair.replace(line[place], "") + line[place + 1 :]

    for _ in range(random_.choice([1, 1, 2])):
        lines = _on_one_line(lines, random_, damage)
    return lines


def shifted(lines: Lines, random_: random.Random) -> Lines:
    """One line moves by one to three places; its length stays."""
    by = random_.randrange(1, 4)
    if random_.random() < 0.5:
        return _on_one_line(lines, random_, lambda line, _: ("<" * by + line)[: len(line)])
    return _on_one_line(lines, random_, lambda line, _: line[by:] + "<" * by)


def lower_case(lines: Lines, random_: random.Random) -> Lines:
    """One character, one line, or all lines are in small letters."""
    match random_.randrange(3):
        case 0:
            return tuple(line.lower() for line in lines)
        case 1:
            return _on_one_line(lines, random_, lambda line, _: line.lower())
        case _:

            def damage(line: str, at: int) -> str:
                places = [place for place in range(len(line)) if line[place].isalpha()]
                place = min(places, key=lambda other: abs(other - at), default=at)
                return line[:place] + line[place].lower() + line[place + 1 :]

            return _on_one_line(lines, random_, damage)


def spaces(lines: Lines, random_: random.Random) -> Lines:
    """Spaces between characters, in place of one, or in place of all fillers."""
    match random_.randrange(4):
        case 0:
            return tuple(line.replace("<", " ") for line in lines)
        case 1:
            return _on_one_line(lines, random_, lambda line, _: line.replace("<", " "))
        case 2:
            return _on_one_line(lines, random_, lambda line, at: f"{line[:at]} {line[at:]}")
        case _:
            return _on_one_line(lines, random_, lambda line, at: f"{line[:at]} {line[at + 1 :]}")


KINDS: dict[str, Callable[[Lines, random.Random], Lines]] = {
    "lost": lost,
    "doubled": doubled,
    "confused": confused,
    "shifted": shifted,
    "lower case": lower_case,
    "spaces": spaces,
}


def worn_zones(kind: str, count: int, seed: int = 9303) -> Iterator[tuple[Lines, Lines]]:
    """Yield so many pairs of a sound zone and what a reader made of it."""
    random_ = random.Random(f"{kind} {seed}")
    for _ in range(count):
        sound = zone(random_)
        yield sound, KINDS[kind](sound, random_)
