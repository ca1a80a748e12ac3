"""The wires between a barrier and boards: contact of each relay, signal of each input.

A circuit that signals by closing (normally open) cannot distinguish rest from a cut wire; one that signals by
opening (normally closed) can: a broken wire gives the same signal. Photocell and fire are wired normally
closed, as they should be, unless settings say otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.barrier.boards.relays import RelayBank
from simulators.barrier.mechanics.barrier import BarrierMechanics, contacts_of
from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.errors import SimulatorError

ContactKind = Literal["no", "nc"]
NORMALLY_CLOSED = ("photocell", "fire", "key")


class WiringSettings(BaseModel):
    """The wires of one board; channels are counted from 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outputs: dict[str, int] = Field(
        default={}, description="Relay of each contact of the barrier: open, close, stop."
    )
    inputs: dict[str, int] = Field(default={}, description="Input of each signal of the barrier.")
    contacts: dict[str, ContactKind] = Field(
        default={},
        description="Kind of contact of a signal or a relay: no closes when it is active, nc opens.",
    )

    @model_validator(mode="after")
    def _one_wire_a_channel(self) -> Self:
        for what, wires in (("outputs", self.outputs), ("inputs", self.inputs)):
            if len(set(wires.values())) < len(wires):
                raise ValueError(f"{what}: two of them have the same channel")
        if strangers := self.contacts.keys() - self.outputs.keys() - self.inputs.keys():
            raise ValueError(f"contacts: {', '.join(sorted(strangers))} is neither in outputs nor in inputs")
        return self


def kind_of(signal: str, contacts: Mapping[str, ContactKind]) -> ContactKind:
    """Return the kind of contact of a signal or a relay."""
    usual: ContactKind = "nc" if signal.rpartition("-")[2] in NORMALLY_CLOSED else "no"
    return contacts.get(signal, usual)


class Circuit:
    """The wire from a signal to an input of a board."""

    def __init__(self, kind: ContactKind, active: bool, board: "WiredBoard", channel: int) -> None:
        self.kind = kind
        self.board = board
        self.channel = channel
        self.active = active
        """The true state."""
        self.override: bool | None = None
        """State of the contact if it differs from the true state."""
        self.wire: Literal["whole", "broken", "shorted"] = "whole"

    @property
    def is_closed(self) -> bool:
        """True if current flows: the board's view."""
        if self.wire != "whole":
            return self.wire == "shorted"
        return self.is_active == (self.kind == "no")

    @property
    def is_active(self) -> bool:
        """True if its contact shows the signal as active."""
        return self.active if self.override is None else self.override


class WiredBoard(Protocol):
    """Interface of a board to its wires."""

    relays: RelayBank
    inputs: int
    sense: Callable[[int], bool]

    def on_input_changed(self, channel: int, closed: bool) -> None:
        """Handle a circuit at an input that has closed or opened."""


class Wiring:
    """All wires of a barrier."""

    def __init__(self, barrier: BarrierMechanics, timeline: Timeline) -> None:
        self.barrier = barrier
        self.timeline = timeline
        self._circuits: dict[str, list[Circuit]] = {}
        self._chattering: dict[str, TimerHandle] = {}
        barrier.on_signal = self._signal

    def connect(self, board: WiredBoard, settings: WiringSettings) -> None:
        """Wire one board as in its settings; raise SimulatorError if that is impossible."""
        signals = self.barrier.signals
        circuits: dict[int, Circuit] = {}
        for signal, channel in settings.inputs.items():
            if signal not in signals:
                raise SimulatorError(f"inputs: {signal} is not one of {', '.join(signals)}")
            if not 0 <= channel < board.inputs:
                raise SimulatorError(f"inputs: {signal} = {channel}: it has {board.inputs} inputs")
            circuit = Circuit(kind_of(signal, settings.contacts), signals[signal], board, channel)
            circuits[channel] = circuit
            self._circuits.setdefault(signal, []).append(circuit)
        names: dict[int, tuple[str, bool]] = {}
        known = contacts_of(self.barrier.settings.lane)
        for contact, relay in settings.outputs.items():
            if contact not in known:
                raise SimulatorError(f"outputs: {contact} is not one of {', '.join(known)}")
            if not 0 <= relay < len(board.relays):
                raise SimulatorError(f"outputs: {contact} = {relay}: it has {len(board.relays)} relays")
            names[relay] = contact, kind_of(contact, settings.contacts) == "no"
            self.barrier.contact(contact, board.relays.is_closed(relay) == names[relay][1])

        def moved(relay: int, closed: bool) -> None:
            if relay in names:
                contact, closes = names[relay]
                self.barrier.contact(contact, closed == closes)

        board.sense = lambda channel: channel in circuits and circuits[channel].is_closed
        board.relays.on_contact = moved

    def _signal(self, signal: str, active: bool) -> None:
        self._change(signal, lambda circuit: setattr(circuit, "active", active))

    def _change(self, signal: str, change: Callable[[Circuit], None]) -> None:
        for circuit in self._circuits.get(signal, []):
            before = circuit.is_closed
            change(circuit)
            if circuit.is_closed != before:
                circuit.board.on_input_changed(circuit.channel, circuit.is_closed)

    # Faults.

    def check(self, *signals: str) -> None:
        """Raise SimulatorError for a signal that is not wired."""
        for signal in signals:
            if signal not in self._circuits:
                raise SimulatorError(f"signal: {signal!r} is not wired; {', '.join(self._circuits)} are")

    def set_wire(self, signal: str, state: Literal["whole", "broken", "shorted"]) -> None:
        """Break, short or mend the wires of a signal."""
        self._change(signal, lambda circuit: setattr(circuit, "wire", state))

    def override(self, signals: Sequence[str], active: bool | None) -> None:
        """Set the state of their contacts, whatever the truth; None: the truth again."""
        for signal in signals:
            if chattering := self._chattering.pop(signal, None):
                chattering.cancel()
            self._change(signal, lambda circuit: setattr(circuit, "override", active))

    def chatter(self, signal: str, per_s: float) -> None:
        """Toggle its contact `per_s` times per second, until it is to show the truth again."""

        def change() -> None:
            self._change(signal, lambda circuit: setattr(circuit, "override", not circuit.is_active))
            self._chattering[signal] = self.timeline.call_at(self.timeline.now_s + 1 / per_s, change)

        self.override([signal], None)
        change()
