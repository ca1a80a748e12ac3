"""What holds at every barrier: each judged by what the simulator saw on its wires, not by what we say."""

import asyncio
import itertools
from unittest import mock

import pytest
from barrier_fixture import CLOSE, E_GATE, E_GATE_SITE, OPEN, STOP, Lane
from virtual_time import in_virtual_time

from drivers.barrier.board import PulseEnd
from drivers.barrier.observations import AlarmKind, BarrierState, Direction, MachineState, Why
from drivers.command import Failed, Reason, Refused
from drivers.driver import Condition
from drivers.links.link import Action, LinkError
from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    HangUp,
    LostReply,
    LostRequest,
)
from simulators.barrier.faults import (
    BothLimits,
    BrokenWire,
    Button,
    Chatter,
    Fire,
    KeySwitch,
    Lift,
    PowerCut,
    Silence,
    SlowBus,
    StuckBoom,
)
from simulators.barrier.mechanics.lane import Manner
from simulators.faults import Fault

POLL_S = 0.2


def refusal_of(error: pytest.ExceptionInfo[Refused]) -> tuple[type, Reason]:
    return type(error.value), error.value.reason


@in_virtual_time
async def test_invariant_01_open_and_closed_are_said_from_limits_alone() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom())  # the motor pulls, and nothing moves
        with pytest.raises(Failed) as failed:
            await lane.open()
        await lane.pass_s(20)

        assert refusal_of(failed) == (Failed, Reason.TIMED_OUT)
        assert len(lane.asked(OPEN)) == 1
        assert not lane.log.happenings("signal", signal="open-limit")
        assert {said.state for said in lane.said if isinstance(said, BarrierState)} == {MachineState.CLOSED}


@in_virtual_time
async def test_invariant_01_between_the_ends_no_end_is_said() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom(at=0.5))
        with pytest.raises(Failed):
            await lane.open()
        await lane.pass_s(1)

        said = [one.state for one in lane.said if isinstance(one, BarrierState)]
        assert said == [MachineState.CLOSED, MachineState.OPENING, MachineState.BLOCKED]
        lane.site.mend()
        await lane.until(lambda: lane.stands == "open")
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
async def test_invariant_02_a_command_is_one_frame_at_most_whatever_becomes_of_it(fault: Fault) -> None:
    async with Lane() as lane:
        await lane.ready()
        if not isinstance(fault, HangUp):
            lane.site.inject(fault)
        else:
            lane.site.bus.faults.add(fault)
        if isinstance(fault, DuplicatedReply):
            assert (await lane.open()).state is MachineState.OPEN
        else:
            with pytest.raises((Refused, LinkError)):
                await lane.open()
        await lane.pass_s(30)

        assert len(lane.asked()) == 1


@in_virtual_time
async def test_invariant_03_what_comes_too_late_is_not_written() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(SlowBus(delay_s=0.25))
        with pytest.raises(Refused) as late:
            await lane.open(within_s=0.2)
        lane.site.mend()
        await lane.pass_s(10)

        assert refusal_of(late) == (Refused, Reason.EXPIRED)
        assert lane.asked() == []


@in_virtual_time
async def test_invariant_03_nothing_waits_for_a_bus_that_is_held() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(Silence(for_s=5))
        began_s = lane.now_s
        with pytest.raises(Refused):
            await lane.open()
        assert lane.now_s - began_s < 2 * lane.driver.bench.answer_within_s + POLL_S
        await lane.pass_s(10)

        assert lane.asked() == []


@in_virtual_time
async def test_invariant_04_no_command_survives_a_kill_between_acceptance_and_writing() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(SlowBus(delay_s=0.2))
        opening = asyncio.create_task(lane.open())  # accepted; now it senses before it writes
        await lane.pass_s(0.1)
        await lane.kill()
        opening.cancel()
        lane.site.mend()
        await lane.start()
        await lane.pass_s(20)

        assert lane.asked() == []


