"""Invariants of every barrier, checked by the simulator's record of its wires, not by its reports."""

import asyncio
import contextlib
import itertools
from unittest import mock

import pytest
from barrier_fixture import CLOSE, E_GATE, E_GATE_SITE, OPEN, STOP, BarrierFixture
from virtual_time import in_virtual_time

from drivers.barrier import driver
from drivers.barrier.board import PulseEnd
from drivers.barrier.board_writer import LAST_WRITES_S
from drivers.barrier.observations import AlarmKind, BarrierState, MovementState, PassageDirection, StateReason
from drivers.command import CommandFailure, CommandRefusal, RefusalReason
from drivers.driver import StateCode
from drivers.links.link import Action, LinkError
from drivers.record import DeviceRecord
from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    HangUp,
    LostReply,
    LostRequest,
)
from simulators.barrier.faults import (
    BoardsHung,
    BothLimits,
    BrokenWire,
    ButtonPress,
    Chatter,
    EmergencyActive,
    KeySwitch,
    ManualLift,
    PowerCut,
    SlowBus,
    StuckBoom,
)
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.faults import Fault

POLL_S = 0.2


def refusal_of(error: pytest.ExceptionInfo[CommandRefusal]) -> tuple[type, RefusalReason]:
    return type(error.value), error.value.reason


@in_virtual_time
async def test_invariant_01_ends_follow_from_limit_switches() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom())  # the motor runs, and nothing moves
        with pytest.raises(CommandFailure) as failed:
            await lane.open()
        await lane.pass_s(20)

        assert refusal_of(failed) == (CommandFailure, RefusalReason.TIMED_OUT)
        assert len(lane.pulse_frames(OPEN)) == 1
        assert not lane.log.machine_events("signal", signal="open-limit")
        assert {said.state for said in lane.said if isinstance(said, BarrierState)} == {MovementState.CLOSED}


@in_virtual_time
async def test_invariant_01_no_end_between_the_ends() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom(at=0.5))
        with pytest.raises(CommandFailure):
            await lane.open()
        await lane.pass_s(1)

        said = [
            state
            for state, _ in itertools.groupby(one.state for one in lane.said if isinstance(one, BarrierState))
        ]
        assert said == [MovementState.CLOSED, MovementState.OPENING, MovementState.BLOCKED]
        lane.site.clear_faults()
        await lane.until(lambda: lane.state_code == "open")
        assert lane.barrier.signals["open-limit"]


@pytest.mark.parametrize(
    "fault",
    [
        LostReply(of="writes"),
        LostRequest(of="writes"),
        DuplicatedReply(of="writes"),
        ExceptionReply(of="writes", acts=True),
        HangUp(of="writes"),
        HangUp(of="writes", acts=False),
    ],
    ids=lambda fault: f"{fault.fault}",
)
@in_virtual_time
async def test_invariant_02_one_frame_per_command(fault: Fault) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        if not isinstance(fault, HangUp):
            lane.site.inject(fault)
        else:
            lane.site.bus.faults.add(fault)
        if isinstance(fault, DuplicatedReply):
            assert (await lane.open()).state is MovementState.OPEN
        else:
            with pytest.raises((CommandRefusal, LinkError)):
                await lane.open()
        await lane.pass_s(30)

        assert len(lane.pulse_frames()) == 1


@in_virtual_time
async def test_invariant_03_late_command_is_not_written() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(SlowBus(delay_s=0.25))
        with pytest.raises(CommandRefusal) as late:
            await lane.open(within_s=0.2)
        lane.site.clear_faults()
        await lane.pass_s(10)

        assert refusal_of(late) == (CommandRefusal, RefusalReason.EXPIRED)
        assert lane.pulse_frames() == []


@in_virtual_time
async def test_invariant_03_nothing_waits_for_a_busy_bus() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(BoardsHung(for_s=5))
        began_s = lane.now_s
        with pytest.raises(CommandRefusal):
            await lane.open()
        assert lane.now_s - began_s < 2 * lane.driver.virtual_board.response_timeout_s + POLL_S
        await lane.pass_s(10)

        assert lane.pulse_frames() == []


