"""A barrier with its boards and their wires, and what happens to them: everything but the wire to a host."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from simulators.barrier.boards.relays import RelayBank
from simulators.barrier.faults import (
    BothLimits,
    BrokenWire,
    ButtonPress,
    Chatter,
    ClearFaults,
    EmergencyActive,
    KeySwitch,
    LastingFault,
    ManualLift,
    PowerCut,
    ShortedWire,
    StuckBoom,
    WeldedRelay,
)
from simulators.barrier.mechanics.barrier import BarrierMechanics, MechanicsSettings, signal_name
from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.barrier.wirelog import WireLog
from simulators.barrier.wiring import WiredBoard, Wiring, WiringSettings
from simulators.errors import SimulatorError
from simulators.faults import Fault, Unplug

Supply = Literal["all", "boards", "controllers"]


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What lets something happen and, if it lasts, what ends it."""

    begin: Callable[[], None]
    end: Callable[[], None] | None = None


class Board(WiredBoard, Protocol):
    """What a site needs of a board, whatever it speaks."""

    unit: int
    is_powered: bool
    relays: RelayBank

    def on_power_lost(self) -> None:
        """Lose the supply."""

    def on_power_restored(self) -> None:
        """Have it back."""


class BarrierSite(ABC):
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
        self.barrier = BarrierMechanics(mechanics, timeline, log)
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
    def on_power_lost(self) -> None:
        """The boards have no supply any more: what hosts see of that."""

    @abstractmethod
    def on_power_restored(self) -> None:
        """They have it back: what hosts see of that."""

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[None]:
        """Let hosts reach it; SimulatorError where that cannot be."""

    def inject(self, fault: Fault) -> None:
        """Let something happen, now or at the next exchanges, as its kind is.

        Raises SimulatorError for what cannot happen here.
        """
        plan = self.plan(fault)
        told = fault.model_dump(mode="json", exclude_none=True)
        self.log.machine_event("fault", **told)
        plan.begin()
        if plan.end is not None:
            for_s = fault.for_s if isinstance(fault, LastingFault | Unplug) else None
            self._end_later(told["fault"], plan.end, for_s)

    def plan(self, fault: Fault) -> FaultPlan:
        """What lets it begin and, if it lasts, what ends it; SimulatorError for what cannot happen here."""
        barrier, wiring = self.barrier, self.wiring
        match fault:
            case ClearFaults():
                return FaultPlan(self.clear_faults)
            case ManualLift(to=to, over_s=over_s, door=door):
                barrier.check(door)
                return FaultPlan(lambda: barrier.lift_by_hand(to, over_s, door))
            case ButtonPress(button=button, door=door):
                barrier.check(door)
                return FaultPlan(lambda: barrier.press(button, door))
            case EmergencyActive():
                return FaultPlan(lambda: barrier.set_fire(True), lambda: barrier.set_fire(False))
            case KeySwitch():
                return FaultPlan(lambda: barrier.set_key(True), lambda: barrier.set_key(False))
            case StuckBoom(at=at, door=door):
                barrier.check(door)
                return FaultPlan(lambda: barrier.jam(at, door), lambda: barrier.free(door))
            case BrokenWire(signal=signal):
                wiring.check(signal)
                return FaultPlan(
                    lambda: wiring.set_wire(signal, "broken"), lambda: wiring.set_wire(signal, "whole")
                )
            case ShortedWire(signal=signal):
                wiring.check(signal)
                return FaultPlan(
                    lambda: wiring.set_wire(signal, "shorted"), lambda: wiring.set_wire(signal, "whole")
                )
            case BothLimits(door=door):
                limits = [signal_name(door, limit) for limit in ("open-limit", "closed-limit")]
                wiring.check(*limits)
                return FaultPlan(lambda: wiring.override(limits, True), lambda: wiring.override(limits, None))
            case Chatter(signal=signal, per_s=per_s):
                wiring.check(signal)
                return FaultPlan(
                    lambda: wiring.chatter(signal, per_s), lambda: wiring.override([signal], None)
                )
            case WeldedRelay(relay=relay, unit=unit):
                relays = self._relays(unit, relay)
                return FaultPlan(lambda: relays.weld(relay), lambda: relays.unweld(relay))
            case PowerCut(of=of):
                return FaultPlan(lambda: self.cut_power(of), lambda: self.restore_power(of))
        raise SimulatorError(f"{fault.model_dump().get('fault')}: this does not happen here")

    def clear_faults(self) -> None:
        """Put everything right that lasts."""
        for ending in list(self._lasting):
            ending()

    def cut_power(self, of: Supply) -> None:
        """Take the supply away."""
        if of != "controllers":
            for board in self.boards:
                board.on_power_lost()
            self.on_power_lost()
        if of != "boards":
            self.barrier.on_power_lost()

    def restore_power(self, of: Supply) -> None:
        """Give it back."""
        if of != "controllers":
            for board in self.boards:
                board.on_power_restored()
            self.on_power_restored()
        if of != "boards":
            self.barrier.on_power_restored()

    def _end_later(self, name: str, end: Callable[[], None], for_s: float | None) -> None:
        due: TimerHandle | None = None

        def over() -> None:
            self._lasting.remove(over)
            if due is not None:
                due.cancel()
            self.log.machine_event("mended", fault=name)
            end()

        self._lasting.append(over)
        if for_s is not None:
            due = self.timeline.call_at(self.timeline.now_s + for_s, over)

    def _relays(self, unit: int | None, relay: int) -> RelayBank:
        for board in self.boards:
            if unit in (None, board.unit):
                if relay >= len(board.relays):
                    raise SimulatorError(f"relay: {relay}: it has {len(board.relays)}")
                return board.relays
        raise SimulatorError(f"unit: no board has the address {unit}")
