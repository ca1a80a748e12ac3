"""A barrier behind a relay board with its own serial port, and its settings."""

import functools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from simulators.barrier.boards.lcus import Lcus
from simulators.barrier.boards.numato import Numato
from simulators.barrier.boards.serial_board import Command, SerialBoard
from simulators.barrier.bus_faults import (
    DuplicatedReply,
    Exchange,
    LateReply,
    LostReply,
    LostRequest,
    PendingExchanges,
)
from simulators.barrier.faults import BoardsHung, SlowBus, StalledAdapter
from simulators.barrier.host_sessions import HostSessions
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.site import BarrierSite, FaultPlan
from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.barrier.wirelog import Frame, FrameFate, WireLog
from simulators.barrier.wiring import WiringSettings
from simulators.faults import Fault, Noise, Unplug
from simulators.links.serial_line import SerialLine


class SerialSettings(WiringSettings):
    """One relay board and its wires, and the barrier behind it."""

    path: Path = Field(description="Path of the port: a symlink to the pty.")
    model: Literal["numato", "lcus"]
    relays: int = Field(default=4, ge=1, le=32, description="Number of relays.")
    gpios: int = Field(default=4, ge=0, le=8, description="Number of inputs; numato only.")
    mechanics: MechanicsSettings = MechanicsSettings()

    @model_validator(mode="after")
    def _as_they_are_made(self) -> Self:
        if not self.path.is_absolute():
            raise ValueError(f"path: {self.path} is not an absolute path")
        if self.model == "lcus" and (self.relays > 8 or "gpios" in self.model_fields_set):
            raise ValueError("relays, gpios: an lcus board has at most 8 relays and no inputs")
        return self

    def board(self, timeline: Timeline, log: WireLog) -> SerialBoard:
        """Build the board."""
        if self.model == "lcus":
            return Lcus(self.relays, timeline, log)
        return Numato(self.relays, self.gpios, timeline, log)


class SerialSite(BarrierSite):
    """The barrier and its board on a pty."""

    def __init__(self, settings: SerialSettings, timeline: Timeline, log: WireLog) -> None:
        self.board = settings.board(timeline, log)
        super().__init__(settings.mechanics, [(self.board, settings)], timeline, log)
        self.settings = settings
        self.line = SerialLine.open_at(settings.path)
        self.line.on_received = self._received
        self.pending = PendingExchanges()
        self._hung = False
        self._slow_s = 0.0
        self._delayed: list[TimerHandle] = []
        """Commands that a slow board has not executed yet, in order."""
        self._last_due_s = 0.0
        self._visits = HostSessions(self.line, log)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """See `BarrierSite`."""
        async with self._visits:
            yield

    @property
    def address(self) -> str:
        """See `BarrierSite`."""
        return str(self.settings.path)

    def plan(self, fault: Fault) -> FaultPlan:
        """See `BarrierSite.plan`; adds the faults of the board's port."""
        match fault:
            case LostRequest() | LostReply() | DuplicatedReply() | LateReply():
                return FaultPlan(lambda: self.pending.add(fault))
            case BoardsHung():
                return FaultPlan(lambda: self._hang(True), lambda: self._hang(False))
            case SlowBus(delay_s=delay_s):
                return FaultPlan(lambda: self._slow_down(delay_s), lambda: self._slow_down(0.0))
            case StalledAdapter(discards=discards):
                return FaultPlan(lambda: self.line.stall(is_discarding=discards), self.line.end_stall)
            case Unplug():  # the supply comes over that cable
                return FaultPlan(lambda: self.cut_power("boards"), lambda: self.restore_power("boards"))
            case Noise(data=data):
                return FaultPlan(lambda: self._send(data, FrameFate.DAMAGED, "noise"))
        return super().plan(fault)

    def clear_faults(self) -> None:
        """See `BarrierSite.clear_faults`."""
        self.pending.clear()
        super().clear_faults()

    def on_power_lost(self) -> None:
        """See `BarrierSite`: the port vanishes, and commands that were not executed yet are lost."""
        for command in self._delayed:
            command.cancel()
        self._delayed.clear()
        self._visits.cut()

    def on_power_restored(self) -> None:
        """See `BarrierSite`: the port is back."""
        self.line.replug()

    def _hang(self, hung: bool) -> None:
        self._hung = hung

    def _slow_down(self, delay_s: float) -> None:
        self._slow_s = delay_s

    def _received(self, data: bytes) -> None:
        self._visits.on_open()
        for command in self.board.feed(data):
            self._on_command(command)

    def _on_command(self, command: Command) -> None:
        whole = command.perform is not None
        is_received = whole and not self._hung
        exchange = self.pending.next(command.effect) if is_received else Exchange(is_received=False)
        frame = self.log.frame(
            direction="request",
            fate=FrameFate.DAMAGED
            if not whole
            else FrameFate.RECEIVED
            if exchange.is_received
            else FrameFate.NOT_RECEIVED,
            wire=command.wire,
            connection=self._visits.number,
            meaning=command.meaning,
            effect=command.effect,
        )
        if exchange.is_received:
            self._in_order(functools.partial(self._act, command, exchange, frame))

    def _in_order(self, action: Callable[[], None]) -> None:
        """Execute a command after the delay of a slow board, and after all earlier ones."""
        if not self._slow_s and not self._delayed:
            action()
            return
        # Two timers for one moment have no order.
        due_s = max(self.timeline.now_s + self._slow_s, math.nextafter(self._last_due_s, math.inf))

        def execute() -> None:
            self._delayed.remove(handle)
            action()

        self._last_due_s = due_s
        handle = self.timeline.call_at(due_s, execute)
        self._delayed.append(handle)

    def _act(self, command: Command, exchange: Exchange, frame: Frame) -> None:
        if not self.board.is_powered or command.perform is None:
            return
        if answer := command.perform(frame.number):
            send = functools.partial(self._answer, answer, exchange, frame)
            if exchange.late_s:
                self.timeline.call_at(self.timeline.now_s + exchange.late_s, send)
            else:
                send()

    def _answer(self, answer: bytes, exchange: Exchange, frame: Frame) -> None:
        meaning = " ".join(answer.decode("latin-1").split())
        for copy in range(exchange.copies):
            if not exchange.is_answered:
                fate = FrameFate.SUPPRESSED
            elif exchange.late_s:
                fate = FrameFate.LATE
            else:
                fate = FrameFate.REPEATED if copy else FrameFate.SENT
            self._send(answer, fate, meaning, frame.number)

    def _send(self, data: bytes, fate: FrameFate, meaning: str, answers: int | None = None) -> None:
        """Send bytes, unless a fault suppresses them, and log them with their fate."""
        if fate is not FrameFate.SUPPRESSED:
            if self.line.has_host:
                self.line.call_soon(self.line.send(data))
            else:
                fate = FrameFate.UNDELIVERED
        self.log.frame(
            direction="response",
            fate=fate,
            wire=data,
            connection=self._visits.number,
            meaning=meaning,
            answers=answers,
        )
