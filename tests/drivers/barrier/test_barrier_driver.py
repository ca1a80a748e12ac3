"""Barrier driver beyond the invariants: refused wiring, relays that stay closed."""

import asyncio
from typing import Any

import pytest
from barrier_fixture import CLOSE, E_GATE, E_GATE_SITE, ONE_DOOR, OPEN, STOP, BarrierFixture
from pydantic import ValidationError
from support.devices.self_tests import outcomes, run_self_test
from virtual_time import in_virtual_time

from drivers.barrier.observations import AlarmKind, BarrierState, MovementState, StateReason
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandFailure, CommandRefusal, RefusalReason
from drivers.driver import StateCode
from drivers.links.link import Action, Cause, LinkError
from drivers.self_test import SelfTestLevel
from simulators.barrier.bus_faults import ExceptionReply, LostReply, LostRequest
from simulators.barrier.faults import BrokenWire, KeySwitch, PowerCut, SlowBus, StuckBoom
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.barrier.modbus_site import USUAL_INPUTS, ModbusSettings, WaveshareSettings

DOOR: dict[str, Any] = ONE_DOOR["doors"][0]  # type: ignore[index]


def door(**changed: Any) -> dict[str, Any]:
    return {key: value for key, value in (DOOR | changed).items() if value is not None}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"doors": [door(presence=None)]},
            "close would close on a person; wire a photocell",
        ),
        ({"emergency": None}, "wire the fire alarm to an input, or write no_emergency_input = true"),
        ({"no_emergency_input": True}, "there is an emergency input; remove one of the two keys"),
        ({"pulse_s": 1.1}, "less than or equal to 1"),
        ({"dead_time_s": 0.2}, r"greater than or equal to 0\.3"),
        ({"min_interval_s": 1}, "greater than or equal to 2"),
        ({"poll_s": 0.3}, r"less than or equal to 0\.2"),
        ({"doors": [door(close=0)]}, "relay 0 is used twice"),
        ({"key_switch": 4}, "input 4 is used twice"),
        ({"doors": [door(), door()]}, "two doors have no names, or the same"),
        ({"doors": []}, "at least 1 item"),
    ],
)
def test_dangerous_wiring_is_refused_with_a_remedy(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BarrierSettings.model_validate(ONE_DOOR | changed)


def test_no_close_relay_needs_no_detector() -> None:
    BarrierSettings.model_validate(ONE_DOOR | {"doors": [door(close=None, presence=None)]})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"doors": [door(stop=8)]}, "relay 8 is wired, and the board has relays 0 to 7"),
        ({"emergency": 9}, "input 9 is wired, and the board has 8 inputs"),
    ],
)
@in_virtual_time
async def test_missing_channels_are_refused_before_a_request(changed: dict[str, Any], why: str) -> None:
    lane = BarrierFixture(changed)
    with pytest.raises(LinkError, match=why) as refused:
        await lane.start()
    assert (refused.value.cause, refused.value.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
    assert lane.log.output_writes == []


def test_normally_open_and_normally_closed_contacts() -> None:
    settings = BarrierSettings.model_validate(
        ONE_DOOR
        | {
            "doors": [door(entry_side={"input": 2, "contact": "nc"})],
        }
    )
    dead = settings.decode_inputs([False] * 8)
    assert (dead.emergency, dead.controller_ok, dead.key_switch) == (True, False, True)
    assert (dead.doors[0].presence, dead.doors[0].entry_side, dead.doors[0].open_limit) == (True, True, False)


@in_virtual_time
async def test_relay_closed_at_start_is_released() -> None:
    async with BarrierFixture({"pulse_s": 1.0}) as lane:
        await lane.ready()
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.log.contacts)
        opening.cancel()
        await lane.kill()
        again_s = lane.now_s
        await lane.start()
        await lane.until(lambda: lane.alarms(AlarmKind.RELAY_STUCK))
        await lane.pass_s(3)

        closed, opened = lane.log.contacts
        assert (closed.closed, opened.closed, opened.at_s) == (True, False, again_s)
        [frame] = lane.log.since(again_s).output_writes
        assert frame.meaning.startswith("relay 0 off")


@in_virtual_time
async def test_release_at_start_is_repeated() -> None:
    async with BarrierFixture({"pulse_s": 1.0}) as lane:
        await lane.ready()
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.log.contacts)
        opening.cancel()
        await lane.kill()
        lane.site.boards[0].relays.set(OPEN, True)  # no pulse ends
        lane.site.inject(LostRequest(of="writes", exchanges=2))
        await lane.start()
        await lane.pass_s(1)

        assert len(lane.log.releases) == 3
        assert not lane.site.boards[0].relays.coils[OPEN]


@in_virtual_time
async def test_relay_kept_closed_by_the_board_is_opened() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.pulse_frames(OPEN))
        lane.site.boards[0].relays.set(OPEN, True)  # the board keeps it closed by mistake
        await opening
        await lane.until(lambda: lane.log.releases, within_s=1)
        await lane.pass_s(1)

        assert len(lane.log.releases) == 1
        assert len(lane.alarms(AlarmKind.RELAY_STUCK)) == 1
        assert lane.state_code == "open"
        assert len(lane.pulse_frames()) == 1


