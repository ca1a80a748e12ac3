"""Order of disk, board and display: what is durable before what is written and shown."""

import asyncio
from dataclasses import replace

import pytest
from barrier_fixture import CLOSE, OPEN, BarrierFixture
from virtual_time import in_virtual_time

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier, SetMaintenance
from drivers.barrier.observations import AlarmKind, BarrierState, MovementState, StateReason
from drivers.command import CommandArguments, CommandFailure, CommandRefusal, Invocation, RefusalReason
from drivers.observation import Observation
from drivers.record import DeviceRecord
from simulators.barrier.faults import BrokenWire, EmergencyActive


class Disk:
    """A disk that confirms records after `delay_s`; None: it blocks until `release`."""

    def __init__(self, delay_s: float | None) -> None:
        self.delay_s = delay_s
        self.stored: list[tuple[float, str]] = []
        """Time and content of each record that is on the disk."""
        self._waiting: list[tuple[int, str]] = []
        self.record = DeviceRecord(None, self._store)

    def _store(self, number: int, text: str) -> None:
        self._waiting.append((number, text))
        if self.delay_s is not None:
            asyncio.get_running_loop().call_later(self.delay_s, self.release)

    def release(self) -> None:
        """Confirm all records so far."""
        for number, text in self._waiting:
            self.stored.append((asyncio.get_running_loop().time(), text))
            self.record.on_stored(number)
        self._waiting.clear()

    def stored_s(self, part: str) -> float | None:
        """Return when a record with this part was on the disk."""
        return next((at_s for at_s, text in self.stored if part in text), None)


class TimedList(list[Observation]):
    """Observations with the times at which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.times_s: list[float] = []

    def append(self, said: Observation) -> None:
        self.times_s.append(asyncio.get_running_loop().time())
        super().append(said)


class ShownLane(BarrierFixture):
    """A lane whose record is on a disk, with the times at which its states were shown."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.record = disk.record
        self.said: TimedList = TimedList()

    @property
    def shown(self) -> list[tuple[float, BarrierState]]:
        """States, and the time of each."""
        pairs = zip(self.said.times_s, self.said, strict=True)
        return [(at_s, said) for at_s, said in pairs if isinstance(said, BarrierState)]

    def shown_s(self, state: MovementState) -> float | None:
        return next((at_s for at_s, said in self.shown if said.state is state), None)


def awaiting(lane: BarrierFixture) -> tuple[Invocation, "asyncio.Future[bool]"]:
    """Return a command whose decision is not recorded yet, and the future of that."""
    recorded = asyncio.get_running_loop().create_future()
    return replace(lane.call(), recorded=recorded), recorded


@in_virtual_time
async def test_emergency_is_shown_once_recorded() -> None:
    async with ShownLane(Disk(delay_s=0.03)) as lane:
        await lane.ready()
        lane.site.inject(EmergencyActive())
        await lane.until(lambda: lane.state_code == "emergency_open")
        await lane.pass_s(0.01)

        stored_s, shown_s = (
            lane.disk.stored_s('"emergency": true'),
            lane.shown_s(MovementState.EMERGENCY_OPEN),
        )
        assert stored_s is not None
        assert shown_s is not None
        assert stored_s <= shown_s <= stored_s + 0.01
        assert lane.state is not None
        assert StateReason.NOT_RECORDED not in lane.state.conditions


@in_virtual_time
async def test_emergency_on_blocked_disk_is_marked() -> None:
    async with ShownLane(Disk(delay_s=0.03)) as lane:
        await lane.ready()
        lane.disk.delay_s = None
        began_s = lane.now_s
        lane.site.inject(EmergencyActive())
        await lane.until(lambda: lane.state_code == "emergency_open", within_s=0.6)
        await lane.pass_s(0.5)

        emergencies = [said for _, said in lane.shown if said.state is MovementState.EMERGENCY_OPEN]
        assert emergencies
        assert all(StateReason.NOT_RECORDED in said.conditions for said in emergencies)
        assert lane.alarms(AlarmKind.EMERGENCY)
        assert "not on the disk" in lane.status[-1].text
        assert lane.now_s - began_s < 1.2

        lane.disk.release()
        await lane.pass_s(0.5)
        assert lane.state is not None
        assert StateReason.NOT_RECORDED not in lane.state.conditions
        assert "not on the disk" not in lane.status[-1].text


@in_virtual_time
async def test_release_waits_for_no_disk() -> None:
    """The CLOSE contact opens in the poll that senses the emergency, whatever the disk does."""
    async with ShownLane(Disk(delay_s=0.03)) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(3)
        lane.disk.delay_s = None
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.pulse_frames(CLOSE))
        began_s = lane.now_s
        lane.site.inject(EmergencyActive())
        await lane.until(lambda: lane.log.releases, within_s=1)

        assert lane.log.releases[-1].at_s - began_s <= lane.settings.poll_s + 0.01
        with pytest.raises(CommandFailure):
            await closing


@in_virtual_time
async def test_closing_waits_for_its_record() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(3)
        call, recorded = awaiting(lane)
        closing = asyncio.create_task(lane.driver.close_barrier(CloseBarrier(), call))
        await lane.pass_s(0.2)
        assert lane.pulse_frames(CLOSE) == []
        recorded.set_result(True)
        assert (await closing).state is MovementState.CLOSED


