"""Signers of seals from the operator's files."""

from pathlib import Path

from seal_samples import SAMPLES, certificate

from drivers.passport.emrtd import TrustStore
from drivers.passport.seals.store import SealSignerStore


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