@in_virtual_time
async def test_refusing_board_leaves_no_permit() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(ExceptionReply(of="writes"))
        with pytest.raises(CommandRefusal) as refused:
            await lane.open()
        assert (type(refused.value), refused.value.reason) == (CommandRefusal, RefusalReason.DEVICE_REFUSED)
        await lane.pass_s(3)

        assert lane.alarms() == []
        assert (await lane.open()).state is MovementState.OPEN


@in_virtual_time
async def test_lost_response_fails_and_movement_is_not_forced() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.barrier.arrive(DriverBehaviour.WAITS)
        await lane.pass_s(5)
        lane.site.inject(LostReply(of="writes"))
        with pytest.raises(LinkError):
            await lane.open(transaction="traveller-1")
        await lane.until(lambda: lane.passages)

        assert lane.alarms() == []
        assert lane.passages[0].transaction == "traveller-1"


@in_virtual_time
async def test_no_reversal_after_a_stop() -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.state_code == "closing")
        await lane.stop()
        stopped_s = lane.now_s
        lane.site.inject(BrokenWire(signal="photocell"))
        await lane.until(lambda: lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING))
        with pytest.raises(CommandFailure):
            await closing
        await lane.pass_s(20)

        assert lane.log.since(stopped_s + 1e-6).output_writes == []


@in_virtual_time
async def test_obstructed_door_is_stopped_during_maintenance() -> None:
    async with BarrierFixture(photocell="ignored", key_excludes=False) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.pulse_frames(CLOSE))
        lane.site.inject(KeySwitch())
        lane.site.inject(BrokenWire(signal="photocell"))
        with pytest.raises(CommandFailure):
            await closing
        await lane.pass_s(20)

        assert [frame.address for frame in lane.pulse_frames()] == [0x200, 0x201, 0x202]
        assert 0.01 < lane.barrier.position() < 0.99


@in_virtual_time
async def test_stop_without_stop_contact_opens_relays() -> None:
    async with BarrierFixture({"doors": [door(stop=None)]}) as lane:
        await lane.ready()
        stopped = await lane.stop()
        await lane.pass_s(1)

        assert not stopped.by_stop_contact
        assert lane.pulse_frames() == []
        [frame] = lane.log.releases
        assert frame.meaning.startswith("relay 0 off")


@in_virtual_time
async def test_gate_stop_and_no_reversal_beside_an_open_door() -> None:
    gate = E_GATE | {"key_switch": None, "controller_ok": None}
    async with BarrierFixture(gate, E_GATE_SITE) as lane:
        await lane.ready()
        await lane.open("first")
        await lane.pass_s(3)
        closing = asyncio.create_task(lane.close("first"))
        await lane.until(lambda: len(lane.pulse_frames()) == 2)
        await lane.pass_s(0.9)
        lane.barrier.press("open", "second")  # the other one is opened by its button
        await lane.until(lambda: lane.alarms(AlarmKind.FORCED_OPEN))
        lane.site.inject(BrokenWire(signal="first-photocell"))
        with pytest.raises(CommandFailure):
            await closing
        await lane.pass_s(5)

        assert [frame.address for frame in lane.pulse_frames()] == [0x200, 0x201]
        assert {alarm.door for alarm in lane.alarms(AlarmKind.FORCED_OPEN)} == {"second"}


@in_virtual_time
async def test_controller_without_power_is_a_fault() -> None:
    async with BarrierFixture(self_closes_s=None) as lane:
        await lane.ready()
        lane.site.inject(PowerCut(of="controllers", for_s=5))
        await lane.until(lambda: lane.state_code == "fault")
        assert lane.status[-1].cause is Cause.DEVICE_FAULT
        with pytest.raises(CommandRefusal) as refused:
            await lane.open()
        assert refused.value.reason is RefusalReason.UNSAFE
        await lane.until(lambda: lane.state_code == "closed")

        assert lane.status[-1].state is StateCode.ONLINE


@in_virtual_time
async def test_closing_a_closed_barrier_moves_nothing() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        closed = await lane.close()

        assert (closed.state, closed.duration_s) == (MovementState.CLOSED, 0)
        assert lane.pulse_frames() == []


@in_virtual_time
async def test_next_permit_is_granted_during_a_passage() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        for number in (1, 2):
            lane.barrier.arrive(DriverBehaviour.TAILGATES if number == 2 else DriverBehaviour.WAITS)
        await lane.pass_s(5)
        await lane.open(transaction="traveller-1")
        await lane.until(lambda: lane.barrier.signals["photocell"])
        await lane.pass_s(0.3)
        await lane.open(transaction="traveller-2")
        await lane.until(lambda: len(lane.log.machine_events("passage")) == 2)
        await lane.pass_s(1)

        assert [one.transaction for one in lane.passages] == ["traveller-1", "traveller-2"]
        assert lane.alarms() == []


