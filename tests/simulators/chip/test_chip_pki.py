"""Certificates, security objects, revocation and master lists, verified by OpenSSL and the library."""

import hashlib
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from asn1crypto import cms, core
from chip_terminal import undo
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from simulators.mrz import Format
from simulators.passport.chip import (
    Access,
    ActiveAuthentication,
    Algorithm,
    Chip,
    Cipher,
    EcParameters,
    IssuingState,
    Mapping,
    PaceInfo,
    Profile,
    SignatureScheme,
    State,
    Validity,
)
from simulators.passport.chip.faults import AlteredSignature, ExpiredSigner, RevokedSigner, UnknownCsca
from simulators.passport.chip.lds import VERSION_1_8
from simulators.specimens import ERIKSSON

PASSPORT = ERIKSSON[Format.TD3]
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl on the path")

SCHEMES = [
    SignatureScheme(),
    SignatureScheme(parameters=EcParameters.EXPLICIT),
    SignatureScheme(hash_name="sha384", curve="brainpoolP384r1"),
    SignatureScheme(hash_name="sha512", curve="secp521r1"),
    SignatureScheme(hash_name="sha1", curve="brainpoolP256r1", parameters=EcParameters.EXPLICIT),
    SignatureScheme(Algorithm.RSA),
    SignatureScheme(Algorithm.RSA, "sha512"),
    SignatureScheme(Algorithm.RSA_PSS),
    SignatureScheme(Algorithm.RSA_PSS, "sha384"),
]
NAMES = [f"{s.algorithm}-{s.hash_name}-{s.curve}-{s.parameters}" if s.algorithm is Algorithm.ECDSA
         else f"{s.algorithm}-{s.hash_name}" for s in SCHEMES]  # fmt: skip


class LdsHash(core.Sequence):
    _fields: ClassVar = [("number", core.Integer), ("value", core.OctetString)]


class LdsHashes(core.SequenceOf):
    _child_spec = LdsHash


class LdsVersions(core.Sequence):
    _fields: ClassVar = [("lds", core.PrintableString), ("unicode", core.PrintableString)]


class LdsSecurityObject(core.Sequence):
    _fields: ClassVar = [
        ("version", core.Integer),
        ("algorithm", cms.DigestAlgorithm),
        ("hashes", LdsHashes),
        ("versions", LdsVersions, {"optional": True}),
    ]


