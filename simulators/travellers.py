"""Synthetic travellers: an endless, seeded supply of invented people and their documents.

All are of Utopia (`UTO`, the code Doc 9303 reserves for specimens) and have names composed of invented
syllables, so that nothing in a log or a demonstration can be mistaken for a real person.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import date, timedelta
from random import Random
from typing import Any

from simulators.mrz import Document, Format

# A fixed day, not today: the same seed must give the same people next year.
REFERENCE_DAY = date(2026, 1, 1)

_FAMILY_START = ("Zor", "Quil", "Vand", "Thrum", "Oster", "Kelp", "Fenn", "Ulver", "Yar", "Wisp", "Öx", "Gå")
_FAMILY_END = ("bane", "quist", "mere", "holtov", "andra", "ingo", "etti", "wicke", "oumbe", "iriki", "ñol")
_GIVEN_START = ("Alu", "Bexi", "Coro", "Dafi", "Eluo", "Fimu", "Goru", "Hexa", "Ilo", "Jupi", "Kavo", "Lumi")
_GIVEN_END = ("ra", "ndo", "lle", "mbi", "xis", "vaan", "tou", "né", "ssa", "rik")

_CODES = {
    Format.TD1: ("I", "I", "IP", "AC", "C"),
    Format.TD2: ("I", "I", "ID", "A"),
    Format.TD3: ("P", "P", "P", "PP", "PD", "PS"),
    Format.MRV_A: ("V", "VA"),
    Format.MRV_B: ("V", "VB"),
}
EVEN_MIX: dict[Format, float] = dict.fromkeys(Format, 1.0)
DOCUMENT_FIELDS = frozenset(field.name for field in fields(Document))


class TravellerGenerator(Iterator[Document]):
    """An endless sequence of documents; the n-th of a seed is always the same.

    `mix` gives the weights of the formats. A traveller with a chosen format or field does not change the
    following ones.
    """

    def __init__(self, seed: int = 0, *, mix: Mapping[Format, float] | None = None) -> None:
        self.seed = seed
        self.mix = dict(EVEN_MIX if mix is None else mix)
        self._count = 0

    def __next__(self) -> Document:
        return self.document()

    def document(self, format: Format | None = None, **chosen: Any) -> Document:  # noqa: A002 - Doc 9303's word
        """Return the next traveller's document, with a chosen format or chosen fields.

        Raises ValueError for a field that documents do not have or a value that no zone can hold.
        """
        if stray := chosen.keys() - DOCUMENT_FIELDS:
            raise ValueError(f"a document has no field {', '.join(sorted(stray))}")
        self._count += 1
        chance = Random(f"{self.seed}/{self._count}")
        drawn = chance.choices(list(self.mix), list(self.mix.values()))[0]
        return replace(_draw(chance, format or drawn), **chosen)

    def document_with(
        self,
        *,
        surname: str = "Leakmarker",
        number: str = "ZZLEAK999",
        format: Format | None = None,  # noqa: A002 - as above
        **chosen: Any,
    ) -> Document:
        """Return a traveller to search for: this name and number may appear only in the read itself."""
        return self.document(format, surname=surname, number=number, **chosen)


def _draw(chance: Random, format: Format) -> Document:  # noqa: A002 - as above
    family, given = _family(chance), _given_names(chance)
    match chance.choices(("plain", "double", "one name", "long"), (80, 10, 5, 5))[0]:
        case "double":
            family = f"{family}-{_family(chance)}"
        case "one name":
            given = ""
        case "long":
            family = f"{family} {_family(chance)}-{_family(chance)}"
            given = f"{given} {_given_names(chance)} {_given_names(chance)} {_given_names(chance)}"
        case _:
            given += f" {_given_names(chance)}" * chance.randint(0, 1)
    born = REFERENCE_DAY - timedelta(days=chance.randint(200, 85 * 365))
    expires = REFERENCE_DAY + timedelta(days=chance.randint(30, 10 * 365))
    birth = f"{born:%y%m%d}"
    # Some people do not know the day or the month (Doc 9303-3, 4.8): `<` replaces unknown digits.
    birth = chance.choices((birth, birth[:4] + "<<", birth[:2] + "<<<<"), (96, 2, 2))[0]
    # Doc 9303-5 and -6 let a card's number continue in the optional data.
    digits = 12 if format in (Format.TD1, Format.TD2) and chance.random() < 0.1 else 8
    number = chance.choice("BDFGHKLMRTX") + "".join(chance.choices("0123456789", k=digits - 1))
    return Document(
        format=format,
        code=chance.choice(_CODES[format]),
        issuer="UTO",
        number=number + chance.choice(("", "4", "C")) * (digits == 8),
        nationality="UTO",
        surname=family,
        given_names=given,
        birth=birth,
        sex=chance.choices(("F", "M", "<"), (48, 48, 4))[0],
        expiry=f"{expires:%y%m%d}",
        optional="ZE" + str(chance.randint(1000, 99999)) if format is Format.TD3 else "",
        blank_optional_check=chance.choice("<0"),
    )


def _family(chance: Random) -> str:
    return chance.choice(_FAMILY_START) + chance.choice(_FAMILY_END)


def _given_names(chance: Random) -> str:
    return chance.choice(_GIVEN_START) + chance.choice(_GIVEN_END)
