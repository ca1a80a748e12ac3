"""Interlock of two doors: a door is opened only if a fresh reading shows the other closed."""

import asyncio
import contextlib
from typing import Any

from barrier_fixture import E_GATE, E_GATE_SITE, BarrierFixture
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import VirtualRunner

from drivers.command import CommandRefusal
from drivers.links.link import LinkError
from simulators.barrier.bus_faults import LostReply, LostRequest
from simulators.barrier.faults import BrokenWire, ButtonPress, EmergencyActive, ManualLift, SlowBus, StuckBoom
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.barrier.wirelog import Frame, FrameFate
from simulators.errors import SimulatorError
from simulators.faults import Fault

DOORS = ("first", "second")
GATE = E_GATE | {"key_switch": None, "controller_ok": None, "permit_s": 2}
OPENS = {0x200: "second", 0x202: "first"}
"""Frames that open a door, with the other door, which must be closed."""
CLOSED = {"first": 1, "second": 4}
FIRE = 6
TIMES = st.sampled_from([0.05, 0.2, 0.5, 1.0, 2.1, 4.0, 8.0])
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(LostReply, of=st.sampled_from(["any", "writes"])),
    st.builds(LostRequest, of=st.sampled_from(["any", "writes"])),
    st.builds(SlowBus, delay_s=st.sampled_from([0.1, 0.25]), for_s=TIMES),
    st.builds(StuckBoom, door=st.sampled_from(DOORS), for_s=TIMES, at=st.sampled_from([None, 0.5])),
    st.builds(ManualLift, door=st.sampled_from(DOORS), to=st.sampled_from([0.0, 0.5, 1.0])),
    st.builds(ButtonPress, door=st.sampled_from(DOORS), button=st.sampled_from(["open", "close", "stop"])),
    st.builds(BrokenWire, signal=st.sampled_from(["first-closed-limit", "second-photocell"]), for_s=TIMES),
    st.builds(EmergencyActive, for_s=TIMES),
)
DEEDS = st.one_of(
    st.tuples(st.just("open"), st.sampled_from(DOORS)),
    st.tuples(st.just("open"), st.sampled_from(DOORS)),
    st.tuples(st.just("close"), st.sampled_from(DOORS)),
    st.tuples(st.just("fault"), FAULTS),
    st.tuples(st.just("come"), st.sampled_from(DriverBehaviour)),
    st.tuples(st.just("kill"), TIMES),
    st.tuples(st.just("acknowledge"), st.none()),
)


async def live(lane: BarrierFixture, deeds: list[tuple[tuple[str, Any], float]]) -> None:
    async with lane:
        tasks: list[asyncio.Task[Any]] = []
        for (deed, what), then_s in deeds:
            match deed:
                case "open" | "close":
                    tasks.append(asyncio.create_task((lane.open if deed == "open" else lane.close)(what)))
                case "acknowledge":
                    with contextlib.suppress(CommandRefusal):
                        await lane.acknowledge()
                case "fault":
                    lane.site.inject(what)
                case "come":
                    with contextlib.suppress(SimulatorError):
                        lane.barrier.arrive(what, patience_s=5)
                case "kill":
                    await lane.kill()
                    await lane.pass_s(what)
                    lane.site.clear_faults()
                    await lane.start()
            await lane.pass_s(then_s)
            lane.check()
            if lane.failure is not None:
                lane.site.clear_faults()
                await lane.restart()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            fine = (CommandRefusal, LinkError, asyncio.CancelledError)
            assert not isinstance(outcome, BaseException) or isinstance(outcome, fine), outcome


def check_openings(frames: list[Frame]) -> int:
    """Check each opening; return their number."""
    told: tuple[int, ...] = ()
    openings = 0
    asked: dict[int, Frame] = {}
    last: tuple[str, float] | None = None
    for frame in frames:
        if frame.direction == "request" and frame.function == 2:
            asked[frame.number] = frame
        elif frame.answers in asked and frame.fate is FrameFate.SENT and isinstance(frame.value, tuple):
            if frame.at_s - asked[frame.answers].at_s < 0.3:
                told = frame.value
        elif frame.is_actuation and frame.address in OPENS:
            openings += 1
            other = OPENS[frame.address]
            if told[FIRE]:  # the circuit is closed: no emergency
                assert told[CLOSED[other]], f"{frame.meaning} at {frame.at_s} while {other} is not closed"
                late = last is None or last[0] != other or frame.at_s - last[1] >= 1.5
                assert late, f"{frame.meaning} at {frame.at_s}, so soon after {other} was told to open"
            last = ({"first": "second", "second": "first"}[other], frame.at_s)
    return openings


def test_invariant_17_in_random_order() -> None:
    opened = 0

    @settings(max_examples=60)
    @given(st.lists(st.tuples(DEEDS, TIMES), min_size=5, max_size=40))
    def whatever_comes(deeds: list[tuple[tuple[str, Any], float]]) -> None:
        async def run() -> BarrierFixture:
            lane = BarrierFixture(GATE, E_GATE_SITE)
            await live(lane, [(("come", DriverBehaviour.WAITS), 2.1), *deeds])
            return lane

        nonlocal opened
        with VirtualRunner() as runner:
            opened += check_openings(runner.run(run()).log.frames)

    whatever_comes()
    assert opened > 20
