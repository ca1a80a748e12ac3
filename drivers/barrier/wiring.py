"""How a barrier is wired to its board, how long it may take, and which of that is refused as dangerous.

Sources: EN 12453 (an arm that can close on somebody needs a detector of presence), EN 17352 (powered gates on
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
"""A contact is open again after so long, whatever happens."""


class InputContact(BaseModel):
    """An input and its contact."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    input: int = Field(ge=0, description="Which input of the board, counted from 0.", examples=[4])
    contact: Literal["no", "nc"] = Field(
        description="no: it closes when it has something to say; nc: it opens then, as a cut wire does.",
        examples=["nc"],
    )

    def is_active(self, circuits: Sequence[bool]) -> bool:
        """Whether it has something to say. `circuits`: where current flows."""
        return circuits[self.input] == (self.contact == "no")


def _number_for(contact: str) -> BeforeValidator:
    return BeforeValidator(
        lambda given: {"input": given, "contact": contact} if type(given) is int else given
    )


NormallyOpen = Annotated[InputContact, _number_for("no")]
NormallyClosed = Annotated[InputContact, _number_for("nc")]


class DoorWiring(BaseModel):
    """One boom or door: the relays that work its contacts, the inputs that tell of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        "", pattern=DOOR_NAME_PATTERN, description="Its name, where there are two.", examples=["first"]
    )
    open: int = Field(ge=0, description="Relay that has it opened, counted from 0.", examples=[0])
    close: int | None = Field(
        None,
        ge=0,
        description="Relay that has it closed; without it, its controller closes it by itself.",
        examples=[1],
    )
    stop: int | None = Field(
        None,
        ge=0,
        description="Relay that has it stopped. Leave none out that the machine has.",
        examples=[2],
    )
    open_limit: NormallyOpen = Field(description="It is open. A number is a contact that closes then.")
    closed_limit: NormallyOpen = Field(description="It is closed. A number is a contact that closes then.")
    presence: NormallyClosed | None = Field(
        None,
        description="Photocell or scanner across its way. A number is a contact that opens when somebody is "
        "there, so that a cut wire keeps it from closing. An induction loop alone does not see people.",
    )
    entry_side: NormallyOpen | None = Field(None, description="Loop or mat before it: who wants to pass.")
    exit_side: NormallyOpen | None = Field(None, description="Loop or mat behind it: who has passed.")

    @model_validator(mode="after")
    def _sees_whom_it_closes_on(self) -> Self:
        if self.close is not None and self.presence is None:
            raise ValueError(
                "close needs presence: wire a photocell or scanner to an input, or leave close out and let "
                "the machine's own controller close"
            )
        return self

    @property
    def relays(self) -> list[int]:
        """Every relay it uses."""
        return [relay for relay in (self.open, self.close, self.stop) if relay is not None]

    @property
    def contacts(self) -> Iterator[InputContact]:
        """Every input it uses."""
        for contact in (self.open_limit, self.closed_limit, self.presence, self.entry_side, self.exit_side):
            if contact is not None:
                yield contact


@dataclass(frozen=True, slots=True)
class DoorInputs:
    """What the inputs of one door say. None: not wired."""

    open_limit: bool
    closed_limit: bool
    presence: bool | None = None
    entry_side: bool | None = None
    exit_side: bool | None = None


@dataclass(frozen=True, slots=True)
class BarrierInputs:
    """What all inputs say at one moment. None: not wired."""

    doors: tuple[DoorInputs, ...]
    emergency: bool | None = None
    key_switch: bool | None = None
    controller_ok: bool | None = None
    local_button: bool | None = None


class BarrierSettings(Settings):
    """What all barriers are configured by; the settings of a driver derive from this."""

    doors: tuple[DoorWiring, ...] = Field(
        min_length=1,
        max_length=2,
        description="The boom; or the two doors of a gate, in the order they are walked through, of which "
        "one at most is open.",
    )
    emergency: int | None = Field(
        None,
        ge=0,
        description="Input of the fire alarm or emergency button. Its circuit is closed at rest: a cut wire "
        "is an emergency.",
        examples=[5],
    )
    no_emergency_input: bool = Field(
        False,
        description="There is no emergency input: its alarm reaches the machine's controller alone.",
        examples=[False],
    )
    key_switch: NormallyOpen | None = Field(
        None, description="Key switch at the barrier: while it is turned, commands move nothing."
    )
    controller_ok: NormallyOpen | None = Field(
        None, description="The machine's own controller is well. A number is a contact that is closed then."
    )
    local_button: NormallyOpen | None = Field(
        None, description="Button at the barrier that has it opened: an opening behind it is not forced."
    )

    poll_s: float = Field(
        0.2, ge=0.02, le=0.2, description="How often the inputs are read, in seconds.", examples=[0.2]
    )
    pulse_s: float = Field(
        0.5,
        ge=0.1,
        le=MAX_PULSE_S,
        description="How long a contact is closed to ask for something, in seconds.",
        examples=[0.5],
    )
    start_timeout_s: float = Field(
        1.5,
        gt=0,
        le=15,
        description="It has left its end so long after it was told to; longer for one that warns first.",
        examples=[1.5],
    )
    open_timeout_s: float = Field(
        6.0, gt=0, le=60, description="How long opening may take, in seconds.", examples=[6.0]
    )
    close_timeout_s: float = Field(
        8.0, gt=0, le=60, description="How long closing may take, in seconds.", examples=[8.0]
    )
    permit_s: float = Field(
        8.0, ge=1, le=120, description="How long a permit stands once it is open, in seconds.", examples=[8.0]
    )
    dead_time_s: float = Field(
        0.3,
        ge=0.3,
        le=5,
        description="Between the end of one contact and the beginning of its opposite, in seconds.",
        examples=[0.3],
    )
    max_open_s: float = Field(
        60.0, gt=0, le=86_400, description="Open for longer, it is reported; nothing moves.", examples=[60.0]
    )
    min_interval_s: float = Field(
        2.0, ge=2, le=60, description="Two movements are asked for so far apart, in seconds.", examples=[2.0]
    )
    max_per_minute: int = Field(
        12, ge=1, le=30, description="How many movements are asked for in a minute at most.", examples=[12]
    )
    open_in_fault: bool = Field(
        False,
        description="Whether it may be told to open while what is sensed cannot be. It never closes then.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _not_dangerous(self) -> Self:
        names = [door.name for door in self.doors]
        if len(names) == 2 and ("" in names or len(set(names)) < 2):
            raise ValueError("doors: give both a name, and not the same")
        for what, used in (
            ("relay", [relay for door in self.doors for relay in door.relays]),
            ("input", [contact.input for contact in self._contacts()]),
        ):
            if twice := sorted({number for number in used if used.count(number) > 1}):
                raise ValueError(f"{what} {twice[0]} is used twice: every {what} has one meaning")
        if (self.emergency is None) != self.no_emergency_input:
            raise ValueError(
                "emergency: wire the fire alarm to an input, or say no_emergency_input = true where it "
                "reaches the machine's controller alone"
                if self.emergency is None
                else "no_emergency_input: there is an emergency input; leave one of them out"
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
        """What the inputs say. `circuits`: where current flows."""

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
        """Why a barrier wired like this must not hang on that board; None: it may."""
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
