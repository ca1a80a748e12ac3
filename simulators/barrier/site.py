"""A barrier with its boards, wires and faults: everything except the link to a host."""

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
    """Start of a fault and, if it lasts, its end."""

    begin: Callable[[], None]
    end: Callable[[], None] | None = None


class Board(WiredBoard, Protocol):
    """Interface of a board to a site, independent of its protocol."""

    unit: int
    is_powered: bool
    relays: RelayBank

    def on_power_lost(self) -> None:
        """Handle a loss of supply."""

    def on_power_restored(self) -> None:
        """Handle the return of the supply."""


class BarrierSite(ABC):
    """The barrier, its boards, their wires. Subclasses add the link."""

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
        self._lasting: list[tuple[Fault, Callable[[], None]]] = []

    @property
    @abstractmethod
    def address(self) -> str:
        """Address for hosts, while connected."""

    @abstractmethod
    def on_power_lost(self) -> None:
        """Handle the loss of the boards' supply: its effect on hosts."""

    @abstractmethod
    def on_power_restored(self) -> None:
        """Handle the return of the boards' supply: its effect on hosts."""

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[None]:
        """Open the link to hosts; raise SimulatorError if that fails."""

    def inject(self, fault: Fault) -> None:
        """Inject a fault, which applies now or to the next exchanges, depending on its kind.

        Raises SimulatorError for a fault that is impossible here.
        """
        plan = self.plan(fault)
        arguments = fault.model_dump(mode="json", exclude_none=True)
        self.log.machine_event("fault", **arguments)
        plan.begin()
        if plan.end is not None:
            for_s = fault.for_s if isinstance(fault, LastingFault | Unplug) else None
            self._end_later(fault, plan.end, for_s)

    def plan(self, fault: Fault) -> FaultPlan:
        """Return start and end of a fault; raise SimulatorError if it is impossible here."""
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
            case PowerCut(of=of, clicks_s=clicks_s):
                return FaultPlan(lambda: self.cut_power(of), lambda: self.restore_power(of, clicks_s))
        raise SimulatorError(f"{fault.model_dump().get('fault')}: this fault is impossible here")

    def clear_faults(self) -> None:
        """End all lasting faults."""
        for _, ending in list(self._lasting):
            ending()

    def cut_power(self, of: Supply) -> None:
        """Cut the supply."""
        if of != "controllers":
            for board in self.boards:
                board.on_power_lost()
            self.on_power_lost()
        if of != "boards":
            self.barrier.on_power_lost()

    def restore_power(self, of: Supply, clicks_s: float = 0.0) -> None:
        """Restore the supply; with `clicks_s`, every relay closes for so long while its board starts."""
        if of != "boards":
            self.barrier.on_power_restored()
        if of != "controllers":
            for board in self.boards:
                board.on_power_restored()
                if clicks_s:
                    board.relays.click(clicks_s)
            self.on_power_restored()

    def _end_later(self, fault: Fault, end: Callable[[], None], for_s: float | None) -> None:
        """End a fault after `for_s`, unless the same fault was injected again and lasts longer."""
        same = fault.model_copy(update={"for_s": None})
        due: TimerHandle | None = None

        def over() -> None:
            self._lasting.remove((same, over))
            if due is not None:
                due.cancel()
            if all(other != same for other, _ in self._lasting):
                self.log.machine_event("mended", fault=fault.model_dump()["fault"])
                end()

        self._lasting.append((same, over))
        if for_s is not None:
            due = self.timeline.call_at(self.timeline.now_s + for_s, over)

    def _relays(self, unit: int | None, relay: int) -> RelayBank:
        for board in self.boards:
            if unit in (None, board.unit):
                if relay >= len(board.relays):
                    raise SimulatorError(f"relay: {relay}: it has {len(board.relays)}")
                return board.relays
        raise SimulatorError(f"unit: no board has the address {unit}")
