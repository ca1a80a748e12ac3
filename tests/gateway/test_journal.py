"""The audit at the post: a line a record, bounded, read back by the console."""

from pathlib import Path

import pytest

from gateway.console.audit import newest
from gateway.contract.gateway_events import ClockStepped, TechnicianActed, TechnicianOrder
from gateway.local.records import AUDIT_FILE, AUDIT_FILES
from gateway.technician import journal, technicians
from gateway.technician.journal import Journal

FOLDER_OF_THE_AUDIT = (technicians.AUDIT_FILE, technicians.AUDIT_FILES)


def acted(detail: str) -> TechnicianActed:
    return TechnicianActed(
        who="amina", standing="technician", via="socket", order=TechnicianOrder.CHECK, detail=detail
    )


async def test_records_are_kept_in_bounded_files_and_read_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FOLDER_OF_THE_AUDIT == (AUDIT_FILE, AUDIT_FILES)
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
