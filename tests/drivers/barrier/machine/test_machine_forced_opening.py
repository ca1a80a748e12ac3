"""Openings without a command, and doors that are open too long."""

import pytest
from machine_fixture import BETWEEN, CLOSED, OPEN, MachineFixture

from drivers.barrier.observations import (
    AlarmKind,
)


@pytest.mark.parametrize(("left_s", "alarms"), [(12.0, []), (12.1, [AlarmKind.FORCED_OPEN])])
def test_button_explains_an_opening(left_s: float, alarms: list[AlarmKind]) -> None:
    machine = MachineFixture()
    machine.sense(10, inputs={"local_button": True})
    machine.sense(11)
    machine.sense(left_s, BETWEEN)

    assert machine.alarms == alarms


@pytest.mark.parametrize("by", ["emergency", "key_switch"])
def test_emergency_and_key_explain_an_opening(by: str) -> None:
    machine = MachineFixture()
    machine.sense(10, inputs={by: True})
    machine.sense(11, BETWEEN, inputs={by: True})

    assert AlarmKind.FORCED_OPEN not in machine.alarms


@pytest.mark.parametrize(("checked_s", "forced"), [(16.0, False), (16.1, True)])
def test_late_opening_is_forced(checked_s: float, forced: bool) -> None:
    """A command to open explains an opening for the time that opening may take."""
    machine = MachineFixture()
    machine.sense(10)
    machine.open(10)
    machine.sense(checked_s)
    machine.sense(checked_s + 0.1, BETWEEN)

    assert (AlarmKind.FORCED_OPEN in machine.alarms) is forced


def test_asked_opening_is_not_forced() -> None:
    machine = MachineFixture()
    machine.opened(10)
    assert machine.alarms == []
    machine.sense(15, CLOSED)
    machine.sense(16, BETWEEN)
    assert machine.alarms == [AlarmKind.FORCED_OPEN], "one command explains one opening"


def test_open_too_long_is_alarmed_once() -> None:
    machine = MachineFixture(max_open_s=20)
    machine.opened(9)
    for now_s in (30, 30.1, 40, 90):
        machine.sense(now_s, OPEN)
    assert machine.alarms == [AlarmKind.OPEN_TOO_LONG]
    machine.sense(91, CLOSED)
    machine.sense(93, OPEN)
    machine.sense(114, OPEN)
    assert machine.alarms[-1] is AlarmKind.OPEN_TOO_LONG


@pytest.mark.parametrize(("now_s", "alarmed"), [(30.0, False), (30.1, True)])
def test_open_for_as_long_as_allowed(now_s: float, alarmed: bool) -> None:
    machine = MachineFixture(max_open_s=20)
    machine.opened(9)
    machine.sense(now_s, OPEN)

    assert (AlarmKind.OPEN_TOO_LONG in machine.alarms) is alarmed
