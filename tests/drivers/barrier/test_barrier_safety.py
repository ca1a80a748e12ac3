"""Safety of a barrier under lost frames, restarts and a second master, judged by its frames and its boom."""

import asyncio
from typing import Any

import pytest
from barrier_fixture import CLOSE, E_GATE, E_GATE_SITE, ONE_DOOR, OPEN, STOP, BarrierFixture
from support.devices.self_tests import run_self_test
from virtual_time import in_virtual_time

from drivers.barrier.commands import MoveResult, SetMaintenance
from drivers.barrier.observations import AlarmKind, MovementState
from drivers.command import CommandFailure, CommandRefusal, Invocation, RefusalReason
from drivers.driver import StateCode
from drivers.observation import Outcome
from drivers.record import DeviceRecord
from drivers.self_test import SelfTestLevel
from simulators.barrier.bus import DirectConnection
from simulators.barrier.bus_faults import ExceptionReply, HangUp, LostReply, LostRequest
from simulators.barrier.faults import (
    BoardsHung,
    BothLimits,
    BrokenWire,
    ButtonPress,
    EmergencyActive,
    ManualLift,
    ShortedWire,
    SlowBus,
    StuckBoom,
)
from simulators.barrier.modbus_site import WaveshareSettings

GATE = E_GATE | {"key_switch": None, "controller_ok": None}
STOPPABLE_GATE = GATE | {
    "doors": [door | {"stop": 4 + place} for place, door in enumerate(E_GATE["doors"])]  # type: ignore[arg-type]
}
STOPPABLE_SITE = E_GATE_SITE.model_copy(
    update={
        "boards": (
            WaveshareSettings(
                unit=1,
                outputs=E_GATE_SITE.boards[0].outputs | {"first-stop": 4, "second-stop": 5},
                inputs=E_GATE_SITE.boards[0].inputs,
            ),
        )
    }
)
OPEN_ALL = bytes.fromhex("0500ff0000")


async def opened(lane: BarrierFixture) -> None:
    await lane.ready()
    await lane.open()
    await lane.pass_s(10)


async def closing(lane: BarrierFixture) -> "asyncio.Task[Any]":
    """Open it, and begin to close it; its result is not judged."""
    await opened(lane)
    task = asyncio.create_task(lane.close())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await lane.until(lambda: lane.state_code == "closing")
    return task


# An obstruction.


@in_virtual_time
async def test_second_closing_reverses_too() -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        await closing(lane)
        lane.site.inject(BrokenWire(signal="photocell"))
        await lane.until(lambda: lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING))
        await lane.stop()  # it stands half way
        lane.site.clear_faults()
        await lane.pass_s(5)
        assert lane.state_code == "stopped"

        again = asyncio.create_task(lane.close())
        await lane.pass_s(0.4)
        began_s = lane.now_s
        lane.site.inject(BrokenWire(signal="photocell"))
        with pytest.raises(CommandFailure) as failed:
            await again
        await lane.pass_s(5)

        assert failed.value.reason is RefusalReason.UNSAFE
        assert len(lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING)) == 2
        assert lane.pulse_frames(OPEN, began_s)
        assert lane.barrier.signals["open-limit"]


@pytest.mark.parametrize("fault", [ExceptionReply, LostRequest])
@in_virtual_time
async def test_failed_reopening_is_repeated(fault: Any) -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        await closing(lane)
        lane.site.inject(fault(of="writes", exchanges=3))
        lane.site.inject(BrokenWire(signal="photocell"))
        await lane.pass_s(5)

        assert lane.barrier.signals["open-limit"]


@in_virtual_time
async def test_flickering_limit_cancels_no_reopening() -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        await closing(lane)
        lane.site.inject(BrokenWire(signal="photocell"))
        await lane.until(lambda: lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING))
        lane.site.inject(ShortedWire(signal="closed-limit", for_s=0.25))
        await lane.pass_s(5)

        assert lane.barrier.signals["open-limit"]


@in_virtual_time
async def test_interlocked_obstructed_door_is_stopped() -> None:
    """The other door is not closed, so the obstructed one must not open."""
    async with BarrierFixture(STOPPABLE_GATE, STOPPABLE_SITE) as lane:
        await lane.ready()
        await lane.open("first")
        await lane.pass_s(3)
        task = asyncio.create_task(lane.close("first"))
        await lane.until(lambda: len(lane.pulse_frames()) == 2)
        await lane.pass_s(0.7)
        lane.site.inject(ManualLift(door="second", to=0.5))
        await lane.until(lambda: lane.alarms(AlarmKind.FORCED_OPEN))
        lane.site.inject(BrokenWire(signal="first-photocell"))
        with pytest.raises(CommandFailure):
            await task
        await lane.pass_s(5)

        assert [frame.address for frame in lane.pulse_frames()] == [0x200, 0x201, 0x204]
        assert 0.01 < lane.barrier.position("first") < 0.99


