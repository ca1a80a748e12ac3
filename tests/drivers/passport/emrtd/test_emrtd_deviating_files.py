"""Certificates, keys and files that deviate from their standard: what no verdict needs decides none.

Each form is in documents or lists that states have published: state certificates of Lithuania (subject key
identifier), the sample documents of the BSI of 2008 (negative RSA moduli), and bare master lists.
"""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from support.chips.certificates import (
    Issued,
    Key,
    NegativeKey,
    bits,
    certificate,
    integer,
    master_list,
    negative_info,
    oid,
    revocation_list,
    security_object,
    sequence,
    with_malformed_validity,
)
from support.chips.files import COM, DG1, DG2, GROUPS, TODAY

from drivers.passport.chip_result import ChipDeviation
from drivers.passport.emrtd.crypto.public_keys import RsaKey, parse_public_key
from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.errors import MalformedError
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.inspection_result import InspectionResultBuilder
from drivers.passport.emrtd.pki.certificates import Certificate
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.protocols import active_authentication
from drivers.passport.emrtd.transport.files import ElementaryFile

CSCA_KEY, DSC_KEY = Key("secp384r1", "sha384"), Key("secp256r1")
CSCA = certificate(CSCA_KEY)
DSC = certificate(DSC_KEY, issuer=CSCA, common="DSC")
PASSIVE = (
    "chip.sod_signature",
    "chip.dsc_signature",
    "chip.certificate_validity",
    "chip.dsc_revocation",
    "chip.trust",
    "chip.issuing_state",
)
# Values of a subject key identifier: text, nothing, bytes without their OCTET STRING, a cut object.
WRONG_IDENTIFIERS = (encode(0x13, b"key 1"), b"", bytes(range(1, 21)), b"\x04\x14\x01")


def inspected(
    sod: bytes, trust: TrustStore, **groups: bytes
) -> tuple[dict[str, str], tuple[ChipDeviation, ...]]:
    """Return the outcomes of passive authentication, with reasons, and the deviations."""
    files = {
        ElementaryFile.DG1: DG1,
        ElementaryFile.DG2: DG2,
        ElementaryFile.COM: COM,
        ElementaryFile.SOD: sod,
    }
    files |= {ElementaryFile[name]: content for name, content in groups.items()}
    result = InspectionResultBuilder(ChipEvidence(files), None, trust, TODAY).build(0, 0.0)
    found = {check.id: check.reason or check.outcome.value for check in result.checks}
    return {name: found[name] for name in PASSIVE}, result.deviations


GOOD = dict.fromkeys(PASSIVE, "successful")


@pytest.mark.parametrize("value", WRONG_IDENTIFIERS)
def test_wrong_key_identifier_of_signer(value: bytes) -> None:
    signer = certificate(DSC_KEY, issuer=CSCA, common="DSC", key_id_value=value)
    trust = TrustStore.from_bytes(CSCA.der, revocation_list(CSCA))

    found, deviations = inspected(security_object(GROUPS, signer, CSCA), trust)

    assert found == GOOD
    assert deviations == (
        ChipDeviation(
            file="EF.SOD",
            subject="C=UT, CN=DSC",
            text="The subject key identifier cannot be read and is not used.",
        ),
    )


@pytest.mark.parametrize("value", [*WRONG_IDENTIFIERS, encode(0x04, b"another key")])
def test_wrong_key_identifier_of_state(value: bytes) -> None:
    """The last one can be read and names another key: the signature decides."""
    csca = certificate(CSCA_KEY, key_id_value=value)
    signer = certificate(DSC_KEY, issuer=csca, common="DSC")
    trust = TrustStore.from_bytes(csca.der, revocation_list(csca))

    assert inspected(security_object(GROUPS, signer, csca), trust) == (GOOD, ())
    assert trust.faults == ()
    readable = value == encode(0x04, b"another key")
    note = "entry 1 (C=UT, CN=CSCA): the subject key identifier cannot be read and is not used"
    assert trust.notes == (() if readable else (note,))


@pytest.mark.parametrize(
    "identifier", ["2.5.29.35", "2.5.29.15", "2.5.29.19", "2.5.29.16", "2.5.29.17", "2.5.29.37"]
)
def test_wrong_extension_of_signer(identifier: str) -> None:
    wrong = sequence(oid(identifier), encode(0x04, b"\x05\x00\x01"))
    signer = certificate(DSC_KEY, issuer=CSCA, common="DSC", identifiers=False, more_extensions=(wrong,))
    trust = TrustStore.from_bytes(CSCA.der, revocation_list(CSCA))

    assert inspected(security_object(GROUPS, signer, CSCA), trust)[0] == GOOD


def test_malformed_certificate_beside_signer() -> None:
    broken = replace(CSCA, der=sequence(sequence(integer(1)), b"\x05\x00"))
    sod = security_object(GROUPS, DSC, CSCA, certificates=(broken, DSC))

    found, deviations = inspected(sod, TrustStore.from_bytes(CSCA.der, revocation_list(CSCA)))

    assert found == GOOD
    assert [(note.file, note.subject) for note in deviations] == [("EF.SOD", "unnamed")]