@in_virtual_time
async def test_invariant_05_a_reconnect_only_reads() -> None:
    async with Lane() as lane:
        await lane.ready()
        opening = asyncio.create_task(lane.open())
        await lane.until(lambda: lane.asked(OPEN))
        opening.cancel()
        await lane.kill()  # the relay is still closed
        again_s = lane.now_s
        await lane.start()
        await lane.pass_s(20)

        assert lane.log.since(again_s + 1e-6).output_writes == []


@in_virtual_time
async def test_invariant_06_coming_and_going_writes_nothing() -> None:
    async with Lane() as lane:
        for times in range(200):
            await lane.pass_s(0.25 if times % 100 == 0 else 0)
            await lane.end()
            await lane.start()
        await lane.end()
        await lane.start()

        assert lane.log.output_writes == []
        assert lane.log.requests


@in_virtual_time
async def test_invariant_07_a_pulse_ends_by_itself() -> None:
    async with Lane({"pulse_s": 1.0}) as lane:
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
    [(PulseEnd.NOTHING, 0.0, "if the gateway dies"), (PulseEnd.WATCHDOG, 1.5, "could stay closed for 1.5 s")],
)
@in_virtual_time
async def test_invariant_07_a_board_that_never_lets_go_is_refused(
    end: PulseEnd, released_within_s: float, why: str
) -> None:
    async with Lane() as lane:
        lane.driver.bench.pulse_end = end
        lane.driver.bench.released_within_s = released_within_s
        with pytest.raises(LinkError, match=why) as refused:
            await lane.driver.open()

        assert refused.value.action is Action.CONFIGURE
        assert lane.log.output_writes == []


@in_virtual_time
async def test_invariant_08_open_and_close_are_never_closed_at_once() -> None:
    async with Lane({"pulse_s": 1.0}, photocell="ignored") as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.asked(CLOSE))
        lane.site.inject(BrokenWire(signal="photocell"))  # as if somebody came, in the middle of the pulse
        with pytest.raises(Failed):
            await closing
        await lane.until(lambda: len(lane.asked(OPEN)) == 2)
        await lane.until(lambda: lane.stands == "open")

        assert lane.log.happenings("both-contacts") == []
        released = [contact for contact in lane.log.contacts if contact.relay == CLOSE and not contact.closed]
        energised = [contact for contact in lane.log.contacts if contact.relay == OPEN and contact.closed]
        assert energised[-1].at_s - released[-1].at_s >= 0.3 - 1e-6
        assert released[-1].at_s - lane.asked(CLOSE)[0].at_s < 2 * POLL_S  # not at the end of its pulse


@pytest.mark.parametrize("state", ["occupied", "cut wire", "unknown"])
@in_virtual_time
async def test_invariant_09_it_is_never_closed_on_somebody(state: str) -> None:
    async with Lane() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        if state == "occupied":
            lane.barrier.arrive(Manner.TAILGATES, speed_mps=1)
            await lane.until(lambda: lane.barrier.signals["photocell"])
        elif state == "cut wire":
            lane.site.inject(BrokenWire(signal="photocell"))
        else:
            lane.site.inject(Silence())
        with pytest.raises(Refused) as refused:
            await lane.close()
        assert refused.value.reason in (Reason.UNSAFE, Reason.LINK_FAILED)
        await lane.pass_s(10)

        assert lane.asked(CLOSE) == []


@in_virtual_time
async def test_invariant_10_who_comes_while_it_closes_has_it_reopened_within_a_poll() -> None:
    async with Lane(photocell="ignored") as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        lane.barrier.arrive(Manner.TAILGATES, speed_mps=3)
        await lane.pass_s(4.0)  # it is nearly there
        assert not lane.barrier.signals["photocell"]
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.barrier.signals["photocell"])
        came_s = lane.log.happenings("signal", signal="photocell", active=True)[-1].at_s
        with pytest.raises(Failed) as failed:
            await closing
        await lane.pass_s(30)

        assert refusal_of(failed) == (Failed, Reason.UNSAFE)
        [first, *_] = lane.log.since(came_s).output_writes
        assert first.at_s - came_s <= POLL_S + 1e-6
        assert len(lane.asked(OPEN, came_s)) == 1
        assert len(lane.asked(CLOSE)) == 1  # nobody closes it again but a person
        assert len(lane.alarms(AlarmKind.PRESENCE_WHILE_CLOSING)) == 1


