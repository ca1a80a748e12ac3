"""Breach report: the facts it takes from lines of the audit."""

from typing import Any

import pytest

from gateway.audit.breach_report import FAMILY_CATEGORIES, TRAVELLER_READS, BreachReport, build_report
from gateway.audit.hash_chain import (
    LINES_DROPPED,
    RESUMED,
    STARTED,
    STOPPED,
    AuditLine,
    ChainHead,
    format_line,
    line_hash,
    parse_line,
)

READER, CAMERA = "lane-1/reader", "lane-1/camera"


def at(minute: int) -> str:
    return f"2026-11-28T{8 + minute // 60:02d}:{minute % 60:02d}:00.000000Z"


class Record:
    """Lines of a hash chain."""

    def __init__(self) -> None:
        self.lines: list[AuditLine] = []
        self._head = ChainHead()

    def add(
        self, minute: int, kind: str, data: dict[str, Any], position: str = READER, transaction: str = ""
    ) -> "Record":
        raw = format_line(self._head, at(minute), position, kind, data, transaction=transaction)
        line = parse_line(raw)
        assert line is not None
        self._head = ChainHead(line.n, line_hash(raw))
        self.lines.append(line)
        return self

    def between(self, since: int, until: int, session: str | None = None) -> BreachReport:
        return build_report(self.lines, at(since), at(until), session)


def decided(station: str | None, verb: str, decision: str = "accepted", **more: Any) -> dict[str, Any]:
    return {"station": station, "verb": verb, "decision": decision, **more}


def test_window_includes_only_its_start():
    record = Record().add(0, STOPPED, {})
    for minute in (9, 10, 19, 20):
        record.add(minute, "command.decided", decided("lane-1", "open"))
    found = record.between(10, 20)
    assert found.lines == 2
    (person,) = found.actors.values()
    assert (person.name, person.kind, person.first, person.last) == ("lane-1", "station", at(10), at(19))
    assert (found.since, found.until) == (at(10), at(20))
    assert found.incomplete == []


def test_reads_are_added_by_family_and_position():
    record = Record().add(0, STOPPED, {})
    record.add(
        10, TRAVELLER_READS, {"from": at(5), "reads": {"passport_reader": {READER: 2}, "camera": {CAMERA: 1}}}
    )
    record.add(
        11, TRAVELLER_READS, {"from": at(10), "reads": {"passport_reader": {READER: 3, "lane-2/reader": 1}}}
    )
    record.add(12, TRAVELLER_READS, {"from": at(11), "reads": {"toaster": 9, "camera": 4}})
    record.add(13, TRAVELLER_READS, {"from": at(12), "reads": {"camera": {CAMERA: "many"}}})
    found = record.between(5, 20)
    assert found.reads == {
        "passport_reader": {READER: 5, "lane-2/reader": 1},
        "camera": {CAMERA: 1},
    }
    assert found.max_transactions == 7
    assert found.incomplete == []
    plain = found.to_json()
    assert plain["data_classes"] == sorted(
        (FAMILY_CATEGORIES["camera"], FAMILY_CATEGORIES["passport_reader"])
    )
    assert list(plain["reads"]) == ["camera", "passport_reader"]
    assert plain["sessions_at_most"] == 7


@pytest.mark.parametrize(
    ("minute", "begun", "counted", "uncertainty"),
    [
        (10, 5, 1, ["part of these reads took place before the window"]),
        (10, 6, 1, []),
        (20, 19, 1, ["part of these reads took place after the window"]),
        (20, 20, 0, []),
        (25, 19, 1, ["part of these reads took place after the window"]),
    ],
)
def test_reads_across_an_edge_are_uncertain(minute, begun, counted, uncertainty):
    record = Record().add(0, STOPPED, {})
    for _ in range(2):
        record.add(minute, TRAVELLER_READS, {"from": at(begun), "reads": {"camera": {CAMERA: 1}}})
    found = record.between(6, 20)
    assert found.max_transactions == 2 * counted
    assert found.incomplete == uncertainty  # once
    assert found.lines == (2 if minute < 20 else 0)


def test_reads_without_start_count_by_their_line():
    record = Record().add(0, STOPPED, {}).add(10, TRAVELLER_READS, {"reads": {"camera": {CAMERA: 1}}})
    assert record.between(5, 20).incomplete == []
    assert record.between(1, 5).max_transactions == 0


def test_operations_of_stations():
    record = Record().add(0, STOPPED, {})
    record.add(1, "command.decided", decided("lane-1", "open"), READER, "t-1")
    record.add(2, "command.decided", decided("lane-1", "open", count=3), CAMERA, "t-1")
    record.add(3, "command.decided", decided("lane-1", "open", "rejected"))
    record.add(4, "command.decided", decided("lane-1", "stop", "expired", count="x"))
    record.add(5, "claim.changed", {"holder": "lane-2", "change": "taken"}, READER, "t-1")
    record.add(6, "claim.changed", {"previous_holder": "lane-2", "change": "released"})
    record.add(7, "command.decided", decided(None, "open"))
    found = record.between(0, 60)
    assert {who: dict(person.operations) for (_, who), person in found.actors.items()} == {
        "lane-1": {"open": 4, "open refused": 1, "stop refused": 1},
        "lane-2": {"claim taken": 1, "claim released": 1},
        "unknown": {"open": 1},
    }
    assert {kind for kind, _ in found.actors} == {"station"}
    plain = found.to_json()
    assert plain["people"][0] == {
        "who": "lane-1",
        "kind": "station",
        "first": at(1),
        "last": at(4),
        "did": {"open": 4, "open refused": 1, "stop refused": 1},
        "positions": [CAMERA, READER],
    }
    assert plain["sessions"] == [
        {
            "transaction": "t-1",
            "first": at(1),
            "last": at(5),
            "positions": [CAMERA, READER],
            "who": ["lane-1", "lane-2"],
        }
    ]


