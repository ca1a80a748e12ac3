"""The specimens printed in ICAO Doc 9303: Anna Maria Eriksson of Utopia, in every format.

`ERIKSSON` has the data printed on them, `ERIKSSON_LINES` their zones as the standard prints them (Doc 9303-4,
-5, -6 appendix B, 9303-7 appendix). `STEVENSON` has the long number of 9303-5 and -6.
"""

from dataclasses import replace

from simulators.mrz import Document, Format

_PASSPORT = Document(
    format=Format.TD3,
    code="P",
    issuer="UTO",
    number="L898902C3",
    nationality="UTO",
    surname="Eriksson",
    given_names="Anna Maria",
    birth="740812",
    sex="F",
    expiry="120415",
    optional="ZE184226B",
)
_CARD = replace(_PASSPORT, format=Format.TD1, code="I", number="D23145890", optional="")
_VISA = replace(
    _CARD,
    format=Format.MRV_B,
    code="V",
    number="L8988901C",
    nationality="XXX",
    birth="400907",
    expiry="961210",
)

ERIKSSON: dict[Format, Document] = {
    Format.TD3: _PASSPORT,
    Format.TD1: _CARD,
    Format.TD2: replace(_CARD, format=Format.TD2),
    Format.MRV_A: replace(_VISA, format=Format.MRV_A, optional="6ZE184226B"),
    Format.MRV_B: _VISA,
}

ERIKSSON_LINES: dict[Format, tuple[str, ...]] = {
    Format.TD3: (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    ),
    Format.TD1: (
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ),
    Format.TD2: (
        "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
        "D231458907UTO7408122F1204159<<<<<<<6",
    ),
    Format.MRV_A: (
        "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L8988901C4XXX4009078F96121096ZE184226B<<<<<<",
    ),
    Format.MRV_B: (
        "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
        "L8988901C4XXX4009078F9612109<<<<<<<<",
    ),
}

STEVENSON = Document(
    format=Format.TD2,
    code="I",
    issuer="UTO",
    number="D23145890734",
    nationality="UTO",
    surname="Stevenson",
    given_names="Peter John",
    birth="340712",
    sex="M",
    expiry="950712",
)
STEVENSON_LINES = ("I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<", "D23145890<UTO3407127M95071227349<<<8")
