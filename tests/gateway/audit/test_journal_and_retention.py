"""Journal: written lines and checkpoints. Retention: removal of old files in the state directory."""

import asyncio
import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.gateway.deliveries import FakeTime, until

from gateway.audit import journal, writer
from gateway.audit.hash_chain import audit_files, read_lines
from gateway.audit.journal import AuditJournal
from gateway.audit.writer import AuditRecord
from gateway.config.model import RetentionSection
from gateway.contract.envelope import ClockStatus, to_rfc3339
from gateway.contract.events import ClockStepped, TechnicianOperation, TechnicianOperationPerformed
from gateway.management import retention
from gateway.management.retention import RetentionJob
from gateway.pki.jws import Signer

KEY = Ed25519PrivateKey.generate()
GATEWAY = "_gw/gw-1"
DAY_S = 86_400


def acted(detail="x"):
    return TechnicianOperationPerformed(
        user="amina", role="technician", channel="socket", operation=TechnicianOperation.CHECK, detail=detail
    )


def lines(folder):
    return [json.loads(row.raw) for file in audit_files(folder) for row in read_lines(file)]


def types(folder):
    return [line["type"] for line in lines(folder)]


@pytest.fixture
def checkpoints():
    return []


@pytest.fixture
def audit_journal(tmp_path, checkpoints):
    return AuditJournal(
        tmp_path,
        GATEWAY,
        FakeTime(),
        Signer(KEY).sign,
        on_sealed=lambda head, why: checkpoints.append((head.n, why)),
    )


async def test_record_is_written_unchanged(audit_journal, tmp_path):
    audit_journal.record("lane-1/reader", acted("a"), "t-1")
    audit_journal.record("lane-1/reader", acted("b"), provenance="simulated")
    audit_journal.record("lane-1/reader", ClockStepped(step_ms=1, clock_status="synced", first_synced=True))
    await audit_journal.stop()
    first, second, seal = lines(tmp_path)
    assert (first["position"], first["transaction"], first["at"]) == (
        "lane-1/reader",
        "t-1",
        to_rfc3339(FakeTime().wall),
    )
    assert first["data"]["operation"] == "check"
    assert "provenance" not in first["data"]
    assert "attachments" not in first["data"]
    assert second["data"]["provenance"] == "simulated"
    assert seal["data"] == {"trigger": "stop"}


@pytest.mark.parametrize(("provenance", "expected"), [("live", {}), ("replay", {"provenance": "replay"})])
async def test_device_event_is_written(audit_journal, tmp_path, provenance, expected):
    event = {
        "data": {"kind": "forced", "attachments": [1]},
        "provenance": provenance,
        "transaction": "t-7",
    }
    audit_journal.on_event("lane-1/barrier", "barrier.alarm", json.dumps(event)[:-1].encode())
    await audit_journal.stop()
    line = lines(tmp_path)[0]
    assert (line["type"], line["position"], line["transaction"]) == ("barrier.alarm", "lane-1/barrier", "t-7")
    assert line["data"] == {"kind": "forced"} | expected


async def test_start_and_stop_are_recorded(audit_journal, tmp_path, checkpoints, monkeypatch):
    monkeypatch.setattr(journal, "START_RECORD_DELAY_S", 0.01)
    audit_journal.write_start({"session": "s"})
    assert not audit_files(tmp_path)
    await until(lambda: types(tmp_path) == ["gateway.started"])
    await audit_journal.stop()
    assert types(tmp_path) == ["gateway.started", "gateway.stopped", "audit.checkpoint"]
    start, stop, _ = lines(tmp_path)
    assert (start["data"], start["position"]) == ({"session": "s"}, GATEWAY)
    assert (stop["data"], stop["position"]) == ({}, GATEWAY)
    assert checkpoints == [(3, "stop")]
    await audit_journal.stop()
    assert len(types(tmp_path)) == 3
    assert checkpoints == [(3, "stop")]


async def test_start_is_written_with_first_record(audit_journal, tmp_path):
    audit_journal.write_start({})
    audit_journal.record("lane-1/reader", acted())
    await until(lambda: types(tmp_path) == ["gateway.started", "technician.operation"])
    await audit_journal.stop()


