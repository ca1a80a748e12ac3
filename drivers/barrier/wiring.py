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
from drivers.barrier.observations import NAME
from drivers.links.settings import Settings

PULSE_MOST_S = 1.0
"""A contact is open again after so long, whatever happens."""


class Contact(BaseModel):
    """An input and its contact."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    input: int = Field(ge=0, description="Which input of the board, counted from 0.", examples=[4])
    contact: Literal["no", "nc"] = Field(
        description="no: it closes when it has something to say; nc: it opens then, as a cut wire does.",
        examples=["nc"],
    )

    def says(self, circuits: Sequence[bool]) -> bool:
        """Whether it has something to say. `circuits`: where current flows."""
        return circuits[self.input] == (self.contact == "no")


def _number_for(contact: str) -> BeforeValidator:
    return BeforeValidator(
        lambda given: {"input": given, "contact": contact} if type(given) is int else given
    )


NormallyOpen = Annotated[Contact, _number_for("no")]
NormallyClosed = Annotated[Contact, _number_for("nc")]


class DoorWiring(BaseModel):
    """One boom or door: the relays that work its contacts, the inputs that tell of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field("", pattern=NAME, description="Its name, where there are two.", examples=["first"])
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
    before: NormallyOpen | None = Field(None, description="Loop or mat before it: who wants to pass.")
    behind: NormallyOpen | None = Field(None, description="Loop or mat behind it: who has passed.")

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
    def contacts(self) -> Iterator[Contact]:
        """Every input it uses."""
        for contact in (self.open_limit, self.closed_limit, self.presence, self.before, self.behind):
            if contact is not None:
                yield contact


@dataclass(frozen=True, slots=True)
class DoorSensed:
    """What the inputs of one door say. None: not wired."""

    open_limit: bool
    closed_limit: bool
    presence: bool | None = None
    before: bool | None = None
    behind: bool | None = None


@dataclass(frozen=True, slots=True)
class Sensed:
    """What all inputs say at one moment. None: not wired."""

    doors: tuple[DoorSensed, ...]
    emergency: bool | None = None
    key_switch: bool | None = None
    controller_ok: bool | None = None
    local: bool | None = None


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
    without_emergency: bool = Field(
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
    local: NormallyOpen | None = Field(
        None, description="Button at the barrier that has it opened: an opening behind it is not forced."
    )

    poll_s: float = Field(
        0.2, ge=0.02, le=0.2, description="How often the inputs are read, in seconds.", examples=[0.2]
    )
    pulse_s: float = Field(
        0.5,
        ge=0.1,
        le=PULSE_MOST_S,
        description="How long a contact is closed to ask for something, in seconds.",
        examples=[0.5],
    )
    starts_within_s: float = Field(
        1.5,
        gt=0,
        le=15,
        description="It has left its end so long after it was told to; longer for one that warns first.",
        examples=[1.5],
    )
    opens_within_s: float = Field(
        6.0, gt=0, le=60, description="How long opening may take, in seconds.", examples=[6.0]
    )
    closes_within_s: float = Field(
        8.0, gt=0, le=60, description="How long closing may take, in seconds.", examples=[8.0]
    )
    passage_s: float = Field(
        8.0, ge=1, le=120, description="How long a permit stands once it is open, in seconds.", examples=[8.0]
    )
    dead_time_s: float = Field(
        0.3,
        ge=0.3,
        le=5,
        description="Between the end of one contact and the beginning of its opposite, in seconds.",
        examples=[0.3],
    )
    open_at_most_s: float = Field(
        60.0, gt=0, le=86_400, description="Open for longer, it is reported; nothing moves.", examples=[60.0]
    )
    apart_s: float = Field(
        2.0, ge=2, le=60, description="Two movements are asked for so far apart, in seconds.", examples=[2.0]
    )
    per_minute: int = Field(
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
        if (self.emergency is None) != self.without_emergency:
            raise ValueError(
                "emergency: wire the fire alarm to an input, or say without_emergency = true where it "
                "reaches the machine's controller alone"
                if self.emergency is None
                else "without_emergency: there is an emergency input; leave one of them out"
            )
        return self

    def _contacts(self) -> Iterator[Contact]:
        for door in self.doors:
            yield from door.contacts
        if self.emergency is not None:
            yield Contact(input=self.emergency, contact="nc")
        for contact in (self.key_switch, self.controller_ok, self.local):
            if contact is not None:
                yield contact

    def sensed(self, circuits: Sequence[bool]) -> Sensed:
        """What the inputs say. `circuits`: where current flows."""

        def says(contact: Contact | None) -> bool | None:
            return None if contact is None else contact.says(circuits)

        return Sensed(
            doors=tuple(
                DoorSensed(
                    door.open_limit.says(circuits),
                    door.closed_limit.says(circuits),
                    says(door.presence),
                    says(door.before),
                    says(door.behind),
                )
                for door in self.doors
            ),
            emergency=None if self.emergency is None else not circuits[self.emergency],
            key_switch=says(self.key_switch),
            controller_ok=says(self.controller_ok),
            local=says(self.local),
        )

    def objection(self, board: Board) -> str | None:
        """Why a barrier wired like this must not hang on that board; None: it may."""
        relays = max(relay for door in self.doors for relay in door.relays)
        inputs = max(contact.input for contact in self._contacts())
        if relays >= board.relays:
            return f"relay {relays} is wired, and the board has relays 0 to {board.relays - 1}"
        if inputs >= board.inputs:
            return f"input {inputs} is wired, and the board has {board.inputs} inputs, counted from 0"
        if board.pulse_end is PulseEnd.NOTHING:
            return (
                "nothing opens the board's relays again if the gateway dies: take a board that times its "
                "pulses, or one with a watchdog"
            )
        if board.released_within_s > PULSE_MOST_S:
            return (
                f"a relay could stay closed for {board.released_within_s:g} s if the gateway dies: set the "
                f"board's watchdog to {PULSE_MOST_S:g} s at most"
            )
        return None