@pytest.mark.parametrize("answer", [False, None], ids=["refuses", "blocks"])
@in_virtual_time
async def test_unrecorded_closing_is_refused(answer: bool | None) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(3)
        call, recorded = awaiting(lane)
        if answer is not None:
            recorded.set_result(answer)
        began_s = lane.now_s
        with pytest.raises(CommandRefusal) as refused:
            await lane.driver.close_barrier(CloseBarrier(), call)

        assert (type(refused.value), refused.value.reason) == (CommandRefusal, RefusalReason.NOT_RECORDED)
        assert lane.now_s - began_s < 0.6
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_stop_cancels_a_closing_that_waits() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(3)
        call, recorded = awaiting(lane)
        closing = asyncio.create_task(lane.driver.close_barrier(CloseBarrier(), call))
        await lane.pass_s(0.1)
        await lane.stop()
        recorded.set_result(True)
        with pytest.raises(CommandRefusal) as refused:
            await closing

        assert refused.value.reason is RefusalReason.CANCELLED
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_obstruction_in_the_wait_is_seen() -> None:
    """The inputs are read after the wait for the disk, not before it."""
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(3)
        call, recorded = awaiting(lane)
        closing = asyncio.create_task(lane.driver.close_barrier(CloseBarrier(), call))
        await lane.pass_s(0.1)
        lane.site.inject(BrokenWire(signal="photocell"))
        recorded.set_result(True)
        with pytest.raises(CommandRefusal) as refused:
            await closing
        assert refused.value.reason is RefusalReason.UNSAFE
        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_opening_and_stop_wait_for_no_disk() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        call, _ = awaiting(lane)
        began_s = lane.now_s
        opening = asyncio.create_task(lane.driver.open_barrier(OpenBarrier(), call))
        await lane.until(lambda: lane.pulse_frames(OPEN))
        assert lane.now_s - began_s < 0.1
        stopped, _ = awaiting(lane)
        began_s = lane.now_s
        await lane.driver.stop(CommandArguments(), stopped)
        assert lane.now_s - began_s < 0.1
        with pytest.raises(CommandFailure):
            await opening


@in_virtual_time
async def test_record_of_a_movement_delays_no_state() -> None:
    """It only continues the rate limit. On a disk that blocks, an emergency waits for it no longer either."""
    disk = Disk(delay_s=0.03)
    async with ShownLane(disk) as lane:
        await lane.ready()
        await lane.pass_s(1)
        disk.delay_s = None
        await lane.open()
        assert lane.state_code == "open"
        assert StateReason.NOT_RECORDED not in lane.shown[-1][1].conditions
        lane.site.inject(EmergencyActive())
        await lane.until(lambda: lane.state_code == "emergency_open")
        assert StateReason.NOT_RECORDED in lane.shown[-1][1].conditions
        disk.release()
        await lane.pass_s(0.5)
        assert disk.stored_s('"emergency": true') is not None


@in_virtual_time
@pytest.mark.parametrize("text", [None, "{}"])
async def test_addition_is_numbered_and_nothing_waits_for_it(text: str | None) -> None:
    """Numbers begin at 1, also where an earlier process has written the record."""
    numbers: list[int] = []
    record = DeviceRecord(text, lambda number, _text: numbers.append(number))
    record.add("a")
    assert record.is_stored
    record.write("b")
    record.add("c")
    assert not record.is_stored
    assert record.text == "c"
    assert numbers[0] >= 1
    assert numbers[1:] == [numbers[0] + 1] * 2
    record.on_stored(numbers[-1])
    assert record.is_stored


@in_virtual_time
@pytest.mark.parametrize("delay_s", [0.21, 0.25, 0.3, 0.39, 0.41])
async def test_mark_ends_once_a_slow_disk_has_the_record(delay_s: float) -> None:
    """If the disk confirms before the next reading, the state is as it was before the mark."""
    async with ShownLane(Disk(delay_s=0.03)) as lane:
        await lane.ready()
        lane.disk.delay_s = delay_s
        lane.site.inject(EmergencyActive())
        await lane.until(lambda: lane.state_code == "emergency_open")
        assert StateReason.NOT_RECORDED in lane.shown[-1][1].conditions
        await lane.pass_s(1)

        assert StateReason.NOT_RECORDED not in lane.shown[-1][1].conditions
        assert "not on the disk" not in lane.status[-1].text


@in_virtual_time
async def test_lease_is_confirmed_once_recorded() -> None:
    async with ShownLane(Disk(delay_s=0.03)) as lane:
        await lane.ready()
        await lane.maintain(60)
        stored_s = lane.disk.stored_s('"holder"')
        assert stored_s is not None
        assert stored_s <= lane.now_s

        lane.disk.delay_s = None
        with pytest.raises(CommandFailure) as failed:
            await lane.maintain(120)
        assert failed.value.reason is RefusalReason.NOT_RECORDED
        assert "until the gateway ends" in failed.value.text
        assert lane.state_code == "maintenance"  # in effect nevertheless


@pytest.mark.parametrize("verb", ["acknowledge", "maintenance"])
@in_virtual_time
async def test_unrecorded_order_lifts_no_protection(verb: str) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        call, recorded = awaiting(lane)
        recorded.set_result(False)
        if verb == "acknowledge":
            lane.site.inject(EmergencyActive(for_s=1))
            await lane.pass_s(2)
            order = lane.driver.acknowledge(AcknowledgeEmergency(reason="looked"), call)
        else:
            await lane.maintain(60)
            order = lane.driver.maintenance(SetMaintenance(duration_s=0, reason="a test"), call)
        before = lane.state_code
        with pytest.raises(CommandRefusal) as refused:
            await order

        await lane.pass_s(0.5)
        assert refused.value.reason is RefusalReason.NOT_RECORDED
        assert lane.state_code == before
