"""Commands of a barrier."""

from pydantic import Field

from drivers.barrier.observations import DOOR_NAME_PATTERN, MovementState
from drivers.command import CommandArguments, CommandOutput
from drivers.observation import DataModel, OpenEnum


class OpenBarrier(CommandArguments):
    """Open for one passage; a second person is reported as tailgating."""

    unredacted_fields = frozenset({"door", "permit_s"})

    door: str = Field(
        default="",
        pattern=DOOR_NAME_PATTERN,
        description="Name of the door; empty if there is only one.",
        examples=["first"],
    )
    permit_s: float | None = Field(
        default=None,
        ge=1,
        le=120,
        description="Validity of the permit after the door is open, in seconds; if absent, as configured.",
        examples=[8.0],
    )


class CloseBarrier(CommandArguments):
    """Close. Refused unless a fresh reading shows that no person is in the way."""

    unredacted_fields = frozenset({"door"})

    door: str = Field(
        default="",
        pattern=DOOR_NAME_PATTERN,
        description="Name of the door; empty if there is only one.",
        examples=["first"],
    )


class SetMaintenance(CommandArguments):
    """Start, prolong or end a maintenance lease: during it, commands move nothing. It ends by itself.

    The lease belongs to the station that has taken it: only that station or a supervisor may change it. It
    lasts over a lost link, a restart and a power cut. A person who works inside the machine turns its key
    switch as well.
    """

    unredacted_fields = frozenset({"duration_s", "reason"})

    duration_s: float = Field(
        ge=0,
        le=14_400,
        description="Upper bound on the duration of the work, in seconds from now; 0 ends the lease.",
        examples=[1800.0],
    )
    reason: str = Field(
        min_length=4,
        max_length=200,
        description="Purpose; it is recorded, so it must not name a traveller.",
        examples=["photocell of the exit is replaced"],
    )


class AcknowledgeEmergency(CommandArguments):
    """Acknowledge, after a look at the lane, that every condition that a person must clear is over.

    These are an emergency or a possible one, an opening without a command, a relay that was closed by another
    master, and an unreadable record.
    """

    unredacted_fields = frozenset({"reason"})

    reason: str = Field(
        min_length=4,
        max_length=200,
        description="Observation at the lane; it is recorded, so it must not name a traveller.",
        examples=["false alarm, hall checked"],
    )


class WriteOutcome(OpenEnum):
    """Outcome of one write to the board."""

    PENDING = "pending"
    """Not answered yet when the command ended."""
    ACKNOWLEDGED = "acknowledged"
    UNANSWERED = "unanswered"
    """No answer came: the board may have executed it."""
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    """Too late, or withdrawn by a stop."""
    UNKNOWN = "unknown"


class RelayWrite(DataModel):
    """One write to the relays of the board."""

    unredacted_fields = frozenset({"kind", "door", "relay", "after_s", "outcome"})

    kind: str = Field(
        description="`open`, `close`, `stop`, `reopen` (pulses of a contact), `test` (of the presence "
        "detector), or `release` (of every relay).",
        examples=["open"],
    )
    door: str = Field(
        default="",
        pattern=DOOR_NAME_PATTERN,
        description="Name of the door; empty if there is only one.",
        examples=["first"],
    )
    relay: int | None = Field(
        default=None, ge=0, description="Relay that was closed; null for a release.", examples=[0]
    )
    after_s: float = Field(ge=0, description="Time since the command, in seconds.", examples=[0.02])
    outcome: WriteOutcome = Field(description="Outcome of the write.", examples=["acknowledged"])


class MoveResult(CommandOutput):
    """Result of a movement: its door by the limit switches, and the writes to the board."""

    unredacted_fields = frozenset({"state", "duration_s", "writes"})

    state: MovementState = Field(description="State of the door, by its limit switches.", examples=["open"])
    duration_s: float = Field(
        ge=0,
        description="Time from the command to arrival, in seconds; 0 if it was already there.",
        examples=[1.9],
    )
    writes: tuple[RelayWrite, ...] = Field(
        default=(),
        description="Writes to the relays during the command, also those that no command has caused.",
        examples=[[{"kind": "open", "door": "", "relay": 0, "after_s": 0.02, "outcome": "acknowledged"}]],
    )


class StopResult(CommandOutput):
    """Result of a stop that the board has acknowledged; `barrier.state` shows its effect."""

    unredacted_fields = frozenset({"by_stop_contact", "state"})

    by_stop_contact: bool = Field(
        description="The stop contact was closed. Without one, all relays are opened, "
        "which stops only a machine that moves while its contact is closed.",
        examples=[True],
    )
    state: MovementState = Field(
        default=MovementState.UNKNOWN,
        description="State of the barrier by the last reading of its limit switches. `closing` and `opening` "
        "become `stopped` once no end was reached in the time that a machine needs to brake.",
        examples=["closing"],
    )
