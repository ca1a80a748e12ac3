"""Emergencies: latch, acknowledgement, interlock of two doors."""

import pytest
from machine_fixture import BETWEEN, CLOSED, OPEN, MachineFixture, gate

from drivers.barrier.commands import AcknowledgeEmergency, OpenBarrier
from drivers.barrier.control.actuation import Actuation, ActuationKind
from drivers.barrier.control.doors.movement import MovementResult
from drivers.barrier.observations import (
    AlarmKind,
    MovementState,
    StateReason,
)
from drivers.barrier.wiring import BarrierInputs, DoorInputs
from drivers.command import RefusalReason


@pytest.mark.parametrize("first", [OPEN, BETWEEN])
def test_emergency_lifts_the_interlock(first: tuple[bool, bool]) -> None:
    machine = gate()
    machine.sense(10, CLOSED, CLOSED)
    machine.sense(11, first, CLOSED)
    assert machine.refusal(OpenBarrier(door="second"), 11) is RefusalReason.UNSAFE
    machine.sense(12, first, CLOSED, inputs={"emergency": True})

    assert machine.open(12, "second").actuation == Actuation(ActuationKind.OPEN, 1)


def test_interlock_holds_once_the_input_rests() -> None:
    """The emergency is not acknowledged yet: doors may be opened, but one at a time again."""
    machine = gate()
    machine.sense(10, CLOSED, CLOSED, inputs={"emergency": True})
    machine.sense(12, OPEN, CLOSED)

    assert machine.state.reason is StateReason.EMERGENCY_UNACKNOWLEDGED
    assert machine.refusal(OpenBarrier(door="second"), 12) is RefusalReason.UNSAFE


def test_opening_in_an_emergency_needs_no_permit() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(13, OPEN, inputs={"emergency": True})
    assert machine.open(13).actuation == Actuation(ActuationKind.OPEN)
    machine.sense(15.1, OPEN, inputs={"emergency": True})
    assert machine.open(15.1).actuation == Actuation(ActuationKind.OPEN)


def test_emergency_is_alarmed_and_counted_once() -> None:
    machine = MachineFixture()
    for now_s, emergency in ((10, True), (11, True), (12, False), (13, True)):
        machine.sense(now_s, inputs={"emergency": emergency})
    assert machine.alarms == [AlarmKind.EMERGENCY]
    assert machine.machine.emergency_count == 1
    assert machine.refusal(AcknowledgeEmergency(reason="looked"), 13) is RefusalReason.UNSAFE

    machine.sense(14)
    machine.ask(AcknowledgeEmergency(reason="looked"), 14)
    assert machine.alarms[1:] == [AlarmKind.EMERGENCY_CLEARED]
    machine.sense(15, inputs={"emergency": True})
    assert machine.machine.emergency_count == 2


@pytest.mark.parametrize("later", [False, True])
def test_emergency_that_identified_the_board_is_latched(later: bool) -> None:
    """It may be over at the first poll."""
    machine = MachineFixture()
    sensed = BarrierInputs((DoorInputs(*CLOSED, presence=False),), emergency=True)
    machine.machine.on_inputs_at_opening(sensed)
    machine.sense(10, inputs={"emergency": later})
    machine.sense(10.2)
    assert machine.alarms == [AlarmKind.EMERGENCY]
    assert machine.state.reason is StateReason.EMERGENCY_UNACKNOWLEDGED
    machine.ask(AcknowledgeEmergency(reason="looked"), 10.3)
    machine.sense(10.4)
    assert machine.alarms == [AlarmKind.EMERGENCY, AlarmKind.EMERGENCY_CLEARED]


def test_emergency_lasts_until_acknowledged() -> None:
    machine = MachineFixture()
    for emergency, why in (
        (True, StateReason.EMERGENCY),
        (False, StateReason.EMERGENCY_UNACKNOWLEDGED),
        (True, StateReason.EMERGENCY),
    ):
        machine.sense(10, inputs={"emergency": emergency})
        assert (machine.state.state, machine.state.reason) == (MovementState.EMERGENCY_OPEN, why)


def test_acknowledging_nothing_is_no_alarm() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.ask(AcknowledgeEmergency(reason="looked"), 10)

    assert machine.alarms == []


def test_emergency_ends_what_was_asked() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    machine.sense(10.5, BETWEEN, inputs={"emergency": True})

    assert (travel.result, travel.ended_s) == (MovementResult.EMERGENCY, 10.5)
