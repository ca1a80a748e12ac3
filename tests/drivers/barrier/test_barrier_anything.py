"""Whatever comes in whatever order, the invariants hold: random people, faults, commands and kills.

`BORDERPOST_BARRIER_STEPS` says how many steps to take, 200 to 700 a second on one core, as busy as it is.
Unset they are 60,000, always the same: about two minutes in CI, beside other tests. Set, they are new ones:
15,000,000 take a night.
"""

import asyncio
import contextlib
import os
from typing import Any

import pytest
from barrier_rig import CLOSE, OPEN, STOP, Lane
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from virtual_time import VirtualRunner
from wire_judge import Judge, Order

from drivers.barrier.observations import BarrierState
from drivers.command import Refused
from drivers.links.link import LinkError
from simulators.barrier.exchange import DuplicatedReply, ExceptionReply, LateReply, LostReply, LostRequest
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
from simulators.errors import SimulatorError
from simulators.faults import Fault

STEPS = int(os.environ.get("BORDERPOST_BARRIER_STEPS", "60000"))
A_RUN = 50
"""How many steps one barrier lives."""
TIMES = st.sampled_from([0.01, 0.05, 0.1, 0.19, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.1, 3.0, 6.0, 10.0])
EXCHANGES: st.SearchStrategy[Fault] = st.builds(
    lambda kind, of, exchanges: kind(of=of, exchanges=exchanges),
    st.sampled_from([LostReply, LostRequest, DuplicatedReply, ExceptionReply, LateReply]),
    st.sampled_from(["any", "reads", "writes"]),
    st.integers(1, 4),
)
LASTING: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Silence, for_s=TIMES),
    st.builds(SlowBus, for_s=TIMES, delay_s=st.sampled_from([0.05, 0.15, 0.25, 0.4])),
    st.builds(PowerCut, for_s=TIMES, of=st.sampled_from(["all", "boards", "controllers"])),
    st.builds(
        BrokenWire,
        for_s=TIMES,
        signal=st.sampled_from(["open-limit", "closed-limit", "photocell", "fire", "approach"]),
    ),
    st.builds(BothLimits, for_s=TIMES),
    st.builds(
        Chatter,
        for_s=TIMES,
        signal=st.sampled_from(["open-limit", "closed-limit", "photocell", "fire"]),
        per_s=st.sampled_from([3.0, 7.0, 10.0]),
    ),
    st.builds(StuckBoom, for_s=TIMES, at=st.sampled_from([None, 0.0, 0.3, 0.7, 1.0])),
    st.builds(Fire, for_s=TIMES),
    st.builds(KeySwitch, for_s=TIMES),
)


