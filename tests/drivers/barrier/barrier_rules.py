"""One barrier with all possible events: rules for Hypothesis, and for other random generators."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from barrier_fixture import CLOSE, OPEN, BarrierFixture
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariant_checker import InvariantChecker, PulseCommand
from virtual_time import VirtualRunner

from drivers.barrier.observations import BarrierState
from drivers.command import CommandRefusal
from drivers.links.link import LinkError
from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    LateReply,
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
from simulators.errors import SimulatorError
from simulators.faults import Fault

TIMES = [0.01, 0.05, 0.1, 0.19, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.1, 3.0, 6.0, 10.0]
PHOTOCELL = ["reopens", "stops", "ignored"]
PAUSE_S = [None, 4]
SENSED = ["open-limit", "closed-limit", "photocell", "fire"]


def all_of(kind: Callable[..., Fault], **choices: Sequence[Any]) -> list[Fault]:
    """Return every fault of this kind with these choices."""
    return [
        kind(**dict(zip(choices, chosen, strict=True))) for chosen in itertools.product(*choices.values())
    ]


EXCHANGES = [
    all_of(kind, of=["any", "reads", "writes"], exchanges=range(1, 5))
    for kind in (LostReply, LostRequest, DuplicatedReply, ExceptionReply, LateReply)
]
LASTING = [
    all_of(BoardsHung, for_s=TIMES),
    all_of(SlowBus, for_s=TIMES, delay_s=[0.05, 0.15, 0.25, 0.4]),
    all_of(PowerCut, for_s=TIMES, of=["all", "boards", "controllers"]),
    all_of(BrokenWire, for_s=TIMES, signal=[*SENSED, "approach"]),
    all_of(BothLimits, for_s=TIMES),
    all_of(Chatter, for_s=TIMES, signal=SENSED, per_s=[3.0, 7.0, 10.0]),
    all_of(StuckBoom, for_s=TIMES, at=[None, 0.0, 0.3, 0.7, 1.0]),
    all_of(EmergencyActive, for_s=TIMES),
    all_of(KeySwitch, for_s=TIMES),
]


@dataclass(frozen=True)
class Kind:
    """Kind of event: condition and choices; each argument is one of its choices, or of one that is a list."""

    name: str
    possible: "Callable[[AnyBarrier], object]"
    choices: dict[str, Sequence[Any]]

    def drawn(self, dice: random.Random) -> "Step":
        how = {}
        for name, choice in self.choices.items():
            # A second costs a dozen times what a step does, so short times come more often.
            one = dice.choice(choice[: dice.randint(1, len(choice))] if choice is TIMES else choice)
            how[name] = dice.choice(one) if isinstance(one, list) else one
        return Step(self, how)


@dataclass(frozen=True)
class Step:
    """One event."""

    kind: Kind
    how: dict[str, Any]

    def happen(self, barrier: "AnyBarrier") -> None:
        getattr(barrier, self.kind.name)(**self.how)

    def __str__(self) -> str:
        return f"{self.kind.name}({', '.join(f'{name}={value!r}' for name, value in self.how.items())})"


KINDS: list[Kind] = []


def always(_: object) -> bool:
    return True


def happens(possible: "Callable[[AnyBarrier], object]" = always, **choices: Sequence[Any]) -> Any:
    """Declare a rule."""

    def register(method: Any) -> Any:
        KINDS.append(Kind(method.__name__, possible, choices))
        strategies = {
            name: st.one_of(*map(st.sampled_from, some))
            if isinstance(some[0], list)
            else st.sampled_from(some)
            for name, some in choices.items()
        }
        return precondition(possible)(rule(**strategies)(method))

    return register


class AnyBarrier(RuleBasedStateMachine):
    """One barrier with all possible events."""

    @initialize(photocell=st.sampled_from(PHOTOCELL), pause_s=st.sampled_from(PAUSE_S))
    def begin(self, photocell: str, pause_s: float | None) -> None:
        self.runner = VirtualRunner()
        self.runner.__enter__()
        self.checker = InvariantChecker()
        self.tasks: list[asyncio.Task[Any]] = []
        self.runner.run(self._begin(photocell, pause_s))

    async def _begin(self, photocell: str, pause_s: float | None) -> None:
        self.lane = BarrierFixture(None, None, photocell=photocell, pause_s=pause_s, self_closes_s=5)
        self.lane.log.on_entry = self.checker.entry
        await self._start()

    async def _start(self) -> None:
        self.checker.life_begins()
        try:
            await self.lane.start()
        except LinkError:
            self.open = False
        else:
            self.open = True
            self.checker.lives(self.lane.now_s)

    async def _gone(self) -> None:
        """Forget the pending commands."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    # Time.

    @happens(seconds=TIMES)
    def time_passes(self, seconds: float) -> None:
        self.runner.run(self.lane.pass_s(seconds))

    # Commands.

    @happens(lambda self: self.open and not self.tasks, verb=["open", "close"], within_s=[0.1, 0.3, 3.0])
    def somebody_asks_for_a_movement(self, verb: str, within_s: float) -> None:
        async def ask() -> None:
            relay = OPEN if verb == "open" else CLOSE
            self.checker.orders.append(order := PulseCommand(relay, self.lane.now_s + within_s))
            try:
                await (self.lane.open if verb == "open" else self.lane.close)(within_s=within_s)
            except (CommandRefusal, LinkError):
                pass
            finally:
                if order in self.checker.orders:
                    self.checker.orders.remove(order)  # answered: nothing may be written for it later

        self._in_the_background(ask())

    @happens(lambda self: self.open)
    def somebody_stops_it(self) -> None:
        async def stop() -> None:
            self.checker.stopped(self.lane.now_s)
            with contextlib.suppress(CommandRefusal, LinkError):
                await self.lane.stop()

        self.runner.run(stop())

    @happens(lambda self: self.open and not self.tasks)
    def somebody_acknowledges(self) -> None:
        async def acknowledge() -> None:
            try:
                await self.lane.acknowledge()
            except CommandRefusal:
                return
            self.checker.acknowledged()

        self.runner.run(acknowledge())

    @happens(lambda self: self.open and not self.tasks, for_s=[0.0, 3.0])
    def a_technician_comes_or_goes(self, for_s: float) -> None:
        async def maintain() -> None:
            try:
                await self.lane.maintain(for_s)
            except CommandRefusal:
                return
            self.checker.leased_until_s = self.lane.now_s + for_s - 0.01

        self.runner.run(maintain())

    def _in_the_background(self, command: Any) -> None:
        async def begin() -> None:
            self.tasks.append(asyncio.create_task(command))
            await self.lane.pass_s(0.001)

        self.runner.run(begin())

    # People, faults.

    @happens(manner=list(DriverBehaviour), wrong_way=[False, True], speed_mps=[2.5, 8.0])
    def somebody_comes(self, manner: DriverBehaviour, wrong_way: bool, speed_mps: float) -> None:
        async def arrive() -> None:
            with contextlib.suppress(SimulatorError):  # a person from the exit side
                self.lane.barrier.arrive(manner, wrong_way=wrong_way, speed_mps=speed_mps, patience_s=20)

        self.runner.run(arrive())

    @happens(fault=[*EXCHANGES, *LASTING, *LASTING])
    def something_goes_wrong(self, fault: Fault) -> None:
        self._happen(fault)

    @happens(button=["open", "close", "stop"])
    def somebody_presses_a_button(self, button: Any) -> None:
        self._happen(ButtonPress(button=button))

    @happens(to=[0.0, 0.5, 1.0])
    def somebody_moves_it_by_hand(self, to: float) -> None:
        self._happen(ManualLift(to=to))

    @happens()
    def all_is_mended(self) -> None:
        async def mend() -> None:
            self.lane.site.clear_faults()

        self.runner.run(mend())

    def _happen(self, fault: Fault) -> None:
        async def happen() -> None:
            self.lane.site.inject(fault)

        self.runner.run(happen())

    # Life of the driver.

    @happens(lambda self: self.open, then_s=TIMES)
    def it_is_killed_and_comes_again(self, then_s: float) -> None:
        async def kill() -> None:
            await self._gone()
            self.checker.life_begins()
            await self.lane.kill()
            await self.lane.pass_s(then_s)
            await self._start()

        self.runner.run(kill())

    @happens(lambda self: self.open)
    def it_is_opened_anew(self) -> None:
        async def anew() -> None:
            await self._gone()
            await self.lane.end(self.checker.life_begins)
            await self._start()

        self.runner.run(anew())

    @happens(lambda self: not self.open or self.lane.failure)
    def it_is_tried_again(self) -> None:
        async def again() -> None:
            if self.open:
                await self._gone()
                await self.lane.end(self.checker.life_begins)
            await self._start()

        self.runner.run(again())

    # Invariants.

    @invariant()
    def nothing_was_on_the_wire_that_must_not_be(self) -> None:
        if not hasattr(self, "lane"):
            return
        for task in [task for task in self.tasks if task.done()]:
            self.tasks.remove(task)
            task.result()
        if self.open:
            self.lane.check()
        self.checker.overdue(self.lane.now_s)
        assert self.checker.violations == []

    @invariant()
    def what_is_said_is_what_was_told(self) -> None:
        if not hasattr(self, "lane") or not self.open or self.lane.failure or self.checker.read is None:
            return
        self.runner.run(asyncio.sleep(0.0005))
        read, state = self.checker.read, self.lane.state
        assert isinstance(state, BarrierState)
        if state.state == "open":
            assert read.is_active("open-limit")
            assert not read.is_active("closed-limit")
        if state.state == "closed":
            assert read.is_active("closed-limit")
            assert not read.is_active("open-limit")
        assert (state.state == "emergency_open") == self.checker.emergency

    def teardown(self) -> None:
        if not hasattr(self, "lane"):
            return

        async def end() -> None:
            await self._gone()
            if self.open:
                await self.lane.end(self.checker.life_begins)
                assert self.checker.violations == []

        try:
            self.runner.run(end())
        finally:
            self.runner.__exit__()
