"""States that are reported: of one door and of two, with every input, once."""

import pytest
from machine_fixture import BETWEEN, BOTH, CLOSED, OPEN, MachineFixture, gate

from drivers.barrier.control.actuation import Decision
from drivers.barrier.observations import (
    BarrierState,
    MovementState,
    StateReason,
)


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (CLOSED, CLOSED, MovementState.CLOSED),
        (CLOSED, OPEN, MovementState.OPEN),
        (OPEN, CLOSED, MovementState.OPEN),
        (CLOSED, BETWEEN, MovementState.OPENING),
    ],
)
def test_graver_door_counts(
    first: tuple[bool, bool], second: tuple[bool, bool], state: MovementState
) -> None:
    machine = gate()
    machine.sense(10, CLOSED, CLOSED)
    machine.sense(11, first, second)

    assert machine.state.state is state
    assert [door.door for door in machine.state.doors] == ["first", "second"]


def test_faulty_door_is_named() -> None:
    machine = gate()
    machine.sense(10, CLOSED, BOTH)

    assert [door.state for door in machine.state.doors] == [MovementState.CLOSED, MovementState.FAULT]
    assert (machine.state.state, machine.state.reason) == (MovementState.FAULT, StateReason.BOTH_LIMITS)


def test_report_has_every_input() -> None:
    machine = MachineFixture()
    machine.sense(10, OPEN, inputs={"key_switch": True}, presence=True, entry_side=True)
    (door,) = machine.state.doors
    sensed = (door.open_limit, door.closed_limit, door.presence, door.entry_side, door.exit_side)
    assert sensed == (True, False, True, True, False)
    assert (machine.state.emergency, machine.state.key_switch, machine.state.controller_ok) == (
        False,
        True,
        True,
    )


def test_stale_is_reported_once() -> None:
    machine = MachineFixture()
    assert machine.machine.on_link_lost() == Decision()
    machine.sense(10)
    (stale,) = machine.machine.on_link_lost().observations
    assert isinstance(stale, BarrierState)
    assert (stale.state, stale.reason, stale.stale) == (MovementState.UNKNOWN, StateReason.LINK_LOST, True)
    assert stale.doors[0].state is MovementState.UNKNOWN
    assert stale.doors[0].closed_limit, "the inputs are the last ones read"
    assert machine.machine.on_link_lost() == Decision()


def test_same_state_is_reported_once() -> None:
    machine = MachineFixture()
    for now_s in (10, 10.2, 10.4):
        machine.sense(now_s)
    assert len(machine.said) == 1
    machine.sense(10.6, entry_side=True)
    assert len(machine.said) == 2
