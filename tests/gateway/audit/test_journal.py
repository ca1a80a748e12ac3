"""Audit journal: one line per record, chained and signed, read by the console."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.gateway.deliveries import FakeTime

from gateway.audit import journal
from gateway.audit import writer as audit_log
from gateway.audit.hash_chain import AUDIT_FILE, audit_files
from gateway.audit.journal import AuditJournal
from gateway.audit.verify import verify
from gateway.console.api.audit import newest
from gateway.contract.events import ClockStepped, TechnicianOperation, TechnicianOperationPerformed
from gateway.pki.jws import Signer, Verifier

KEY = Ed25519PrivateKey.generate()


def acted(detail: str) -> TechnicianOperationPerformed:
    return TechnicianOperationPerformed(
        user="amina", role="technician", channel="socket", operation=TechnicianOperation.CHECK, detail=detail
    )


def kept(folder: Path) -> AuditJournal:
    return AuditJournal(folder, "_gw/gw-1", FakeTime(), Signer(KEY).sign)


async def test_records_read_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MAX_FILE_BYTES", 4000)
    audit = kept(tmp_path)
    audit.record("lane-1/reader", ClockStepped(step_ms=1, clock_status="synced", first_synced=True))
    for number in range(40):
        audit.record("lane-1/reader", acted(str(number)), "traveller-7")
        if number % 5 == 0:
            await audit.stop()
    await audit.stop()

    assert len(audit_files(tmp_path)) > 2
    entries = newest(tmp_path, 20)
    assert [entry.data["detail"] for entry in entries] == [str(number) for number in range(39, 19, -1)]
    assert {(entry.position, entry.type) for entry in entries} == {("lane-1/reader", "technician.operation")}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    verdict = verify(tmp_path, Verifier([KEY.public_key()]))
    assert (verdict.tampering, verdict.first_unverified) == (None, None)


async def test_torn_line_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / AUDIT_FILE).write_bytes(b'{"at":"2026-11-2')
    audit = kept(tmp_path)
    audit.record("lane-1/reader", acted("after"))
    await audit.stop()

    entries = newest(tmp_path, 20)
    assert [entry.type for entry in entries] == ["technician.operation", "audit.resumed"]
    assert verify(tmp_path, Verifier([KEY.public_key()])).torn_lines == 1


async def test_lines_signed_within_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "CHECKPOINT_S", 0.01)
    audit = kept(tmp_path)
    audit.record("lane-1/reader", acted("once"))
    file = tmp_path / AUDIT_FILE
    while (
        not file.exists()
        or not file.stat().st_size  # opened, and nothing written yet
        or verify(tmp_path, Verifier([KEY.public_key()])).first_unverified
    ):
        await asyncio.sleep(0.005)
    size = file.stat().st_size
    await audit.stop()
    assert file.stat().st_size == size  # nothing new, so no further checkpoint


async def test_full_disk_queues_then_counts_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_PENDING_LINES", 3)
    audit = kept(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(audit_log, "_write_all", full)
        for number in range(5):
            audit.record("lane-1/reader", acted(str(number)))
        await audit.stop()
    await audit.stop()
    found = [(entry.type, entry.data) for entry in newest(tmp_path, 20)]
    assert found[0] == ("audit.lines_dropped", {"lines": 2})
    assert [data["detail"] for _, data in found[1:]] == ["2", "1", "0"]


async def test_flush_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked, sync = threading.Event(), os.fdatasync

    def block(fd: int) -> None:
        blocked.wait(10)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", block)
    audit = kept(tmp_path)
    audit.record("lane-1/barrier", acted("one"))
    flushed = audit.flush()
    await asyncio.wait((flushed,), timeout=0.05)
    assert not flushed.done()
    blocked.set()
    assert await flushed
    assert [entry.data["detail"] for entry in newest(tmp_path, 20)] == ["one"]
    assert await audit.flush()  # nothing waits
    await audit.stop()


async def test_flush_tells_a_refusal(tmp_path: Path) -> None:
    (tmp_path / AUDIT_FILE).mkdir()
    audit = kept(tmp_path)
    audit.record("lane-1/barrier", acted("one"))
    assert not await audit.flush()
    (tmp_path / AUDIT_FILE).rmdir()
    audit.record("lane-1/barrier", acted("two"))
    assert await audit.flush()
    assert [entry.data["detail"] for entry in newest(tmp_path, 20)] == ["two", "one"]
    await audit.stop()
