"""Simulated seals against the bytes printed in the guideline, and against a library's verification."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from pydantic import TypeAdapter

from simulators.mrz import Document, Format
from simulators.passport.chip.pki.certificate import State
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.seals import (
    AlteredField,
    AlteredSignature,
    AnySealFault,
    EarlySigner,
    ExpiredSigner,
    RevokedSigner,
    Seal,
    SealIssuer,
    SealSigner,
    SymbolEncoding,
    TruncatedSeal,
    UnknownProfile,
    WrongSigner,
    arrival_attestation,
    c40,
    emergency_travel_document,
    residence_permit,
    social_insurance_card,
    vds_nc,
    visa,
)
from simulators.specimens import ERIKSSON

HASHES = {f.name: f for f in (hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())}
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
GERMANY = IssuingState.create(State("DE", "D"), now=NOW)
TS_27, TS_32 = (SealSigner.issue(GERMANY, serial=serial) for serial in (0x27, 0x32))
CARD = ERIKSSON[Format.TD2]
PERMIT = residence_permit(CARD, passport="L898902C3", issued=date(2026, 12, 1))

MUSTERMANN = Document(
    format=Format.TD2,
    code="ME",
    issuer="D",
    number="M0000000",
    nationality="ALB",
    surname="Mustermann",
    given_names="Erik",
    birth="030821",
    sex="M",
    expiry="160412",
)
RESIDORCE = replace(
    MUSTERMANN,
    code="AT",
    number="652584509",
    nationality="USA",
    surname="Residorce",
    given_names="Roland",
    birth="700803",
    expiry="220101",
    optional="<<<<<<0",
)
DENT = replace(
    MUSTERMANN,
    format=Format.MRV_B,
    code="VC",
    number="1234567XY",
    nationality="GBR",
    surname="Dent",
    given_names="Arthur Philip",
    birth="520311",
    expiry="200525",
)

# BSI TR-03137-1, version 2.5, annexes C to F: header and message zone, of invented people.
WORKED: dict[str, tuple[Seal, SealSigner, str]] = {
    "social insurance card": (
        social_insurance_card(
            "D",
            number="65170839J003",
            surname="Perschweiß",
            first_name="Oscar",
            birth_name="Jâcobénidicturius",
            issued=date(2020, 1, 1),
            signed=date(2020, 1, 14),
        ),
        TS_27,
        """dc026abc6d32c8a519fc0f7134116d04fc0401083fee456d2de019a8020b506572736368776569c39f03054f73636172
        04134ac3a2636f62c3a96e69646963747572697573""",
    ),
    "residence permit": (
        residence_permit(RESIDORCE, passport="UFO001979", issued=date(2020, 1, 1), signed=date(2020, 1, 13)),
        TS_27,
        """dc036abc6d32c8a727390f71341145f4fb0602305cba135875976ec066d417b59e8c6abc133c133c133c133c3fef3a29
        38ee43f1593d1ae52dbb26751fe64b7c133c136b0306d79519a65306""",
    ),
    "visa": (
        visa(
            DENT,
            passport="47110815P",
            issued=date(2020, 1, 1),
            signed=date(2021, 12, 3),
            stay=(160, 0, 0),
            entries=None,
        ),
        TS_32,
        """dc036abc6d32c8a72cb10f7134b798155d01022cdd52134a74da1347c6fed95cb89f9fce133c133c133c133c20383373
        4aaf47f0c32f1a1e20eb2625393afe310403a00000050633be1fed20c6""",
    ),
    "arrival attestation": (
        arrival_attestation(
            MUSTERMANN, azr_number="160113000085", issued=date(2020, 1, 1), signed=date(2020, 1, 13)
        ),
        TS_27,
        """dc026abc6d32c8a519fc0f71341145f4fd020230a5621353d9a275735bd4134bc549133c133c133c133c133ca32519a5
        19a4344a5e681ae7204b20d532cf4b7c133c133f030820d5201019a51aea""",
    ),
}


@pytest.mark.parametrize("example", WORKED)
def test_seal_matches_worked_example(example: str) -> None:
    seal, signer, printed = WORKED[example]
    signed = bytes.fromhex(printed)
    assert seal.header(signer) + seal.message == signed
    assert seal.sign(signer)[: len(signed) + 2] == signed + b"\xff\x40"


def verified(signer: SealSigner, signed: bytes, signature: bytes, hash_name: str = "sha256") -> bool:
    key = x509.load_der_x509_certificate(signer.certificate.der).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    digest = hashlib.new(hash_name, signed).digest()
    try:
        key.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(HASHES[hash_name])))
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(
    ("curve", "hash_name", "size"),
    [
        ("secp224r1", "sha224", 56),
        ("brainpoolP256r1", "sha256", 64),
        ("secp384r1", "sha384", 96),
        ("brainpoolP512r1", "sha512", 128),
        ("secp521r1", "sha512", 132),
    ],
)
def test_signature_covers_header_and_message(curve: str, hash_name: str, size: int) -> None:
    signer = SealSigner.issue(GERMANY, curve=curve)
    sealed, signed = PERMIT.sign(signer), PERMIT.header(signer) + PERMIT.message
    assert sealed.startswith(signed + b"\xff")
    assert verified(signer, signed, sealed[-size:], hash_name)
    assert not verified(signer, signed + b"x", sealed[-size:], hash_name)


def test_certificate_is_of_state() -> None:
    csca = x509.load_der_x509_certificate(GERMANY.csca.der)
    certificate = x509.load_der_x509_certificate(TS_32.certificate.der)
    certificate.verify_directly_issued_by(csca)
    assert [attribute.value for attribute in certificate.subject] == ["DE", "TS"]
    assert certificate.serial_number == 0x32
    assert (TS_32.identifier, TS_32.reference) == ("DETS", "32")


def issued(fault: object) -> tuple[bytes, SealIssuer]:
    office = SealIssuer(IssuingState.create(now=NOW))
    return office.issue(PERMIT, TypeAdapter(AnySealFault).validate_python(fault)), office


def sound(sealed: bytes, signer: SealSigner) -> bool:
    return verified(signer, sealed[:-66], sealed[-64:])


def test_faults_that_break_signature() -> None:
    for fault in (AlteredField(), AlteredSignature(), WrongSigner()):
        sealed, office = issued(fault)
        assert not sound(sealed, office.signer), fault
        assert len(sealed) == len(office.issue(PERMIT))


def test_altered_field_is_still_text() -> None:
    sealed, office = issued(AlteredField())
    genuine = office.issue(PERMIT)
    assert sum(a != b for a, b in zip(sealed[:-66], genuine[:-66], strict=True)) == 1


def test_certificate_faults_keep_signature_valid() -> None:
    for fault in (ExpiredSigner(), EarlySigner(), RevokedSigner()):
        sealed, office = issued(fault)
        assert sound(sealed, office.signers[-1]), fault
        assert not sound(sealed, office.signer)


def test_revoked_signer_is_on_list() -> None:
    _, office = issued({"fault": "revoked-signer"})
    listed = x509.load_der_x509_crl(office.state.crl())
    assert [entry.serial_number for entry in listed] == [office.signers[-1].certificate.serial]


def test_expired_signer_was_valid_before() -> None:
    _, office = issued(ExpiredSigner())
    validity = office.signers[-1].certificate.validity
    assert validity.start < validity.end < NOW


def test_truncated_seal_and_unknown_profile() -> None:
    assert len(issued(TruncatedSeal(at=40))[0]) == 40
    sealed, office = issued(UnknownProfile(definition=0x77))
    assert sealed[16] == 0x77
    assert sound(sealed, office.signer)


def test_long_features_have_der_or_plain_length() -> None:
    long = emergency_travel_document(CARD, issued=date(2026, 12, 1)).with_feature(3, bytes(200))
    assert b"\x03\x81\xc8" in long.message
    assert b"\x03\xc8\x00" in replace(long, plain_lengths=True).message
    assert b"\x03\x82\x01\x2c" in long.with_feature(3, bytes(300)).message


def test_symbol_encodings() -> None:
    data = b"\xdc\x03\xff\x00"
    assert {handover: handover.encode_bytes(data) for handover in SymbolEncoding} == {
        SymbolEncoding.BINARY: data,
        SymbolEncoding.UTF8: b"\xc3\x9c\x03\xc3\xbf\x00",
        SymbolEncoding.BASE64: b"3AP/AA==",
        SymbolEncoding.BASE64_URL: b"3AP_AA",
        SymbolEncoding.BASE32: b"3QB76AA=",
        SymbolEncoding.BASE32_LOWER: b"3qb76aa",
        SymbolEncoding.HEX: b"dc03ff00",
    }


def test_json_seal_signs_canonical_form() -> None:
    signer = SealSigner.issue(GERMANY, curve="secp256r1")
    message = vds_nc.proof_of_test(
        name="Cook Gerald", birth="1990-01-29", document_number="E1", country="UTO"
    )
    whole = json.loads(vds_nc.sign(message, signer, kind="icao.test", issuer="D"))
    assert whole["data"]["msg"] == message
    assert base64.urlsafe_b64decode(whole["sig"]["cer"]) == signer.certificate.der
    signed = vds_nc.canonical(whole["data"])
    assert signed.startswith(b'{"hdr":{"is":"D","t":"icao.test","v":1},"msg":{"dat":{"ri":')
    assert verified(signer, signed, base64.urlsafe_b64decode(whole["sig"]["sigvl"]))


@pytest.mark.parametrize("text", ["a", "Ä", "A-B", "\n"])
def test_c40_has_capitals_and_digits_only(text: str) -> None:
    with pytest.raises(ValueError, match="C40"):
        c40.encode(text)


def test_zone_of_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="TD2"):
        residence_permit(ERIKSSON[Format.TD3], passport="L898902C3", issued=date(2026, 12, 1))