@pytest.mark.parametrize("fault", [Fire(), BrokenWire(signal="fire")], ids=["fire", "broken-wire"])
@in_virtual_time
async def test_invariant_11_an_emergency_lasts_until_a_person_says_that_it_is_over(fault: Fault) -> None:
    async with Lane() as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(10)
        closing = asyncio.create_task(lane.close())
        await lane.until(lambda: lane.stands == "closing")
        began_s = lane.now_s
        lane.site.inject(fault)
        with pytest.raises(Failed) as failed:
            await closing
        assert lane.now_s - began_s <= POLL_S + 0.01
        assert lane.stands == "emergency_open"
        assert refusal_of(failed) == (Failed, Reason.UNSAFE)
        await lane.pass_s(5)
        for mended in (False, True):
            if mended:
                lane.site.mend()
                await lane.pass_s(5)
                assert (lane.stands, lane.state and lane.state.why) == ("emergency_open", Why.UNACKNOWLEDGED)
            else:
                with pytest.raises(Refused):
                    await lane.acknowledge()
            with pytest.raises(Refused) as refused:
                await lane.close()
            assert refusal_of(refused) == (Refused, Reason.UNSAFE)
        assert lane.log.since(began_s + 1e-6).output_writes == []
        assert lane.status[-1].condition is Condition.DEGRADED  # so that it can be told that it is over

        await lane.acknowledge()
        assert lane.status[-1].condition is Condition.ONLINE
        assert [alarm.kind for alarm in lane.alarms()] == [AlarmKind.EMERGENCY, AlarmKind.EMERGENCY_CLEARED]


@in_virtual_time
async def test_invariant_11_what_waits_is_called_off_and_a_new_opening_is_not_kept_from_anybody() -> None:
    async with Lane() as lane:
        await lane.ready()
        await lane.pass_s(0.05)
        lane.site.inject(Fire())
        with pytest.raises(Refused) as refused:
            await lane.open()  # what it senses before it writes tells of the fire
        assert refusal_of(refused) == (Refused, Reason.UNSAFE)
        assert lane.asked() == []
        assert (await lane.open()).state is MachineState.OPEN


@in_virtual_time
async def test_invariant_11_a_restart_does_not_acknowledge_an_emergency() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(Fire(for_s=5))
        await lane.until(lambda: lane.barrier.signals["open-limit"])
        await lane.kill()
        await lane.pass_s(10)
        await lane.start()
        await lane.pass_s(5)
        with pytest.raises(Refused) as refused:
            await lane.close()

        assert refusal_of(refused) == (Refused, Reason.UNSAFE)
        assert lane.asked() == []
        await lane.acknowledge()
        assert (await lane.close()).state is MachineState.CLOSED


@pytest.mark.parametrize(
    "state", ["closed", "opening", "open", "closing", "emergency", "maintenance", "fault", "waiting"]
)
@in_virtual_time
async def test_invariant_12_a_stop_is_obeyed_in_every_state(state: str) -> None:
    async with Lane() as lane:
        await lane.ready()
        moving: asyncio.Task[object] | None = None
        match state:
            case "opening":
                moving = asyncio.create_task(lane.open())
                await lane.until(lambda: lane.stands == "opening")
            case "open" | "closing":
                await lane.open()
                await lane.pass_s(3)
                if state == "closing":
                    moving = asyncio.create_task(lane.close())
                    await lane.until(lambda: lane.stands == "closing")
            case "emergency":
                lane.site.inject(Fire())
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
            with pytest.raises(Refused) as called_off:
                await moving
            assert called_off.value.reason is Reason.CANCELLED
        lane.site.mend()
        await lane.pass_s(5)

        [frame] = lane.asked(STOP)
        assert frame.at_s - began_s <= lane.driver.bench.answer_within_s
        assert stopped.contact
        assert lane.asked(since_s=began_s + 1e-6) == [frame] if frame.at_s > began_s else [frame]
        if state == "waiting":
            assert lane.asked(OPEN) == []
        if state in ("opening", "closing"):
            await lane.until(lambda: lane.stands == "stopped")
            assert 0.01 < lane.barrier.position() < 0.99


