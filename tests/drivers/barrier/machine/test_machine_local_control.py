"""Local control: the key switch, and the lease of a technician."""

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import BETWEEN, NO_STOP, OPEN, REOPEN, STOP, MachineFixture

from drivers.barrier.commands import OpenBarrier, SetMaintenance
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind
from drivers.barrier.observations import (
    AlarmKind,
    MovementState,
    StateReason,
)
from drivers.command import RefusalReason


@pytest.mark.parametrize("control", ["lease", "key"])
def test_local_control_before_the_reopening_stops(control: str) -> None:
    """It begins in the dead time after the release, while the door closes on a person."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.2, BETWEEN, presence=True)
    machine.write(RELEASE, 20.2)
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=60, reason="a test"), 20.3)
    key = {"key_switch": control == "key"}
    machine.sense(20.4, BETWEEN, presence=True, inputs=key)
    assert machine.machine.due(20.4) == (Actuation(ActuationKind.STOP),)

    machine.write(Actuation(ActuationKind.STOP), 20.4)
    for now_s in (20.6, 21.2, 79, 90):
        machine.sense(now_s, BETWEEN, presence=True, inputs=key if now_s < 80 else {})
        assert machine.machine.due(now_s) == (), "local control has priority, and the door rests"


@pytest.mark.parametrize("control", ["lease", "key"])
def test_closing_of_an_earlier_run_is_stopped_under_local_control(control: str) -> None:
    """A door between its ends at the first reading may be closing by a command of the run before."""
    machine = MachineFixture()
    machine.sense(0, BETWEEN)
    key = {"key_switch": control == "key"}
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=60, reason="a test"), 1)
    machine.sense(1.2, BETWEEN, inputs=key)
    machine.sense(1.4, BETWEEN, presence=True, inputs=key)
    assert machine.machine.due(1.4) == (Actuation(ActuationKind.STOP),)


def test_local_closing_is_left_alone() -> None:
    """The key switch is turned: the person there closes it by its button."""
    machine = MachineFixture()
    machine.sense(10, OPEN, inputs={"key_switch": True})
    machine.sense(20, BETWEEN, inputs={"key_switch": True}, presence=True)

    assert machine.alarms == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]
    assert machine.machine.due(20) == ()


@pytest.mark.parametrize("control", ["lease", "key"])
def test_commanded_closing_reopens_under_local_control(control: str) -> None:
    """A lease or the key switch in the middle of it must not leave the boom to shut on a person."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.9)
    key = {"key_switch": control == "key"}
    machine.sense(21, BETWEEN, presence=True)
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=600, reason="a test"), 21.1)
    machine.sense(21.2, BETWEEN, presence=True, inputs=key)
    assert REOPEN in machine.machine.due(21.6)
    machine.sense(22, BETWEEN, inputs=key)
    assert REOPEN in machine.machine.due(22)


@pytest.mark.parametrize("has_stop", [False, True])
@pytest.mark.parametrize("control", ["lease", "key"])
def test_closing_whose_command_an_emergency_ended_is_guarded_under_local_control(
    control: str, has_stop: bool
) -> None:
    """No fire alarm opens this machine: it goes on closing on a person, whoever has the door by then."""
    machine = MachineFixture(ONE_DOOR if has_stop else ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.6)
    inputs = {"emergency": True, "key_switch": control == "key"}
    machine.sense(20.8, BETWEEN, inputs={"emergency": True})
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=600, reason="a test"), 20.9)
    machine.sense(21, BETWEEN, inputs=inputs)
    machine.sense(21.2, BETWEEN, presence=True, inputs=inputs)
    assert (STOP if has_stop else REOPEN) in machine.machine.due(21.6)


@pytest.mark.parametrize("control", ["lease", "key"])
def test_closing_that_starts_late_is_guarded_under_local_control(control: str) -> None:
    """It has not started in time, so that its command has ended, and starts all the same."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.opened(10)
    machine.sense(20, OPEN)
    machine.write(machine.close(20).actuation or RELEASE, 20)
    for now_s in (20.2, 20.8, 21.6):
        machine.sense(now_s, OPEN)
    assert machine.alarms == [AlarmKind.NOT_STARTED]
    machine.relays(21.6)
    key = {"key_switch": control == "key"}
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=600, reason="a test"), 21.7)
    machine.sense(21.8, BETWEEN, inputs=key)
    machine.sense(22, BETWEEN, presence=True, inputs=key)
    assert REOPEN in machine.machine.due(22)


@pytest.mark.parametrize(("came_back_s", "guarded"), [(21.2, False), (None, True)])
def test_local_closing_after_a_commanded_one_is_left_alone(came_back_s: float | None, guarded: bool) -> None:
    """The door is back at its open end: what closes it then is not the command any more."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.6)
    machine.sense(20.8, BETWEEN, inputs={"emergency": True})
    if came_back_s is not None:
        for now_s in (came_back_s, came_back_s + 0.6):
            machine.sense(now_s, OPEN)
    machine.sense(22, BETWEEN, inputs={"key_switch": True})
    machine.sense(22.2, BETWEEN, presence=True, inputs={"key_switch": True})
    assert (REOPEN in machine.machine.due(22.2)) is guarded


def test_commanded_opening_ends_under_local_control() -> None:
    """A boom that falls while it should open was not closed by this gateway: the key switch has priority."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.sense(20)
    machine.open(20)
    machine.sense(20.2, OPEN)
    machine.sense(20.4, BETWEEN, presence=True, inputs={"key_switch": True})
    assert REOPEN not in machine.machine.due(20.9)


def test_lease_ends_on_time() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.ask(SetMaintenance(duration_s=60, reason="a test"), 10)
    machine.sense(69.9)
    assert machine.state.reason is StateReason.MAINTENANCE_LEASE
    assert machine.refusal(OpenBarrier(), 69.9) is RefusalReason.MAINTENANCE
    machine.sense(70)
    assert machine.state.state is MovementState.CLOSED
    machine.open(70)


def test_key_switch_keeps_hands_off() -> None:
    machine = MachineFixture()
    machine.sense(10, inputs={"key_switch": True})
    assert machine.refusal(OpenBarrier(), 10) is RefusalReason.MAINTENANCE
    assert (machine.state.state, machine.state.reason) == (MovementState.MAINTENANCE, StateReason.KEY_SWITCH)
