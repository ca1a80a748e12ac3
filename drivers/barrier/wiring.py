"""Wiring and times of a barrier, and the checks that refuse dangerous wiring.

Sources: EN 12453 (an arm that can close on a person needs a presence detector), EN 17352 (powered gates on
escape routes), and the manuals of Magnetic's MGC controllers (pulse inputs of 0.2 to 1 s; an emergency input
that opens when it is *interrupted*).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from drivers.barrier.board import Board, PulseEnd
from drivers.barrier.observations import DOOR_NAME_PATTERN
from drivers.links.settings import Settings

MAX_PULSE_S = 1.0
"""Upper bound on the time for which a relay is closed, in seconds."""


class InputContact(BaseModel):
    """An input and its contact."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    input: int = Field(ge=0, description="Number of the input at the board, counted from 0.", examples=[4])
    contact: Literal["no", "nc"] = Field(
        description="no (normally open): closes when active; nc (normally closed): opens when active, as "
        "does a cut wire.",
        examples=["nc"],
    )

    def is_active(self, circuits: Sequence[bool]) -> bool:
        """Return True if the contact is active. `circuits`: True where current flows, by input."""
        return circuits[self.input] == (self.contact == "no")


def _number_for(contact: str) -> BeforeValidator:
    return BeforeValidator(
        lambda given: {"input": given, "contact": contact} if type(given) is int else given
    )


NormallyOpen = Annotated[InputContact, _number_for("no")]
NormallyClosed = Annotated[InputContact, _number_for("nc")]