@pytest.mark.parametrize("fault", ["both limits", "no limit", "chatter"])
@in_virtual_time
async def test_invariant_13_what_cannot_be_moves_nothing(fault: str) -> None:
    async with Lane({"poll_s": 0.1}) as lane:
        await lane.ready()
        if fault == "no limit":
            lane.site.inject(BrokenWire(signal="closed-limit"))
            await lane.pass_s(9.5)
            assert lane.stands == "fault"
        else:
            lane.site.inject(
                BothLimits() if fault == "both limits" else Chatter(signal="closed-limit", per_s=7)
            )
            await lane.until(lambda: lane.stands == "fault", within_s=2)
        for order in (lane.open, lane.close):
            with pytest.raises(Refused) as refused:
                await order()
            assert refusal_of(refused) == (Refused, Reason.UNSAFE)
        await lane.pass_s(5)
        assert len(lane.alarms(AlarmKind.IMPLAUSIBLE)) == 1
        assert lane.asked() == []

        lane.site.mend()
        await lane.until(lambda: lane.stands == "closed", within_s=4)
        assert (await lane.open()).state is MachineState.OPEN


@in_virtual_time
async def test_invariant_13_a_post_may_let_it_be_opened_though_what_is_sensed_cannot_be() -> None:
    async with Lane({"open_in_fault": True}) as lane:
        await lane.ready()
        lane.site.inject(BothLimits(for_s=1))
        await lane.until(lambda: lane.stands == "fault")
        assert (await lane.open()).state is MachineState.OPEN


@pytest.mark.parametrize("at", [None, 0.5])
@in_virtual_time
async def test_invariant_14_travel_is_supervised_and_not_tried_again(at: float | None) -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(StuckBoom(at=at))
        began_s = lane.now_s
        with pytest.raises(Failed) as failed:
            await lane.open()
        within_s = 1.5 if at is None else lane.settings.opens_within_s
        assert within_s < lane.now_s - began_s < within_s + 2 * POLL_S
        await lane.pass_s(60)

        assert refusal_of(failed) == (Failed, Reason.TIMED_OUT)
        kind = AlarmKind.NOT_STARTED if at is None else AlarmKind.NOT_ARRIVED
        assert len(lane.alarms(kind)) == 1
        assert len(lane.asked()) == 1


@in_virtual_time
async def test_invariant_15_open_for_too_long_is_said_and_nothing_else() -> None:
    async with Lane({"open_at_most_s": 20}) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(120)

        assert len(lane.alarms(AlarmKind.OPEN_TOO_LONG)) == 1
        assert len(lane.asked()) == 1
        assert lane.barrier.signals["open-limit"]


@in_virtual_time
async def test_invariant_16_one_permit_is_for_one_passage() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.barrier.arrive(Manner.WAITS)
        lane.barrier.arrive(Manner.TAILGATES)
        await lane.pass_s(5)
        await lane.open(transaction="traveller-1")
        await lane.until(lambda: len(lane.log.happenings("passage")) == 2)
        await lane.pass_s(1)

        first, second = lane.passages
        assert (first.transaction, first.permitted, first.tailgating) == ("traveller-1", True, False)
        assert (second.transaction, second.permitted, second.tailgating) == (None, False, True)
        assert (first.direction, second.direction) == (Direction.FORWARD, Direction.FORWARD)
        [alarm] = lane.alarms()
        assert alarm.kind is AlarmKind.TAILGATING