@pytest.mark.parametrize("how", ["at first reading", "after a kill"])
@in_virtual_time
async def test_worker_starting_in_a_closing_guards_it(how: str) -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        task = await closing(lane)
        await lane.kill()
        task.cancel()
        if how == "after a kill":
            await lane.pass_s(0.2)
        began_s = lane.now_s
        await lane.start()
        lane.site.inject(BrokenWire(signal="photocell"))
        await lane.pass_s(5)

        assert lane.alarms(AlarmKind.MOVING_AT_START)
        assert lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING)
        assert len(lane.pulse_frames(OPEN, began_s)) == 1
        assert lane.barrier.signals["open-limit"]


# Stops.


@pytest.mark.parametrize("fault", [LostRequest, LostReply, ExceptionReply])
@in_virtual_time
async def test_stop_reaches_both_doors(fault: Any) -> None:
    async with BarrierFixture(STOPPABLE_GATE, STOPPABLE_SITE) as lane:
        await lane.ready()
        await lane.open("first")
        await lane.pass_s(3)
        task = asyncio.create_task(lane.close("first"))
        await lane.pass_s(0.5)
        lane.barrier.press("open", "second")
        await lane.pass_s(0.5)
        lane.site.inject(fault(of="writes"))
        await lane.stop()
        await asyncio.gather(task, return_exceptions=True)
        await lane.pass_s(5)

        assert {frame.address for frame in lane.pulse_frames()} >= {0x204, 0x205}
        for door in ("first", "second"):
            assert 0.01 < lane.barrier.position(door) < 0.99


@in_virtual_time
async def test_lost_stop_is_repeated_until_it_stops() -> None:
    async with BarrierFixture() as lane:
        task = await closing(lane)
        lane.site.inject(LostRequest(of="writes", exchanges=2))
        await lane.stop()
        with pytest.raises(CommandFailure) as failed:
            await task
        await lane.pass_s(5)

        assert failed.value.reason is RefusalReason.CANCELLED
        assert len(lane.pulse_frames(STOP)) == 3
        assert 0.01 < lane.barrier.position() < 0.99


@in_virtual_time
async def test_answer_to_closing_is_what_was_sensed() -> None:
    """The board never receives the stop: the boom closes, and that is the answer."""
    async with BarrierFixture() as lane:
        task = await closing(lane)
        lane.site.inject(LostRequest(of="writes", exchanges=1000))
        with pytest.raises(CommandFailure):
            await lane.stop()
        with pytest.raises(CommandFailure, match="closed nevertheless"):
            await task

        assert lane.barrier.signals["closed-limit"]


@pytest.mark.parametrize("goal", ["closed", "open"])
@in_virtual_time
async def test_flickering_limit_ends_no_movement(goal: str) -> None:
    """The answer comes once the limit of the goal is steady, not at its first flicker."""
    async with BarrierFixture() as lane:
        await lane.ready()
        if goal == "closed":
            task = await closing(lane)
        else:
            task = asyncio.create_task(lane.open())
            await lane.until(lambda: lane.state_code == "opening")
        lane.site.inject(ShortedWire(signal=f"{goal}-limit", for_s=0.25))
        done = await task

        assert done.state == goal
        assert lane.barrier.signals[f"{goal}-limit"]
        assert not lane.alarms()


@in_virtual_time
async def test_flickering_limit_of_a_stopped_closing_is_stopped() -> None:
    async with BarrierFixture() as lane:
        task = await closing(lane)
        lane.site.inject(ShortedWire(signal="closed-limit", for_s=0.25))
        await lane.pass_s(0.05)
        await lane.stop()
        with pytest.raises(CommandFailure, match="was stopped"):
            await task

        assert 0.01 < lane.barrier.position("") < 0.99


@in_virtual_time
async def test_stop_withdraws_a_waiting_movement() -> None:
    """The frame of an opening waits for the line when the stop comes."""
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(SlowBus(delay_s=0.05))
        await lane.pass_s(1)
        await lane.until(lambda: not lane.driver._board_lock.locked())
        opening = asyncio.create_task(lane.open())
        await lane.pass_s(0.01)
        reading = asyncio.create_task(lane.driver.virtual_board.read_relays())  # the next on the line
        await lane.pass_s(0.06)
        assert lane.pulse_frames() == []
        stopped_s = lane.now_s
        await lane.stop()
        with pytest.raises(CommandRefusal) as called_off:
            await opening
        await asyncio.gather(reading, return_exceptions=True)
        await lane.pass_s(5)

        assert called_off.value.reason is RefusalReason.CANCELLED
        assert lane.pulse_frames(OPEN, stopped_s + 1e-6) == []


