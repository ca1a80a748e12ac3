"""A barrier's state machine run without a board: readings in, its answers and writes out.

Every write is acknowledged at once. Used to compute the safety case, and to test configurations.
"""

import copy
from typing import Self

from drivers.barrier.commands import CloseBarrier, OpenBarrier
from drivers.barrier.control.actuation import Actuation
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.wiring import BarrierInputs, BarrierSettings
from drivers.command import CommandRefusal, Invocation

MOST_RELAYS = 64


class Rehearsal:
    """The state machine of one configuration, with a clock of its own."""

    def __init__(self, settings: BarrierSettings) -> None:
        self._machine = BarrierStateMachine(settings, 0.0)
        self._now_s = 0.0

    def copy(self) -> Self:
        """Return an independent copy at this moment."""
        return copy.deepcopy(self)

    def sense(self, inputs: BarrierInputs, after_s: float) -> tuple[Actuation, ...]:
        """Process a reading, with all relays open again; return what is written without a command."""
        self._now_s += after_s
        self._machine.on_inputs(inputs, self._now_s)
        self._machine.on_relays([False] * MOST_RELAYS, self._now_s, self._now_s)
        return tuple(self._write(write) for write in self._machine.due(self._now_s))

    def stick_relay(self, relay: int) -> None:
        """Report a relay that is closed and should not be."""
        closed = [number == relay for number in range(MOST_RELAYS)]
        self._machine.on_relays(closed, self._now_s, self._now_s)

    def ask(self, request: OpenBarrier | CloseBarrier) -> Actuation | None:
        """Return what a command writes now, None for nothing; raises CommandRefusal."""
        call = Invocation("rehearsal", "rehearsal", "rehearsal", 0)
        write = self._machine.on_command(request, call, self._now_s).actuation
        return None if write is None else self._write(write)

    def refusal(self, request: OpenBarrier | CloseBarrier) -> str | None:
        """Return the refusal of a command, or None if it was permitted and written."""
        try:
            write = self.ask(request)
        except CommandRefusal as refused:
            return refused.text
        return None if write is not None else "Nothing is written: the barrier reads as being there already."

    def _write(self, write: Actuation) -> Actuation:
        self._machine.on_writing(write, self._now_s)
        self._machine.on_acknowledged(write, self._now_s)
        return write