@in_virtual_time
async def test_invariant_04_no_command_survives_a_kill() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(SlowBus(delay_s=0.2))
        opening = asyncio.create_task(lane.open())  # accepted; now it reads before it writes
        await lane.pass_s(0.1)
        await lane.kill()
        opening.cancel()
        lane.site.clear_faults()
        await lane.start()
        await lane.pass_s(20)

        assert lane.pulse_frames() == []


@in_virtual_time
async def test_invariant_05_reconnect_only_reads_and_releases() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.pulse_frames(OPEN))
        opening.cancel()
        await lane.kill()  # the relay is still closed
        again_s = lane.now_s
        await lane.start()
        await lane.pass_s(20)

        [release] = lane.log.since(again_s).output_writes
        assert release.meaning.startswith("relay 0 off")


@in_virtual_time
async def test_invariant_06_start_and_stop_write_nothing() -> None:
    async with BarrierFixture() as lane:
        for times in range(200):
            await lane.pass_s(0.25 if times % 100 == 0 else 0)
            await lane.end()
            await lane.start()
        await lane.end()
        await lane.start()

        assert lane.log.output_writes == []
        assert lane.log.requests


@in_virtual_time
async def test_invariant_07_pulse_ends_by_itself() -> None:
    async with BarrierFixture({"pulse_s": 1.0}) as lane:
        await lane.ready()
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.log.contacts)
        opening.cancel()
        await lane.kill()
        await lane.pass_s(5)
        closed, opened = lane.log.contacts
        await lane.start()

        assert (closed.closed, opened.closed) == (True, False)
        assert opened.at_s - closed.at_s <= 1.0 + 1e-6


@pytest.mark.parametrize(
    ("end", "released_within_s", "why"),
    [(PulseEnd.NONE, 0.0, "if the gateway dies"), (PulseEnd.WATCHDOG, 1.5, "could stay closed for 1.5 s")],
)
@in_virtual_time
async def test_invariant_07_board_without_pulse_end_is_refused(
    end: PulseEnd, released_within_s: float, why: str
) -> None:
    async with BarrierFixture() as lane:
        lane.driver.virtual_board.pulse_end = end
        lane.driver.virtual_board.release_timeout_s = released_within_s
        with pytest.raises(LinkError, match=why) as refused:
            await lane.driver.open()

        assert refused.value.action is Action.CONFIGURE
        assert lane.log.output_writes == []


@in_virtual_time
async def test_invariant_08_opposite_contacts_are_never_both_closed() -> None:
    async with BarrierFixture({"pulse_s": 1.0}, photocell="ignored") as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.pulse_frames(CLOSE))
        lane.site.inject(BrokenWire(signal="photocell"))  # like an obstruction in the middle of the pulse
        with pytest.raises(CommandFailure):
            await closing
        await lane.until(lambda: len(lane.pulse_frames(OPEN)) == 2)
        await lane.until(lambda: lane.state_code == "open")

        assert lane.log.machine_events("both-contacts") == []
        released = [contact for contact in lane.log.contacts if contact.relay == CLOSE and not contact.closed]
        energised = [contact for contact in lane.log.contacts if contact.relay == OPEN and contact.closed]
        assert energised[-1].at_s - released[-1].at_s >= 0.3 - 1e-6
        assert (
            released[-1].at_s - lane.pulse_frames(CLOSE)[0].at_s < 2 * POLL_S
        )  # not at the end of its pulse


@pytest.mark.parametrize("state", ["occupied", "cut wire", "unknown"])
@in_virtual_time
async def test_invariant_09_never_closes_on_an_obstruction(state: str) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        if state == "occupied":
            lane.barrier.arrive(DriverBehaviour.TAILGATES, speed_mps=1)
            await lane.until(lambda: lane.barrier.signals["photocell"])
        elif state == "cut wire":
            lane.site.inject(BrokenWire(signal="photocell"))
        else:
            lane.site.inject(BoardsHung())
        with pytest.raises(CommandRefusal) as refused:
            await lane.close()
        assert refused.value.reason in (RefusalReason.UNSAFE, RefusalReason.LINK_FAILED)
        await lane.pass_s(10)

        assert lane.pulse_frames(CLOSE) == []


