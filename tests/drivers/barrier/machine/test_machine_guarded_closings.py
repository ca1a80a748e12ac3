"""Movements that are guarded against a person in the way, and those that are not."""

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import BETWEEN, BOTH, CLOSED, NO_STOP, OPEN, REOPEN, MachineFixture

from drivers.barrier.control.actuation import RELEASE, ActuationKind
from drivers.barrier.observations import (
    AlarmKind,
)


@pytest.mark.parametrize("control", ["", "key"])
def test_flicker_of_the_limit_it_has_left_hides_no_closing(control: str) -> None:
    """A commanded closing has not ended, whatever the open limit shows for less than half a second."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.9)
    machine.sense(22, OPEN)
    machine.sense(22.2, OPEN, presence=True)
    machine.sense(22.4, BETWEEN, presence=True, inputs={"key_switch": control == "key"})
    assert AlarmKind.NOT_STARTED not in machine.alarms
    assert REOPEN in machine.machine.due(22.4)


def test_flicker_at_the_end_of_a_closing_hides_no_person() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, CLOSED, presence=True)
    machine.sense(20.6, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    assert AlarmKind.FORCED_OPEN not in machine.alarms
    assert machine.machine.due(20.6) == (RELEASE,)


def test_flicker_at_the_start_of_a_closing_hides_no_person() -> None:
    """Closed by a flicker when it is commanded, and by others until it counts as done: it may close still."""
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, BETWEEN)
    machine.sense(20.2)
    machine.write(machine.close(20.3).actuation or RELEASE, 20.3)
    for now_s in (20.4, 20.6, 20.8):
        machine.sense(now_s)
    machine.sense(21, BETWEEN)
    machine.sense(21.2, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    assert machine.machine.due(21.2) == (RELEASE,)


@pytest.mark.parametrize("then", ["later", "opened"])
def test_closed_door_that_opens_is_not_taken_for_closing(then: str) -> None:
    machine = MachineFixture()
    machine.sense(20)
    machine.write(machine.close(20.3).actuation or RELEASE, 20.3)
    for now_s in (20.4, 20.6, 20.9):
        machine.sense(now_s)
    left_s = 23.0
    if then == "opened":
        machine.sense(left_s)
        machine.write(machine.open(left_s).actuation or RELEASE, left_s)
    else:
        left_s = 40.0
        machine.sense(left_s - 0.2)
    machine.sense(left_s + 0.2, BETWEEN)
    machine.sense(left_s + 0.4, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING not in machine.alarms
    assert (AlarmKind.FORCED_OPEN in machine.alarms) is (then == "later")


def test_every_movement_is_guarded() -> None:
    """A person in the way of a second closing, without an end between the two."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    machine.stop(20.5)
    machine.sense(21.5, BETWEEN)
    machine.relays(21.5)
    machine.sense(25, BETWEEN)
    machine.write(machine.close(25).actuation or RELEASE, 25)
    machine.sense(25.2, BETWEEN, presence=True)

    assert machine.alarms.count(AlarmKind.OBSTRUCTION_WHILE_CLOSING) == 2
    assert machine.machine.due(25.2) == (RELEASE,)


def test_door_moving_at_start_is_guarded() -> None:
    machine = MachineFixture()
    machine.sense(10, BETWEEN)
    assert machine.alarms == [AlarmKind.MOVING_AT_START]
    machine.sense(10.2, BETWEEN, presence=True)

    assert machine.alarms[1:] == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]
    assert machine.machine.due(10.2) == (REOPEN,)


@pytest.mark.parametrize(("left_s", "opens"), [(22.0, True), (29.0, False)])
def test_door_that_leaves_its_closed_end_while_it_may_close_is_reopened(left_s: float, opens: bool) -> None:
    """A shorted wire of the closed limit looks like an end, and then like a forced opening."""
    machine = MachineFixture(close_timeout_s=8)
    machine.closing(20)
    machine.relays(20.6)
    for now_s in (21.2, 21.4, 21.6, left_s - 0.2):
        machine.sense(now_s, CLOSED)
    machine.sense(left_s, BETWEEN, presence=True)
    assert (REOPEN in machine.machine.due(left_s)) is opens
    assert AlarmKind.FORCED_OPEN in machine.alarms


