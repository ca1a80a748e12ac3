"""Search of the audit's end for commands during which the gateway ended."""

from pathlib import Path
from typing import Any

import pytest

from gateway.audit import interrupted_commands, writer
from gateway.audit.hash_chain import AUDIT_FILE
from gateway.audit.interrupted_commands import find_interrupted_commands
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.contract.commands import CommandState
from gateway.contract.envelope import Provenance
from gateway.contract.reason_codes import CommandReason

AT = "2026-11-28T08:00:00.000000Z"
GATE = "lane-2/gate"


@pytest.fixture(autouse=True)
def _nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer.os, "fdatasync", lambda _: None)
    monkeypatch.setattr(writer.os, "fsync", lambda _: None)


@pytest.fixture
def audit(tmp_path: Path) -> AuditWriter:
    return AuditWriter(tmp_path, "_gw/gw-1", None)


def decided(cmd_id: str, decision: str = "accepted", position: str = GATE, **more: Any) -> AuditRecord:
    data = {"cmd_id": cmd_id, "station": "counter-1", "verb": "open", "decision": decision} | more
    return AuditRecord(AT, position, "command.decided", data, f"t-{cmd_id}")


def ended(cmd_id: str, position: str = GATE) -> AuditRecord:
    data = {"cmd_id": cmd_id, "station": "counter-1", "verb": "open", "state": "done"}
    return AuditRecord(AT, position, "command.ended", data)


def found(folder: Path) -> list[str]:
    return [one.record.cmd_id for one in find_interrupted_commands(folder)]


def test_accepted_command_without_end_is_found(audit: AuditWriter, tmp_path: Path) -> None:
    assert find_interrupted_commands(tmp_path) == []
    audit.write([decided("a"), ended("a"), decided("b", provenance="simulated")], AT)
    (one,) = find_interrupted_commands(tmp_path)
    assert (str(one.position), one.transaction, one.provenance) == (GATE, "t-b", Provenance.SIMULATED)
    record = one.record
    assert (record.cmd_id, record.station, record.verb) == ("b", "counter-1", "open")
    assert (record.state, record.reason) == (CommandState.FAILED, CommandReason.GATEWAY_LOST)
    assert record.duration_ms == 0


def test_recorded_end_is_not_found_again(audit: AuditWriter, tmp_path: Path) -> None:
    audit.write([decided("a"), decided("b")], AT)
    assert found(tmp_path) == ["a", "b"]
    audit.write([ended("a"), AuditRecord(AT, "_gw/gw-1", "gateway.started", {})], AT)
    assert found(tmp_path) == ["b"]
    audit.write([ended("b")], AT)
    assert found(tmp_path) == []


def test_end_of_another_device_does_not_count(audit: AuditWriter, tmp_path: Path) -> None:
    audit.write([decided("a"), ended("a", "lane-3/gate")], AT)
    assert found(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "record",
    [
        decided("a", "rejected"),
        decided("a", "done"),
        decided("a", count=7, window_s=60.0),
        decided("a", position="nowhere"),
        AuditRecord(AT, GATE, "command.decided", {"decision": "accepted"}),
        AuditRecord(
            AT, GATE, "command.decided", {"decision": "accepted", "cmd_id": 7, "station": [], "verb": 1}
        ),
    ],
    ids=["rejected", "done", "counted", "no-position", "no-command", "wrong-types"],
)
def test_other_record_is_no_interrupted_command(
    audit: AuditWriter, tmp_path: Path, record: AuditRecord
) -> None:
    audit.write([record], AT)
    assert found(tmp_path) == []


def test_search_spans_closed_file_and_torn_line(audit: AuditWriter, tmp_path: Path) -> None:
    audit.write([decided("a")], AT)
    audit.close_file("full", AT)
    audit.write([decided("b")], AT)
    with (tmp_path / AUDIT_FILE).open("ab") as file:
        file.write(b'{"n":3,"prev":"00","type":"command.dec')
    assert found(tmp_path) == ["a", "b"]


def test_search_is_bounded(audit: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupted_commands, "SEARCHED_BYTES", 2000)
    audit.write([decided("a"), *(AuditRecord(AT, GATE, "x", {}) for _ in range(20)), decided("b")], AT)
    assert found(tmp_path) == ["b"]
