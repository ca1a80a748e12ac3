"""Passages: direction, permit, tailgating, and a detector that misses them."""

from collections.abc import Sequence

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import CLOSED, OPEN, MachineFixture, gate

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier
from drivers.barrier.observations import (
    AlarmKind,
    BarrierAlarm,
    BarrierPassage,
    PassageDirection,
    StateReason,
)
from drivers.barrier.wiring import BarrierInputs, DoorInputs
from drivers.command import RefusalReason


def passed(machine: MachineFixture, began_s: float, before: Sequence[str], after: Sequence[str]) -> None:
    """Pass within half a second; `before` and `after`: sides with a person at its start and end."""
    machine.sense(began_s, OPEN, presence=True, **dict.fromkeys(before, True))
    machine.sense(began_s + 0.5, OPEN, **dict.fromkeys(after, True))


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (["entry_side"], [], PassageDirection.FORWARD),
        (["entry_side"], ["exit_side"], PassageDirection.FORWARD),
        (["entry_side"], ["entry_side", "exit_side"], PassageDirection.FORWARD),
        (["entry_side", "exit_side"], [], PassageDirection.FORWARD),
        (["entry_side"], ["entry_side"], PassageDirection.TURNED_BACK),
        (["exit_side"], [], PassageDirection.REVERSE),
        (["exit_side"], ["entry_side"], PassageDirection.REVERSE),
        (["exit_side"], ["exit_side"], PassageDirection.TURNED_BACK),
    ],
)
def test_direction(before: list[str], after: list[str], direction: PassageDirection) -> None:
    machine = MachineFixture()
    machine.opened(10)
    passed(machine, 12, before, after)

    assert machine.passages == [(direction, True, False)]
    assert machine.of(BarrierPassage)[0].duration_s == 0.5
    assert machine.of(BarrierPassage)[0].transaction == "t1"
    assert machine.alarms == ([AlarmKind.REVERSE_PASSAGE] if direction is PassageDirection.REVERSE else [])


def test_direction_unknown_without_loops() -> None:
    wiring = {
        key: value for key, value in ONE_DOOR["doors"][0].items() if key not in ("entry_side", "exit_side")
    }  # type: ignore[index]
    machine = MachineFixture(ONE_DOOR | {"doors": [wiring]})
    for now_s, limits, presence in ((10, CLOSED, False), (12, OPEN, True), (13, OPEN, False)):
        doors = (DoorInputs(*limits, presence=presence),)
        machine.take(machine.machine.on_inputs(BarrierInputs(doors, emergency=False), now_s))

    assert machine.passages == [(PassageDirection.UNKNOWN, False, False)]


def test_turned_back_keeps_the_permit() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["entry_side"])
    passed(machine, 14, ["entry_side"], ["exit_side"])
    passed(machine, 16, ["entry_side"], ["exit_side"])

    assert machine.passages == [
        (PassageDirection.TURNED_BACK, True, False),
        (PassageDirection.FORWARD, True, False),
        (PassageDirection.FORWARD, False, True),
    ]
    assert machine.alarms == [AlarmKind.TAILGATING]


def test_tailgating_names_its_door() -> None:
    machine = gate(permit_s=60)
    machine.sense(10, CLOSED, CLOSED)
    machine.open(10, "second")
    machine.sense(11, CLOSED, OPEN)
    for began_s in (12, 14):
        machine.sense(began_s, CLOSED, OPEN, presence=True)
        machine.sense(began_s + 0.5, CLOSED, OPEN)
    alarms = [(alarm.kind, alarm.door) for alarm in machine.of(BarrierAlarm)]

    assert alarms == [(AlarmKind.TAILGATING, "second")]


def test_turned_back_tailgates_nothing() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["exit_side"])
    passed(machine, 14, ["entry_side"], ["entry_side"])

    assert machine.passages[1] == (PassageDirection.TURNED_BACK, False, False)


def test_turned_back_after_stop_has_no_permit() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    machine.sense(12, OPEN, presence=True, entry_side=True)
    machine.stop(12.2)
    machine.sense(12.5, OPEN, entry_side=True)
    passed(machine, 14, ["entry_side"], ["exit_side"])

    assert machine.passages == [
        (PassageDirection.TURNED_BACK, True, False),
        (PassageDirection.FORWARD, False, True),
    ]


def test_who_left_does_not_come_back() -> None:
    """The person on the exit side has just passed: the next one does not come from there."""
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["exit_side"])
    machine.sense(14, OPEN, presence=True, exit_side=True)
    machine.sense(14.5, OPEN)
    assert machine.passages[1] == (PassageDirection.FORWARD, False, True)
    passed(machine, 16, ["exit_side"], [])
    assert machine.passages[2][0] is PassageDirection.REVERSE


