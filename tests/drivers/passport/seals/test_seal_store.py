"""Signers of seals from the operator's files."""

import base64
from pathlib import Path

import pytest
from seal_samples import SAMPLES, certificate
from support.chips.certificates import Key, oid, sequence, with_malformed_validity
from support.chips.certificates import certificate as issue

from drivers.passport.emrtd import TrustStore
from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.pki.certificates import Certificate
from drivers.passport.seals.store import SealSignerStore, may_sign_json


def test_folder_with_both_encodings(tmp_path: Path) -> None:
    der = SealSignerStore.from_bytes(certificate("sealgen_UTTS5B")).signers[0].certificate
    (tmp_path / "below").mkdir()
    (tmp_path / "both.pem").write_bytes(certificate("sealgen_UTTS5B") + certificate("sealgen_DETS32"))
    (tmp_path / "below" / "again.pem").write_bytes(certificate("sealgen_UTTS5B"))
    store = SealSignerStore.load(tmp_path)
    assert store.faults == ()
    assert sorted(signer.identifier for signer in store.signers) == ["DETS", "UTTS"]
    assert store.find("UTTS", "5B") == store.find("UTTS", "0005b") == (der,)


def test_signer_by_identifier_and_reference() -> None:
    store = SealSignerStore.from_bytes(certificate("sealgen_UTTS5B"))
    for identifier, reference in (
        ("UTTS", "5C"),
        ("UTTX", "5B"),
        ("DETS", "5B"),
        ("UTTS", ""),
        ("UTTS", "XYZ"),
        ("UTTS", "5B".rjust(65, "0")),
    ):
        assert store.find(identifier, reference) == ()


def test_bad_file_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(certificate("sealgen_UTTS5B"))
    (tmp_path / "b.der").write_bytes(b"\x30\x03\x02\x01\x00")
    (tmp_path / "c.pem").write_bytes(certificate("sealgen_DETS32").replace(b"\nM", b"\nA", 1))
    (tmp_path / "d.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----")
    (tmp_path / "huge").write_bytes(bytes(1024 * 1024 + 1))
    store = SealSignerStore.load(tmp_path, tmp_path / "nowhere")
    assert [signer.identifier for signer in store.signers] == ["UTTS"]
    assert sorted(fault.split(":")[0] for fault in store.faults) == [
        "b.der",
        "c.pem",
        "d.pem",
        "huge",
        "nowhere",
    ]


def test_bad_one_of_many_is_named(tmp_path: Path) -> None:
    broken = with_malformed_validity(issue(Key("secp256r1"), country="LT", common="TS"))
    body = base64.encodebytes(broken)
    block = b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
    (tmp_path / "all.pem").write_bytes(certificate("sealgen_UTTS5B") * 411 + block)

    store = SealSignerStore.load(tmp_path)

    assert len(store.signers) == 1
    assert store.faults == ("all.pem, entry 412 of 412 (C=LT, CN=TS): a certificate is malformed",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "this is a ZIP archive: unpack it"),
        (b"<html>Log in</html>", "this is a web page and no certificate"),
        (b'{"certificates": []}', "this is a JSON file and no certificate"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "this is a private key"),
    ],
    ids=["zip", "page", "json", "key"],
)
def test_unusable_file_is_described(content: bytes, words: str) -> None:
    (fault,) = SealSignerStore.from_bytes(content).faults
    assert fault.startswith(f"entry 1: {words}")


@pytest.mark.parametrize("value", [encode(0x13, b"key 1"), b"", b"\x04\x14\x01"])
def test_wrong_key_identifier_is_not_needed(value: bytes) -> None:
    csca = issue(Key("secp256r1"))
    signer = issue(Key("secp256r1"), issuer=csca, common="TS", key_id_value=value)

    store = SealSignerStore.from_bytes(signer.der)

    assert (store.faults, [known.identifier for known in store.signers]) == ((), ["UTTS"])


@pytest.mark.parametrize("purpose", ["2.23.136.1.1.14.2", "2.23.136.1.1.3"])
def test_purpose_is_read_beside_wrong_identifier(purpose: str) -> None:
    usage = sequence(oid("2.5.29.37"), encode(0x04, sequence(oid(purpose))))
    signer = issue(
        Key("secp256r1"),
        issuer=issue(Key("secp256r1")),
        common="TS",
        key_id_value=b"\x04\x14\x01",
        more_extensions=(usage,),
    )
    assert may_sign_json(Certificate.parse(signer.der)) is (purpose == "2.23.136.1.1.14.2")


def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "signer.pem").write_bytes(certificate("sealgen_UTTS5B"))
    store = SealSignerStore.load(tmp_path)
    assert len(store.signers) == 1


def test_store_without_signers_is_empty() -> None:
    assert SealSignerStore().is_empty
    assert SealSignerStore(trust=TrustStore()).is_empty
    assert not SealSignerStore.from_bytes(certificate("sealgen_UTTS5B")).is_empty
    assert not SealSignerStore(trust=TrustStore.from_bytes(certificate("csca_aus"))).is_empty


def test_single_file() -> None:
    assert len(SealSignerStore.load(SAMPLES / "sealgen_DETS32.pem").signers) == 1
