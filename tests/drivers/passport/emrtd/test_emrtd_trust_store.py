"""Trust store from an operator's files: folders, PEM, DER, master lists, and unusable files among them."""

import base64
from pathlib import Path

import pytest
from support.chips.certificates import Key, certificate, master_list, revocation_list, signed_data

from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.errors import MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.pki.trust_store import TrustStore

CSCA = certificate(Key("secp256r1"), common="CSCA UTOPIA")
OTHER = certificate(Key("brainpoolP256r1", explicit=True), country="KE")
SIGNER = certificate(Key("secp256r1"), issuer=CSCA, common="signer")
CRL = revocation_list(CSCA, 5, 6)


def pem(label: str, der: bytes) -> bytes:
    body = base64.encodebytes(der)
    return f"-----BEGIN {label}-----\n".encode() + body + f"-----END {label}-----\n".encode()


def test_folder_of_everything(tmp_path: Path) -> None:
    (tmp_path / "a.cer").write_bytes(CSCA.der)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "all.pem").write_bytes(
        b"# collected by the operator\n" + pem("CERTIFICATE", OTHER.der) + pem("X509 CRL", CRL)
    )
    (tmp_path / "signer.crt").write_bytes(pem("CERTIFICATE", SIGNER.der))
    (tmp_path / "again.der").write_bytes(CSCA.der)

    trust = TrustStore.load(tmp_path)

    assert trust.faults == ()
    assert {c.country for c in trust.authorities} == {"UT", "KE"}
    assert len(trust.authorities) == 2
    assert [c.serial_number for c in trust.signers] == [SIGNER.serial]
    assert [known.revoked_serials for known in trust.revocation_lists] == [{5, 6}]


def test_bad_file_is_noted_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "good.cer").write_bytes(CSCA.der)
    (tmp_path / "cut.cer").write_bytes(CSCA.der[:-9])
    (tmp_path / "letter.txt").write_bytes(b"Dear colleague, attached you find")
    (tmp_path / "empty.cer").write_bytes(b"")
    (tmp_path / "half.pem").write_bytes(pem("CERTIFICATE", b"\x30\x03\x02\x01\x01"))
    trust = TrustStore.load(tmp_path, tmp_path / "nowhere")
    assert len(trust.authorities) == 1
    assert sorted(fault.split(":")[0] for fault in trust.faults) == [
        "cut.cer",
        "empty.cer",
        "half.pem",
        "letter.txt",
        "nowhere",
    ]


def test_single_and_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.cer"
    place.write_bytes(CSCA.der)
    assert len(TrustStore.load(place).authorities) == 1
    monkeypatch.setattr("drivers.passport.emrtd.pki.operator_files.MAX_FILE_BYTES", 10)
    assert TrustStore.load(place).faults == ("a.cer: the file is larger than any such file",)


def test_too_many_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.passport.emrtd.pki.operator_files._MAX_FILES", 1)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(CSCA.der)
    assert "more than 1 files" in TrustStore.load(tmp_path).faults[0]


def test_too_many_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.passport.emrtd.pki.trust_store._MAX_CERTIFICATES", 1)
    trust = TrustStore.from_bytes(CSCA.der, OTHER.der)
    assert len(trust.authorities) == 1
    assert len(trust.faults) == 1


def test_master_list_certificates_are_loaded() -> None:
    trust = TrustStore.from_bytes(master_list((CSCA.der, OTHER.der), SIGNER, CSCA))
    assert trust.faults == ()
    assert len(trust.authorities) == 2
    assert trust.signers == ()


def test_bad_certificate_in_master_list() -> None:
    trust = TrustStore.from_bytes(master_list((CSCA.der, b"\x30\x03\x02\x01\x01", OTHER.der), SIGNER, CSCA))
    assert len(trust.authorities) == 2
    assert trust.faults == ("entry 1, certificate 2 of 3: a certificate is malformed",)


def test_altered_master_list_is_refused() -> None:
    whole = master_list((CSCA.der, OTHER.der), SIGNER, CSCA)
    at = whole.index(b"CSCA UTOPIA")
    altered = whole[:at] + b"X" + whole[at + 1 :]
    trust = TrustStore.from_bytes(altered)
    assert trust.authorities == ()
    assert trust.faults == ("entry 1: the signature of the master list is wrong",)


def test_master_list_with_unknown_curve_is_refused() -> None:
    """Without a key that can be used, nothing shows that the list is unaltered."""
    p256, unknown = (bytes.fromhex(f"06082a8648ce3d0301{last}") for last in ("07", "7f"))
    whole = master_list((OTHER.der,), SIGNER, CSCA)
    assert p256 in whole
    trust = TrustStore.from_bytes(whole.replace(p256, unknown))
    assert trust.authorities == ()
    assert trust.faults == ("entry 1: the signature of the master list is wrong",)


def test_other_signed_data_is_no_master_list() -> None:
    trust = TrustStore.from_bytes(signed_data("2.23.136.1.1.1", b"\x30\x00", SIGNER, issuer_name=CSCA.name))
    assert trust.faults == ("entry 1: the signed data is no master list",)


def test_store_shows_no_keys() -> None:
    trust = TrustStore.from_bytes(CSCA.der, CRL)
    assert repr(trust) == "TrustStore(faults=(), notes=())"
    assert "UTOPIA" not in repr(trust.authorities)


@pytest.mark.parametrize("parse", [Certificate.parse, RevocationList.parse])
def test_too_long_or_deep_is_not_parsed(parse: object) -> None:
    deep = b""
    for _ in range(40):
        deep = encode(0x30, deep)
    for der in (deep, encode(0x30, bytes(17 * 1024 * 1024))):
        with pytest.raises(MalformedError):
            parse(der)
