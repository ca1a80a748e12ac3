"""Supervision of movements: arrival, return, and stops."""

from typing import Any

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import BETWEEN, CLOSED, NO_STOP, OPEN, MachineFixture

from drivers.barrier.commands import OpenBarrier, SetMaintenance
from drivers.barrier.control.actuation import Actuation, ActuationKind
from drivers.barrier.control.doors.movement import MovementResult
from drivers.barrier.observations import (
    AlarmKind,
    BarrierState,
    MovementState,
)
from drivers.command import RefusalReason


@pytest.mark.parametrize(("until_s", "alarms"), [(22.4, []), (22.5, [AlarmKind.NOT_STARTED])])
def test_door_that_returns_ends_its_movement(until_s: float, alarms: list[AlarmKind]) -> None:
    """Once the limit that it had left is steady."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(22, OPEN)
    machine.sense(until_s, OPEN)
    assert machine.alarms == alarms


def test_stopped_between_its_ends() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    machine.sense(21, BETWEEN)
    assert machine.state.state is MovementState.CLOSING, "it may still brake"
    machine.sense(21.1, BETWEEN)
    assert machine.state.state is MovementState.STOPPED
    machine.sense(29, BETWEEN)
    assert machine.state.state is MovementState.STOPPED
    machine.sense(30, OPEN)
    machine.sense(31, BETWEEN)
    machine.sense(40, BETWEEN)
    assert machine.state.state is MovementState.BLOCKED, "the stop is over once an end was reached"


@pytest.mark.parametrize(
    "other",
    [{"local_button": True}, {"key_switch": True}, {"emergency": True}, {"controller_ok": False}, None],
)
@pytest.mark.parametrize("begins_s", [20.8, 21.4])
def test_stopped_door_that_something_else_may_move_is_unknown(
    begins_s: float, other: dict[str, bool] | None
) -> None:
    """The open button, local control (None: a lease), a fire alarm, or its own controller, until 22 s."""
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    for now_s in (20.8, 21.2, 21.4, 21.6, 22.0, 23.0, 60.0):
        if other is None and now_s == begins_s:
            machine.ask(SetMaintenance(duration_s=1, reason="a test"), now_s)
        machine.sense(now_s, BETWEEN, inputs=other if begins_s <= now_s < 22 else None)
        shown = machine.state.doors[0].state
        if now_s >= 21.2:
            is_moved = now_s >= begins_s
            assert shown is (MovementState.UNKNOWN if is_moved else MovementState.STOPPED), now_s
    machine.sense(61, OPEN)
    machine.sense(62, BETWEEN)
    assert machine.state.doors[0].state is MovementState.CLOSING


def test_stopped_door_that_its_button_moves_is_left_alone() -> None:
    """The gateway's own closing is over, so that a person in the way is one of the local movement."""
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    machine.sense(21.2, BETWEEN)
    machine.sense(21.4, BETWEEN, inputs={"local_button": True})
    machine.sense(21.6, BETWEEN, presence=True)

    assert machine.machine.due(21.6) == ()
    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING not in machine.alarms


def test_stop_begins_anew_with_each_command() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    machine.sense(21.4, BETWEEN, inputs={"local_button": True})
    machine.stop(22)
    machine.sense(22.6, BETWEEN)
    assert machine.state.state is MovementState.STOPPED


@pytest.mark.parametrize("left_s", [21.1, 21.2, 21.3])
def test_door_that_leaves_its_end_after_a_stop_is_not_shown_as_stopped(left_s: float) -> None:
    """It has come there while it braked; a button, or the motor, moves it at the time of the proof."""
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    for now_s in (20.9, 21.0, 21.1, 21.2, 21.3, 21.4):
        machine.sense(now_s, CLOSED if now_s < left_s else BETWEEN)
    assert machine.state.state is MovementState.CLOSING, "the limit may have been a flicker"


def test_stop_at_rest_is_forgotten() -> None:
    machine = MachineFixture()
    machine.sense(10, OPEN)
    machine.stop(11)
    machine.sense(11.7, OPEN)
    machine.sense(12, BETWEEN)
    machine.sense(21, BETWEEN)

    assert machine.state.state is MovementState.BLOCKED


def test_stop_ends_a_movement() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    machine.sense(10.6, BETWEEN)
    machine.stop(10.7)
    machine.sense(11.2, BETWEEN)
    assert travel.result is None, "it may still arrive"
    machine.sense(11.4, BETWEEN)

    assert (travel.result, travel.ended_s) == (MovementResult.STOPPED, 11.4)


def test_arrival_despite_a_stop_is_told() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    travel = machine.close(20).movement
    assert travel is not None
    machine.sense(20.6, BETWEEN)
    machine.take(machine.machine.on_stop(20.7))
    machine.sense(22, CLOSED)
    assert travel.result is None, "it may be a flicker"
    machine.sense(22.5, CLOSED)

    assert travel.result is MovementResult.ARRIVED_DESPITE_STOP


def test_stop_is_repeated_until_acknowledged() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.take(machine.machine.on_stop(20.5))
    stop = Actuation(ActuationKind.STOP)
    assert machine.machine.due(20.5) == (stop,)
    machine.machine.on_writing(stop, 20.5)
    assert machine.machine.due(20.6) == ()
    machine.machine.on_unanswered(stop, 20.8)
    assert machine.machine.due(20.8) == (stop,)
    machine.sense(21.1, BETWEEN)
    assert machine.alarms == [AlarmKind.STOP_NOT_ACKNOWLEDGED]
    machine.write(stop, 21.2)
    assert machine.machine.due(21.2) == ()


def test_stop_is_repeated_if_the_door_leaves_its_end() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    machine.close(20)
    machine.stop(20.1)
    machine.sense(20.4, BETWEEN)

    assert machine.machine.due(20.4) == (Actuation(ActuationKind.STOP),)


def test_stop_is_repeated_if_the_door_has_left_its_end_by_the_first_reading_after_braking() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    machine.close(20)
    machine.stop(20.1)
    machine.sense(20.6, OPEN)
    machine.sense(20.8, BETWEEN)

    assert machine.machine.due(20.8) == (Actuation(ActuationKind.STOP),)
    assert machine.state.state is not MovementState.STOPPED


@pytest.mark.parametrize("wiring", [ONE_DOOR, ONE_DOOR | NO_STOP])
def test_stop_is_not_repeated_long_after_it(wiring: dict[str, Any]) -> None:
    """A hand moves the door: trial 53058 at wirenboard-tcp."""
    machine = MachineFixture(wiring)
    machine.opened(10)
    machine.stop(11)
    machine.relays(11.2)
    for now_s in (11.4, 11.6, 11.8, 14.0):
        machine.sense(now_s, OPEN)
    machine.sense(14.2, BETWEEN)

    assert machine.machine.due(14.2) == ()


def test_arrival() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    assert (travel.door, travel.goal, travel.start_state) == (0, MovementState.OPEN, MovementState.CLOSED)
    machine.sense(10.5, BETWEEN)
    assert machine.refusal(OpenBarrier(), 10.5) is RefusalReason.BUSY
    machine.sense(11, OPEN)
    assert travel.result is None, "it may be a flicker"
    machine.sense(11.5, OPEN)

    assert (travel.result, travel.ended_s) == (MovementResult.ARRIVED, 11)
    carried = [said.transaction for said in machine.of(BarrierState) if said.transaction]
    assert carried == ["t1", "t1"]