@in_virtual_time
async def test_invariant_10_obstruction_reverses_within_a_poll() -> None:
    async with BarrierFixture(photocell="ignored") as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        lane.barrier.arrive(DriverBehaviour.TAILGATES, speed_mps=3)
        await lane.pass_s(4.0)  # it is nearly there
        assert not lane.barrier.signals["photocell"]
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.barrier.signals["photocell"])
        came_s = lane.log.machine_events("signal", signal="photocell", active=True)[-1].at_s
        with pytest.raises(CommandFailure) as failed:
            await closing
        await lane.pass_s(30)

        assert refusal_of(failed) == (CommandFailure, RefusalReason.UNSAFE)
        [first, *_] = lane.log.since(came_s).output_writes
        assert first.at_s - came_s <= POLL_S + 1e-6
        assert len(lane.pulse_frames(OPEN, came_s)) == 1
        assert len(lane.pulse_frames(CLOSE)) == 1  # only a person closes it again
        assert len(lane.alarms(AlarmKind.OBSTRUCTION_WHILE_CLOSING)) == 1


@pytest.mark.parametrize("fault", [EmergencyActive(), BrokenWire(signal="fire")], ids=["fire", "broken-wire"])
@in_virtual_time
async def test_invariant_11_emergency_lasts_until_acknowledged(fault: Fault) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.state_code == "closing")
        began_s = lane.now_s
        lane.site.inject(fault)
        with pytest.raises(CommandFailure) as failed:
            await closing
        assert lane.now_s - began_s <= POLL_S + 0.01
        assert lane.state_code == "emergency_open"
        assert refusal_of(failed) == (CommandFailure, RefusalReason.UNSAFE)
        await lane.pass_s(5)
        for mended in (False, True):
            if mended:
                lane.site.clear_faults()
                await lane.pass_s(5)
                assert (lane.state_code, lane.state and lane.state.reason) == (
                    "emergency_open",
                    StateReason.EMERGENCY_UNACKNOWLEDGED,
                )
            else:
                with pytest.raises(CommandRefusal):
                    await lane.acknowledge()
            with pytest.raises(CommandRefusal) as refused:
                await lane.close()
            assert refusal_of(refused) == (CommandRefusal, RefusalReason.UNSAFE)
        [release] = lane.log.since(began_s + 1e-6).output_writes
        assert release.meaning.startswith("relay 0 off"), "the close contact is released at once"
        assert release.at_s - began_s <= POLL_S + 0.01
        assert lane.status[-1].state is StateCode.DEGRADED  # so that it can be acknowledged

        await lane.acknowledge()
        assert lane.status[-1].state is StateCode.ONLINE
        assert [alarm.kind for alarm in lane.alarms()] == [AlarmKind.EMERGENCY, AlarmKind.EMERGENCY_CLEARED]


@in_virtual_time
async def test_invariant_11_emergency_cancels_but_permits_opening() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        await lane.pass_s(0.05)
        lane.site.inject(EmergencyActive())
        with pytest.raises(CommandRefusal) as refused:
            await lane.open()  # the reading before the write shows the fire
        assert refusal_of(refused) == (CommandRefusal, RefusalReason.UNSAFE)
        assert lane.pulse_frames() == []
        assert (await lane.open()).state is MovementState.OPEN


@in_virtual_time
async def test_invariant_11_restart_does_not_acknowledge() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(EmergencyActive(for_s=5))
        await lane.until(lambda: lane.barrier.signals["open-limit"])
        await lane.kill()
        await lane.pass_s(10)
        await lane.start()
        await lane.pass_s(5)
        with pytest.raises(CommandRefusal) as refused:
            await lane.close()

        assert refusal_of(refused) == (CommandRefusal, RefusalReason.UNSAFE)
        assert lane.pulse_frames() == []
        await lane.acknowledge()
        assert (await lane.close()).state is MovementState.CLOSED


