"""Permits: how long one lasts, and what ends it; and the age of the inputs it needs."""

import pytest
from machine_fixture import BETWEEN, OPEN, MachineFixture

from drivers.barrier.commands import AcknowledgeEmergency, OpenBarrier
from drivers.barrier.control.actuation import Actuation, ActuationKind
from drivers.barrier.control.doors.movement import MovementResult
from drivers.barrier.observations import (
    AlarmKind,
    PassageDirection,
)
from drivers.command import CommandArguments, RefusalReason


@pytest.mark.parametrize(
    "request_", [OpenBarrier(), AcknowledgeEmergency(reason="looked")], ids=["open", "ack"]
)
def test_inputs_are_fresh_for_half_a_second(request_: CommandArguments) -> None:
    machine = MachineFixture()
    machine.sense(10)
    assert machine.refusal(request_, 10.501) is RefusalReason.UNSAFE
    assert machine.refusal(request_, 10.6) is RefusalReason.UNSAFE
    machine.ask(request_, 10.5)


@pytest.mark.parametrize(
    "request_", [OpenBarrier(), AcknowledgeEmergency(reason="looked")], ids=["open", "ack"]
)
def test_nothing_before_the_first_inputs(request_: CommandArguments) -> None:
    assert MachineFixture().refusal(request_, 3) is RefusalReason.UNSAFE


def test_only_a_barriers_requests() -> None:
    machine = MachineFixture()
    machine.sense(3)
    assert machine.refusal(CommandArguments(), 3) is RefusalReason.NOT_SUPPORTED
    assert machine.refusal(OpenBarrier(door="side"), 3) is RefusalReason.NOT_SUPPORTED


def test_permit_ends_when_door_does_not_start() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    machine.sense(11.5)
    assert travel.result is None
    machine.sense(11.6)
    assert travel.result is MovementResult.NOT_STARTED
    assert machine.alarms == [AlarmKind.NOT_STARTED]
    machine.sense(12.1)

    assert machine.open(12.1).actuation == Actuation(ActuationKind.OPEN), "no permit waits"


def test_permit_ends_when_door_does_not_arrive() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    for now_s in (10.5, 16.0, 16.1):
        machine.sense(now_s, BETWEEN)
    assert travel.result is MovementResult.NOT_ARRIVED
    assert machine.alarms == [AlarmKind.NOT_ARRIVED]

    assert machine.open(16.2).actuation == Actuation(ActuationKind.OPEN)


def test_permit_lasts_as_long_as_asked() -> None:
    machine = MachineFixture(permit_s=8)
    machine.opened(10, permit_s=2)
    machine.sense(13.0, OPEN)
    assert machine.refusal(OpenBarrier(), 13.0) is RefusalReason.BUSY
    machine.sense(13.1, OPEN)
    machine.open(13.1)


def test_permit_lasts_as_configured() -> None:
    machine = MachineFixture(permit_s=4)
    machine.opened(10)
    machine.sense(15.0, OPEN)
    assert machine.refusal(OpenBarrier(), 15.0) is RefusalReason.BUSY
    machine.sense(15.1, OPEN)
    machine.open(15.1)


def test_stop_ends_a_permit() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.stop(12)
    machine.sense(12.5, OPEN)

    assert machine.open(12.5).actuation == Actuation(ActuationKind.OPEN)


def test_refusing_board_ends_a_permit() -> None:
    machine = MachineFixture()
    machine.sense(10)
    act = machine.open(10).actuation
    assert act is not None
    machine.machine.on_refused(act, 10.1)
    machine.sense(12.1)

    assert machine.open(12.1).actuation == Actuation(ActuationKind.OPEN)


def test_closing_ends_a_permit() -> None:
    """A person who passes the closing barrier has no permit any more."""
    machine = MachineFixture(permit_s=60)
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    machine.sense(21, BETWEEN)

    assert machine.passages == [(PassageDirection.FORWARD, False, True)]
