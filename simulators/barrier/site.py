"""A barrier with its boards and their wires, and what happens to them: everything but the wire to a host."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
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

Undo = Callable[[], None]


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
        self._lasting: list[tuple[Undo, Appointment | None]] = []

    def inject(self, fault: Fault) -> None:
        """Let something happen, now or at the next exchanges, as its kind is.

        Raises SimulatorError for what cannot happen here.
        """
        undo = self.begin(fault)
        self.log.happened("fault", **fault.model_dump(mode="json", exclude_none=True))
        if undo is not None:
            self._end_later(undo, fault.for_s if isinstance(fault, LastingFault | Unplug) else None)

    def begin(self, fault: Fault) -> Undo | None:
        """Let it begin; returns what puts it right again, if it lasts."""
        match fault:
            case Mend():
                self.mend()
            case Lift(to=to, over_s=over_s, door=door):
                self.barrier.lift(to, over_s, door)
            case Button(button=button, door=door):
                self.barrier.press(button, door)
            case Fire():
                self.barrier.set_fire(True)
                return lambda: self.barrier.set_fire(False)
            case KeySwitch():
                self.barrier.set_key(True)
                return lambda: self.barrier.set_key(False)
            case StuckBoom(at=at, door=door):
                self.barrier.jam(at, door)
                return lambda: self.barrier.free(door)
            case BrokenWire(signal=signal):
                return self._spoil_wire(signal, "broken")
            case ShortedWire(signal=signal):
                return self._spoil_wire(signal, "shorted")
            case BothLimits(door=door):
                limits = [prefixed(door, limit) for limit in ("open-limit", "closed-limit")]
                return self._claim(limits)
            case Chatter(signal=signal, per_s=per_s):
                self.wiring.chatter(signal, per_s)
                return lambda: self.wiring.claim(signal, None)
            case WeldedRelay(relay=relay, unit=unit):
                relays = self._relays(unit, relay)
                relays.weld(relay)
                return lambda: relays.part(relay)
            case PowerCut(of=of):
                return self.cut_power(of)
            case _:
                raise SimulatorError(f"{fault.model_dump().get('fault')}: this does not happen here")
        return None

    def mend(self) -> None:
        """Put everything right that lasts."""
        lasting, self._lasting = self._lasting, []
        for undo, ending in reversed(lasting):
            if ending is not None:
                ending.cancel()
            undo()

    def cut_power(self, of: Literal["all", "boards", "controllers"]) -> Undo:
        """Take the supply away; returns what gives it back."""
        boards = self.boards if of != "controllers" else []
        for board in boards:
            board.power_cut()
        if boards:
            self.boards_lost_power()
        if of != "boards":
            self.barrier.power_cut()

        def back() -> None:
            for board in boards:
                board.power_returned()
            if boards:
                self.boards_have_power()
            if of != "boards":
                self.barrier.power_returned()

        return back

    def _end_later(self, undo: Undo, for_s: float | None) -> None:
        def over() -> None:
            self._lasting.remove(entry)
            undo()

        ending = None if for_s is None else self.timeline.at(self.timeline.now_s + for_s, over)
        entry = (undo, ending)
        self._lasting.append(entry)

    def _spoil_wire(self, signal: str, state: Literal["broken", "shorted"]) -> Undo:
        self.wiring.set_wire(signal, state)
        return lambda: self.wiring.set_wire(signal, "whole")

    def _claim(self, signals: list[str]) -> Undo:
        def claim(active: bool | None) -> None:
            for signal in signals:
                self.wiring.claim(signal, active)

        claim(True)
        return lambda: claim(None)

    def _relays(self, unit: int | None, relay: int) -> Relays:
        for board in self.boards:
            if unit in (None, board.unit):
                if relay >= len(board.relays):
                    raise SimulatorError(f"relay: {relay}: it has {len(board.relays)}")
                return board.relays
        raise SimulatorError(f"unit: no board has the address {unit}")