def test_malformed_signer_still_fails() -> None:
    broken = replace(DSC, der=sequence(sequence(integer(1)), b"\x05\x00"))
    sod = security_object(GROUPS, DSC, CSCA, certificates=(broken,))

    assert inspected(sod, TrustStore.from_bytes(CSCA.der))[0]["chip.sod_signature"] == "sod_malformed"


def test_negative_modulus_of_signer_and_state() -> None:
    csca = certificate(NegativeKey("rsa"))
    signer = certificate(NegativeKey("rsa"), issuer=csca, common="DSC")
    trust = TrustStore.from_bytes(csca.der, revocation_list(csca))

    assert inspected(security_object(GROUPS, signer, csca), trust)[0] == GOOD
    assert trust.notes == (
        "entry 1 (C=UT, CN=CSCA): the RSA modulus is written as a negative number, read as a positive one",
    )


def test_negative_modulus_in_dg15() -> None:
    key = Key("rsa")
    dg15 = encode(0x6F, negative_info(key))

    read, right = active_authentication.public_key(dg15), parse_public_key(key.info)

    assert isinstance(read, RsaKey)
    assert read == right
    assert read.negative_as_written
    _, deviations = inspected(security_object(GROUPS, DSC, CSCA), TrustStore.from_bytes(CSCA.der), DG15=dg15)
    assert [note.file for note in deviations] == ["DG15"]


@pytest.mark.parametrize("modulus", [b"", b"\0", bytes(255) + b"\x01", b"\xff" * 1100, b"\xfe" * 256])
def test_other_moduli_are_still_refused(modulus: bytes) -> None:
    info = sequence(
        sequence(oid("1.2.840.113549.1.1.1"), b"\x05\0"),
        bits(sequence(encode(0x02, modulus), integer(65537))),
    )
    with pytest.raises(MalformedError):
        parse_public_key(info)


# Files of the operator.

LITHUANIA = certificate(Key("secp256r1"), country="LT", common="Lithuania Country Signing CA")


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_bad_one_of_720_is_named(tmp_path: Path) -> None:
    broken = with_malformed_validity(LITHUANIA)
    (tmp_path / "all.pem").write_bytes(pem(CSCA.der) * 411 + pem(broken) + pem(CSCA.der) * 308)

    trust = TrustStore.load(tmp_path)

    assert len(trust.authorities) == 1
    assert trust.faults == (
        "all.pem, entry 412 of 720 (C=LT, CN=Lithuania Country Signing CA): a certificate is malformed",
    )


def test_bad_one_of_master_list_is_named() -> None:
    broken = with_malformed_validity(LITHUANIA)

    trust = TrustStore.from_bytes(master_list((CSCA.der, broken), DSC, CSCA))

    assert len(trust.authorities) == 1
    assert len(trust.faults) == 1
    assert "of 2 (C=LT, CN=Lithuania Country Signing CA): a certificate is malformed" in trust.faults[0]


BARE_MASTER_LIST = sequence(integer(0), encode(0x31, CSCA.der))
BUNDLE = sequence(
    oid("1.2.840.113549.1.7.2"),
    encode(
        0xA0,
        sequence(
            integer(1),
            encode(0x31, b""),
            sequence(oid("1.2.840.113549.1.7.1")),
            encode(0xA0, CSCA.der),
            encode(0x31, b""),
        ),
    ),
)
KEY_STORE = sequence(integer(3), sequence(oid("1.2.840.113549.1.7.1")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BARE_MASTER_LIST, "this is the content of a master list without its CMS wrapper (SignedData)"),
        (BUNDLE, "signed data has no signer, as in a mere bundle of certificates (PKCS #7)"),
        (KEY_STORE, "this is a key store (PKCS #12)"),
        (b"PK\x03\x04rest", "this is a ZIP archive: unpack it"),
        (
            b"dn: o=ml,c=DE\nCscaMasterListData:: MIIC",
            "this is an LDIF file of the ICAO public key directory",
        ),
        (b"<!DOCTYPE html><title>Log in</title>", "this is a web page and no certificate"),
        (b'{"keys": []}', "this is a JSON file and no certificate"),
        (b"Dear colleague, attached you find", "this is neither PEM nor DER"),
        (b"", "the file is empty"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "this is a private key and no certificate",
        ),
    ],
)
def test_unusable_file_is_described(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "given.bin").write_bytes(content)

    (fault,) = TrustStore.load(tmp_path).faults

    assert fault.startswith(f"given.bin: {words}")


def test_master_list_of_signer_with_wrong_identifier() -> None:
    """The list names its signer by an identifier that the certificate does not have."""
    signer: Issued = certificate(DSC_KEY, issuer=CSCA, common="signer", key_id_value=b"\x13\x00")

    trust = TrustStore.from_bytes(master_list((CSCA.der,), signer, CSCA))

    assert trust.faults == ()
    assert len(trust.authorities) == 1


def test_subject_of_hostile_certificate_is_printable() -> None:
    hostile = certificate(Key("secp256r1"), common="a\x1b[2Jb\n\u202ec")
    text = Certificate.parse(hostile.der).subject_text or ""

    assert text.isprintable()
    assert text == "C=UT, CN=a?[2Jb??c"
