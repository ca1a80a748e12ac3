"""Reopening of a door that closes on a person: when it is due, written again, and over."""

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import BETWEEN, BOTH, CLOSED, NO_STOP, OPEN, REOPEN, MachineFixture

from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind
from drivers.barrier.control.doors.movement import MovementResult
from drivers.barrier.observations import (
    AlarmKind,
    MovementState,
)


def test_reversal_waits_for_the_dead_time() -> None:
    """The closing contact is opened at once; the opening one waits for the dead time."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    assert machine.machine.due(20.4) == (RELEASE,)
    machine.write(RELEASE, 20.4)
    assert machine.machine.due(20.69) == ()
    assert machine.machine.next_due_s() == pytest.approx(20.7)
    assert machine.machine.due(20.7) == (REOPEN,)
    assert machine.alarms.count(AlarmKind.OBSTRUCTION_WHILE_CLOSING) == 1


def test_dead_time_begins_with_acknowledgement() -> None:
    """A release that the board has not acknowledged may not have opened the contact."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    machine.machine.on_writing(RELEASE, 20.4)
    assert machine.machine.due(20.4) == (), "it is being written"
    machine.machine.on_unanswered(RELEASE, 20.7)
    assert machine.machine.due(22) == (RELEASE,)
    machine.write(RELEASE, 22)
    assert machine.machine.due(22.3) == (REOPEN,)


def test_reading_proves_the_contact_open() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    machine.sense(21, BETWEEN, presence=True)

    assert machine.machine.due(21) == (REOPEN,)


def test_reopening_is_due_until_sensed() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.write(RELEASE, 20.3)
    machine.sense(20.7, BETWEEN, presence=True)
    machine.machine.on_writing(REOPEN, 20.7)
    machine.machine.on_refused(REOPEN, 20.7)
    assert machine.machine.due(20.7) == (REOPEN,), "the board was busy"
    machine.write(REOPEN, 20.8)
    machine.relays(21.5)
    for now_s, limits in ((21.0, CLOSED), (21.2, BETWEEN), (22.7, BETWEEN)):
        machine.sense(now_s, limits)
        assert machine.machine.due(now_s) == ()
    assert machine.machine.due(22.8) == (REOPEN,), "not sensed open in time"
    machine.write(REOPEN, 22.8)
    for now_s in (23.0, 23.2):
        machine.sense(now_s, OPEN)
    assert machine.machine.due(40) == ()


def test_open_limit_before_the_reopening_must_be_steady() -> None:
    """The door has not left it yet, or it flickers: the machine may still begin to close."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.2, OPEN, presence=True)
    machine.write(RELEASE, 20.2)
    machine.sense(20.4, OPEN, presence=True)
    assert machine.machine.due(20.5) == (REOPEN,)
    machine.sense(20.89, OPEN, presence=True)
    assert machine.machine.due(20.89) == (REOPEN,)
    machine.sense(20.9, OPEN, presence=True)
    assert machine.machine.due(20.9) == ()


@pytest.mark.parametrize(("limits", "due"), [(OPEN, ()), (BETWEEN, (REOPEN,))])
def test_reopening_ends_at_two_readings_since(limits: tuple[bool, bool], due: tuple[Actuation, ...]) -> None:
    """A single one may be a flicker: it keeps the reopening back, and does not end it."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.2, OPEN, presence=True)
    machine.write(RELEASE, 20.2)
    machine.sense(20.4, OPEN, presence=True)
    machine.write(REOPEN, 20.5)
    machine.relays(21.2)
    machine.sense(20.7, OPEN, presence=True)
    assert machine.machine.due(22.5) == ()
    machine.sense(20.9, limits, presence=True)
    machine.sense(21.1, BETWEEN)  # an open limit alone would keep it back as well
    assert machine.machine.due(22.5) == due


def test_reopening_ends_once_steadily_closed() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.write(RELEASE, 20.3)
    machine.sense(20.7, BETWEEN, presence=True)
    for now_s in (21.0, 21.2, 21.5):
        machine.sense(now_s)

    assert machine.machine.due(21.5) == ()


def test_reopens_at_every_closing() -> None:
    machine = MachineFixture()
    for began_s in (20, 60):
        machine.closing(began_s)
        machine.sense(began_s + 0.4, BETWEEN, presence=True)
        assert machine.machine.due(began_s + 0.4) == (RELEASE,)
        machine.write(RELEASE, began_s + 0.4)
        machine.sense(began_s + 0.5, OPEN)
        machine.sense(began_s + 5, OPEN)
        machine.sense(began_s + 6, BETWEEN)
        machine.sense(began_s + 7)