def test_nobody_tailgates_in_an_emergency() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["exit_side"])
    machine.sense(14, OPEN, inputs={"emergency": True})
    machine.sense(15, OPEN, inputs={"emergency": True}, presence=True, entry_side=True)
    machine.sense(16, OPEN, inputs={"emergency": True})

    assert machine.passages[1] == (PassageDirection.FORWARD, False, False)
    assert AlarmKind.TAILGATING not in machine.alarms


def test_permit_of_an_earlier_opening_is_over() -> None:
    """The barrier has closed since: a passage on the button is no tailgating."""
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    machine.sense(12, OPEN)
    machine.sense(20)
    machine.sense(30, inputs={"local_button": True})
    passed(machine, 31, ["entry_side"], ["exit_side"])

    assert machine.passages == [(PassageDirection.FORWARD, False, False)]
    assert machine.alarms == []


def test_nobody_passes_a_closed_barrier() -> None:
    machine = MachineFixture()
    machine.sense(10, presence=True)
    machine.sense(11)

    assert machine.passages == []


def test_no_passages_while_a_contact_chatters() -> None:
    machine = MachineFixture()
    machine.opened(10)
    for turn in range(6):
        machine.sense(12 + turn / 10, OPEN, presence=turn % 2 == 0, entry_side=True)
    counted = len(machine.passages)
    for turn in range(6, 12):
        machine.sense(12 + turn / 10, OPEN, presence=turn % 2 == 0, entry_side=True)

    assert counted < 3
    assert len(machine.passages) == counted


def passed_unseen(machine: MachineFixture, from_s: float, first: str = "entry_side") -> None:
    """A vehicle passes the open barrier, and the presence detector does not sense it."""
    other = {"entry_side": "exit_side", "exit_side": "entry_side"}[first]
    machine.sense(from_s, OPEN, **{first: True})
    machine.sense(from_s + 1, OPEN)
    machine.sense(from_s + 2, OPEN, **{other: True})
    machine.sense(from_s + 3, OPEN)


@pytest.mark.parametrize("first", ["entry_side", "exit_side"])
def test_detector_missing_three_passages_closes_nothing(first: str) -> None:
    machine = MachineFixture(max_open_s=600)
    machine.opened(10)
    for passage in range(3):
        assert AlarmKind.PRESENCE_MISSED not in machine.alarms
        passed_unseen(machine, 20 + 10 * passage, first)
    machine.sense(60, OPEN)
    assert machine.alarms.count(AlarmKind.PRESENCE_MISSED) == 1
    assert StateReason.PRESENCE_MISSED in machine.machine.conditions(60)
    assert machine.refusal(CloseBarrier(), 60) is RefusalReason.UNSAFE
    machine.open(60)

    machine.ask(AcknowledgeEmergency(reason="looked"), 60)
    assert machine.refusal(CloseBarrier(), 60) is RefusalReason.UNSAFE, "it was not tested"
    machine.sense(70, OPEN, presence=True)
    machine.sense(71, OPEN)
    assert machine.refusal(CloseBarrier(), 71) is RefusalReason.UNSAFE, "a person must acknowledge"
    machine.ask(AcknowledgeEmergency(reason="looked"), 71)
    assert machine.close(71).actuation is not None


def test_sensed_passages_prove_the_detector() -> None:
    machine = MachineFixture(max_open_s=600)
    machine.opened(10)
    for passage in range(6):
        passed_unseen(machine, 20 + 10 * passage)
        if passage % 2:
            machine.sense(25 + 10 * passage, OPEN, presence=True)
            machine.sense(26 + 10 * passage, OPEN)

    assert AlarmKind.PRESENCE_MISSED not in machine.alarms


@pytest.mark.parametrize("gap_s", [20.0, 0.0])
def test_sides_without_a_passage_prove_nothing(gap_s: float) -> None:
    """Two vehicles that wait at the two sides, and vehicles that turn back."""
    machine = MachineFixture(max_open_s=600)
    machine.opened(10)
    for passage in range(5):
        from_s = 20.0 + 100 * passage
        machine.sense(from_s, OPEN, entry_side=True)
        machine.sense(from_s + 1, OPEN)
        if gap_s:
            machine.sense(from_s + 1 + gap_s, OPEN, exit_side=True)
            machine.sense(from_s + 2 + gap_s, OPEN)

    assert AlarmKind.PRESENCE_MISSED not in machine.alarms
