"""Relays that stay closed, and relays that another master of the board has closed."""

from typing import Any

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import BETWEEN, BOTH, NO_STOP, OPEN, REOPEN, STOP, MachineFixture

from drivers.barrier.commands import AcknowledgeEmergency, OpenBarrier
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind
from drivers.barrier.observations import (
    AlarmKind,
    StateReason,
)
from drivers.command import RefusalReason


def test_no_opening_with_a_stuck_relay() -> None:
    """This holds also if the post allows opening with contradictory limit switches."""
    machine = MachineFixture(open_in_fault=True)
    machine.sense(10)
    machine.write(Actuation(ActuationKind.OPEN), 10)
    machine.relays(12, 0)
    machine.sense(12)
    assert machine.refusal(OpenBarrier(), 12) is RefusalReason.UNSAFE

    machine.relays(12.1)
    machine.sense(12.2, BOTH)
    assert machine.open(12.2).actuation == Actuation(ActuationKind.OPEN)


def test_fault_keeps_it_from_opening() -> None:
    machine = MachineFixture()
    machine.sense(10, BOTH)
    assert machine.refusal(OpenBarrier(), 10) is RefusalReason.UNSAFE
    machine.sense(11, inputs={"controller_ok": False})
    assert machine.refusal(OpenBarrier(), 11) is RefusalReason.UNSAFE


def test_stuck_relay_is_alarmed_once() -> None:
    machine = MachineFixture()
    machine.sense(10)
    for began_s in (10, 20):
        machine.write(Actuation(ActuationKind.OPEN), began_s)
        machine.relays(began_s + 0.4, 0)
        machine.relays(began_s + 2, 0)
        assert machine.state.reason is StateReason.RELAY_STUCK
        machine.relays(began_s + 3, 0)
        machine.relays(began_s + 4)

    assert machine.alarms == [AlarmKind.RELAY_STUCK] * 2


def test_stuck_relay_is_released_again() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.write(Actuation(ActuationKind.OPEN), 10)
    machine.relays(12, 0)
    assert machine.machine.due(12) == (RELEASE,)
    machine.write(RELEASE, 12)
    assert machine.machine.due(12.9) == ()
    assert machine.machine.due(13) == (RELEASE,)


def test_other_master_is_latched() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.relays(10, 1)
    machine.sense(10.2)
    assert machine.alarms == [AlarmKind.OTHER_MASTER]
    assert machine.machine.due(10.2) == (), "its master would close it again"
    assert machine.refusal(AcknowledgeEmergency(reason="looked"), 10.2) is RefusalReason.UNSAFE
    machine.relays(10.4)
    assert machine.refusal(OpenBarrier(), 10.4) is RefusalReason.UNSAFE
    machine.ask(AcknowledgeEmergency(reason="looked"), 10.4)
    machine.sense(10.8)
    machine.open(10.8)


@pytest.mark.parametrize(("wiring", "written"), [(NO_STOP, REOPEN), ({}, STOP)])
def test_commanded_closing_is_reversed_after_another_master(
    wiring: dict[str, Any], written: Actuation
) -> None:
    """Its relay is open again; without a stop contact, only a reopening keeps the boom from the person."""
    machine = MachineFixture(ONE_DOOR | wiring)
    machine.closing(20)
    machine.relays(20.8)
    machine.relays(20.9, 1)
    machine.relays(21)
    assert machine.alarms == [AlarmKind.OTHER_MASTER]
    machine.sense(21.2, BETWEEN, presence=True)
    assert machine.machine.due(21.5) == (written,)


def test_closed_relay_of_another_master_is_released_once() -> None:
    """Opening and closing contacts are never closed at the same time, and two masters do not fight."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.8)
    machine.relays(20.9, 1)
    machine.sense(21.2, BETWEEN, presence=True)
    assert machine.machine.due(21.2) == (RELEASE,)
    machine.write(RELEASE, 21.2)
    machine.relays(21.4, 1)
    assert machine.machine.due(21.5) == (), "its master has closed it again"
    machine.relays(21.6)
    assert machine.machine.due(22) == (REOPEN,)


def test_opening_ends_after_another_master() -> None:
    """A boom that falls while it should open was not closed by this gateway: a person must look."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.sense(20)
    machine.open(20)
    machine.sense(20.2, OPEN)
    machine.relays(20.3, 1)
    machine.relays(20.5)
    machine.sense(20.6, BETWEEN, presence=True)
    assert REOPEN not in machine.machine.due(21)