def test_operations_of_technicians():
    record = Record().add(0, STOPPED, {})
    record.add(
        1,
        "technician.operation",
        {"user": "amina", "operation": "trace_reveal", "reason": "vendor asks"},
        READER,
        "t",
    )
    record.add(2, "technician.operation", {"user": "amina", "operation": "check"}, CAMERA)
    found = record.between(0, 60)
    ((key, person),) = found.actors.items()
    assert key == ("technician", "amina")
    assert (person.kind, dict(person.operations)) == ("technician", {"trace_reveal": 1, "check": 1})
    assert found.transactions == {}
    assert found.to_json()["wires_revealed"] == [
        {"at": at(1), "position": READER, "who": "amina", "reason": "vendor asks"}
    ]


@pytest.mark.parametrize("kind", [LINES_DROPPED, RESUMED])
def test_missing_lines_are_reported(kind):
    record = Record().add(0, STOPPED, {}).add(3, kind, {})
    assert record.between(0, 60).incomplete == [f"lines are missing or incomplete at line 2 of {at(3)}"]


def test_active_run_is_reported():
    """The run that was active at the start of the window and those started in it, each once."""
    record = Record()
    record.add(1, STARTED, {"session": "a", "traveller_to_hq": True}).add(2, STOPPED, {})
    record.add(3, STARTED, {"session": "b"}).add(10, "x", {}).add(11, "x", {}).add(12, STOPPED, {})
    record.add(13, STARTED, {"session": "c"}).add(14, STOPPED, {})
    found = record.between(10, 20)
    assert [(run["session"], run["at"]) for run in found.runs] == [("b", at(3)), ("c", at(13))]
    assert found.recipients == ["the post's broker: the stations that its access list allows to read"]
    assert found.incomplete == []
    earlier = record.between(1, 3)
    assert [run["session"] for run in earlier.runs] == ["a"]
    assert "headquarters" in earlier.recipients
    assert len(earlier.to_json()["recipients"]) == 2


def test_run_without_stop_is_reported():
    record = Record().add(1, STARTED, {"session": "a"}).add(5, STARTED, {"session": "b"}).add(6, STOPPED, {})
    cut = [f"the run before {at(5)} ended without a checkpoint: up to an hour of reads is not counted"]
    assert record.between(5, 20).incomplete == cut
    assert record.between(1, 20).incomplete == cut
    assert record.between(6, 20).incomplete == []


def test_present_run_is_reported():
    record = Record().add(1, STARTED, {"session": "a"})
    assert record.between(1, 20).incomplete == [
        "the gateway is running: reads since its last checkpoint are not counted yet"
    ]


def test_audit_that_begins_late_is_reported():
    record = Record().add(10, STOPPED, {})
    assert record.between(10, 20).incomplete == []
    assert record.between(9, 20).incomplete == [f"the audit begins at {at(10)}, later than the window"]
    assert Record().between(9, 20).incomplete == ["the audit begins at no time, later than the window"]


def test_one_transaction_or_run():
    record = Record().add(1, STARTED, {"session": "a"})
    record.add(2, "command.decided", decided("lane-1", "open"), READER, "t-1")
    record.add(3, "command.decided", decided("lane-2", "open"), READER, "t-2").add(4, STOPPED, {})
    record.add(5, STARTED, {"session": "b"})
    record.add(6, "command.decided", decided("lane-3", "open"), READER, "t-3").add(7, STOPPED, {})
    assert [who for _, who in record.between(0, 60, "t-2").actors] == ["lane-2"]
    assert [who for _, who in record.between(0, 60, "a").actors] == ["lane-1", "lane-2"]
    assert record.between(0, 60, "b").lines == 3


def test_transaction_before_any_start():
    record = Record().add(1, "command.decided", decided("lane-1", "open"), READER, "t-1").add(2, STOPPED, {})
    assert record.between(0, 60, "t-1").lines == 1
    assert record.between(0, 60, "t-1").runs == []


def test_empty_report_as_json():
    assert BreachReport("a", "b").to_json() == {
        "from": "a",
        "to": "b",
        "audit_lines": 0,
        "runs": [],
        "data_classes": [],
        "sessions_at_most": 0,
        "reads": {},
        "recipients": ["the post's broker: the stations that its access list allows to read"],
        "people": [],
        "sessions": [],
        "wires_revealed": [],
        "incomplete": [],
    }
