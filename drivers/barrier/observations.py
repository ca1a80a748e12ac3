"""What a barrier can say: how it stands, who passed on which permit, and what should alarm somebody.

A state comes from inputs alone. That a frame was sent moves nothing here: OPEN is said when the open limit is
made, and what lies between the ends is named after the end that was left.
"""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, DataModel, Observation, OpenEnum

DOOR_NAME_PATTERN = r"^[a-z0-9]?[a-z0-9-]{0,31}$"


class MovementState(OpenEnum):
    """How a barrier, or one of its doors, stands."""

    UNKNOWN = "unknown"
    """Between its ends since we look, or not looked at yet."""
    CLOSED = "closed"
    OPENING = "opening"
    """It has left the closed limit, and may still arrive in time."""
    OPEN = "open"
    CLOSING = "closing"
    """It has left the open limit, and may still arrive in time."""
    STOPPED = "stopped"
    """Between its ends for longer than it travels, after somebody had it stopped."""
    BLOCKED = "blocked"
    """Between its ends for longer than it travels, and nobody had it stopped."""
    EMERGENCY_OPEN = "emergency_open"
    """The emergency input was active, and nobody has acknowledged yet that it is over."""
    FAULT = "fault"
    """What is sensed cannot be."""
    MAINTENANCE = "maintenance"
    """Somebody works on it: the key switch is turned, or a technician holds a lease."""


class StateReason(OpenEnum):
    """What makes the state as it is, where that is not in the limits."""

    LIMIT_SWITCHES = "limit_switches"
    """The limits alone say so."""
    EMERGENCY = "emergency"
    """The emergency input is active."""
    EMERGENCY_UNACKNOWLEDGED = "emergency_unacknowledged"
    """The emergency input is at rest again; a person has to acknowledge that."""
    KEY_SWITCH = "key_switch"
    MAINTENANCE_LEASE = "maintenance_lease"
    """A technician works on it, and said so by command."""
    BOTH_LIMITS = "both_limits"
    """Both limits are made at once."""
    NO_LIMIT = "no_limit"
    """No limit is made for much longer than it travels."""
    CHATTER = "chatter"
    """A contact changes more often than a machine can move."""
    CONTROLLER_FAULT = "controller_fault"
    """The machine's own controller says that it is not well."""
    RELAY_STUCK = "relay_stuck"
    """A relay of the board is closed that should be open."""
    UNKNOWN = "unknown"


class DoorState(DataModel):
    """One boom or door, and what its inputs say. None: not wired."""

    unredacted_fields = frozenset(
        {"door", "state", "open_limit", "closed_limit", "presence", "entry_side", "exit_side"}
    )

    door: str = Field(
        "", pattern=DOOR_NAME_PATTERN, description="Its name; the only one has none.", examples=["first"]
    )
    state: MovementState = Field(description="How it stands.", examples=["closed"])
    open_limit: bool = Field(description="It is sensed to be open.", examples=[False])
    closed_limit: bool = Field(description="It is sensed to be closed.", examples=[True])
    presence: bool | None = Field(
        None, description="Somebody or something is sensed in its way.", examples=[False]
    )
    entry_side: bool | None = Field(None, description="Somebody is sensed before it.", examples=[True])
    exit_side: bool | None = Field(None, description="Somebody is sensed behind it.", examples=[False])


class BarrierState(Observation):
    """How the barrier stands, said at every change of it or of an input."""

    event_type: ClassVar[str] = "barrier.state"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    unredacted_fields = Observation.unredacted_fields | {
        "state",
        "reason",
        "doors",
        "emergency",
        "key_switch",
        "controller_ok",
        "open_at_start",
        "stale",
    }

    state: MovementState = Field(
        description="How it stands; of several doors, what most calls for attention.", examples=["closed"]
    )
    reason: StateReason = Field(
        StateReason.LIMIT_SWITCHES, description="What makes it so.", examples=["limit_switches"]
    )
    doors: tuple[DoorState, ...] = Field(
        min_length=1,
        description="Each door.",
        examples=[[{"state": "closed", "open_limit": False, "closed_limit": True, "presence": False}]],
    )
    emergency: bool | None = Field(
        None, description="The emergency input is active, or its wire broken.", examples=[False]
    )
    key_switch: bool | None = Field(
        None, description="The key switch at the barrier is turned.", examples=[False]
    )
    controller_ok: bool | None = Field(
        None, description="The machine's own controller says that it is well.", examples=[True]
    )
    open_at_start: bool = Field(
        False,
        description="It was not closed when the gateway first looked: it may stand open for an emergency "
        "that nobody here has seen, so it is not closed before a person acknowledges that.",
        examples=[False],
    )
    stale: bool = Field(False, description="The link has failed since: this is how it was.", examples=[False])


class PassageDirection(OpenEnum):
    """Which way somebody went."""

    FORWARD = "forward"
    """The way the lane is meant to be used."""
    REVERSE = "reverse"
    TURNED_BACK = "turned_back"
    """Into the passage and back out: nobody passed."""
    UNKNOWN = "unknown"


class BarrierPassage(Observation):
    """Somebody has left the passage, on a permit or without one."""

    event_type: ClassVar[str] = "barrier.passage"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {
        "door",
        "direction",
        "permitted",
        "tailgating",
        "duration_s",
    }

    door: str = Field(
        "", pattern=DOOR_NAME_PATTERN, description="Which door; the only one has no name.", examples=[""]
    )
    direction: PassageDirection = Field(description="Which way they went.", examples=["forward"])
    permitted: bool = Field(
        description="A permit stood for it; the event's transaction is the permit's.", examples=[True]
    )
    tailgating: bool = Field(
        False, description="It was not, while the barrier was open on a permit.", examples=[False]
    )
    duration_s: float = Field(
        ge=0, description="How long somebody was sensed in the passage, in seconds.", examples=[1.8]
    )


class AlarmKind(OpenEnum):
    """What somebody should know of at once."""

    TAILGATING = "tailgating"
    """Somebody passes on a permit that another has used, or that has ended."""
    REVERSE_PASSAGE = "reverse_passage"
    """Somebody came through from behind."""
    FORCED_OPEN = "forced_open"
    """It left the closed limit, and neither we nor an input at the barrier had told it to."""
    OBSTRUCTION_WHILE_CLOSING = "obstruction_while_closing"
    """Somebody is in the way while it closes."""
    EMERGENCY = "emergency"
    """The emergency input became active, or its wire broke."""
    EMERGENCY_CLEARED = "emergency_cleared"
    """A person has acknowledged that the emergency is over."""
    OPEN_TOO_LONG = "open_too_long"
    """It stands open for longer than it should; the gateway leaves it so."""
    NOT_STARTED = "not_started"
    """It was told to move, and has not begun to."""
    NOT_ARRIVED = "not_arrived"
    """It moves, or should, for longer than it may."""
    IMPLAUSIBLE_INPUTS = "implausible_inputs"
    """What is sensed cannot be; `why` of the state says what."""
    RELAY_STUCK = "relay_stuck"
    """A relay of the board is closed that should be open."""
    UNKNOWN = "unknown"


class BarrierAlarm(Observation):
    """Something at the barrier that somebody should know of at once."""

    event_type: ClassVar[str] = "barrier.alarm"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"kind", "door", "text"}

    kind: AlarmKind = Field(description="What it is.", examples=["tailgating"])
    door: str | None = Field(
        None, description="Which door, where it concerns one; the only one has an empty name.", examples=[""]
    )
    text: str = Field(
        description="A sentence for a person. Never personal data.",
        examples=["Somebody followed on a permit that was used already."],
    )
