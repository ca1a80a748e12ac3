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


@pytest.mark.parametrize(("at_s", "broken"), [(2.01, set()), (2.03, {(3, "stale")})])
def test_pulse_after_its_deadline_is_found(at_s: float, broken: set[tuple[int, str]]) -> None:
    assert rules(out(at_s), state="failed", answered_s=3.0) == broken


@pytest.mark.parametrize(("at_s", "broken"), [(1.21, set()), (1.23, {(3, "after its answer")})])
def test_pulse_after_its_answer_is_found(at_s: float, broken: set[tuple[int, str]]) -> None:
    assert rules(out(at_s), state="failed", answered_s=1.2) == broken


@pytest.mark.parametrize(
    ("at_s", "discards", "until_s", "broken"),
    [
        (2.29, True, 4.0, set()),
        (2.31, True, 4.0, {(3, "stale")}),
        (2.29, True, 2.1, {(3, "stale")}),
        (4.09, False, 4.0, set()),
        (4.11, False, 4.0, {(3, "stale")}),
        (4.0, True, 4.0, {(3, "stale")}),
    ],
)
def test_pulse_kept_by_an_adapter(
    at_s: float, discards: bool, until_s: float, broken: set[tuple[int, str]]
) -> None:
    """A host cannot empty every adapter: then it has done what it can. Else it notices after 0.3 s."""
    stall = Trouble(1.05, "stall", until_s, {"discards": discards})
    assert rules(out(at_s), stall, state="failed", answered_s=4.5) == broken


def test_pulse_after_a_stall_belongs_to_the_command_that_waits() -> None:
    """An earlier command that came to nothing does not own it, although an adapter may keep its frame."""
    earlier = Command(0.2, "c0", "pulse", {"output": 0, "duration_s": 0.5}, "counter-1", 0.5, 1)
    failed = Answer(0.5, "c0", "failed", "", "", {})
    stall = Trouble(0.9, "stall", 1.05, {"discards": False})
    assert rules(out(1.1), earlier, failed, stall) == set()


@pytest.mark.parametrize(("is_kept", "broken"), [(True, set()), (False, {(4, "survives its life")})])
def test_pulse_of_an_earlier_process_is_found(is_kept: bool, broken: set[tuple[int, str]]) -> None:
    """An adapter that has kept its frame excuses it."""
    lives = Life(1.1, 1, "killed"), Life(1.5, 2, "started")
    stall = Trouble(1.05, "stall", 1.9, {"discards": not is_kept})
    found = rules(out(1.9), stall, *lives, state="failed", answered_s=3.0)
    assert found & {(4, "survives its life"), (3, "stale")} == broken


@pytest.mark.parametrize(
    ("to_s", "relay", "welded", "broken"),
    [
        (2.19, 0, None, False),
        (2.21, 0, None, True),
        (3.0, 0, (1.0, 1.11), False),
        (3.0, 0, (0.5, 1.09), True),
        (3.0, 1, (1.0, 9.0), True),
        (3.0, 0, (3.1, 9.0), True),
    ],
)
def test_output_that_stays_on_is_found(
    to_s: float, relay: int, welded: tuple[float, float] | None, broken: bool
) -> None:
    """Longer than its longest pulse of 1 s, and 0.1 s: only its own weld excuses it."""
    closed = Contact(1.1, "relays", 0, True, "command", 1), Contact(to_s, "relays", 0, False, "command")
    troubles = [] if welded is None else [Trouble(welded[0], "welded-relay", welded[1], {"relay": relay})]
    assert ((7, "stays on") in rules(out(1.1), *closed, *troubles)) is broken


@pytest.mark.parametrize(("to_s", "broken"), [(3.29, False), (3.31, True)])
def test_second_pulse_prolongs_the_first(to_s: float, broken: bool) -> None:
    closed = Contact(1.1, "relays", 0, True, "command", 1), Contact(to_s, "relays", 0, False, "command")
    assert ((7, "stays on") in rules(out(1.1), out(1.5, number=2), *closed)) is broken


@pytest.mark.parametrize(
    ("end_s", "killed_s", "broken"),
    [(3.99, None, False), (4.01, None, True), (9.0, 3.99, False), (9.0, 4.01, True)],
)
def test_missing_answer_is_found(end_s: float, killed_s: float | None, broken: bool) -> None:
    """Due 2 s after the deadline at 2.0 s, while the process runs."""
    command = Command(1.0, "c1", "pulse", {"output": 0, "duration_s": 0.5}, "counter-1", 2.0, 1)
    records: list[Record] = [Life(0.0, 1, "started"), Device(0.1, "online"), command, Truth(end_s, "end")]
    if killed_s is not None:
        records.append(Life(killed_s, 1, "killed"))
    found = {(one.invariant, one.rule) for one in judge_pulses(FACTS, records)}
    assert found == ({(14, "no answer")} if broken else set())


@pytest.mark.parametrize(("state", "broken"), [("rejected", True), ("failed", False)])
def test_rejected_pulse_that_is_written_is_found(state: str, broken: bool) -> None:
    assert ((1, "answer is not true") in rules(out(1.1), state=state)) is broken