class DoorWiring(BaseModel):
    """Wiring of one boom or door: relays of its contacts, and inputs of its sensors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        "", pattern=DOOR_NAME_PATTERN, description="Name of the door, if there are two.", examples=["first"]
    )
    open: int = Field(ge=0, description="Relay of the open contact, counted from 0.", examples=[0])
    close: int | None = Field(
        None,
        ge=0,
        description="Relay of the close contact; without it, the barrier's own controller closes the door.",
        examples=[1],
    )
    stop: int | None = Field(
        None,
        ge=0,
        description="Relay of the stop contact. Required wherever the machine has one.",
        examples=[2],
    )
    open_limit: NormallyOpen = Field(
        description="Open limit switch. A number means a contact that closes at this end."
    )
    closed_limit: NormallyOpen = Field(
        description="Closed limit switch. A number means a contact that closes at this end."
    )
    presence: NormallyClosed | None = Field(
        None,
        description="Presence detector (photocell or scanner) across the way of the door. A number means a "
        "contact that opens on presence, so that a cut wire prevents closing. An induction loop alone does "
        "not detect people.",
    )
    entry_side: NormallyOpen | None = Field(
        None, description="Loop or mat on the entry side: detects an approach."
    )
    exit_side: NormallyOpen | None = Field(
        None, description="Loop or mat on the exit side: detects the end of a passage."
    )

    @model_validator(mode="after")
    def _sees_whom_it_closes_on(self) -> Self:
        if self.close is not None and self.presence is None:
            raise ValueError(
                "close needs presence: wire a photocell or scanner to an input, or omit close so that "
                "the machine's own controller closes"
            )
        return self

    @property
    def relays(self) -> list[int]:
        """All relays of the door."""
        return [relay for relay in (self.open, self.close, self.stop) if relay is not None]

    @property
    def contacts(self) -> Iterator[InputContact]:
        """All inputs of the door."""
        for contact in (self.open_limit, self.closed_limit, self.presence, self.entry_side, self.exit_side):
            if contact is not None:
                yield contact


@dataclass(frozen=True, slots=True)
class DoorInputs:
    """Input values of one door. None: not wired."""

    open_limit: bool
    closed_limit: bool
    presence: bool | None = None
    entry_side: bool | None = None
    exit_side: bool | None = None


@dataclass(frozen=True, slots=True)
class BarrierInputs:
    """All input values at one moment. None: not wired."""

    doors: tuple[DoorInputs, ...]
    emergency: bool | None = None
    key_switch: bool | None = None
    controller_ok: bool | None = None
    local_button: bool | None = None


class BarrierSettings(Settings):
    """Common settings of all barriers; the settings of a driver derive from this class."""

    doors: tuple[DoorWiring, ...] = Field(
        min_length=1,
        max_length=2,
        description="The boom; or the two doors of a gate in walking order, of which at most one is open.",
    )
    emergency: int | None = Field(
        None,
        ge=0,
        description="Input of the fire alarm or emergency button. Its circuit is closed at rest: a cut wire "
        "counts as an emergency.",
        examples=[5],
    )
    no_emergency_input: bool = Field(
        False,
        description="There is no emergency input: the alarm reaches only the machine's controller.",
        examples=[False],
    )
    key_switch: NormallyOpen | None = Field(
        None, description="Key switch at the barrier: while it is turned, no command moves the barrier."
    )
    controller_ok: NormallyOpen | None = Field(
        None,
        description="Ready contact of the machine's own controller. A number means a contact that is closed "
        "when ready.",
    )
    local_button: NormallyOpen | None = Field(
        None, description="Open button at the barrier: an opening after it is not reported as forced."
    )

    poll_s: float = Field(
        0.2,
        ge=0.02,
        le=0.2,
        description="Interval between readings of the inputs, in seconds.",
        examples=[0.2],
    )
    pulse_s: float = Field(
        0.5,
        ge=0.1,
        le=MAX_PULSE_S,
        description="Duration of the relay pulse of a command, in seconds.",
        examples=[0.5],
    )
    start_timeout_s: float = Field(
        1.5,
        gt=0,
        le=15,
        description="Time within which a movement leaves its end, in seconds; longer for machines that warn "
        "first.",
        examples=[1.5],
    )
    open_timeout_s: float = Field(
        6.0, gt=0, le=60, description="Upper bound on the time for opening, in seconds.", examples=[6.0]
    )
    close_timeout_s: float = Field(
        8.0, gt=0, le=60, description="Upper bound on the time for closing, in seconds.", examples=[8.0]
    )
    permit_s: float = Field(
        8.0,
        ge=1,
        le=120,
        description="Validity of a permit after the door is open, in seconds.",
        examples=[8.0],
    )
    dead_time_s: float = Field(
        0.3,
        ge=0.3,
        le=5,
        description="Dead time between the end of one contact and the start of its opposite, in seconds.",
        examples=[0.3],
    )
    max_open_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="Open time after which an alarm is raised, in seconds; nothing moves.",
        examples=[60.0],
    )
    min_interval_s: float = Field(
        2.0, ge=2, le=60, description="Shortest interval between two movements, in seconds.", examples=[2.0]
    )
    max_per_minute: int = Field(
        12, ge=1, le=30, description="Highest number of movements per minute.", examples=[12]
    )
    open_in_fault: bool = Field(
        False,
        description="Allows opening while the inputs are not plausible. Closing is never allowed then.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _not_dangerous(self) -> Self:
        names = [door.name for door in self.doors]
        if len(names) == 2 and ("" in names or len(set(names)) < 2):
            raise ValueError("doors: two doors need two different names")
        for what, used in (
            ("relay", [relay for door in self.doors for relay in door.relays]),
            ("input", [contact.input for contact in self._contacts()]),
        ):
            if twice := sorted({number for number in used if used.count(number) > 1}):
                raise ValueError(f"{what} {twice[0]} is used twice: every {what} has one meaning")
        if (self.emergency is None) != self.no_emergency_input:
            raise ValueError(
                "emergency: wire the fire alarm to an input, or write no_emergency_input = true where it "
                "reaches the machine's controller alone"
                if self.emergency is None
                else "no_emergency_input: there is an emergency input; remove one of the two keys"
            )
        return self

    def _contacts(self) -> Iterator[InputContact]:
        for door in self.doors:
            yield from door.contacts
        if self.emergency is not None:
            yield InputContact(input=self.emergency, contact="nc")
        for contact in (self.key_switch, self.controller_ok, self.local_button):
            if contact is not None:
                yield contact

    def decode_inputs(self, circuits: Sequence[bool]) -> BarrierInputs:
        """Decode the inputs. `circuits`: True where current flows, by input."""

        def says(contact: InputContact | None) -> bool | None:
            return None if contact is None else contact.is_active(circuits)

        return BarrierInputs(
            doors=tuple(
                DoorInputs(
                    door.open_limit.is_active(circuits),
                    door.closed_limit.is_active(circuits),
                    says(door.presence),
                    says(door.entry_side),
                    says(door.exit_side),
                )
                for door in self.doors
            ),
            emergency=None if self.emergency is None else not circuits[self.emergency],
            key_switch=says(self.key_switch),
            controller_ok=says(self.controller_ok),
            local_button=says(self.local_button),
        )

    def board_objection(self, board: Board) -> str | None:
        """Return the reason why this barrier must not be wired to that board; None if it may."""
        relays = max(relay for door in self.doors for relay in door.relays)
        inputs = max(contact.input for contact in self._contacts())
        if relays >= board.relays:
            return f"relay {relays} is wired, and the board has relays 0 to {board.relays - 1}"
        if inputs >= board.inputs:
            return f"input {inputs} is wired, and the board has {board.inputs} inputs, counted from 0"
        if board.pulse_end is PulseEnd.NONE:
            return (
                "nothing opens the board's relays again if the gateway dies: take a board that times its "
                "pulses, or one with a watchdog"
            )
        if board.release_timeout_s > MAX_PULSE_S:
            return (
                f"a relay could stay closed for {board.release_timeout_s:g} s if the gateway dies: set the "
                f"board's watchdog to {MAX_PULSE_S:g} s at most"
            )
        return None
