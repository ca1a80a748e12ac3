"""Retention: expired files are removed and recorded, but never by an unsynchronised clock."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.gateway.deliveries import FakeTime

from gateway.audit import writer as audit_log
from gateway.audit.hash_chain import audit_files
from gateway.audit.journal import AuditJournal
from gateway.audit.verify import verify
from gateway.config.model import RetentionSection
from gateway.console.api.audit import newest
from gateway.contract.envelope import ClockStatus
from gateway.contract.events import TechnicianOperation, TechnicianOperationPerformed
from gateway.management.retention import RetentionJob
from gateway.pki.jws import Signer, Verifier

KEY = Ed25519PrivateKey.generate()
DAY_S = 86_400.0


class RetentionFixture:
    """A state directory, its audit, and the retention job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = FakeTime()
        self.journal = AuditJournal(folder, "_gw/gw-1", self.time, Signer(KEY).sign)
        settings = RetentionSection(audit_days=24, diagnostics_days=14, recordings_days=7)
        self.keeping = RetentionJob(folder, "_gw/gw-1", lambda: settings, self.journal, self.time)

    def put(self, name: str, age_days: float) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"12345")
        written_ns = self.time.wall - int(age_days * DAY_S * 1e9)
        os.utime(path, ns=(written_ns, written_ns))
        return path

    async def acted(self) -> None:
        acted = TechnicianOperationPerformed(
            user="amina", role="technician", channel="socket", operation=TechnicianOperation.CHECK
        )
        self.journal.record("lane-1/reader", acted)
        await self.journal.stop()


async def test_expired_files_removed_and_recorded(tmp_path: Path) -> None:
    kept = RetentionFixture(tmp_path)
    old = [kept.put("outbox/outbox.db.outbox_corrupt-1", 15), kept.put("recordings/a.wire", 8)]
    young = [kept.put("outbox/outbox.db.outbox_corrupt-2", 13), kept.put("recordings/b.wire", 6)]
    young.append(kept.put("outbox/outbox.db", 400))  # the outbox has its own expiry
    kept.time.clock = ClockStatus.UNSYNCED
    await kept.keeping.run_once()
    assert all(path.exists() for path in [*old, *young])
    kept.time.clock = ClockStatus.SYNCED
    await kept.keeping.run_once()
    await kept.journal.stop()
    assert [path.exists() for path in [*old, *young]] == [False] * 2 + [True] * 3
    removed = [entry.data for entry in newest(tmp_path, 9) if entry.type == "retention.removed"]
    assert [(data["class"], data["files"], data["bytes"]) for data in removed] == [
        ("recordings", 1, 5),
        ("diagnostics", 1, 5),
    ]


async def test_pruned_audit_still_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = RetentionFixture(tmp_path)
    for _ in range(30):  # days; a file is closed every two days
        await kept.acted()
        await kept.keeping.run_once()
        kept.time.advance(DAY_S)
    files = audit_files(tmp_path)
    assert 6 <= len(files) <= 13
    await kept.journal.stop()
    verdict = verify(tmp_path, Verifier([KEY.public_key()]))
    assert (verdict.tampering, verdict.first_unverified) == (None, None)
    assert verdict.pruned > 0
    assert verdict.first is not None
    assert "audit.pruned" in {entry.type for entry in newest(tmp_path, 500)}
    monkeypatch.setattr(audit_log, "MAX_FILE_BYTES", 2 * 1024 * 1024)  # then only the newest file fits
    kept.keeping._retention = lambda: RetentionSection(audit_max_mib=2)
    await kept.keeping.run_once()
    assert len(audit_files(tmp_path)) == 1
    assert verify(tmp_path, Verifier([KEY.public_key()])).tampering is None