def pem(der: bytes, kind: str, folder: Path, name: str) -> str:
    (folder / f"{name}.der").write_bytes(der)
    command = [
        OPENSSL or "openssl",
        kind,
        "-inform",
        "DER",
        "-in",
        folder / f"{name}.der",
        "-out",
        folder / name,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return str(folder / name)


def verified(folder: Path, chip: Chip, issuer: IssuingState, *more: str) -> subprocess.CompletedProcess[str]:
    """Return the result of `openssl cms -verify` for the security object, trusting the state's CSCA."""
    (folder / "sod.der").write_bytes(undo(chip.personalisation.file(0x011D))[0][1])
    anchor = pem(issuer.csca.der, "x509", folder, "csca.pem")
    return subprocess.run(
        [OPENSSL or "openssl", "cms", "-verify", "-inform", "DER", "-in", folder / "sod.der",
         "-CAfile", anchor, "-purpose", "any", "-out", folder / "content.der", *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs_openssl
@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
def test_openssl_accepts_security_object(tmp_path: Path, scheme: SignatureScheme) -> None:
    issuer = IssuingState.create(scheme=scheme)
    chip = Chip.issue(PASSPORT, issuer, Profile(hash_name="sha512", version=VERSION_1_8))
    # OpenSSL builds no chain with explicit parameters; it does verify the signature itself.
    more = ["-noverify"] * (scheme.parameters is EcParameters.EXPLICIT) + ["-auth_level", "0"] * (
        scheme.hash_name == "sha1"
    )
    result = verified(tmp_path, chip, issuer, *more)
    assert result.returncode == 0, result.stderr

    content = LdsSecurityObject.load((tmp_path / "content.der").read_bytes(), strict=True)
    assert content["version"].native == 1
    assert content["versions"].native == {"lds": "0108", "unicode": "040000"}
    assert content["algorithm"]["algorithm"].native == "sha512"
    for entry in content["hashes"]:
        group = chip.personalisation.file(0x0100 + entry["number"].native)
        assert hashlib.sha512(group).digest() == entry["value"].native
    assert [entry["number"].native for entry in content["hashes"]] == [1, 2, 11, 12]


@needs_openssl
class TestWhatOpensslRefuses:
    def test_altered_signature(self, tmp_path: Path) -> None:
        issuer = IssuingState.create()
        assert (
            verified(tmp_path, Chip.issue(PASSPORT, issuer, faults=[AlteredSignature()]), issuer).returncode
            != 0
        )

    def test_unknown_csca(self, tmp_path: Path) -> None:
        issuer = IssuingState.create()
        result = verified(tmp_path, Chip.issue(PASSPORT, issuer, faults=[UnknownCsca()]), issuer)
        assert "unable to get local issuer certificate" in result.stderr

    def test_expired_signer(self, tmp_path: Path) -> None:
        issuer = IssuingState.create()
        result = verified(tmp_path, Chip.issue(PASSPORT, issuer, faults=[ExpiredSigner()]), issuer)
        assert "certificate has expired" in result.stderr

    def test_revoked_signer(self, tmp_path: Path) -> None:
        issuer = IssuingState.create()
        good = Chip.issue(PASSPORT, issuer)
        bad = Chip.issue(PASSPORT, issuer, faults=[RevokedSigner()])
        crl = pem(issuer.crl(), "crl", tmp_path, "crl.pem")
        anchors = tmp_path / "both.pem"
        anchors.write_text(
            Path(pem(issuer.csca.der, "x509", tmp_path, "a.pem")).read_text() + Path(crl).read_text()
        )
        check = ("-crl_check", "-CAfile", str(anchors))
        assert verified(tmp_path, good, issuer, *check).returncode == 0
        assert "certificate revoked" in verified(tmp_path, bad, issuer, *check).stderr


@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
def test_library_accepts_certificates(scheme: SignatureScheme) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    issuer = IssuingState.create(State("QZ", "QZZ"), scheme, now=now)
    csca, signer = (x509.load_der_x509_certificate(c.der) for c in (issuer.csca, issuer.document_signer))
    if scheme.parameters is EcParameters.EXPLICIT and scheme.curve.startswith("brainpool"):
        with pytest.raises(UnsupportedAlgorithm, match="explicit parameters"):
            csca.public_key()
        key = issuer.csca.key.key.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        for certificate in (csca, signer):
            assert certificate.signature_hash_algorithm is not None
            key.verify(
                certificate.signature,
                certificate.tbs_certificate_bytes,
                ec.ECDSA(certificate.signature_hash_algorithm),
            )
    else:
        csca.verify_directly_issued_by(csca)
        signer.verify_directly_issued_by(csca)
    assert csca.subject.rfc4514_string().endswith("O=Simulated Issuing Office,C=QZ")
    assert signer.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)[0].value == "QZ"
    assert csca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        True, 0
    )
    usage = csca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    assert signer.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    names = signer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    [place] = names.get_values_for_type(x509.DirectoryName)
    assert place.rfc4514_string() == "L=QZZ"
    period = signer.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    assert period.not_before is not None
    assert period.not_before.replace(tzinfo=UTC) == signer.not_valid_before_utc
    identifier = csca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert (
        signer.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        == identifier
    )
    assert signer.not_valid_before_utc == now - timedelta(days=30)
    assert signer.extensions.get_extension_for_oid(x509.ObjectIdentifier("2.23.136.1.1.6.2"))


def test_revocation_list_has_revoked_signers() -> None:
    issuer = IssuingState.create()
    chip = Chip.issue(PASSPORT, issuer, faults=[RevokedSigner()])
    crl = x509.load_der_x509_crl(issuer.crl())
    key = issuer.csca.key.key.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert crl.get_revoked_certificate_by_serial_number(chip.personalisation.signer.serial) is not None
    assert crl.get_revoked_certificate_by_serial_number(issuer.document_signer.serial) is None
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
    assert crl.issuer == x509.load_der_x509_certificate(issuer.csca.der).subject
    empty = x509.load_der_x509_crl(IssuingState.create().crl())
    assert len(empty) == 0


@needs_openssl
def test_master_list_has_anchors(tmp_path: Path) -> None:
    states = [IssuingState.create(State(a, b)) for a, b in (("UT", "UTO"), ("QZ", "QZZ"), ("XA", "XAA"))]
    master = states[0].master_list([state.csca for state in states])
    (tmp_path / "list.ml").write_bytes(master)
    anchor = pem(states[0].csca.der, "x509", tmp_path, "csca.pem")
    command = [OPENSSL, "cms", "-verify", "-inform", "DER", "-in", tmp_path / "list.ml", "-CAfile", anchor,
               "-purpose", "any", "-out", tmp_path / "content.der"]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    info = cms.ContentInfo.load(master, strict=True)["content"]
    assert info["encap_content_info"]["content_type"].dotted == "2.23.136.1.1.2"
    assert len(info["certificates"]) == 2
    content = undo((tmp_path / "content.der").read_bytes())[0][1]
    (_, version), (_, listed) = undo(content)
    assert version == b"\x00"
    assert sorted(x509.load_der_x509_certificate(b"\x30\x82" + len(v).to_bytes(2, "big") + v).serial_number
                  for _, v in undo(listed)) == sorted(state.csca.serial for state in states)  # fmt: skip


def test_signed_data_is_read_by_asn1crypto() -> None:
    chip = Chip.issue(PASSPORT, IssuingState.create(), Profile(hash_name="sha1"))
    info = cms.ContentInfo.load(undo(chip.personalisation.file(0x011D))[0][1], strict=True)
    signed = info["content"]
    assert info["content_type"].native == "signed_data"
    assert signed["version"].native == "v3"
    [signer] = signed["signer_infos"]
    assert signer["sid"].chosen["serial_number"].native == chip.personalisation.signer.serial
    assert [a["type"].native for a in signer["signed_attrs"]] == ["content_type", "message_digest"]
    content = LdsSecurityObject.load(bytes(signed["encap_content_info"]["content"]), strict=True)
    assert content["version"].native == 0
    assert content["algorithm"]["algorithm"].native == "sha1"


def test_all_sorts_of_groups_are_hashed() -> None:
    profile = Profile(
        access=Access.PACE,
        pace=(PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 13),),
        chip_authentication=(Cipher.AES_128,),
        active_authentication=ActiveAuthentication.ECDSA,
        fingerprints=True,
    )
    chip = Chip.issue(PASSPORT, IssuingState.create(), profile)
    listed = undo(undo(chip.personalisation.file(0x011E))[0][1])[2][1]
    assert listed.hex() == "6175636b6c6e6f"
    security = cms.ContentInfo.load(chip.personalisation.file(0x011D, in_application=False), strict=True)
    assert security["content"]["encap_content_info"]["content_type"].dotted == "0.4.0.127.0.7.3.2.1"


def test_dates_after_2049_follow_rfc_5280() -> None:
    now = datetime(2040, 1, 1, tzinfo=UTC)
    validity = Validity.spanning(now, before=timedelta(days=1), after=timedelta(days=365 * 20))
    csca = x509.load_der_x509_certificate(IssuingState.create(now=now, validity=validity).csca.der)
    assert csca.not_valid_after_utc.year == 2059


def test_new_signer_takes_over() -> None:
    issuer = IssuingState.create()
    first = issuer.document_signer
    second = issuer.replace_document_signer(SignatureScheme(hash_name="sha384", curve="secp384r1"))
    assert issuer.document_signer is second is not first