@in_virtual_time
async def test_stop_outlives_its_link() -> None:
    async with BarrierFixture() as lane:
        task = await closing(lane)
        lane.site.bus.faults.add(HangUp(of="writes", acts=False))
        with pytest.raises(CommandFailure):
            await lane.stop()
        await lane.until(lambda: lane.failure)
        task.cancel()
        await lane.restart()
        await lane.pass_s(5)

        assert 0.01 < lane.barrier.position() < 0.99


@in_virtual_time
async def test_closing_is_not_shown_after_a_proven_stop() -> None:
    async with BarrierFixture() as lane:
        task = await closing(lane)
        await lane.stop()
        await lane.pass_s(1)
        assert lane.state_code == "stopped"
        await asyncio.gather(task, return_exceptions=True)


@in_virtual_time
async def test_stopped_door_is_not_shown_as_stopped_while_its_button_opens_it() -> None:
    door = ONE_DOOR["doors"][0] | {"entry_side": None}  # type: ignore[index]
    button = {"input": 2, "contact": "no"}
    async with BarrierFixture({"doors": [door], "local_button": button}) as lane:
        task = await closing(lane)
        await lane.pass_s(1)
        await lane.stop()
        await lane.pass_s(1)
        assert lane.state_code == "stopped"
        await asyncio.gather(task, return_exceptions=True)
        lane.site.inject(ShortedWire(signal="approach", for_s=0.5))
        lane.site.inject(ButtonPress(button="open"))
        await lane.pass_s(0.3)
        assert lane.state_code == "unknown"
        await lane.until(lambda: lane.state_code != "unknown")
        assert lane.state_code == "open"


# Contacts.


@pytest.mark.parametrize("fault", [LostRequest, LostReply, ExceptionReply])
@pytest.mark.parametrize("times", [1, 2, 5])
@in_virtual_time
async def test_lost_release_closes_no_opposite_contact(fault: Any, times: int) -> None:
    async with BarrierFixture({"pulse_s": 1.0}, photocell="ignored") as lane:
        await opened(lane)
        task = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.pulse_frames(CLOSE))
        lane.site.boards[0].relays.set(CLOSE, True)  # only a release opens it
        lane.site.inject(fault(of="writes", exchanges=times))
        lane.site.inject(BrokenWire(signal="photocell"))
        with pytest.raises(CommandFailure):
            await task
        await lane.pass_s(6)

        assert lane.log.machine_events("both-contacts") == []
        off = [one for one in lane.log.contacts if one.relay == CLOSE and not one.closed][-1]
        on = [one for one in lane.log.contacts if one.relay == OPEN and one.closed][-1]
        assert on.at_s - off.at_s >= 0.3 - 1e-6
        assert lane.barrier.signals["open-limit"]


@in_virtual_time
async def test_other_master_is_noticed_at_the_next_poll() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        other = DirectConnection(lane.site.bus)
        other.request(1, bytes.fromhex("050003ff00"))  # an unwired relay means nothing
        await lane.pass_s(0.5)
        assert lane.alarms() == []
        other.request(1, bytes.fromhex("050001ff00"))
        began_s = lane.now_s
        await lane.until(lambda: lane.alarms(AlarmKind.OTHER_MASTER), within_s=0.3)
        for order in (lane.open, lane.close, lane.acknowledge):
            if order != lane.close:
                with pytest.raises(CommandRefusal) as refused:
                    await order()
                assert refused.value.reason is RefusalReason.UNSAFE
        await lane.restart()
        other.request(1, OPEN_ALL)
        await lane.pass_s(3)
        with pytest.raises(CommandRefusal):
            await lane.open()
        ours = [frame for frame in lane.log.since(began_s).output_writes if frame.connection == 0]
        assert all(not frame.is_actuation for frame in ours[1:])
        await lane.acknowledge()
        assert (await lane.open()).state is MovementState.OPEN


# Emergencies.


@in_virtual_time
async def test_fire_releases_the_close_contact() -> None:
    async with BarrierFixture({"pulse_s": 1.0}) as lane:
        task = await closing(lane)
        lane.site.inject(EmergencyActive())
        began_s = lane.now_s
        with pytest.raises(CommandFailure):
            await task
        off = [one for one in lane.log.contacts if one.relay == CLOSE and not one.closed][-1]
        assert off.at_s - began_s <= 0.2 + 1e-6