async def test_hour_is_summarised_and_signed(tmp_path, checkpoints, monkeypatch):
    monkeypatch.setattr(journal, "CHECKPOINT_S", 0.02)
    at = to_rfc3339(FakeTime().wall)
    audit_journal = AuditJournal(
        tmp_path,
        GATEWAY,
        FakeTime(),
        Signer(KEY).sign,
        summarise=lambda: [AuditRecord(at, GATEWAY, "traveller.reads", {})],
        on_sealed=lambda head, why: checkpoints.append(why),
    )
    audit_journal.record("lane-1/reader", acted())
    await until(lambda: checkpoints)
    assert types(tmp_path)[:3] == ["technician.operation", "traveller.reads", "audit.checkpoint"]
    assert checkpoints[0] == "hour"
    monkeypatch.setattr(journal, "CHECKPOINT_S", 3600)
    await audit_journal.stop()
    assert checkpoints[-1] == "stop"
    assert types(tmp_path)[-2:] == ["traveller.reads", "audit.checkpoint"]


async def test_order_after_disk_recovers(audit_journal, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write_all", full)
        audit_journal.record("lane-1/reader", acted("1"))
        await until(lambda: audit_journal._is_write_failing and audit_journal._task is None)
    audit_journal.record("lane-1/reader", acted("2"))
    await until(lambda: audit_journal._task is None)
    assert [line["data"]["detail"] for line in lines(tmp_path)] == ["1", "2"]
    assert not audit_journal._is_write_failing
    await audit_journal.stop()


async def test_failed_work_returns_none(audit_journal):
    def fail(*_):
        raise OSError(5, "broken")

    assert await audit_journal.run(fail) is None
    assert await audit_journal.run(lambda audit, at: at) == to_rfc3339(FakeTime().wall)


async def test_dropped_lines_are_recorded_once(audit_journal, tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MAX_PENDING_LINES", 2)
    for number in range(5):
        audit_journal.record("lane-1/reader", acted(str(number)))
    await until(lambda: audit_journal._task is None)
    audit_journal.record("lane-1/reader", acted("later"))
    await audit_journal.stop()
    assert types(tmp_path) == ["technician.operation"] * 2 + [
        "audit.lines_dropped",
        "technician.operation",
        "audit.checkpoint",
    ]
    assert lines(tmp_path)[2]["data"] == {"lines": 3}
    assert lines(tmp_path)[2]["position"] == GATEWAY


# Retention


class Folder:
    """A state directory with files of given ages, and its retention job."""

    def __init__(self, folder, audit, **wanted):
        self.folder, self.audit, self.time = folder, audit, FakeTime()
        settings = RetentionSection(audit_days=24, diagnostics_days=14, recordings_days=7, **wanted)
        self.job = RetentionJob(folder, GATEWAY, lambda: settings, audit, self.time)

    def put(self, name, age_s, content=b"12345"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
        written_ns = self.time.wall - age_s * 10**9
        os.utime(path, ns=(written_ns, written_ns))
        return path


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("outbox/outbox.db.corrupt-1", 14),
        ("outbox/outbox.db-wal.corrupt-1", 14),
        ("outbox/outbox.db-shm.corrupt-1", 14),
        ("bundles/a.zip", 14),
        ("recordings/a.wire", 7),
    ],
)
async def test_age_to_the_second(tmp_path, audit_journal, name, days):
    folder = Folder(tmp_path, audit_journal)
    old, young = folder.put(name, days * DAY_S + 1), folder.put(name + "2", days * DAY_S)
    await folder.job.run_once()
    assert (old.exists(), young.exists()) == (False, True)
    await audit_journal.stop()


async def test_removal_is_recorded(tmp_path, audit_journal):
    folder = Folder(tmp_path, audit_journal)
    folder.put("recordings/a.wire", 8 * DAY_S)
    folder.put("recordings/b.wire", 9 * DAY_S, b"1234567")
    whole = tmp_path / "recordings" / "c"
    whole.mkdir()
    (whole / "part").write_bytes(b"x")
    os.utime(whole, ns=(0, folder.time.wall - 10 * DAY_S * 10**9))
    link = tmp_path / "recordings" / "d"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    os.utime(link, ns=(0, folder.time.wall - 8 * DAY_S * 10**9), follow_symlinks=False)
    size = 12 + whole.lstat().st_size + link.lstat().st_size
    await folder.job.run_once()
    await audit_journal.stop()
    assert list((tmp_path / "recordings").iterdir()) == []
    assert elsewhere.exists()
    line = lines(tmp_path)[0]
    assert (line["type"], line["position"], line["at"]) == (
        "retention.removed",
        GATEWAY,
        to_rfc3339(folder.time.wall),
    )
    assert line["data"] == {
        "class": "recordings",
        "files": 4,
        "bytes": size,
        "oldest": to_rfc3339(folder.time.wall - 10 * DAY_S * 10**9),
        "kept_days": 7,
    }


async def test_unremovable_file_is_skipped(tmp_path, audit_journal, monkeypatch):
    folder = Folder(tmp_path, audit_journal)
    stuck, other = folder.put("recordings/a", 8 * DAY_S), folder.put("recordings/b", 8 * DAY_S)
    unlink = type(stuck).unlink

    def refuse(path, *more):
        if path == stuck:
            raise OSError(1, "not permitted")
        unlink(path, *more)

    monkeypatch.setattr(type(stuck), "unlink", refuse)
    await folder.job.run_once()
    await audit_journal.stop()
    assert (stuck.exists(), other.exists()) == (True, False)
    assert lines(tmp_path)[0]["data"]["files"] == 1


async def test_no_removal_is_not_recorded(tmp_path, audit_journal):
    folder = Folder(tmp_path, audit_journal)
    folder.put("recordings/a", 1)
    await folder.job.run_once()
    await audit_journal.stop()
    assert types(tmp_path) == []


@pytest.mark.parametrize(("age_s", "files"), [(2 * DAY_S, 1), (2 * DAY_S + 1, 2)])
async def test_audit_file_ends_after_a_twelfth(tmp_path, audit_journal, age_s, files):
    folder = Folder(tmp_path, audit_journal)
    audit_journal.record("lane-1/reader", acted())
    await audit_journal.stop()
    folder.time.advance(age_s)
    await folder.job.run_once()
    audit_journal.record("lane-1/reader", acted())
    await audit_journal.stop()
    assert len(audit_files(tmp_path)) == files


@pytest.mark.parametrize(("clock", "left"), [(ClockStatus.SYNCED, 1), (ClockStatus.UNSYNCED, 2)])
async def test_old_audit_needs_synced_clock(tmp_path, audit_journal, clock, left):
    folder = Folder(tmp_path, audit_journal)
    audit_journal.record("lane-1/reader", acted())
    await audit_journal.stop()
    await audit_journal.run(lambda audit, at: audit.close_file("age", at))
    folder.time.advance(24 * DAY_S + 1)
    folder.time.clock = clock
    audit_journal.record("lane-1/reader", acted())
    await audit_journal.stop()
    await folder.job.run_once()
    assert len(audit_files(tmp_path)) == left


async def test_large_audit_is_pruned_by_any_clock(tmp_path, audit_journal, monkeypatch):
    monkeypatch.setattr(writer, "MAX_FILE_BYTES", 2 * 1024 * 1024)
    folder = Folder(tmp_path, audit_journal, audit_max_mib=2)
    folder.time.clock = ClockStatus.UNSYNCED
    audit_journal.record("lane-1/reader", acted())
    await audit_journal.stop()
    await audit_journal.run(lambda audit, at: audit.close_file("age", at))
    await folder.job.run_once()
    assert types(tmp_path)[0] == "audit.pruned"


async def test_runs_repeatedly(tmp_path, audit_journal, monkeypatch):
    monkeypatch.setattr(retention, "FIRST_RUN_S", 0.01)
    monkeypatch.setattr(retention, "INTERVAL_S", 0.02)
    folder = Folder(tmp_path, audit_journal)
    folder.job.start()
    for _ in range(2):
        path = folder.put("recordings/a", 8 * DAY_S)
        await until(lambda path=path: not path.exists())
    await folder.job.stop()
    assert folder.job._task.done()
    await audit_journal.stop()


async def test_stop_without_start(tmp_path, audit_journal):
    await Folder(tmp_path, audit_journal).job.stop()
    await asyncio.sleep(0)