@pytest.mark.parametrize(
    "state", ["closed", "opening", "open", "closing", "emergency", "maintenance", "fault", "waiting"]
)
@in_virtual_time
async def test_invariant_12_stop_works_in_every_state(state: str) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        moving: asyncio.Task[object] | None = None
        match state:
            case "opening":
                moving = asyncio.create_task(lane.open())
                await lane.until(lambda: lane.state_code == "opening")
            case "open" | "closing":
                await lane.open()
                await lane.pass_s(3)
                if state == "closing":
                    moving = asyncio.create_task(lane.close())
                    await lane.until(lambda: lane.state_code == "closing")
            case "emergency":
                lane.site.inject(EmergencyActive())
            case "maintenance":
                lane.site.inject(KeySwitch())
            case "fault":
                lane.site.inject(BothLimits())
            case "waiting":
                lane.site.inject(SlowBus(delay_s=0.2))
                await lane.pass_s(POLL_S)
                moving = asyncio.create_task(lane.open())
                await lane.pass_s(0.01)
        await lane.pass_s(0.05)
        began_s = lane.now_s
        stopped = await lane.stop()
        if moving is not None:
            with pytest.raises(CommandRefusal) as called_off:
                await moving
            assert called_off.value.reason is RefusalReason.CANCELLED
        lane.site.clear_faults()
        await lane.pass_s(5)

        [frame] = lane.pulse_frames(STOP)
        assert frame.at_s - began_s <= lane.driver.virtual_board.response_timeout_s
        assert stopped.by_stop_contact
        assert lane.pulse_frames(since_s=began_s + 1e-6) == [frame] if frame.at_s > began_s else [frame]
        if state == "waiting":
            assert lane.pulse_frames(OPEN) == []
        if state in ("opening", "closing"):
            await lane.until(lambda: lane.state_code == "stopped")
            assert 0.01 < lane.barrier.position() < 0.99


@pytest.mark.parametrize("fault", ["both limits", "no limit", "chatter"])
@in_virtual_time
async def test_invariant_13_implausible_inputs_move_nothing(fault: str) -> None:
    async with BarrierFixture({"poll_s": 0.1}) as lane:
        await lane.ready()
        if fault == "no limit":
            lane.site.inject(BrokenWire(signal="closed-limit"))
            await lane.pass_s(9.5)
            assert lane.state_code == "fault"
        else:
            lane.site.inject(
                BothLimits() if fault == "both limits" else Chatter(signal="closed-limit", per_s=7)
            )
            await lane.until(lambda: lane.state_code == "fault", within_s=2)
        for order in (lane.open, lane.close):
            with pytest.raises(CommandRefusal) as refused:
                await order()
            assert refusal_of(refused) == (CommandRefusal, RefusalReason.UNSAFE)
        await lane.pass_s(5)
        assert len(lane.alarms(AlarmKind.IMPLAUSIBLE_INPUTS)) == 1
        assert lane.pulse_frames() == []

        lane.site.clear_faults()
        await lane.until(lambda: lane.state_code == "closed", within_s=4)
        assert (await lane.open()).state is MovementState.OPEN


@in_virtual_time
async def test_invariant_13_opening_in_fault_if_configured() -> None:
    async with BarrierFixture({"open_in_fault": True}) as lane:
        await lane.ready()
        lane.site.inject(BothLimits(for_s=1))
        await lane.until(lambda: lane.state_code == "fault")
        assert (await lane.open()).state is MovementState.OPEN


@pytest.mark.parametrize("at", [None, 0.5])
@in_virtual_time
async def test_invariant_14_movement_is_supervised_not_repeated(at: float | None) -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom(at=at))
        began_s = lane.now_s
        with pytest.raises(CommandFailure) as failed:
            await lane.open()
        within_s = 1.5 if at is None else lane.settings.open_timeout_s
        assert within_s < lane.now_s - began_s < within_s + 2 * POLL_S
        await lane.pass_s(60)

        assert refusal_of(failed) == (CommandFailure, RefusalReason.TIMED_OUT)
        kind = AlarmKind.NOT_STARTED if at is None else AlarmKind.NOT_ARRIVED
        assert len(lane.alarms(kind)) == 1
        assert len(lane.pulse_frames()) == 1


