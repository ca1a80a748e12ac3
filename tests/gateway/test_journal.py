"""The audit at the post: a line a record, bounded, read back by the console."""

from pathlib import Path

import pytest

from gateway.console.audit import newest
from gateway.contract.gateway_events import ClockStepped, TechnicianActed, TechnicianOrder
from gateway.local.audit_files import AUDIT_FILE, AUDIT_FILES
from gateway.technician import journal
from gateway.technician.journal import Journal


def acted(detail: str) -> TechnicianActed:
    return TechnicianActed(
        who="amina", standing="technician", via="socket", order=TechnicianOrder.CHECK, detail=detail
    )


async def test_records_are_kept_in_bounded_files_and_read_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FILE_BYTES", 2000)
    kept = Journal(tmp_path / AUDIT_FILE, AUDIT_FILES)
    kept.note("lane-1/reader", ClockStepped(step_ms=1, standing="synced", first_synced=True), 1)
    for number in range(100):
        kept.note("lane-1/reader", acted(str(number)), 1_795_422_930_000_000_000 + number)
        await kept.stop()

    assert AUDIT_FILES - 1 <= len(list(tmp_path.iterdir())) <= AUDIT_FILES
    entries = newest(tmp_path, 20)
    assert [entry.data["detail"] for entry in entries] == [str(number) for number in range(99, 79, -1)]
    assert {(entry.position, entry.type) for entry in entries} == {("lane-1/reader", "technician.acted")}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < AUDIT_FILES * 2500
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


async def test_half_a_line_that_a_power_cut_left_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / AUDIT_FILE).write_bytes(b'{"at":"2026-11-2')
    kept = Journal(tmp_path / AUDIT_FILE, AUDIT_FILES)
    kept.note("lane-1/reader", acted("after"), 1_795_422_930_000_000_000)
    await kept.stop()

    assert [entry.data["detail"] for entry in newest(tmp_path, 20)] == ["after"]