@in_virtual_time
async def test_invariant_16_a_permit_ends_with_its_time_and_another_waits_for_that() -> None:
    async with Lane({"passage_s": 4}) as lane:
        await lane.ready()
        await lane.open()
        await lane.pass_s(2.5)
        with pytest.raises(Refused) as refused:
            await lane.open()
        assert refusal_of(refused) == (Refused, Reason.BUSY)
        await lane.pass_s(3)
        lane.barrier.arrive(Manner.WAITS)
        await lane.until(lambda: lane.log.happenings("passage"))
        await lane.pass_s(1)

        assert [(one.permitted, one.tailgating) for one in lane.passages] == [(False, True)]
        assert len(lane.asked()) == 1


@in_virtual_time
async def test_invariant_16_who_comes_from_behind_and_who_turns_back_are_told_apart() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.barrier.arrive(Manner.TURNS_BACK)
        await lane.pass_s(4)
        await lane.open(transaction="traveller-1")
        await lane.until(lambda: lane.log.happenings("left"))
        lane.barrier.arrive(Manner.TAILGATES, wrong_way=True, speed_mps=6)
        await lane.until(lambda: lane.log.happenings("passage"))
        await lane.pass_s(1)

        back, reverse = lane.passages
        assert (back.direction, reverse.direction) == (Direction.TURNED_BACK, Direction.REVERSE)
        assert [alarm.kind for alarm in lane.alarms()][-1] is AlarmKind.REVERSE_PASSAGE


@in_virtual_time
async def test_invariant_17_of_two_doors_one_at_most_is_open() -> None:
    async with Lane(E_GATE | {"key_switch": None, "controller_ok": None}, E_GATE_SITE) as lane:
        await lane.ready()
        first = asyncio.create_task(lane.open("first"))
        await lane.until(lane.asked)
        await lane.pass_s(2.1)
        for _ in range(2):  # while it opens or is open, then while it closes
            with pytest.raises(Refused) as refused:
                await lane.open("second")
            assert refused.value.reason in (Reason.UNSAFE, Reason.BUSY)
        await first
        with pytest.raises(Refused):
            await lane.open("second")
        await lane.pass_s(3)
        await lane.close("first")
        await lane.pass_s(2)
        assert (await lane.open("second")).state is MachineState.OPEN

        assert [frame.address for frame in lane.asked()] == [0x200, 0x201, 0x202]
        second_s = lane.asked()[-1].at_s
        closed = lane.log.happenings("signal", signal="first-closed-limit", active=True)
        assert closed[-1].at_s < second_s


@in_virtual_time
async def test_invariant_18_a_lost_board_is_known_within_three_polls_and_nothing_is_kept_for_it() -> None:
    async with Lane() as lane:
        await lane.ready()
        began_s = lane.now_s
        lane.site.inject(Silence())
        await lane.pass_s(0.01)
        with pytest.raises(Refused) as refused:
            await lane.open()
        await lane.until(lambda: lane.failure)

        assert refusal_of(refused) == (Refused, Reason.LINK_FAILED)
        assert lane.now_s - began_s < 4 * max(POLL_S, lane.driver.bench.answer_within_s) + POLL_S
        assert lane.state is not None
        assert lane.state.stale
        lane.site.mend()
        await lane.restart()
        await lane.pass_s(10)
        assert lane.asked() == []
        assert not lane.state.stale


@in_virtual_time
async def test_invariant_18_one_lost_answer_is_not_a_lost_board() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(LostReply(of="reads", exchanges=2))
        await lane.pass_s(5)

        assert lane.failure is None
        assert lane.said[1:] == []


