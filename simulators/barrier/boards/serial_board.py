"""Common behaviour of relay boards with their own serial port: no bus, no address, simple commands."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from simulators.barrier.boards.relays import RelayBank
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Cause, Effect, WireLog


@dataclass(frozen=True, slots=True)
class Command:
    """A received command; `perform` None for invalid bytes."""

    wire: bytes
    effect: Effect
    meaning: str
    perform: Callable[[int], bytes] | None
    """Executes it and returns the answer, if any; takes the number of the request's frame."""


class SerialBoard(ABC):
    """One board on a USB cable, which is also its supply. Relays latch: no time-out releases them."""

    model: ClassVar[str]

    def __init__(self, relays: int, inputs: int, timeline: Timeline, log: WireLog) -> None:
        self.unit = 1
        self.is_powered = True
        self.relays = RelayBank(self.unit, relays, timeline, log)
        self.inputs = inputs
        self.sense: Callable[[int], bool] = lambda _channel: False
        """True if the circuit at an input is closed; set by the wiring."""
        self._partial = b""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[Command]:
        """Yield commands that are complete with these bytes."""

    def on_input_changed(self, channel: int, closed: bool) -> None:  # noqa: B027 - nothing comes of it
        """Handle a circuit at an input that has closed or opened; the board reports it on request."""

    def on_power_lost(self) -> None:
        """Handle a loss of supply."""
        self.is_powered = False
        self._partial = b""
        self.relays.release(Cause.POWER)

    def on_power_restored(self) -> None:
        """Handle the return of the supply."""
        self.is_powered = True

    def switch(self, wire: bytes, states: dict[int, bool], answer: bytes) -> Command:
        """Return a command that switches relays."""

        def perform(number: int) -> bytes:
            for relay, on in states.items():
                self.relays.set(relay, on, Cause.COMMAND, number)
            return answer

        effect = Effect.ENERGISE if any(states.values()) else Effect.RELEASE
        meaning = ", ".join(f"relay {relay} {'on' if on else 'off'}" for relay, on in states.items())
        return Command(wire, effect, meaning, perform)
