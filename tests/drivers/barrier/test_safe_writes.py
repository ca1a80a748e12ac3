"""Safe writes and obstructions of a barrier: withdrawn writes, new movements, a reading that waits."""

import asyncio

import pytest
from barrier_fixture import CLOSE, ONE_DOOR, OPEN, BarrierFixture
from virtual_time import in_virtual_time

from drivers.barrier.control.actuation import Actuation, ActuationKind
from drivers.barrier.control.doors.door_control import DoorControl
from drivers.barrier.control.doors.movement import DoorTracker, Movement
from drivers.barrier.control.doors.obstruction import ObstructionReversal
from drivers.barrier.control.safe_writes import SafeWrites
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState
from drivers.barrier.wiring import BarrierSettings, DoorInputs
from simulators.barrier.faults import BrokenWire

SETTINGS = BarrierSettings.model_validate(ONE_DOOR)

# Writes that were not sent.


@pytest.mark.parametrize(("sent", "ready"), [(False, True), (True, False)])
def test_write_that_was_not_sent_costs_no_dead_time(sent: bool, ready: bool) -> None:
    """A refused frame may have closed the relay, and one that was never sent has not."""
    writes = SafeWrites(SETTINGS, [DoorControl(door, SETTINGS) for door in SETTINGS.doors], 0.0)
    closing = Actuation(ActuationKind.CLOSE)
    assert writes.is_ready(CLOSE, 10)
    writes.on_writing(closing, 10)
    assert not writes.is_ready(CLOSE, 10)
    writes.on_refused(closing, 10.1, sent=sent)
    assert writes.is_ready(CLOSE, 10.1) is ready
    assert writes.is_ready(OPEN, 10.1), "another relay"


# Obstructions.


class ObstructedDoor:
    """A door with its obstruction handling, between its ends."""

    def __init__(self) -> None:
        self.door = DoorTracker("left", SETTINGS)
        self.obstruction = ObstructionReversal(self.door, has_stop_contact=True)
        self.sense(1, present=False, is_open=True)

    def sense(self, now_s: float, *, present: bool = True, is_open: bool = False) -> list[AlarmKind]:
        seen = DoorInputs(open_limit=is_open, closed_limit=False, presence=present)
        assert not list(self.door.on_inputs(seen, now_s, excused=True))
        alarms: tuple[BarrierAlarm, ...] = self.obstruction.on_inputs(now_s)
        assert {alarm.door for alarm in alarms} <= {"left"}
        return [alarm.kind for alarm in alarms]

    def close(self, now_s: float) -> None:
        """Command a closing, whatever the state."""
        self.door.on_requested(Movement(0, MovementState.CLOSED, "t1", now_s, self.door.state))
        self.obstruction.on_movement()


def test_obstruction_of_a_new_movement_is_noticed_anew() -> None:
    one = ObstructedDoor()
    one.close(2)
    assert one.sense(2.2) == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]
    assert one.sense(2.4) == []
    one.obstruction.cancel()
    assert one.sense(2.6) == [], "the same one"
    one.close(3)
    assert one.sense(3.2) == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]


def test_obstruction_that_stays_due_is_noticed_once() -> None:
    one = ObstructedDoor()
    one.close(2)
    assert one.sense(2.2) == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]
    one.close(3)
    assert one.sense(3.2) == []
    assert one.obstruction.is_due


# A reading that waits for its response.


@in_virtual_time
async def test_reopening_does_not_wait_for_a_reading() -> None:
    """Its dead time ends while the board still owes the response to a reading."""
    async with BarrierFixture(photocell="ignored") as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.state_code == "closing")
        board = lane.driver.virtual_board
        read_inputs, ended_s = board.read_inputs, list[float]()

        async def read_late() -> tuple[bool, ...]:
            inputs = await read_inputs()
            if lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING) and not ended_s:
                await lane.pass_s(0.45)
                ended_s.append(lane.now_s)
            return inputs

        board.read_inputs = read_late  # type: ignore[method-assign]
        began_s = lane.now_s
        lane.site.inject(BrokenWire(signal="photocell"))
        await asyncio.gather(closing, return_exceptions=True)
        await lane.pass_s(3)

        (reopened, *_) = lane.pulse_frames(OPEN, began_s)
        assert reopened.at_s < ended_s[0] - 0.1
        assert lane.barrier.signals["open-limit"]
