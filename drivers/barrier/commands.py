"""What a barrier can be told to do."""

from pydantic import Field

from drivers.barrier.observations import DOOR_NAME_PATTERN, MovementState
from drivers.command import CommandArguments, CommandOutput


class OpenBarrier(CommandArguments):
    """Open, for one passage: whoever comes second is reported as tailgating."""

    unredacted_fields = frozenset({"door", "permit_s"})

    door: str = Field(
        "", pattern=DOOR_NAME_PATTERN, description="Which door; the only one has no name.", examples=["first"]
    )
    permit_s: float | None = Field(
        None,
        ge=1,
        le=120,
        description="How long the permit stands once it is open, in seconds; without it as configured.",
        examples=[8.0],
    )


class CloseBarrier(CommandArguments):
    """Close. Refused unless it is sensed, just now, that nobody is in the way."""

    unredacted_fields = frozenset({"door"})

    door: str = Field(
        "", pattern=DOOR_NAME_PATTERN, description="Which door; the only one has no name.", examples=["first"]
    )


class SetMaintenance(CommandArguments):
    """Work on the barrier: while the lease lasts, commands move nothing. It ends by itself.

    It also ends when the link to the board is lost or the gateway starts anew: whoever has their hands in the
    machine turns its key switch as well.
    """

    unredacted_fields = frozenset({"duration_s", "reason"})

    duration_s: float = Field(
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


class AcknowledgeEmergency(CommandArguments):
    """A person who has looked says that the emergency, or what may have been one, is over."""

    unredacted_fields = frozenset({"reason"})

    reason: str = Field(
        min_length=4,
        max_length=200,
        description="What was seen; goes on record, so it names no traveller.",
        examples=["false alarm, hall checked"],
    )


class MoveResult(CommandOutput):
    """It arrived, as the limits say."""

    unredacted_fields = frozenset({"state", "duration_s"})

    state: MovementState = Field(description="How the door stands, as sensed.", examples=["open"])
    duration_s: float = Field(
        ge=0, description="From asking to arrival, in seconds; 0 where it stood so already.", examples=[1.9]
    )


class StopResult(CommandOutput):
    """It was told to stop; `barrier.state` says what it does."""

    unredacted_fields = frozenset({"by_stop_contact"})

    by_stop_contact: bool = Field(
        description="Its stop contact was closed. Without one, all that can be done is to let go of "
        "every relay, which stops only a machine that moves while it is told to.",
        examples=[True],
    )
