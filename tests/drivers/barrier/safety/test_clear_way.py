"""Time for which the way must have been clear before a closing (`clear_s`)."""

from typing import Any

import pytest
from barrier_fixture import CLOSE, ONE_DOOR, BarrierFixture
from machine_fixture import OPEN, MachineFixture
from pydantic import ValidationError
from virtual_time import in_virtual_time

from drivers.barrier.commands import CloseBarrier
from drivers.barrier.control.actuation import Actuation, ActuationKind
from drivers.barrier.observations import MovementState
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandRefusal, RefusalReason
from simulators.barrier.faults import BrokenWire

DOOR: dict[str, Any] = ONE_DOOR["doors"][0]  # type: ignore[index]
CLOSED_BY = Actuation(ActuationKind.CLOSE)


def test_closing_waits_until_the_way_was_clear() -> None:
    machine = MachineFixture(clear_s=2)
    machine.opened(10)
    machine.sense(20, OPEN, presence=True)
    for clear_s in (20.2, 21.0, 22.1):
        machine.sense(clear_s, OPEN)
        assert machine.refusal(CloseBarrier(), clear_s) is RefusalReason.UNSAFE
    machine.sense(22.2, OPEN)
    assert machine.close(22.2).actuation == CLOSED_BY


def test_each_person_begins_the_wait_anew() -> None:
    """Legs interrupt a light beam several times."""
    machine = MachineFixture(clear_s=1)
    machine.opened(10)
    for begin_s in (20.0, 21.2, 22.4):
        machine.sense(begin_s, OPEN, presence=True)
        machine.sense(begin_s + 0.2, OPEN)
        machine.sense(begin_s + 0.6, OPEN)
        assert machine.refusal(CloseBarrier(), begin_s + 0.6) is RefusalReason.UNSAFE
    machine.sense(23.8, OPEN)
    assert machine.close(23.8).actuation == CLOSED_BY


def test_wait_begins_with_the_first_reading() -> None:
    """Nothing is known of the time before the first reading."""
    machine = MachineFixture(clear_s=5)
    machine.opened(3)
    machine.sense(7.9, OPEN)
    assert machine.refusal(CloseBarrier(), 7.9) is RefusalReason.UNSAFE
    machine.sense(8, OPEN)
    assert machine.close(8).actuation == CLOSED_BY


def test_closing_waits_for_nothing_unless_configured() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN, presence=True)
    machine.sense(20.2, OPEN)
    assert machine.close(20.2).actuation == CLOSED_BY


@in_virtual_time
async def test_nothing_is_written_before_the_way_was_clear() -> None:
    """Neither the closing nor the test of the detector before it is written."""
    monitored = {"doors": [DOOR | {"presence_test": 3}]}
    for wiring, written in ((ONE_DOOR, CLOSE), (monitored, 3)):
        async with BarrierFixture({**wiring, "clear_s": 2}) as lane:
            await lane.ready()
            await lane.open()
            await lane.pass_s(3)
            lane.site.inject(BrokenWire(signal="photocell"))
            await lane.pass_s(1)
            lane.site.clear_faults()
            await lane.pass_s(1)
            with pytest.raises(CommandRefusal) as refused:
                await lane.close()
            assert "has been clear for less than 2 s" in refused.value.text
            assert lane.pulse_frames(written) == []
            if wiring is ONE_DOOR:
                await lane.pass_s(1.5)
                assert (await lane.close()).state is MovementState.CLOSED


def test_useless_wait_is_refused() -> None:
    door = {key: value for key, value in DOOR.items() if key != "close"}
    with pytest.raises(ValidationError, match="nothing waits for a clear way"):
        BarrierSettings.model_validate(ONE_DOOR | {"doors": [door], "clear_s": 1})


@pytest.mark.parametrize(("accepted", "refused"), [(0, -0.1), (60, 60.1)])
def test_wait_has_bounds(accepted: float, refused: float) -> None:
    assert BarrierSettings.model_validate(ONE_DOOR | {"clear_s": accepted}).clear_s == accepted
    with pytest.raises(ValidationError, match="clear_s"):
        BarrierSettings.model_validate(ONE_DOOR | {"clear_s": refused})
