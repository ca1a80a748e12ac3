"""Seals in JSON: published samples, the canonical form of RFC 8785, and malformed seals."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from seal_samples import nc

from drivers.passport.seals import MalformedSealError, vds_nc
from drivers.passport.seals.encoding import canonical

TEST = nc("proof_of_test").decode()


def test_proof_of_test() -> None:
    seal = vds_nc.parse(TEST)
    assert (seal.type, seal.version, seal.issuer, seal.identifier) == ("icao.test", 1, "UTO", "U01932")
    assert seal.holder is not None
    assert seal.test is not None
    assert (seal.holder.name, seal.holder.document_number) == ("Cook Gerald", "E1234567P")
    assert (seal.test.test, seal.test.result) == ("molecular(PCR)", "negative")
    assert seal.vaccinations == ()


def test_proof_of_vaccination() -> None:
    seal = vds_nc.parse(nc("proof_of_vaccination").decode())
    assert seal.holder is not None
    assert (seal.holder.name, seal.holder.document_number, seal.holder.sex) == (
        "Smith Bill",
        "A1234567Z",
        "M",
    )
    assert [(dose.product, dose.given_on, dose.dose, dose.lot) for dose in seal.vaccinations] == [
        ("Comirnaty", "2021-03-03", 1, "VC35679"),
        ("Comirnaty", "2021-03-24", 2, "VC87540"),
    ]


def altered(**parts: Any) -> str:
    whole = json.loads(TEST)
    for place, value in parts.items():
        *path, last = place.split("__")
        at = whole
        for step in path:
            at = at[step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return json.dumps(whole)


def test_other_type_is_kept() -> None:
    seal = vds_nc.parse(altered(data__hdr__t="uto.evisa", data__msg={"entries": [1, {"until": None}]}))
    assert (seal.type, seal.message) == ("uto.evisa", {"entries": [1, {"until": None}]})
    assert (seal.holder, seal.identifier, seal.test) == (None, None, None)


def test_field_of_wrong_kind_stays_in_message() -> None:
    seal = vds_nc.parse(altered(data__msg__pid=[1], data__msg__sp=7, data__msg__utci={}))
    assert seal.holder is not None
    assert (seal.holder.name, seal.identifier) == (None, None)
    assert seal.message["pid"] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"data":{"hdr":{}}}',
        altered(sig=None),
        altered(data__hdr=None),
        altered(data__msg=None),
        altered(data__msg=[]),
        altered(data__hdr__t=""),
        altered(data__hdr__t=1),
        altered(data__hdr__is="UTOPIA"),
        altered(data__hdr__t="Eriksson, Anna"),
        altered(data__hdr__t="x" * 65),
        altered(sig__alg="E" * 17),
        altered(data__hdr__v="1"),
        altered(data__hdr__v=True),
        altered(data__hdr__v=-1),
        altered(sig__alg=None),
        altered(sig__alg="\ud800"),
        altered(sig__sigvl=None),
        altered(sig__sigvl=""),
        altered(sig__sigvl="AAAA"),
        altered(sig__sigvl="A" * 400),
        altered(sig__sigvl="AB+/"),
        altered(sig__sigvl="A"),
        altered(sig__cer=5),
        TEST.replace('"v":1', '"v":1,"v":1'),
        TEST.replace('"v":1', '"v":1,"x":NaN'),
        TEST.replace('"v":1', '"v":1,"x":1e999'),
        TEST.replace('"v":1', f'"v":1,"x":{"9" * 399}'),
        TEST.replace('"v":1', f'"v":1,"x":{"9" * 5000}'),
        TEST.replace('"v":1', f'"v":1,"x":{"[" * 40}{"]" * 40}'),
        TEST.replace('"v":1', f'"v":1,"x":{"[" * 3000}{"]" * 3000}'),
        TEST.replace("Cook", "\\ud800"),
    ],
)
def test_malformed_json_seal(text: str) -> None:
    with pytest.raises(MalformedSealError):
        vds_nc.parse(text)


def test_example_of_rfc_8785() -> None:
    text = r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    # RFC 8785, section 3.2.4.
    expected = bytes.fromhex(
        """7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72 75 65 2c 66 61 6c 73 65 5d 2c 22 6e 75
        6d 62 65 72 73 22 3a 5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31 65 2b 33 30 2c 34 2e
        35 2c 30 2e 30 30 32 2c 31 65 2d 32 37 5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30 30
        66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d"""
    )
    assert canonical.to_canonical(canonical.parse_json(text)) == expected


def test_names_in_utf_16_order() -> None:
    # RFC 8785, section 3.2.3: carriage return, 1, U+0080, o umlaut, Euro, emoji, Hebrew dalet with dagesh.
    names = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    written = canonical.to_canonical(dict.fromkeys(reversed(names), 0)).decode()
    assert list(json.loads(written)) == names


# RFC 8785, appendix B: the bits of a double, and its text.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize("bits", NUMBERS)
def test_numbers_as_rfc_8785_lists_them(bits: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical.to_canonical(number).decode() == NUMBERS[bits]


def test_integer_beyond_doubles_is_rounded() -> None:
    assert canonical.to_canonical(canonical.parse_json("295147905179352825857")) == b"295147905179352830000"
    assert canonical.to_canonical(canonical.parse_json("9007199254740991")) == b"9007199254740991"


VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_canonical_form_is_stable(value: JsonValue) -> None:
    written = canonical.to_canonical(value)
    # In the standard every number is a double; Python parses integers exactly.
    assert json.loads(written, parse_int=lambda digits: int(float(digits))) == value
    assert canonical.to_canonical(canonical.parse_json(written.decode())) == written
