"""Inputs that no machine gives: chatter, and a door that reaches no limit switch."""

import pytest
from machine_fixture import BETWEEN, BOTH, CLOSED, OPEN, MachineFixture

from drivers.barrier.observations import (
    AlarmKind,
    BarrierState,
    MovementState,
    StateReason,
)


@pytest.mark.parametrize(("fourth_s", "chatters"), [(11.0, True), (11.01, False)])
def test_four_changes_within_a_second_are_chatter(fourth_s: float, chatters: bool) -> None:
    machine = MachineFixture()
    machine.sense(9.9)
    for now_s, presence in ((10.0, True), (10.3, False), (10.6, True)):
        machine.sense(now_s, presence=presence)
    assert machine.state.reason is StateReason.LIMIT_SWITCHES, "three changes may be a person"
    machine.sense(fourth_s)

    assert (machine.state.reason is StateReason.CHATTER) is chatters
    machine.sense(fourth_s + 1.9)
    assert (machine.state.reason is StateReason.CHATTER) is chatters
    machine.sense(fourth_s + 2.0)
    assert machine.state.reason is StateReason.LIMIT_SWITCHES


def test_chatter_lasts_from_the_latest_change() -> None:
    machine = MachineFixture()
    for turn in range(5):
        machine.sense(10 + turn / 4, presence=turn % 2 == 1)
    assert machine.state.reason is StateReason.CHATTER
    machine.sense(12.9, presence=True)
    machine.sense(14.8, presence=True)
    assert machine.state.reason is StateReason.CHATTER
    machine.sense(15, presence=True)
    assert machine.state.reason is StateReason.LIMIT_SWITCHES
    assert machine.alarms == [AlarmKind.IMPLAUSIBLE_INPUTS]


def test_chatter_is_reported_once_a_second() -> None:
    machine = MachineFixture()
    for turn in range(40):
        machine.sense(10 + turn / 10, presence=turn % 2 == 1)

    assert 3 <= sum(said.reason is StateReason.CHATTER for said in machine.of(BarrierState)) <= 4


def test_chatter_freezes_no_input() -> None:
    machine = MachineFixture()
    for turn in range(10):
        machine.sense(10 + turn / 10, presence=turn % 2 == 1)
    assert machine.state.doors[0].closed_limit
    for turn in range(10, 22):
        machine.sense(10 + turn / 10, BETWEEN, presence=turn % 2 == 1)

    assert machine.state.reason is StateReason.CHATTER
    assert not machine.state.doors[0].closed_limit


@pytest.mark.parametrize(
    ("left", "now_s", "state", "why"),
    [
        (CLOSED, 16.0, MovementState.OPENING, StateReason.LIMIT_SWITCHES),
        (CLOSED, 16.1, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (CLOSED, 19.0, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (CLOSED, 19.1, MovementState.FAULT, StateReason.NO_LIMIT),
        (OPEN, 18.0, MovementState.CLOSING, StateReason.LIMIT_SWITCHES),
        (OPEN, 18.1, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (OPEN, 22.0, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (OPEN, 22.1, MovementState.FAULT, StateReason.NO_LIMIT),
        (None, 18.0, MovementState.UNKNOWN, StateReason.LIMIT_SWITCHES),
        (None, 18.1, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (BOTH, 18.0, MovementState.UNKNOWN, StateReason.LIMIT_SWITCHES),
    ],
)
def test_between_its_ends(
    left: tuple[bool, bool] | None, now_s: float, state: MovementState, why: StateReason
) -> None:
    machine = MachineFixture()
    if left is not None:
        machine.sense(9, left)
    machine.sense(10, BETWEEN)
    machine.sense(now_s, BETWEEN)

    assert (machine.state.state, machine.state.reason) == (state, why)


def test_not_arriving_is_alarmed_once() -> None:
    machine = MachineFixture()
    machine.sense(9, OPEN)
    for now_s in (10, 18.1, 19, 30):
        machine.sense(now_s, BETWEEN)
    assert machine.alarms == [AlarmKind.NOT_ARRIVED, AlarmKind.IMPLAUSIBLE_INPUTS]
    machine.sense(31, OPEN)
    for now_s in (32, 41):
        machine.sense(now_s, BETWEEN)
    assert machine.alarms[2:] == [AlarmKind.NOT_ARRIVED]