@in_virtual_time
async def test_invariant_15_open_too_long_is_only_reported() -> None:
    async with BarrierFixture({"max_open_s": 20}) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(120)

        assert len(lane.alarms(AlarmKind.OPEN_TOO_LONG)) == 1
        assert len(lane.pulse_frames()) == 1
        assert lane.barrier.signals["open-limit"]


@in_virtual_time
async def test_invariant_16_one_passage_per_permit() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.barrier.arrive(DriverBehaviour.WAITS)
        lane.barrier.arrive(DriverBehaviour.TAILGATES)
        await lane.pass_s(5)
        await lane.open(transaction="traveller-1")
        await lane.until(lambda: len(lane.log.machine_events("passage")) == 2)
        await lane.pass_s(1)

        first, second = lane.passages
        assert (first.transaction, first.permitted, first.tailgating) == ("traveller-1", True, False)
        assert (second.transaction, second.permitted, second.tailgating) == (None, False, True)
        assert (first.direction, second.direction) == (PassageDirection.FORWARD, PassageDirection.FORWARD)
        [alarm] = lane.alarms()
        assert alarm.kind is AlarmKind.TAILGATING


@in_virtual_time
async def test_invariant_16_permit_expires() -> None:
    async with BarrierFixture({"permit_s": 4}) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(2.5)
        with pytest.raises(CommandRefusal) as refused:
            await lane.open()
        assert refusal_of(refused) == (CommandRefusal, RefusalReason.BUSY)
        await lane.pass_s(3)
        lane.barrier.arrive(DriverBehaviour.WAITS)
        await lane.until(lambda: lane.log.machine_events("passage"))
        await lane.pass_s(1)

        assert [(one.permitted, one.tailgating) for one in lane.passages] == [(False, True)]
        assert len(lane.pulse_frames()) == 1


@in_virtual_time
async def test_invariant_16_reverse_and_turned_back() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.barrier.arrive(DriverBehaviour.TURNS_BACK)
        await lane.pass_s(4)
        await lane.open(transaction="traveller-1")
        await lane.until(lambda: lane.log.machine_events("left"))
        lane.barrier.arrive(DriverBehaviour.TAILGATES, wrong_way=True, speed_mps=6)
        await lane.until(lambda: lane.log.machine_events("passage"))
        await lane.pass_s(1)

        back, reverse = lane.passages
        assert (back.direction, reverse.direction) == (PassageDirection.TURNED_BACK, PassageDirection.REVERSE)
        assert [alarm.kind for alarm in lane.alarms()][-1] is AlarmKind.REVERSE_PASSAGE


@in_virtual_time
async def test_invariant_17_at_most_one_door_is_open() -> None:
    async with BarrierFixture(E_GATE | {"key_switch": None, "controller_ok": None}, E_GATE_SITE) as lane:
        await lane.ready()
        first = asyncio.create_task(lane.open("first"))
        await lane.until(lane.pulse_frames)
        await lane.pass_s(2.1)
        for _ in range(2):  # while it opens or is open, then while it closes
            with pytest.raises(CommandRefusal) as refused:
                await lane.open("second")
            assert refused.value.reason in (RefusalReason.UNSAFE, RefusalReason.BUSY)
        await first
        with pytest.raises(CommandRefusal):
            await lane.open("second")
        await lane.pass_s(3)
        await lane.close("first")
        await lane.pass_s(2)
        assert (await lane.open("second")).state is MovementState.OPEN

        assert [frame.address for frame in lane.pulse_frames()] == [0x200, 0x201, 0x202]
        second_s = lane.pulse_frames()[-1].at_s
        closed = lane.log.machine_events("signal", signal="first-closed-limit", active=True)
        assert closed[-1].at_s < second_s


@in_virtual_time
async def test_invariant_18_lost_board_within_three_polls() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        began_s = lane.now_s
        lane.site.inject(BoardsHung())
        await lane.pass_s(0.01)
        with pytest.raises(CommandRefusal) as refused:
            await lane.open()
        await lane.until(lambda: lane.failure)

        assert refusal_of(refused) == (CommandRefusal, RefusalReason.LINK_FAILED)
        assert lane.now_s - began_s < 4 * max(POLL_S, lane.driver.virtual_board.response_timeout_s) + POLL_S
        assert lane.state is not None
        assert lane.state.stale
        lane.site.clear_faults()
        await lane.restart()
        await lane.pass_s(10)
        assert lane.pulse_frames() == []
        assert not lane.state.stale