@in_virtual_time
async def test_stop_on_a_slow_bus_waits_for_one_request() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(SlowBus(delay_s=0.08))
        await lane.pass_s(1)
        for _ in range(20):
            await lane.pass_s(0.037)
            began_s = lane.now_s
            await lane.stop()
            assert lane.pulse_frames(STOP)[-1].at_s - began_s <= 0.08 + 1e-6


@in_virtual_time
async def test_commands_are_answered_after_link_loss() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom(at=0.5))
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.state_code == "opening")
        lane.site.inject(PowerCut())
        with pytest.raises(CommandFailure) as failed:
            await opening

        assert failed.value.reason is RefusalReason.LINK_FAILED
        assert lane.failure is not None


@in_virtual_time
async def test_barrier_opened_by_starting_board_is_reported() -> None:
    """Relays that click while their board starts: no reading shows that, and the open barrier is told."""
    site = ModbusSettings(boards=(WaveshareSettings(outputs={"open": 0}, inputs=USUAL_INPUTS),))
    opening_only = {"doors": [door(close=None, stop=None)]}
    async with BarrierFixture(opening_only, site) as lane:
        await lane.ready()
        lane.site.inject(PowerCut(of="boards", for_s=5, clicks_s=0.3))
        await lane.until(lambda: lane.failure is not None)
        await lane.pass_s(6)
        clicked = [contact for contact in lane.log.contacts if contact.cause == "power"]
        assert [contact.closed for contact in clicked if contact.relay == OPEN] == [True, False]
        assert lane.barrier.position() == 1
        await lane.restart()
        await lane.until(lambda: lane.state_code == "open")
        await lane.pass_s(1)
        assert lane.state is not None
        assert StateReason.OPEN_AT_START in lane.state.conditions
        assert lane.status[-1].text.startswith("The barrier was open at the start")


@in_virtual_time
async def test_every_change_is_reported_once() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(5)
        await lane.close()
        await lane.pass_s(60)

        said = [one.state for one in lane.said if isinstance(one, BarrierState)]
        assert said == [
            MovementState.CLOSED,
            MovementState.OPENING,
            MovementState.OPEN,
            MovementState.CLOSING,
            MovementState.CLOSED,
        ]
        assert lane.status == []


@in_virtual_time
async def test_self_test_reads_every_input_and_moves_nothing() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        seen = await run_self_test(lane.driver, SelfTestLevel.INTERNAL)
        assert set(outcomes(seen).values()) == {"successful"}
        assert seen[".limits"].text == "The door is closed."
        assert seen["relays"].text == "All relays are open."
        lane.site.inject(BrokenWire(signal="fire"))
        await lane.pass_s(1)
        seen = await run_self_test(lane.driver, SelfTestLevel.INTERNAL)
        assert seen["emergency"].outcome == "failed"
        assert seen["emergency"].action == "call_support"
        assert not lane.pulse_frames()


@in_virtual_time
async def test_self_test_fails_on_a_stuck_relay() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.boards[0].relays.set(OPEN, True)
        await lane.until(lambda: lane.alarms(AlarmKind.OTHER_MASTER))
        seen = await run_self_test(lane.driver, SelfTestLevel.INTERNAL)

        assert (seen["relays"].outcome, seen["relays"].action) == ("failed", "replace")
        assert seen["relays"].text == "A relay is closed that should be open."


@in_virtual_time
async def test_refused_stop_is_repeated() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(ExceptionReply(of="writes", exchanges=3))
        await lane.stop()

        assert len(lane.pulse_frames(STOP)) == 4


@in_virtual_time
async def test_stop_that_is_never_acknowledged_fails() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(LostReply(of="writes", exchanges=1000))
        with pytest.raises(CommandFailure) as failed:
            await lane.stop()

        assert failed.value.reason is RefusalReason.LINK_FAILED
        assert len(lane.alarms(AlarmKind.STOP_NOT_ACKNOWLEDGED)) == 1
        assert lane.state is not None
        assert lane.state.conditions == (StateReason.STOP_NOT_ACKNOWLEDGED,)
        tried = len(lane.pulse_frames(STOP))
        await lane.pass_s(2)
        assert len(lane.pulse_frames(STOP)) > tried, "it is repeated all the same"
        lane.site.clear_faults()
        lane.site.bus.faults.clear()
        await lane.pass_s(2)
        assert (await lane.open()).state is MovementState.OPEN


@in_virtual_time
async def test_movements_before_an_opening_count() -> None:
    """A lost link and a new opening of the board are no way around the limit of a minute."""
    async with BarrierFixture({"max_per_minute": 2, "permit_s": 1}) as lane:
        await lane.ready()
        await lane.open()
        await lane.end()
        await lane.start()
        await lane.ready()
        with pytest.raises(CommandRefusal) as refused:
            await lane.open()
        assert refused.value.reason == RefusalReason.RATE_LIMITED
