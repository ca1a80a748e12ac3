"""Conditions of a closing."""

import pytest
from barrier_fixture import ONE_DOOR
from machine_fixture import BETWEEN, CLOSED, OPEN, MachineFixture

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier
from drivers.barrier.control.actuation import Actuation, ActuationKind, Decision
from drivers.barrier.observations import (
    StateReason,
)
from drivers.command import RefusalReason


def test_closing_needs_a_free_way() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN, presence=True)
    assert machine.refusal(CloseBarrier(), 20) is RefusalReason.UNSAFE
    machine.sense(21, OPEN)
    assert machine.close(21).actuation == Actuation(ActuationKind.CLOSE)


@pytest.mark.parametrize(("asked_s", "is_refused"), [(20.2, False), (20.5, True)])
def test_closing_needs_a_quick_reading(asked_s: float, is_refused: bool) -> None:
    """Once it moves, a person in its way is noticed no sooner than the inputs were read just now."""
    machine = MachineFixture()
    machine.opened(10)
    for now_s in (19.8, 20.0, asked_s):
        machine.sense(now_s, OPEN, answered_s=now_s + 0.1)
    if is_refused:
        assert machine.refusal(CloseBarrier(), asked_s + 0.1) is RefusalReason.UNSAFE
        machine.sense(asked_s + 0.2, OPEN, answered_s=asked_s + 0.3)
    assert machine.close(asked_s + 0.3).actuation == Actuation(ActuationKind.CLOSE)


def test_closing_a_closed_door_moves_nothing() -> None:
    machine = MachineFixture()
    machine.sense(10)

    assert machine.close(10) == Decision()


def test_controller_closes_by_itself() -> None:
    wiring = ONE_DOOR["doors"][0] | {"close": None}  # type: ignore[index]
    machine = MachineFixture(ONE_DOOR | {"doors": [wiring]})
    machine.opened(10)
    assert machine.refusal(CloseBarrier(), 11) is RefusalReason.NOT_SUPPORTED


def test_open_at_start_is_closed_after_acknowledgement() -> None:
    machine = MachineFixture()
    machine.sense(10, OPEN)
    assert StateReason.OPEN_AT_START in machine.state.conditions
    assert machine.refusal(CloseBarrier(), 10) is RefusalReason.UNSAFE
    machine.ask(AcknowledgeEmergency(reason="looked"), 10)
    assert machine.close(10).actuation == Actuation(ActuationKind.CLOSE)


def test_found_open_ends_when_it_closes() -> None:
    machine = MachineFixture()
    for now_s, limits in ((10, OPEN), (11, BETWEEN), (12, CLOSED), (13, OPEN)):
        machine.sense(now_s, limits)
    assert StateReason.OPEN_AT_START not in machine.state.conditions