@in_virtual_time
async def test_invariant_27_stop_at_the_loss_of_its_link_is_repeated() -> None:
    """It comes in the third reading without a response, and its own frame is lost as well."""
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(LostRequest(of="any", exchanges=4))
        lost = len(lane.log.requests)
        await lane.until(lambda: len(lane.log.requests) == lost + 3)
        stopping = asyncio.create_task(lane.stop())
        await lane.until(lambda: lane.failure)
        lane.driver.virtual_board.dead = True  # what is not written yet never is

        assert [contact.relay for contact in lane.log.contacts] == [STOP]
        await stopping


@pytest.mark.parametrize(("shown_lost_s", "has_last_writes"), [(1000, True), (0, False)])
@in_virtual_time
async def test_invariant_18_long_loss_is_shown_without_last_writes(
    shown_lost_s: float, has_last_writes: bool
) -> None:
    """A stop on a silent line is repeated before the link is closed, unless readings have long failed."""
    with mock.patch.object(driver, "SHOWN_LOST_S", shown_lost_s):
        async with BarrierFixture() as lane:
            await lane.ready()
            lane.site.inject(BoardsHung())
            stopping = asyncio.create_task(lane.stop())
            await lane.until(lambda: lane.driver._missed_readings.loss is not None)
            lost_s = lane.now_s
            await lane.until(lambda: lane.failure)
            assert (lane.now_s - lost_s >= LAST_WRITES_S) is has_last_writes
            await asyncio.gather(stopping, return_exceptions=True)


@in_virtual_time
async def test_invariant_18_commands_delay_no_loss() -> None:
    """Readings for commands fail as polls do, and count: with eight in line, the loss is not found later."""
    async with BarrierFixture() as lane:
        await lane.ready()
        began_s = lane.now_s
        lane.site.inject(BoardsHung())
        await lane.pass_s(0.01)
        commands = [asyncio.create_task(lane.open()) for _ in range(8)]
        await lane.until(lambda: lane.failure)

        assert lane.now_s - began_s < 4 * max(POLL_S, lane.driver.virtual_board.response_timeout_s) + POLL_S
        refused = await asyncio.gather(*commands, return_exceptions=True)
        assert {(type(one), one.reason) for one in refused if isinstance(one, CommandRefusal)} == {
            (CommandRefusal, RefusalReason.LINK_FAILED)
        }
        assert len(refused) == 8
        assert lane.pulse_frames() == []


@in_virtual_time
async def test_invariant_18_one_lost_response_is_tolerated() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(LostReply(of="reads", exchanges=2))
        await lane.pass_s(5)

        assert lane.failure is None
        assert lane.said[1:] == []


@in_virtual_time
async def test_invariant_19_local_control_has_priority() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(KeySwitch(for_s=10))
        await lane.until(lambda: lane.state_code == "maintenance")
        with pytest.raises(CommandRefusal) as turned:
            await lane.open()
        await lane.until(lambda: lane.state_code == "closed")
        await lane.maintain(60)
        with pytest.raises(CommandRefusal) as leased:
            await lane.open()
        assert refusal_of(turned) == refusal_of(leased) == (CommandRefusal, RefusalReason.MAINTENANCE)
        assert lane.status[-1].state is StateCode.DEGRADED  # otherwise it could not be ended
        await lane.pass_s(59)
        assert lane.state_code == "maintenance"
        await lane.pass_s(2)
        assert lane.state_code == "closed"  # by itself

        assert lane.pulse_frames() == []
        await lane.maintain(60)
        await lane.maintain(0)
        assert (await lane.open()).state is MovementState.OPEN


@in_virtual_time
async def test_invariant_20_frames_have_commands_and_transactions() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.barrier.arrive(DriverBehaviour.WAITS)
        await lane.pass_s(5)
        await lane.open(transaction="traveller-7")
        with pytest.raises(CommandRefusal):
            await lane.open("side-door")
        await lane.until(lambda: lane.passages)

        assert len(lane.pulse_frames()) == 1
        assert lane.passages[0].transaction == "traveller-7"
        opening = [one for one in lane.said if isinstance(one, BarrierState) and one.transaction]
        assert {one.transaction for one in opening} == {"traveller-7"}