@in_virtual_time
async def test_shut_barrier_in_an_emergency_is_an_alarm() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom())
        lane.site.inject(EmergencyActive())
        await lane.pass_s(lane.settings.open_timeout_s + 1)

        assert len(lane.alarms(AlarmKind.NOT_OPEN_IN_EMERGENCY)) == 1
        assert lane.state is not None
        assert [str(one) for one in lane.state.conditions[:2]] == ["not_open_in_emergency", "emergency"]
        lane.site.clear_faults()
        await lane.pass_s(5)
        assert "not_open_in_emergency" not in lane.state.conditions


@pytest.mark.parametrize("restarts", [False, True])
@in_virtual_time
async def test_forced_open_is_closed_after_acknowledgement_only(restarts: bool) -> None:
    """A person lifted it, or the machine opened it for a reason that the gateway does not sense."""
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(ManualLift(to=1.0))
        await lane.until(lambda: lane.state_code == "open")
        if restarts:
            await lane.restart()
        await lane.pass_s(3)
        with pytest.raises(CommandRefusal) as refused:
            await lane.close()
        assert refused.value.reason is RefusalReason.UNSAFE
        assert lane.pulse_frames() == []
        await lane.acknowledge()
        assert (await lane.close()).state is MovementState.CLOSED


# Latches.


@pytest.mark.parametrize("gap", ["link", "restart", "power cut"])
@in_virtual_time
async def test_emergency_outlives(gap: str) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(EmergencyActive(for_s=5))
        await lane.pass_s(8)
        if gap == "link":
            lane.site.inject(BoardsHung(for_s=3))
            await lane.until(lambda: lane.failure)
            await lane.pass_s(3)
        await lane.kill()
        if gap == "power cut":
            lane.record = DeviceRecord(lane.record.text)
        lane.barrier.press("close")
        await lane.pass_s(5)
        lane.said.clear()
        await lane.start()
        await lane.until(lambda: lane.state is not None)

        assert lane.state_code == "emergency_open"
        assert lane.status[-1].state is StateCode.DEGRADED
        await lane.acknowledge()
        assert lane.state_code == "closed"
        await lane.restart()
        await lane.until(lambda: lane.state_code == "closed")


@in_virtual_time
async def test_lease_belongs_to_its_holder() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await opened(lane)

        async def lease(holder: str, for_s: float, *, is_supervisor: bool = False) -> None:
            call = Invocation("c", holder, "t", lane.call().deadline_ns, is_supervisor)
            await lane.driver.maintenance(SetMaintenance(duration_s=for_s, reason="a test"), call)

        await lease("works-1", 600)
        for for_s in (0, 5):
            with pytest.raises(CommandRefusal, match="works-1") as refused:
                await lease("counter-2", for_s)
            assert refused.value.reason is RefusalReason.MAINTENANCE
        await lane.restart()
        await lane.pass_s(3)
        with pytest.raises(CommandRefusal):
            await lease("counter-2", 0)
        with pytest.raises(CommandRefusal):
            await lane.close()
        assert lane.pulse_frames(CLOSE) == []
        await lease("works-1", 900)
        await lease("chief", 0, is_supervisor=True)
        await lane.acknowledge()
        assert (await lane.close()).state is MovementState.CLOSED


@in_virtual_time
async def test_first_record_is_written_at_once() -> None:
    """A later one may be refused: then an absent record would pass for a barrier without conditions."""
    async with BarrierFixture() as lane:
        assert lane.record.text is not None


@in_virtual_time
async def test_unreadable_record_moves_nothing() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.kill()
        lane.record = DeviceRecord("")
        await lane.start()
        await lane.pass_s(3)
        with pytest.raises(CommandRefusal):
            await lane.open()
        assert len(lane.alarms(AlarmKind.RECORD_LOST)) == 1
        assert lane.pulse_frames() == []
        await lane.acknowledge()
        assert (await lane.open()).state is MovementState.OPEN


# Sensing.


@in_virtual_time
async def test_slow_board_closes_nothing() -> None:
    async with BarrierFixture() as lane:
        await opened(lane)
        lane.site.inject(SlowBus(delay_s=0.15))
        await lane.pass_s(2)
        assert len(lane.alarms(AlarmKind.SENSING_SLOW)) == 1
        assert lane.status[-1].state is StateCode.DEGRADED
        assert "slowly" in lane.status[-1].text
        with pytest.raises(CommandRefusal) as refused:
            await lane.close()
        assert refused.value.reason is RefusalReason.UNSAFE
        assert lane.pulse_frames(CLOSE) == []
        lane.site.clear_faults()
        await lane.pass_s(2)
        assert lane.status[-1].state is StateCode.ONLINE
        assert (await lane.close()).state is MovementState.CLOSED