@in_virtual_time
async def test_invariant_19_who_stands_at_the_barrier_goes_before_who_is_far_away() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(KeySwitch(for_s=10))
        await lane.until(lambda: lane.stands == "maintenance")
        with pytest.raises(Refused) as turned:
            await lane.open()
        await lane.until(lambda: lane.stands == "closed")
        await lane.maintain(60)
        with pytest.raises(Refused) as leased:
            await lane.open()
        assert refusal_of(turned) == refusal_of(leased) == (Refused, Reason.MAINTENANCE)
        assert lane.status[-1].condition is Condition.DEGRADED  # or nobody could end it
        await lane.pass_s(59)
        assert lane.stands == "maintenance"
        await lane.pass_s(2)
        assert lane.stands == "closed"  # by itself

        assert lane.asked() == []
        await lane.maintain(60)
        await lane.maintain(0)
        assert (await lane.open()).state is MachineState.OPEN


@in_virtual_time
async def test_invariant_20_every_frame_has_a_command_and_what_follows_carries_its_transaction() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.barrier.arrive(Manner.WAITS)
        await lane.pass_s(5)
        await lane.open(transaction="traveller-7")
        with pytest.raises(Refused):
            await lane.open("side-door")
        await lane.until(lambda: lane.passages)

        assert len(lane.asked()) == 1
        assert lane.passages[0].transaction == "traveller-7"
        opening = [one for one in lane.said if isinstance(one, BarrierState) and one.transaction]
        assert {one.transaction for one in opening} == {"traveller-7"}


@in_virtual_time
async def test_invariant_21_movements_are_limited_and_the_excess_is_not_kept() -> None:
    async with Lane({"per_minute": 4, "passage_s": 1}) as lane:
        await lane.ready()
        refused = []
        for _ in range(600):
            try:
                await lane.open()
            except Refused as refusal:
                refused.append(refusal.reason)
            await lane.pass_s(0.1)
        await lane.pass_s(70)

        times = [frame.at_s for frame in lane.asked()]
        assert 4 <= len(times) <= 6
        assert all(later - sooner >= 2 for sooner, later in itertools.pairwise(times))
        assert all(late - soon >= 60 for soon, late in zip(times, times[4:], strict=False))
        assert Reason.RATE_LIMITED in refused
        assert len(refused) == 600 - len(times)


@in_virtual_time
async def test_invariant_22_an_opening_that_nobody_asked_for_is_told_within_a_second() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(Lift(to=1.0))
        await lane.until(lambda: lane.alarms(AlarmKind.FORCED_OPEN), within_s=1)
        left = lane.log.happenings("signal", signal="closed-limit", active=False)[-1]
        assert lane.now_s - left.at_s < 1

        await lane.pass_s(5)
        lane.site.inject(Button(button="close"))
        await lane.until(lambda: lane.stands == "closed")
        await lane.open()
        assert len(lane.alarms()) == 1
        assert len(lane.asked()) == 1


@in_virtual_time
async def test_invariant_23_nobody_asks_for_the_wall_clock() -> None:
    forbidden = mock.Mock(side_effect=AssertionError("the wall clock"))
    with mock.patch("time.time", forbidden), mock.patch("time.time_ns", forbidden):
        async with Lane({"passage_s": 4}) as lane:
            await lane.ready()
            await lane.open()
            await lane.pass_s(10)
            await lane.close()
            lane.site.inject(Fire(for_s=1))
            await lane.pass_s(5)
            await lane.acknowledge()
            await lane.stop()

    assert len(lane.asked()) == 3


@in_virtual_time
async def test_invariant_24_a_controller_that_closes_by_itself_is_watched_and_left_alone() -> None:
    async with Lane(self_closes_s=5) as lane:
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
        await lane.until(lambda: lane.stands == "closed")

        said = [one.state for one in lane.said if isinstance(one, BarrierState)]
        assert said == [MachineState.OPEN, MachineState.CLOSING, MachineState.CLOSED]
        assert lane.log.since(began_s).output_writes == []


@in_virtual_time
async def test_invariant_24_nothing_is_known_before_a_limit_is_read() -> None:
    async with Lane() as lane:
        await lane.ready()
        lane.site.inject(Lift(to=0.5))
        await lane.pass_s(3)
        lane.said.clear()
        await lane.restart()
        await lane.until(lambda: lane.state is not None)

        assert lane.stands == "unknown"
