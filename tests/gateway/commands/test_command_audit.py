"""Records of decisions: one at once, and one for all that are like it within a window."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.gateway.deliveries import until

from drivers.observation import Observation
from gateway.commands import audit
from gateway.commands.audit import MAX_WINDOWS, CommandAudit
from gateway.contract.commands import CommandState
from gateway.contract.events import ClaimChange, ClaimChanged, CommandDecided, CommandEnded
from gateway.contract.reason_codes import CommandReason
from gateway.contract.topics import Position

HERE, THERE = Position("lane-1", "barrier"), Position("lane-2", "barrier")


def refusal(**changed: Any) -> CommandDecided:
    """A refused command; alike unless station, verb, decision or reason differ."""
    told = {"cmd_id": "c1", "station": "guard", "verb": "open", "decision": "rejected", "reason": "claimed"}
    return CommandDecided.model_validate(
        {"holder": None, "command_seq": 1, "args": {}, "remaining_ms": None} | told | changed
    )


@dataclass
class Book:
    """Recorded events, with their positions."""

    records: list[tuple[Position, Any, str]] = field(default_factory=list)

    def record(self, position: Position, observation: Observation, transaction: str) -> None:
        self.records.append((position, observation, transaction))

    @property
    def counts(self) -> list[int]:
        return [entry.count for _, entry, _ in self.records]


@pytest.fixture
def book() -> Book:
    return Book()


async def test_each_is_recorded_by_itself(book: Book) -> None:
    made = CommandAudit(book.record)
    for number in range(3):
        made.record(HERE, refusal(), f"t{number}", singly=True)
    made.stop()

    assert [(where, said.count, told) for where, said, told in book.records] == [
        (HERE, 1, "t0"),
        (HERE, 1, "t1"),
        (HERE, 1, "t2"),
    ]


async def test_alike_are_counted_until_the_end(book: Book) -> None:
    made = CommandAudit(book.record)
    for number in range(4):
        made.record(HERE, refusal(cmd_id=f"c{number}", command_seq=number + 1), f"t{number}", singly=False)
    assert book.counts == [1]
    made.stop()
    made.stop()

    assert book.counts == [1, 3]
    where, last, transaction = book.records[-1]
    assert (where, last.cmd_id, last.command_seq, transaction) == (HERE, "c3", 4, "t3")
    assert 0 <= last.window_s < 10


async def test_single_one_is_not_repeated(book: Book) -> None:
    made = CommandAudit(book.record)
    made.record(HERE, refusal(), "t", singly=False)
    made.stop()

    assert book.counts == [1]


ENDED = CommandEnded(
    cmd_id="c1",
    station="guard",
    verb="open",
    state=CommandState.FAILED,
    reason=CommandReason.CLAIMED,
    duration_ms=1,
)


@pytest.mark.parametrize(
    ("position", "other"),
    [
        (THERE, refusal()),
        (HERE, refusal(station="counter-1")),
        (HERE, refusal(verb="close")),
        (HERE, refusal(decision="expired")),
        (HERE, refusal(reason="busy")),
        (HERE, ENDED),
        (HERE, ENDED.model_copy(update={"state": CommandState.REJECTED})),
    ],
)
async def test_other_kinds_are_recorded_at_once(book: Book, position: Position, other: Any) -> None:
    made = CommandAudit(book.record)
    made.record(HERE, refusal(), "t", singly=False)
    made.record(position, other, "t", singly=False)
    assert book.counts == [1, 1]
    made.stop()


async def test_kinds_beyond_many_are_counted_together(book: Book) -> None:
    made = CommandAudit(book.record)
    for number in range(MAX_WINDOWS):
        made.record(HERE, refusal(station=f"s{number}"), "t", singly=False)
    assert len(book.records) == MAX_WINDOWS
    for number in range(5):
        made.record(HERE, refusal(station=f"late-{number}"), "t", singly=False)
    assert len(book.records) == MAX_WINDOWS + 1
    made.record(THERE, refusal(station="late"), "t", singly=False)
    assert len(book.records) == MAX_WINDOWS + 2, "each device by itself"
    made.record(HERE, refusal(station="s0"), "t", singly=False)
    made.stop()

    assert book.counts[MAX_WINDOWS + 2 :] == [1, 4]


async def test_windows_follow_each_other(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """While any come, each window ends with a record; after a quiet one, the next is recorded at once."""
    monkeypatch.setattr(audit, "WINDOW_S", 0.05)
    made = CommandAudit(book.record)
    for _ in range(3):
        made.record(HERE, refusal(), "t", singly=False)
    await until(lambda: len(book.records) == 2)
    assert 0.04 < book.records[-1][1].window_s < 5
    made.record(HERE, refusal(), "t", singly=False)
    assert len(book.records) == 2
    await until(lambda: len(book.records) == 3)
    await until(lambda: not made._windows)
    made.record(HERE, refusal(), "t", singly=False)

    assert book.counts == [1, 2, 1, 1]
    made.stop()


async def test_windows_end_in_turn(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "WINDOW_S", 0.3)
    made = CommandAudit(book.record)
    for _ in range(2):
        made.record(HERE, refusal(), "t", singly=False)
    monkeypatch.setattr(audit, "WINDOW_S", 60.0)
    for _ in range(2):
        made.record(THERE, refusal(), "t", singly=False)
    await until(lambda: len(book.records) == 3)

    assert [where for where, _, _ in book.records] == [HERE, THERE, HERE]
    made.stop()
    assert [where for where, _, _ in book.records][3:] == [THERE]


async def test_claims_are_recorded_and_logged(book: Book) -> None:
    change = ClaimChanged(change=ClaimChange.RELEASED, holder=None, previous_holder="guard", lease_s=None)
    with capture_logs() as logs:
        CommandAudit(book.record).on_claim_changed(HERE, change)
        CommandAudit(book.record).on_claim_changed(HERE, change)

    assert [(where, said) for where, said, _ in book.records] == [(HERE, change)] * 2
    assert len({transaction for _, _, transaction in book.records}) == 2
    told = {"event": "claim_changed", "device": "lane-1/barrier", "state": "released", "station": "guard"}
    assert logs[0] | {"log_level": ""} == told | {"log_level": ""}


async def test_decisions_and_ends_are_logged(book: Book) -> None:
    made = CommandAudit(book.record)
    with capture_logs() as logs:
        made.record(HERE, refusal(), "t", singly=True)
        made.record(HERE, ENDED, "t", singly=True)

    assert [(log["event"], log["state"], log["reason"]) for log in logs] == [
        ("command_decided", "rejected", "claimed"),
        ("command_ended", "failed", "claimed"),
    ]
    assert {(log["device"], log["station"], log["verb"], log["count"]) for log in logs} == {
        ("lane-1/barrier", "guard", "open", 1)
    }
