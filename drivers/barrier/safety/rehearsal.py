"""A barrier's state machine run without a board: readings in, its answers and writes out.

Every write is acknowledged at once. Used to compute the safety case, and to test configurations.
"""

import copy
from dataclasses import replace
from typing import Self

from drivers.barrier.commands import CloseBarrier, OpenBarrier
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.wiring import BarrierInputs, BarrierSettings
from drivers.command import CommandRefusal, Invocation

CALL = Invocation("rehearsal", "rehearsal", "rehearsal", 0)
LATER_S = 3600.0
"""Time after which every pulse is over, in seconds."""


class Rehearsal:
    """The state machine of one configuration, with a clock of its own."""

    def __init__(self, settings: BarrierSettings) -> None:
        self._settings = settings
        self._machine = BarrierStateMachine(settings, 0.0)
        self._now_s = 0.0
        self._inputs: BarrierInputs | None = None
        self._pulses: dict[int, float] = {}
        """Relays that are closed, and the ends of their pulses."""

    def copy(self) -> Self:
        """Return an independent copy at this moment."""
        return copy.deepcopy(self)

    def sense(self, inputs: BarrierInputs, after_s: float) -> tuple[Actuation, ...]:
        """Process a reading, with all relays open again; return what is written without a command."""
        self._now_s, self._inputs = self._now_s + after_s, inputs
        self._pulses = {relay: end_s for relay, end_s in self._pulses.items() if end_s > self._now_s}
        self._machine.on_inputs(inputs, self._now_s)
        self._machine.on_relays(self._closed(self._pulses), self._now_s, self._now_s)
        return tuple(self._write(write) for write in self._machine.due(self._now_s))

    def stick_relay(self, relay: int) -> None:
        """Report a relay that is closed although its pulse is over."""
        write = next(
            Actuation(kind, index)
            for index, door in enumerate(self._settings.doors)
            for kind, wired in (
                (ActuationKind.OPEN, door.open),
                (ActuationKind.CLOSE, door.close),
                (ActuationKind.STOP, door.stop),
                (ActuationKind.TEST, door.presence_test),
            )
            if wired == relay
        )
        self._machine.on_writing(write, self._now_s)
        self._machine.on_acknowledged(write, self._now_s)
        self._machine.on_relays(self._closed({relay: LATER_S}), self._now_s + LATER_S, self._now_s)

    def ask(self, request: OpenBarrier | CloseBarrier) -> Actuation | None:
        """Return what a command writes now, None for nothing; raises CommandRefusal."""
        if isinstance(request, CloseBarrier):
            self._test_presence(request.door)
        write = self._machine.on_command(request, CALL, self._now_s).actuation
        return None if write is None else self._write(write)

    def _test_presence(self, door: str) -> None:
        """Let the presence detector pass its test, if it has a test input."""
        index, inputs = self._machine.may_test_presence(door, self._now_s), self._inputs
        if index is None or inputs is None:
            return
        self._machine.on_presence_test(index, self._now_s)
        doors = [
            replace(each, presence=True) if at == index else each for at, each in enumerate(inputs.doors)
        ]
        self.sense(replace(inputs, doors=tuple(doors)), 0.1)
        self.sense(inputs, 0.1)

    def refusal(self, request: OpenBarrier | CloseBarrier) -> str | None:
        """Return the refusal of a command, or None if it was permitted and written."""
        try:
            write = self.ask(request)
        except CommandRefusal as refused:
            return refused.text
        return None if write is not None else "Nothing is written: the barrier reads as being there already."

    def _closed(self, relays: dict[int, float]) -> list[bool]:
        wired = max(relay for door in self._settings.doors for relay in door.relays)
        return [relay in relays for relay in range(wired + 1)]

    def _write(self, write: Actuation) -> Actuation:
        self._machine.on_writing(write, self._now_s)
        self._machine.on_acknowledged(write, self._now_s)
        if write == RELEASE:
            self._pulses.clear()
        elif (relay := write.relay(self._settings.doors[write.door])) is not None:
            self._pulses[relay] = self._now_s + self._settings.pulse_s
        return write