class AnyBarrier(RuleBasedStateMachine):
    """One barrier, and everything that can happen to it."""

    @initialize(
        photocell=st.sampled_from(["reopens", "stops", "ignored"]), pause_s=st.sampled_from([None, 4])
    )
    def begin(self, photocell: str, pause_s: float | None) -> None:
        self.runner = VirtualRunner()
        self.runner.__enter__()
        self.judge = Judge()
        self.tasks: list[asyncio.Task[Any]] = []
        self.runner.run(self._begin(photocell, pause_s))

    async def _begin(self, photocell: str, pause_s: float | None) -> None:
        self.lane = Lane(None, None, photocell=photocell, pause_s=pause_s, self_closes_s=5)
        self.lane.log.on_entry = self.judge.entry
        await self._start()

    async def _start(self) -> None:
        self.judge.life_begins()
        try:
            await self.lane.start()
        except LinkError:
            self.open = False
        else:
            self.open = True
            self.judge.lives(self.lane.now_s)

    async def _gone(self) -> None:
        """Whoever waits for an answer has none any more."""
        self.judge.life_begins()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    # Time.

    @rule(seconds=TIMES)
    def time_passes(self, seconds: float) -> None:
        self.runner.run(self.lane.pass_s(seconds))

    # Commands.

    @precondition(lambda self: self.open and not self.tasks)
    @rule(verb=st.sampled_from(["open", "open", "close", "close"]), within_s=st.sampled_from([0.1, 0.3, 3.0]))
    def somebody_asks_for_a_movement(self, verb: str, within_s: float) -> None:
        async def ask() -> None:
            relay = OPEN if verb == "open" else CLOSE
            self.judge.orders.append(order := Order(relay, self.lane.now_s + within_s))
            try:
                await (self.lane.open if verb == "open" else self.lane.close)(within_s=within_s)
            except (Refused, LinkError):
                pass
            finally:
                if order in self.judge.orders:
                    self.judge.orders.remove(order)  # it is answered: nothing may be written for it later

        self._in_the_background(ask())

    @precondition(lambda self: self.open)
    @rule()
    def somebody_stops_it(self) -> None:
        async def stop() -> None:
            self.judge.stopped()
            self.judge.orders.append(order := Order(STOP, self.lane.now_s + 3))
            try:
                await self.lane.stop()
            except (Refused, LinkError):
                pass
            finally:
                if order in self.judge.orders:
                    self.judge.orders.remove(order)

        self.runner.run(stop())

    @precondition(lambda self: self.open and not self.tasks)
    @rule()
    def somebody_acknowledges(self) -> None:
        async def acknowledge() -> None:
            try:
                await self.lane.acknowledge()
            except Refused:
                return
            self.judge.acknowledged()

        self.runner.run(acknowledge())

    @precondition(lambda self: self.open and not self.tasks)
    @rule(for_s=st.sampled_from([0.0, 3.0]))
    def a_technician_comes_or_goes(self, for_s: float) -> None:
        async def maintain() -> None:
            try:
                await self.lane.maintain(for_s)
            except Refused:
                return
            self.judge.leased_until_s = self.lane.now_s + for_s - 0.01

        self.runner.run(maintain())

    def _in_the_background(self, command: Any) -> None:
        async def begin() -> None:
            self.tasks.append(asyncio.create_task(command))
            await self.lane.pass_s(0.001)

        self.runner.run(begin())

    # People, faults.

    @rule(
        manner=st.sampled_from(list(Manner)), wrong_way=st.booleans(), speed_mps=st.sampled_from([2.5, 8.0])
    )
    def somebody_comes(self, manner: Manner, wrong_way: bool, speed_mps: float) -> None:
        async def arrive() -> None:
            with contextlib.suppress(SimulatorError):  # somebody comes the other way
                self.lane.barrier.arrive(manner, wrong_way=wrong_way, speed_mps=speed_mps, patience_s=20)

        self.runner.run(arrive())

    @rule(fault=st.one_of(EXCHANGES, LASTING, LASTING))
    def something_goes_wrong(self, fault: Fault) -> None:
        self._happen(fault)

    @rule(button=st.sampled_from(["open", "close", "stop"]))
    def somebody_presses_a_button(self, button: Any) -> None:
        self._happen(Button(button=button))

    @rule(to=st.sampled_from([0.0, 0.5, 1.0]))
    def somebody_moves_it_by_hand(self, to: float) -> None:
        self._happen(Lift(to=to))

    @rule()
    def all_is_mended(self) -> None:
        async def mend() -> None:
            self.lane.site.mend()

        self.runner.run(mend())

    def _happen(self, fault: Fault) -> None:
        async def happen() -> None:
            self.lane.site.inject(fault)

        self.runner.run(happen())

    # The driver's life.

    @precondition(lambda self: self.open)
    @rule(then_s=TIMES)
    def it_is_killed_and_comes_again(self, then_s: float) -> None:
        async def kill() -> None:
            await self._gone()
            await self.lane.kill()
            await self.lane.pass_s(then_s)
            await self._start()

        self.runner.run(kill())

    @precondition(lambda self: self.open)
    @rule()
    def it_is_opened_anew(self) -> None:
        async def anew() -> None:
            await self._gone()
            await self.lane.end()
            await self._start()

        self.runner.run(anew())

    @precondition(lambda self: not self.open or self.lane.failure)
    @rule()
    def it_is_tried_again(self) -> None:
        async def again() -> None:
            if self.open:
                await self._gone()
                await self.lane.end()
            await self._start()

        self.runner.run(again())

    # What holds.

    @invariant()
    def nothing_was_on_the_wire_that_must_not_be(self) -> None:
        if not hasattr(self, "lane"):
            return
        for task in [task for task in self.tasks if task.done()]:
            self.tasks.remove(task)
            task.result()
        if self.open:
            self.lane.check()
        self.judge.overdue(self.lane.now_s)
        assert self.judge.objections == []

    @invariant()
    def what_is_said_is_what_was_told(self) -> None:
        if not hasattr(self, "lane") or not self.open or self.lane.failure or self.judge.read is None:
            return
        self.runner.run(asyncio.sleep(0.0005))
        read, state = self.judge.read, self.lane.state
        assert isinstance(state, BarrierState)
        if state.state == "open":
            assert read.says("open-limit")
            assert not read.says("closed-limit")
        if state.state == "closed":
            assert read.says("closed-limit")
            assert not read.says("open-limit")
        assert (state.state == "emergency_open") == self.judge.emergency

    def teardown(self) -> None:
        if not hasattr(self, "lane"):
            return

        async def end() -> None:
            await self._gone()
            if self.open:
                await self.lane.end()
                assert self.judge.objections == []

        try:
            self.runner.run(end())
        finally:
            self.runner.__exit__()


TestAnyBarrier = pytest.mark.timeout(900)(AnyBarrier.TestCase)
TestAnyBarrier.settings = settings(
    max_examples=max(1, STEPS // A_RUN),
    stateful_step_count=A_RUN,
    derandomize="BORDERPOST_BARRIER_STEPS" not in os.environ,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
