"""The audit that stays at the post: readable at once, bounded, and never in the gateway's way."""

import json
from pathlib import Path

from gateway.console.audit import newest
from gateway.contract.envelope import Clock
from gateway.contract.gateway_events import ClockStepped
from gateway.local.audit_files import AUDIT_FILE, AUDIT_FILES
from gateway.technician.journal import Journal

AT = "2026-11-28T08:15:30.000000Z"


def stepped(milliseconds: int) -> ClockStepped:
    return ClockStepped(step_ms=milliseconds, standing=Clock.SYNCED, first_synced=False)


def steps(folder: Path, limit: int = 10_000) -> list[int]:
    return [entry.data["step_ms"] for entry in newest(folder, limit)]


def test_what_is_written_is_read_newest_first_and_the_oldest_files_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path, longest_bytes=2000)
    for number in range(100):
        journal.write(AT, "_gw/gw-1", stepped(number))
    found = steps(tmp_path)
    assert found[:3] == [99, 98, 97]
    assert found == list(range(99, 99 - len(found), -1)), "none is missing in between"
    assert 20 < len(found) < 80
    assert len(list(tmp_path.iterdir())) <= AUDIT_FILES
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in tmp_path.iterdir())
    journal.close()
    assert newest(tmp_path, 1)[0].position == "_gw/gw-1"


def test_half_a_line_costs_only_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(AT, "_gw/gw-1", stepped(1))
    journal.close()
    with (tmp_path / AUDIT_FILE).open("a") as file:
        file.write('{"at":"2026-1')
    journal.write(AT, "_gw/gw-1", stepped(2))
    journal.close()
    assert steps(tmp_path) == [2, 1]
    assert json.loads((tmp_path / AUDIT_FILE).read_text().splitlines()[-1])["type"] == "clock.stepped"


def test_a_folder_that_cannot_be_written_holds_nobody_up(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal = Journal(folder)
    journal.write(AT, "_gw/gw-1", stepped(1))
    folder.mkdir()
    journal.write(AT, "_gw/gw-1", stepped(2))
    journal.close()
    assert steps(folder) == [2]
