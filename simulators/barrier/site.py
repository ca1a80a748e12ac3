"""A barrier with its boards and their wires, and what happens to them: everything but the wire to a host."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from simulators.barrier.boards.relays import Relays
from simulators.barrier.faults import (
    BothLimits,
    BrokenWire,
    Button,
    Chatter,
    Fire,
    KeySwitch,
    LastingFault,
    Lift,
    Mend,
    PowerCut,
    ShortedWire,
    StuckBoom,
    WeldedRelay,
)
from simulators.barrier.mechanics.barrier import Barrier, MechanicsSettings, prefixed
from simulators.barrier.timeline import Appointment, Timeline
from simulators.barrier.wirelog import WireLog
from simulators.barrier.wiring import WiredBoard, Wiring, WiringSettings
from simulators.errors import SimulatorError
from simulators.faults import Fault, Unplug

Supply = Literal["all", "boards", "controllers"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What lets something happen and, if it lasts, what ends it."""

    begin: Callable[[], None]
    end: Callable[[], None] | None = None


class Board(WiredBoard, Protocol):
    """What a site needs of a board, whatever it speaks."""

    unit: int
    powered: bool
    relays: Relays

    def power_cut(self) -> None:
        """Lose the supply."""

    def power_returned(self) -> None:
        """Have it back."""


class Site(ABC):
    """The barrier, its boards, their wires. Subclasses add how the boards are spoken to."""

    def __init__(
        self,
        mechanics: MechanicsSettings,
        boards: Sequence[tuple[Board, WiringSettings]],
        timeline: Timeline,
        log: WireLog,
    ) -> None:
        self.timeline = timeline
        self.log = log
        self.barrier = Barrier(mechanics, timeline, log)
        self.wiring = Wiring(self.barrier, timeline)
        self.boards = [board for board, _ in boards]
        for board, wires in boards:
            self.wiring.connect(board, wires)
        self._lasting: list[Callable[[], None]] = []

    @property
    @abstractmethod
    def address(self) -> str:
        """Where hosts find it, while it is linked."""

    @abstractmethod
    def boards_lost_power(self) -> None:
        """The boards have no supply any more: what hosts see of that."""

    @abstractmethod
    def boards_have_power(self) -> None:
        """They have it back: what hosts see of that."""

    @abstractmethod
    def linked(self) -> AbstractAsyncContextManager[None]:
        """Let hosts reach it; SimulatorError where that cannot be."""

    def inject(self, fault: Fault) -> None:
        """Let something happen, now or at the next exchanges, as its kind is.

        Raises SimulatorError for what cannot happen here.
        """
        plan = self.plan(fault)
        told = fault.model_dump(mode="json", exclude_none=True)
        self.log.happened("fault", **told)
        plan.begin()
        if plan.end is not None:
            for_s = fault.for_s if isinstance(fault, LastingFault | Unplug) else None
            self._end_later(told["fault"], plan.end, for_s)

    def plan(self, fault: Fault) -> Plan:
        """What lets it begin and, if it lasts, what ends it; SimulatorError for what cannot happen here."""
        barrier, wiring = self.barrier, self.wiring
        match fault:
            case Mend():
                return Plan(self.mend)
            case Lift(to=to, over_s=over_s, door=door):
                barrier.check(door)
                return Plan(lambda: barrier.lift(to, over_s, door))
            case Button(button=button, door=door):
                barrier.check(door)
                return Plan(lambda: barrier.press(button, door))
            case Fire():
                return Plan(lambda: barrier.set_fire(True), lambda: barrier.set_fire(False))
            case KeySwitch():
                return Plan(lambda: barrier.set_key(True), lambda: barrier.set_key(False))
            case StuckBoom(at=at, door=door):
                barrier.check(door)
                return Plan(lambda: barrier.jam(at, door), lambda: barrier.free(door))
            case BrokenWire(signal=signal):
                wiring.check(signal)
                return Plan(
                    lambda: wiring.set_wire(signal, "broken"), lambda: wiring.set_wire(signal, "whole")
                )
            case ShortedWire(signal=signal):
                wiring.check(signal)
                return Plan(
                    lambda: wiring.set_wire(signal, "shorted"), lambda: wiring.set_wire(signal, "whole")
                )
            case BothLimits(door=door):
                limits = [prefixed(door, limit) for limit in ("open-limit", "closed-limit")]
                wiring.check(*limits)
                return Plan(lambda: wiring.claim(limits, True), lambda: wiring.claim(limits, None))
            case Chatter(signal=signal, per_s=per_s):
                wiring.check(signal)
                return Plan(lambda: wiring.chatter(signal, per_s), lambda: wiring.claim([signal], None))
            case WeldedRelay(relay=relay, unit=unit):
                relays = self._relays(unit, relay)
                return Plan(lambda: relays.weld(relay), lambda: relays.part(relay))
            case PowerCut(of=of):
                return Plan(lambda: self.cut_power(of), lambda: self.give_power(of))
        raise SimulatorError(f"{fault.model_dump().get('fault')}: this does not happen here")

    def mend(self) -> None:
        """Put everything right that lasts."""
        for ending in list(self._lasting):
            ending()

    def cut_power(self, of: Supply) -> None:
        """Take the supply away."""
        if of != "controllers":
            for board in self.boards:
                board.power_cut()
            self.boards_lost_power()
        if of != "boards":
            self.barrier.power_cut()

    def give_power(self, of: Supply) -> None:
        """Give it back."""
        if of != "controllers":
            for board in self.boards:
                board.power_returned()
            self.boards_have_power()
        if of != "boards":
            self.barrier.power_returned()

    def _end_later(self, name: str, end: Callable[[], None], for_s: float | None) -> None:
        due: Appointment | None = None

        def over() -> None:
            self._lasting.remove(over)
            if due is not None:
                due.cancel()
            self.log.happened("mended", fault=name)
            end()

        self._lasting.append(over)
        if for_s is not None:
            due = self.timeline.at(self.timeline.now_s + for_s, over)

    def _relays(self, unit: int | None, relay: int) -> Relays:
        for board in self.boards:
            if unit in (None, board.unit):
                if relay >= len(board.relays):
                    raise SimulatorError(f"relay: {relay}: it has {len(board.relays)}")
                return board.relays
        raise SimulatorError(f"unit: no board has the address {unit}")
