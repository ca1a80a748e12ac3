"""Visible digital seals: the worked examples of BSI TR-03137, and malformed seals."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seal_samples import ADMINISTRATIVE, SEALGEN, TR, WITH_FACE

from drivers.passport.mrz import MrzFormat
from drivers.passport.seals import (
    FeatureName,
    FeatureReading,
    MalformedSealError,
    SealProfile,
    UnsupportedSealError,
    Vds,
    vds,
)
from drivers.passport.seals.encoding import c40
from simulators.passport.seals import c40 as simulated_c40

TODAY = date(2027, 3, 1)


def parse(data: bytes) -> Vds:
    return vds.parse(data, TODAY)


def texts(seal: Vds) -> dict[str, str | None]:
    return {feature.name.value: feature.text for feature in seal.features}


# As TR-03137-1 prints them, except for its misprints: in annex E the zone starts with AT and not AR, and in
# annex G the last characters of the document number are 47 and not A7, according to the bytes.
PRINTED = {
    "arrival attestation": (
        (3, "D", "DETS", "00027", date(2020, 1, 1), date(2020, 1, 13), SealProfile.ARRIVAL_ATTESTATION),
        {
            "mrz": "MED<<MUSTERMANN<<ERIK<<<<<<<<<<<<<<<\nM0000000<4ALB0308212M1604128<<<<<<<2",
            "azr_number": "160113000085",
        },
    ),
    "social insurance card": (
        (3, "D", "DETS", "00027", date(2020, 1, 1), date(2020, 1, 14), SealProfile.SOCIAL_INSURANCE_CARD),
        {
            "social_insurance_number": "65170839J003",
            "surname": "Perschweiß",
            "first_name": "Oscar",
            "birth_name": "Jâcobénidicturius",
        },
    ),
    "residence permit": (
        (4, "D", "DETS", "27", date(2020, 1, 1), date(2020, 1, 13), SealProfile.RESIDENCE_PERMIT),
        {
            "mrz": "ATD<<RESIDORCE<<ROLAND<<<<<<<<<<<<<<\n6525845096USA7008038M2201018<<<<<<06",
            "passport_number": "UFO001979",
        },
    ),
    "visa": (
        (4, "D", "DETS", "32", date(2020, 1, 1), date(2021, 12, 3), SealProfile.VISA),
        {
            "mrz": "VCD<<DENT<<ARTHUR<PHILIP<<<<<<<<<<<<\n1234567XY7GBR5203116M2005250<<<<<<<<",
            "duration_of_stay": "P0Y0M160D",
            "passport_number": "47110815P",
        },
    ),
    "address sticker": (
        (4, "D", "DETS", "32", date(2021, 1, 1), date(2021, 12, 3), SealProfile.ADDRESS_STICKER),
        {
            "document_number": "T2000AK47",
            "municipality_code": "05314000",
            "address": "53123MUSTERMANNSTRASSE21",
        },
    ),
    "residence sticker": (
        (4, "D", "DETS", "32", date(2021, 1, 1), date(2021, 12, 3), SealProfile.RESIDENCE_STICKER),
        {"document_number": "PA5500K11", "municipality_code": "03359010", "postal_code": "21614"},
    ),
}


@pytest.mark.parametrize("example", PRINTED)
def test_worked_examples_of_tr_03137(example: str) -> None:
    seal = parse(TR[example])
    head = (seal.version, seal.issuer, seal.signer, seal.certificate_reference)
    assert ((*head, seal.issued_on, seal.signed_on, seal.profile), texts(seal)) == PRINTED[example]
    assert all(feature.status is FeatureReading.READ for feature in seal.features)
    assert seal.missing_features == ()
    assert TR[example].startswith(seal.signed)
    assert TR[example].endswith(seal.signature)


def test_zone_in_seal_is_parsed() -> None:
    zone = parse(TR["visa"]).mrz
    assert zone is not None
    assert (zone.format, zone.issuer, zone.document_number) == (MrzFormat.MRV_B, "D", "1234567XY")
    assert (zone.primary_identifier, zone.secondary_identifier) == ("DENT", "ARTHUR PHILIP")


def test_unknown_profile_keeps_bytes() -> None:
    seal = parse(WITH_FACE)
    assert (seal.profile, seal.feature_definition, seal.document_category) == (SealProfile.UNKNOWN, 0x5F, 3)
    zone, face = seal.features
    assert (zone.tag, face.tag) == (2, 3)
    assert {zone.status, face.status} == {FeatureReading.RAW}
    assert zone.value_hex == WITH_FACE[20:68].hex()


def test_length_of_128_in_one_byte() -> None:
    assert len(bytes.fromhex(parse(WITH_FACE).features[1].value_hex)) == 128


def test_long_certificate_reference() -> None:
    assert parse(ADMINISTRATIVE).certificate_reference == "00112233445566778899AABBCCDDEEFF00112233"


@pytest.mark.parametrize("name", SEALGEN)
def test_seal_cut_anywhere_is_malformed(name: str) -> None:
    whole = SEALGEN[name]
    for at in range(len(whole)):
        with pytest.raises(MalformedSealError):
            parse(whole[:at])


PERMIT = SEALGEN["residence permit"]


@pytest.mark.parametrize(
    ("at", "piece"),
    [
        (0, b"\xdd"),  # another mark
        (2, b"\x00\x00"),  # an issuer that is no C40
        (2, simulated_c40.encode("123")),  # an issuer of digits
        (4, simulated_c40.encode("0TTS02")),  # a signer without a country
        (4, simulated_c40.encode("UTTSZZ")),  # a length that is no number
        (4, simulated_c40.encode("UTTS")),  # four characters, where six should be
        (8, b"\x13\x3c"),  # three characters where two are stated
        (10, b"\xff\xff\xff"),  # no calendar has that day
        (13, b"\x1c\xf6\x10"),  # month 1, day 89
    ],
)
def test_malformed_header(at: int, piece: bytes) -> None:
    with pytest.raises(MalformedSealError):
        parse(PERMIT[:at] + piece + PERMIT[at + len(piece) :])


def test_version_3_signer_has_nine_characters() -> None:
    whole = SEALGEN["residence permit"]
    with pytest.raises(MalformedSealError):
        parse(b"\xdc\x02" + whole[2:4] + simulated_c40.encode("UTTS0005") + whole[10:])


@pytest.mark.parametrize("version", [0x00, 0x01, 0x04, 0xFF])
def test_unknown_version_is_unsupported(version: int) -> None:
    with pytest.raises(UnsupportedSealError):
        parse(PERMIT[:1] + bytes([version]) + PERMIT[2:])


HEADER, SIGNATURE = PERMIT[:18], PERMIT[-66:]


@pytest.mark.parametrize(
    "rest",
    [
        SIGNATURE,  # no feature
        b"\x02\x01A" + b"\x02\x01B" + SIGNATURE,  # one twice
        b"\x02\x01A",  # no signature
        b"\x02\x01A\xff\x00",  # an empty one
        b"\x02\x01A\xff\x03abc",  # an odd one
        b"\x02\x01A\xff\x81\x86" + bytes(134),  # longer than of any curve
        b"\x02\x01A" + SIGNATURE + b"\x01",  # something after it
        b"\x02\x84\x00\x00\x00\x01A" + SIGNATURE,
        b"\x02\x81\x01A" + SIGNATURE,  # more bytes for a length than it needs
    ],
)
def test_malformed_zones(rest: bytes) -> None:
    with pytest.raises(MalformedSealError):
        parse(HEADER + rest)


def test_der_lengths_of_every_size() -> None:
    for size, length in ((127, b"\x7f"), (128, b"\x81\x80"), (255, b"\x81\xff"), (300, b"\x82\x01\x2c")):
        seal = parse(HEADER + b"\x09" + length + bytes(size) + SIGNATURE)
        assert seal.features[0].value_hex == bytes(size).hex()


def test_malformed_features_keep_bytes() -> None:
    seal = parse(HEADER + b"\x02\x02\xff\xff" + b"\x07\x01A" + SIGNATURE)
    zone, unknown = seal.features
    assert (zone.name, zone.status, zone.value_hex) == (FeatureName.MRZ, FeatureReading.MALFORMED, "ffff")
    assert (unknown.name, unknown.status) == (FeatureName.UNKNOWN, FeatureReading.RAW)
    assert seal.missing_features == (FeatureName.PASSPORT_NUMBER,)
    assert seal.mrz is None


def of_profile(name: str, message: bytes) -> dict[str, tuple[str, str | int | None]]:
    header = HEADER[:16] + {"visa": b"\x5d\x01", "card": b"\xfc\x04"}[name]
    seal = parse(header + message + SIGNATURE)
    return {f.name.value: (f.status.value, f.text if f.number is None else f.number) for f in seal.features}


def test_visa_features_beside_zone() -> None:
    assert of_profile(
        "visa", b"\x03\x01\x02" + b"\x04\x03\x0a\x03\x01" + b"\x06\x02\xab\xcd" + b"\x07\x00"
    ) == {
        "number_of_entries": ("read", 2),
        "duration_of_stay": ("read", "P1Y3M10D"),
        "visa_type": ("read", None),
        "additional": ("read", None),
    }


def test_malformed_duration_and_features() -> None:
    assert of_profile("visa", b"\x04\x03\xff\xff\xff" + b"\x02\x2c" + bytes.fromhex("133c") * 22) == {
        "duration_of_stay": ("read", None),
        "mrz": ("malformed", None),
    }
    assert of_profile("card", b"\x02\x02\xc3\x28" + b"\x03\x00") == {
        "surname": ("malformed", None),
        "first_name": ("malformed", None),
    }


# TR-03137-1: section 3.2.3 and annex B, tables 6 and 7.
@pytest.mark.parametrize(
    ("text", "encoded"), [("BSI01", "62d719c9"), ("XK CD", "eb0466a9"), ("XKCD", "eb11fe45"), ("", "")]
)
def test_c40_as_the_guideline_has_it(text: str, encoded: str) -> None:
    assert c40.decode(bytes.fromhex(encoded)) == text


@given(st.text(" 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", max_size=90))
def test_c40_round_trip(text: str) -> None:
    encoded = simulated_c40.encode(text)
    assert c40.decode(encoded) == text
    assert len(encoded) == c40.size(len(text))


@pytest.mark.parametrize(
    "encoded",
    [
        "133c13",  # half a pair
        "fe45133c",  # a single character in the middle
        "fe62133c",
        "fe62",  # a small letter
        "fe00",
        "0000",
        "fa01",  # past the last pair
        "ffff",
        "0001",  # shifts
    ],
)
def test_malformed_c40(encoded: str) -> None:
    with pytest.raises(MalformedSealError):
        c40.decode(bytes.fromhex(encoded))


@given(st.lists(st.binary(min_size=2, max_size=2), max_size=20).map(b"".join))
def test_c40_of_any_bytes(data: bytes) -> None:
    try:
        text = c40.decode(data)
    except MalformedSealError:
        return
    assert set(text) <= set(" 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert simulated_c40.encode(text) == data
