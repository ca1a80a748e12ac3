"""Presence detectors with a test input: tested before each closing, which a failed test prevents."""

import asyncio
from typing import Any

import pytest
from barrier_fixture import CLOSE, ONE_DOOR, BarrierFixture
from pydantic import ValidationError
from virtual_time import in_virtual_time

from drivers.barrier.control.doors.presence_test import PresenceTest
from drivers.barrier.observations import AlarmKind, MovementState, StateReason
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandRefusal, RefusalReason
from simulators.barrier.bus_faults import LostReply
from simulators.barrier.faults import BrokenWire, ShortedWire
from simulators.barrier.modbus_site import USUAL_INPUTS, ModbusSettings, WaveshareSettings

TEST = 3
DOOR: dict[str, Any] = ONE_DOOR["doors"][0]  # type: ignore[index]
MONITORED = {"doors": [DOOR | {"presence_test": TEST}]}
SITE = ModbusSettings(
    boards=(
        WaveshareSettings(
            unit=1, outputs={"open": 0, "close": 1, "stop": 2, "photocell-test": TEST}, inputs=USUAL_INPUTS
        ),
    )
)


async def opened(lane: BarrierFixture) -> None:
    await lane.ready()
    await lane.open()
    await lane.pass_s(3)


@in_virtual_time
async def test_detector_is_tested_before_closing() -> None:
    async with BarrierFixture(MONITORED, SITE) as lane:
        await opened(lane)
        assert (await lane.close()).state is MovementState.CLOSED

        (test,), (close,) = lane.pulse_frames(TEST), lane.pulse_frames(CLOSE)
        assert test.at_s + lane.settings.pulse_s <= close.at_s <= test.at_s + 1
        assert lane.alarms() == []
        assert lane.passages == []


@in_virtual_time
async def test_each_closing_has_a_test_of_its_own() -> None:
    async with BarrierFixture(MONITORED, SITE) as lane:
        for count in (1, 2):
            await opened(lane)
            await lane.close()
            await lane.pass_s(3)
            assert len(lane.pulse_frames(TEST)) == len(lane.pulse_frames(CLOSE)) == count


@in_virtual_time
async def test_detector_stuck_clear_closes_nothing() -> None:
    async with BarrierFixture(MONITORED, SITE) as lane:
        await opened(lane)
        lane.site.inject(ShortedWire(signal="photocell"))
        with pytest.raises(CommandRefusal) as refused:
            await lane.close()

        assert refused.value.reason is RefusalReason.UNSAFE
        assert "test" in refused.value.text
        assert lane.pulse_frames(CLOSE) == []
        await lane.pass_s(0.5)
        assert len(lane.alarms(AlarmKind.PRESENCE_TEST_FAILED)) == 1
        assert lane.state is not None
        assert StateReason.PRESENCE_TEST_FAILED in lane.state.conditions
        assert "does not respond to its test" in lane.status[-1].text

        lane.site.clear_faults()
        await lane.close()
        await lane.pass_s(0.5)
        assert StateReason.PRESENCE_TEST_FAILED not in lane.state.conditions


@in_virtual_time
async def test_cut_test_input_closes_nothing() -> None:
    async with BarrierFixture(MONITORED) as lane:  # nothing is wired to relay 3
        await opened(lane)
        with pytest.raises(CommandRefusal):
            await lane.close()

        assert len(lane.pulse_frames(TEST)) == 1
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_person_during_the_test_is_seen() -> None:
    async with BarrierFixture(MONITORED, SITE) as lane:
        await opened(lane)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.pulse_frames(TEST))
        lane.site.inject(BrokenWire(signal="photocell"))
        with pytest.raises(CommandRefusal) as refused:
            await closing

        assert "in the way" in refused.value.text
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_stop_during_the_test_cancels() -> None:
    async with BarrierFixture(MONITORED, SITE) as lane:
        await opened(lane)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.pulse_frames(TEST))
        await lane.stop()
        with pytest.raises(CommandRefusal) as refused:
            await closing

        assert refused.value.reason is RefusalReason.CANCELLED
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_unanswered_test_closes_nothing() -> None:
    async with BarrierFixture(MONITORED, SITE) as lane:
        await opened(lane)
        lane.site.inject(LostReply(of="writes"))
        with pytest.raises(CommandRefusal) as refused:
            await lane.close()

        assert type(refused.value) is CommandRefusal
        assert lane.pulse_frames(CLOSE) == []


def test_response_after_the_pulse_fails() -> None:
    test = PresenceTest(pulse_s=0.5)
    test.begin(10.0)
    assert not test.on_inputs(10.3, presence=False)
    assert test.on_inputs(10.6, presence=True)
    assert not test.on_inputs(10.7, presence=False)
    assert (test.is_failed, test.is_running, test.is_passed(10.7)) == (True, False, False)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"doors": [DOOR | {"presence_test": 0}]}, "relay 0 is used twice"),
        ({"doors": [DOOR | {"presence_test": 3, "close": None}]}, "no detector or no closing"),
        ({"doors": [DOOR | {"presence_test": 3}], "pulse_s": 0.2}, "may not respond to so short a test"),
    ],
)
def test_useless_test_input_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BarrierSettings.model_validate(ONE_DOOR | changed)
