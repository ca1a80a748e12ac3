"""What a barrier can be told to do."""

from pydantic import Field

from drivers.barrier.observations import NAME, MachineState
from drivers.command import Done, Request


class OpenBarrier(Request):
    """Open, for one passage: whoever comes second is reported as tailgating."""

    shown = frozenset({"door", "passage_s"})

    door: str = Field(
        "", pattern=NAME, description="Which door; the only one has no name.", examples=["first"]
    )
    passage_s: float | None = Field(
        None,
        ge=1,
        le=120,
        description="How long the permit stands once it is open, in seconds; without it as configured.",
        examples=[8.0],
    )


class CloseBarrier(Request):
    """Close. Refused unless it is sensed, just now, that nobody is in the way."""

    shown = frozenset({"door"})

    door: str = Field(
        "", pattern=NAME, description="Which door; the only one has no name.", examples=["first"]
    )


class Maintain(Request):
    """Work on the barrier: while the lease lasts, commands move nothing. It ends by itself.

    It also ends when the link to the board is lost or the gateway starts anew: whoever has their hands in the
    machine turns its key switch as well.
    """

    shown = frozenset({"for_s", "reason"})

    for_s: float = Field(
        ge=0,
        le=14_400,
        description="How long the work takes at most, in seconds from now; 0 ends the lease.",
        examples=[1800.0],
    )
    reason: str = Field(
        min_length=4,
        max_length=200,
        description="What for; goes on record, so it names no traveller.",
        examples=["photocell of the exit is replaced"],
    )


class Acknowledge(Request):
    """A person who has looked says that the emergency, or what may have been one, is over."""

    shown = frozenset({"reason"})

    reason: str = Field(
        min_length=4,
        max_length=200,
        description="What was seen; goes on record, so it names no traveller.",
        examples=["false alarm, hall checked"],
    )


class Moved(Done):
    """It arrived, as the limits say."""

    shown = frozenset({"state", "took_s"})

    state: MachineState = Field(description="How the door stands, as sensed.", examples=["open"])
    took_s: float = Field(
        ge=0, description="From asking to arrival, in seconds; 0 where it stood so already.", examples=[1.9]
    )


class Stopped(Done):
    """It was told to stop; `barrier.state` says what it does."""

    shown = frozenset({"contact"})

    contact: bool = Field(
        description="Its stop contact was closed. Without one, all that can be done is to let go of "
        "every relay, which stops only a machine that moves while it is told to.",
        examples=[True],
    )
