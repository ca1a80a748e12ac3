"""Judge of a reader's outputs: known violations, and what is excused."""

import pytest
from adversary.barrier.judge.pulse_rules import judge_pulses
from adversary.barrier.judge.records import (
    Answer,
    BoardFacts,
    Command,
    Contact,
    Device,
    DoorFacts,
    LaneFacts,
    Life,
    Record,
    Trouble,
    Truth,
    Wire,
)

FACTS = LaneFacts(
    boards={"relays": BoardFacts("osdp", "text", 5, {"longest_s": {0: 1.0}})},
    relays_on="relays",
    doors=(DoorFacts("", 0, None, None, {}),),
    signals={},
    ends_pulse="board",
)


def out(at_s: float, tenths: int = 5, code: int = 5, number: int = 1) -> Wire:
    """Return a frame OUT for output 0."""
    data = bytes.fromhex("ff53050c000668") + bytes([0, code, tenths, 0]) + b"\0\0"
    return Wire(at_s, "relays", number, "to-board", data, 1, True)


def rules(*records: Record, state: str = "done", answered_s: float = 1.2) -> set[tuple[int, str]]:
    """Judge a command at 1.0 s with a deadline at 2.0 s, and these records."""
    command = Command(1.0, "c1", "pulse", {"output": 0, "duration_s": 0.5}, "counter-1", 2.0, 1)
    answer = Answer(answered_s, "c1", state, "", "", {})
    begun = (Life(0.0, 1, "started"), Device(0.1, "online"), command, answer, Truth(9.0, "end"))
    return {(one.invariant, one.rule) for one in judge_pulses(FACTS, [*begun, *records])}


def test_pulse_of_a_command_breaks_nothing() -> None:
    assert rules(out(1.1), Contact(1.1, "relays", 0, True, "command", 1)) == {(7, "stays on")}
    closed = Contact(1.1, "relays", 0, True, "command", 1), Contact(1.6, "relays", 0, False, "pulse_ended", 1)
    assert rules(out(1.1), *closed) == set()


@pytest.mark.parametrize(
    ("wires", "broken"),
    [
        ([out(1.1), out(1.15, number=2)], (2, "written twice")),
        ([out(1.5)], (3, "after its answer")),
        ([out(1.1, code=2)], (7, "not a pulse")),
        ([out(1.1, tenths=30)], (7, "long pulse")),
        ([out(0.5)], (6, "unasked")),
        ([], (1, "answer is not true")),
    ],
)
def test_wrong_pulse_is_found(wires: list[Wire], broken: tuple[int, str]) -> None:
    assert broken in rules(*wires)


def test_pulse_after_its_deadline_is_found() -> None:
    assert rules(out(2.5), state="failed", answered_s=3.0) == {(3, "stale")}


@pytest.mark.parametrize("discards", [False, True])
def test_pulse_kept_by_an_adapter(discards: bool) -> None:
    """A host cannot empty every adapter: then it has done what it can."""
    stall = Trouble(1.05, "stall", 4.0, {"discards": discards})
    found = rules(out(4.0), stall, state="failed", answered_s=1.7)
    assert found == ({(3, "stale")} if discards else set())