@pytest.mark.parametrize("why", ["key_switch", "relay", "other master"])
def test_obstructed_door_that_may_not_open_is_stopped(why: str) -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    if why == "relay":
        machine.relays(22, 1)
    if why == "other master":
        machine.relays(22, 0)
    inputs = {"key_switch": why == "key_switch"}
    machine.sense(22.2, BETWEEN, inputs=inputs, presence=True)

    assert Actuation(ActuationKind.STOP) in machine.machine.due(22.2)
    assert REOPEN not in machine.machine.due(22.2)
    machine.write(Actuation(ActuationKind.STOP), 22.2)
    for now_s, presence in ((22.6, True), (23, True), (24, False), (30, False)):
        machine.sense(now_s, BETWEEN, inputs=inputs, presence=presence)
        assert not {REOPEN, Actuation(ActuationKind.STOP)} & set(machine.machine.due(now_s))


def test_door_that_leaves_its_open_end_again_is_reopened() -> None:
    """Its button or a welded contact closes it as soon as the reopening has opened it."""
    machine = MachineFixture()
    machine.reopening(21)
    machine.sense(22.2, OPEN, presence=True)
    machine.sense(22.4, BETWEEN, presence=True)
    assert machine.machine.due(22.4) == (REOPEN,)

    machine.write(REOPEN, 22.4)
    machine.sense(22.6, OPEN, presence=True)
    machine.sense(22.8, BETWEEN, presence=True)
    assert machine.machine.due(22.8) == (), "the contact may still be closed"
    assert machine.machine.due(23.4) == (REOPEN,)


def test_reopening_that_arrives_is_not_repeated() -> None:
    """It is sensed open just when the reopening would be written again, and once more for good."""
    machine = MachineFixture()
    machine.reopening(21.3)
    machine.sense(23.3, OPEN)
    assert machine.machine.due(23.3) == ()
    machine.sense(23.5, OPEN)
    machine.sense(23.7, BOTH)
    assert machine.machine.due(26) == ()


def test_obstructed_door_opens_in_an_emergency() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    machine.sense(21, BETWEEN, inputs={"emergency": True}, presence=True)

    assert machine.machine.due(21) == (REOPEN,)


def test_does_not_reopen_after_a_stop() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    machine.sense(20.7, BETWEEN, presence=True)

    assert machine.machine.due(21.5) == ()
    assert machine.alarms.count(AlarmKind.OBSTRUCTION_WHILE_CLOSING) == 1


@pytest.mark.parametrize("person_s", [20.4, 20.7, 22.0])
def test_stop_without_contact_reopens(person_s: float) -> None:
    """A release stops no machine that runs on after its pulse: the person is still in its way."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.3)
    for now_s in (20.4, 20.6, 20.8, 21.0, 21.2, 21.4, 21.6, 21.8, 22.0):
        if now_s == 20.6:
            machine.stop(20.5)
        machine.sense(now_s, BETWEEN, presence=now_s >= person_s)

    assert machine.machine.due(22.4) == (REOPEN,)
    assert machine.state.state is not MovementState.STOPPED


def test_stop_at_the_open_end_without_contact_reopens() -> None:
    """The door leaves its end in spite of the stop. The repeated release does not delay the reopening."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.stop(20.1)
    machine.sense(20.2, OPEN)
    machine.relays(20.2)
    machine.sense(20.4, BETWEEN)
    assert machine.machine.due(20.4) == (RELEASE,)
    machine.sense(20.6, BETWEEN, presence=True)
    assert machine.machine.due(20.6) == (RELEASE, REOPEN)
    machine.write(RELEASE, 20.6)
    assert machine.machine.due(20.6) == (REOPEN,)
    assert AlarmKind.STOP_NOT_ACKNOWLEDGED not in machine.alarms


def test_released_closing_that_has_not_started_reopens_no_open_door() -> None:
    """Its frame was lost: trial 53046 at generic-watchdog. Once it starts nevertheless, it is guarded."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.opened(10)
    machine.sense(20, OPEN)
    step = machine.close(20)
    machine.machine.on_writing(step.actuation or RELEASE, 20)
    machine.machine.on_unanswered(step.actuation or RELEASE, 20.2)
    machine.stop(20.3)
    machine.relays(20.5)
    for now_s in (20.6, 21.4):
        machine.sense(now_s, OPEN)
    assert step.movement is not None
    assert step.movement.result is None, "it may still start"
    machine.sense(21.6, OPEN)
    assert step.movement.result is MovementResult.STOPPED
    machine.sense(22.6, OPEN, presence=True)
    assert machine.machine.due(22.6) == ()
    assert AlarmKind.NOT_STARTED not in machine.alarms

    machine.sense(22.8, BETWEEN, presence=True)
    assert REOPEN in machine.machine.due(22.8)


def test_reopening_ends_the_closing() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    travel = machine.close(20).movement
    assert travel is not None
    machine.sense(20.4, BETWEEN, presence=True)

    assert travel.result is MovementResult.REVERSED