@pytest.mark.parametrize(("came_s", "opens"), [(22.4, True), (29.0, False)])
def test_closing_that_starts_late_while_both_limits_are_made_is_reopened(came_s: float, opens: bool) -> None:
    """It has not started in time; a shorted wire hides whether it has started since."""
    machine = MachineFixture(close_timeout_s=8)
    machine.opened(10)
    machine.sense(20, OPEN)
    machine.write(machine.close(20).actuation or RELEASE, 20)
    for now_s in (20.2, 20.8, 21.6):
        machine.sense(now_s, OPEN)
    assert machine.alarms == [AlarmKind.NOT_STARTED]
    machine.relays(21.6)
    machine.sense(21.8, BOTH)
    machine.sense(came_s - 0.2, BOTH)
    machine.sense(came_s, BOTH, presence=True)
    assert (REOPEN in machine.machine.due(came_s)) is opens
    assert (AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms) is opens


def test_closed_door_whose_limits_are_both_made_is_not_reopened() -> None:
    """It was closed by the command before a wire was shorted."""
    machine = MachineFixture(close_timeout_s=8)
    machine.closing(20)
    machine.relays(20.6)
    for now_s in (22.2, 22.4, 22.8):
        machine.sense(now_s, CLOSED)
    machine.sense(23, BOTH)
    machine.sense(23.2, BOTH, presence=True)
    assert machine.machine.due(23.2) == ()


def test_door_that_rests_between_its_ends_is_not_reopened() -> None:
    """It has left its closed end while it may close, and has reached none since."""
    machine = MachineFixture(open_timeout_s=8, close_timeout_s=8)
    machine.closing(20)
    machine.relays(20.6)
    for now_s in (21.2, 21.4, 21.6, 21.8):
        machine.sense(now_s, CLOSED)
    for now_s in (22, 26, 31):
        machine.sense(now_s, BETWEEN)
    machine.sense(31.2, BETWEEN, presence=True)
    assert machine.machine.due(31.2) == ()


def test_door_that_did_not_open_is_not_reopened() -> None:
    """It was between its ends at the start, and was commanded to open since: it does not close."""
    machine = MachineFixture(open_timeout_s=6, close_timeout_s=10)
    machine.sense(0, BETWEEN)
    machine.sense(10.4, BETWEEN)
    machine.open(10.5)
    machine.sense(16.7, BETWEEN)
    machine.sense(17, BETWEEN, presence=True)
    assert machine.machine.due(17) == ()


def test_closing_from_between_is_guarded_in_an_emergency() -> None:
    """A machine that no fire alarm opens goes on closing, though its opening was stopped before."""
    machine = MachineFixture()
    machine.sense(10)
    machine.open(10)
    machine.sense(10.5, BETWEEN)
    machine.stop(11)
    for n in range(15):
        machine.sense(11.2 + 0.2 * n, BETWEEN)
    machine.write(machine.close(14).actuation or RELEASE, 14)
    machine.sense(14.1, BETWEEN, inputs={"emergency": True})
    machine.sense(14.7, BETWEEN, inputs={"emergency": True}, presence=True)
    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    machine.relays(15)
    machine.sense(15.1, BETWEEN, inputs={"emergency": True}, presence=True)
    assert ActuationKind.REOPEN in {one.kind for at_s in (15.1, 15.5) for one in machine.machine.due(at_s)}


def test_closing_by_controller_after_a_brief_opening_is_guarded() -> None:
    """The commanded opening is not confirmed yet when the machine's own controller closes again."""
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(11.2, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    assert machine.machine.due(11.2) == (REOPEN,)