@in_virtual_time
async def test_invariant_21_excess_movements_are_refused() -> None:
    async with BarrierFixture({"max_per_minute": 4, "permit_s": 1}) as lane:
        await lane.ready()
        refused = []
        for _ in range(600):
            try:
                await lane.open()
            except CommandRefusal as refusal:
                refused.append(refusal.reason)
            await lane.pass_s(0.1)
        await lane.pass_s(70)

        times = [frame.at_s for frame in lane.pulse_frames()]
        assert 4 <= len(times) <= 6
        assert all(later - sooner >= 2 for sooner, later in itertools.pairwise(times))
        assert all(late - soon >= 60 for soon, late in zip(times, times[4:], strict=False))
        assert RefusalReason.RATE_LIMITED in refused
        assert len(refused) == 600 - len(times)


@in_virtual_time
async def test_invariant_21_rate_continues_after_a_kill() -> None:
    """Each successor knows the movements of the processes before it."""
    async with BarrierFixture({"max_per_minute": 4, "permit_s": 1}) as lane:
        for _ in range(12):
            await lane.ready()
            for _ in range(40):
                with contextlib.suppress(CommandRefusal):
                    await lane.open()
                await lane.pass_s(0.2)
            await lane.kill()
            lane.record = DeviceRecord(lane.record.text)
            await lane.start()

        times = [frame.at_s for frame in lane.pulse_frames()]
        assert len(times) > 4
        assert all(late - soon >= 60 for soon, late in zip(times, times[4:], strict=False))


@in_virtual_time
async def test_invariant_22_forced_opening_within_a_second() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(ManualLift(to=1.0))
        await lane.until(lambda: lane.alarms(AlarmKind.FORCED_OPEN), within_s=1)
        left = lane.log.machine_events("signal", signal="closed-limit", active=False)[-1]
        assert lane.now_s - left.at_s < 1

        await lane.pass_s(5)
        lane.site.inject(ButtonPress(button="close"))
        await lane.until(lambda: lane.state_code == "closed")
        await lane.open()
        assert len(lane.alarms()) == 1
        assert len(lane.pulse_frames()) == 1


@in_virtual_time
async def test_invariant_23_wall_clock_is_not_used() -> None:
    forbidden = mock.Mock(side_effect=AssertionError("the wall clock"))
    with mock.patch("time.time", forbidden), mock.patch("time.time_ns", forbidden):
        async with BarrierFixture({"permit_s": 4}) as lane:
            await lane.ready()
            await lane.open()
            await lane.pass_s(10)
            await lane.close()
            lane.site.inject(EmergencyActive(for_s=1))
            await lane.pass_s(5)
            await lane.acknowledge()
            await lane.stop()

    assert len(lane.pulse_frames()) == 3


@in_virtual_time
async def test_invariant_24_closing_by_controller_is_observed() -> None:
    async with BarrierFixture(self_closes_s=5) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(3)
        began_s = lane.now_s
        lane.site.inject(PowerCut(for_s=10))
        await lane.until(lambda: lane.failure)
        assert lane.failure is not None
        lane.said.clear()
        await lane.until(lambda: lane.barrier.signals["controller-ok"])
        await lane.restart()
        await lane.until(lambda: lane.state_code == "closed")

        said = [one.state for one in lane.said if isinstance(one, BarrierState)]
        assert said == [MovementState.OPEN, MovementState.CLOSING, MovementState.CLOSED]
        assert lane.log.since(began_s).output_writes == []


@in_virtual_time
async def test_invariant_24_unknown_before_the_first_reading() -> None:
    async with BarrierFixture() as lane:
        await lane.ready()
        lane.site.inject(ManualLift(to=0.5))
        await lane.pass_s(3)
        lane.said.clear()
        await lane.restart()
        await lane.until(lambda: lane.state is not None)

        assert lane.state_code == "unknown"