@in_virtual_time
async def test_every_condition_is_shown() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(ManualLift())
        await lane.until(lambda: lane.state_code == "open")
        lane.site.inject(BothLimits())
        lane.site.inject(EmergencyActive())
        await lane.pass_s(1)

        assert lane.state is not None
        assert [str(one) for one in lane.state.conditions] == ["emergency", "both_limits", "forced_open"]
        for part in ("emergency input", "Both limit switches", "without a command"):
            assert part in lane.status[-1].text


# Two doors.


@in_virtual_time
async def test_grant_outlives_a_flicker() -> None:
    """The machine warns before it starts, and the limit switch flickers: the other door stays shut."""
    async with BarrierFixture(
        GATE | {"start_timeout_s": 15.0, "open_timeout_s": 20.0, "close_timeout_s": 20.0}, E_GATE_SITE
    ) as lane:
        await lane.pass_s(16)
        lane.site.inject(StuckBoom(door="first", for_s=6))
        task = asyncio.create_task(lane.open("first"))
        await lane.until(lane.pulse_frames)
        await lane.pass_s(1)
        lane.site.inject(BrokenWire(signal="first-closed-limit", for_s=0.25))
        await lane.pass_s(2)
        with pytest.raises(CommandRefusal):
            await lane.open("second")
        await asyncio.gather(task, return_exceptions=True)
        await lane.pass_s(3)

        assert [frame.address for frame in lane.pulse_frames()] == [0x200]


@in_virtual_time
async def test_grant_ends_when_the_door_has_closed_again() -> None:
    async with BarrierFixture(GATE, E_GATE_SITE) as lane:
        await lane.ready()
        await lane.open("first")
        await lane.pass_s(3)
        await lane.close("first")
        await lane.pass_s(2)
        assert (await lane.open("second")).state is MovementState.OPEN


@in_virtual_time
async def test_proven_stop_ends_a_grant() -> None:
    async with BarrierFixture(STOPPABLE_GATE, STOPPABLE_SITE) as lane:
        await lane.ready()
        lane.site.inject(StuckBoom(door="first"))
        with pytest.raises(CommandFailure):
            await lane.open("first")
        await lane.pass_s(3)
        with pytest.raises(CommandRefusal):
            await lane.open("second")
        await lane.stop()
        await lane.pass_s(1)
        assert (await lane.open("second")).state is MovementState.OPEN


@in_virtual_time
async def test_local_button_is_no_forced_opening() -> None:
    door = ONE_DOOR["doors"][0] | {"entry_side": None}  # type: ignore[index]
    button = {"input": 2, "contact": "no"}
    async with BarrierFixture({"doors": [door], "local_button": button}) as lane:
        await lane.ready()
        lane.site.inject(ShortedWire(signal="approach", for_s=0.5))
        await lane.pass_s(0.3)
        lane.site.inject(ButtonPress(button="open"))
        await lane.until(lambda: lane.state_code == "open")
        await lane.pass_s(3)
        assert lane.alarms() == []
        assert (await lane.close()).state is MovementState.CLOSED


@in_virtual_time
async def test_self_test_fails_on_a_detector_that_misses() -> None:
    """A photocell that reads clear while a vehicle passes, three times."""
    async with BarrierFixture({"permit_s": 60}) as lane:
        await opened(lane)
        lane.site.inject(ShortedWire(signal="photocell"))
        for _ in range(3):
            for side in ("approach", "exit"):
                lane.site.inject(ShortedWire(signal=side, for_s=0.5))
                await lane.pass_s(2)
        seen = await run_self_test(lane.driver, SelfTestLevel.INTERNAL)

        assert seen[".presence"].outcome is Outcome.FAILED
        with pytest.raises(CommandRefusal, match="missed passages"):
            await lane.close()
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_failed_movement_records_its_writes() -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        task = await closing(lane)
        lane.site.inject(LostReply(of="writes"))
        await lane.stop()
        with pytest.raises(CommandFailure) as failed:
            await task

        assert isinstance(failed.value.output, MoveResult)
        writes = [(write.kind, write.relay, str(write.outcome)) for write in failed.value.output.writes]
        assert writes == [
            ("close", CLOSE, "acknowledged"),
            ("stop", STOP, "unanswered"),
            ("stop", STOP, "acknowledged"),
        ]
