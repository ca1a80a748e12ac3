"""Observations of a barrier: its state, passages with their permits, and alarms.

The state follows from inputs alone; a frame that was sent changes nothing here. OPEN means that the open
limit switch is made. A position between the ends is named after the end that the barrier has left.
"""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, DataModel, Observation, OpenEnum

DOOR_NAME_PATTERN = r"^[a-z0-9]?[a-z0-9-]{0,31}$"


class MovementState(OpenEnum):
    """State of a barrier, or of one of its doors."""

    UNKNOWN = "unknown"
    """Not known: between its ends since the first reading, or not read because the link has failed.

    Or stopped between its ends, and since then maybe moved by local control, its own controller or an alarm.
    """
    CLOSED = "closed"
    OPENING = "opening"
    """It has left the closed limit, and the time for opening has not passed."""
    OPEN = "open"
    CLOSING = "closing"
    """It has left the open limit, and the time for closing has not passed."""
    STOPPED = "stopped"
    """Between its ends after a stop: the board has acknowledged it, and no input shows a movement since.

    A button that is not wired to the board moves the door unseen until it reaches an end.
    """
    BLOCKED = "blocked"
    """Between its ends for longer than its travel time, without a stop command."""
    EMERGENCY_OPEN = "emergency_open"
    """The emergency input was active, and its end is not acknowledged yet."""
    FAULT = "fault"
    """The inputs contradict each other, or are not plausible."""
    MAINTENANCE = "maintenance"
    """Maintenance: the key switch is turned, or a technician has a maintenance lease."""


class StateReason(OpenEnum):
    """Condition of a barrier that needs attention, or cause of its state."""

    LIMIT_SWITCHES = "limit_switches"
    """The limit switches alone."""
    NOT_OPEN_IN_EMERGENCY = "not_open_in_emergency"
    """The emergency input is active, and a door is not open."""
    OBSTRUCTION = "obstruction"
    """A closing door was obstructed, and its reopening is not sensed yet."""
    STOP_NOT_ACKNOWLEDGED = "stop_not_acknowledged"
    """The board has not acknowledged a stop yet; it is repeated."""
    EMERGENCY = "emergency"
    """The emergency input is active."""
    EMERGENCY_UNACKNOWLEDGED = "emergency_unacknowledged"
    """The emergency input is at rest again; a person must acknowledge that."""
    KEY_SWITCH = "key_switch"
    MAINTENANCE_LEASE = "maintenance_lease"
    """A technician has taken a maintenance lease by command."""
    BOTH_LIMITS = "both_limits"
    """Both limit switches of a door are made at the same time."""
    NO_LIMIT = "no_limit"
    """No limit switch is made for much longer than the travel time."""
    CHATTER = "chatter"
    """A contact changes more often than a machine can move."""
    CONTROLLER_FAULT = "controller_fault"
    """The barrier's own controller reports a fault."""
    RELAY_STUCK = "relay_stuck"
    """A relay of the board is still closed after the end of its pulse."""
    OTHER_MASTER = "other_master"
    """A relay was closed, and not by this gateway; a person must acknowledge that."""
    SENSING_SLOW = "sensing_slow"
    """The inputs are read too slowly to protect a person in the way of a closing door."""
    FORCED_OPEN = "forced_open"
    """It was opened without a command; a person must acknowledge that."""
    OPEN_AT_START = "open_at_start"
    """It was not closed at the first reading after a start, maybe for an earlier emergency.

    It is not closed by command until a person acknowledges that.
    """
    RECORD_LOST = "record_lost"
    """The record of earlier emergencies and maintenance is unreadable; a person must acknowledge that."""
    NOT_RECORDED = "not_recorded"
    """The disk has not taken the record of the other conditions: a power cut or a restart would lose it."""
    PRESENCE_MISSED = "presence_missed"
    """The presence detector has missed passages: a person must cover it once and acknowledge."""
    PRESENCE_TEST_FAILED = "presence_test_failed"
    """The presence detector did not respond to its last test before a closing."""
    NOT_ARRIVED = "not_arrived"
    """A movement takes longer than allowed."""
    OPEN_TOO_LONG = "open_too_long"
    """Open for longer than `max_open_s`."""
    LINK_LOST = "link_lost"
    """The link to the board has failed."""
    UNKNOWN = "unknown"


CONDITIONS_BY_GRAVITY = (
    StateReason.NOT_OPEN_IN_EMERGENCY,
    StateReason.OBSTRUCTION,
    StateReason.STOP_NOT_ACKNOWLEDGED,
    StateReason.EMERGENCY,
    StateReason.EMERGENCY_UNACKNOWLEDGED,
    StateReason.RELAY_STUCK,
    StateReason.OTHER_MASTER,
    StateReason.RECORD_LOST,
    StateReason.NOT_RECORDED,
    StateReason.PRESENCE_MISSED,
    StateReason.PRESENCE_TEST_FAILED,
    StateReason.BOTH_LIMITS,
    StateReason.NO_LIMIT,
    StateReason.CHATTER,
    StateReason.CONTROLLER_FAULT,
    StateReason.SENSING_SLOW,
    StateReason.FORCED_OPEN,
    StateReason.OPEN_AT_START,
    StateReason.NOT_ARRIVED,
    StateReason.OPEN_TOO_LONG,
    StateReason.KEY_SWITCH,
    StateReason.MAINTENANCE_LEASE,
)
"""Conditions that need attention, the gravest first."""


class DoorState(DataModel):
    """State and inputs of one boom or door. None: not wired."""

    unredacted_fields = frozenset(
        {"door", "state", "open_limit", "closed_limit", "presence", "entry_side", "exit_side"}
    )

    door: str = Field(
        default="",
        pattern=DOOR_NAME_PATTERN,
        description="Name of the door; empty if there is only one.",
        examples=["first"],
    )
    state: MovementState = Field(description="State of the door.", examples=["closed"])
    open_limit: bool = Field(description="The open limit switch is made.", examples=[False])
    closed_limit: bool = Field(description="The closed limit switch is made.", examples=[True])
    presence: bool | None = Field(
        default=None, description="A person or object is detected in the way of the door.", examples=[False]
    )
    entry_side: bool | None = Field(
        default=None, description="A person is detected on the entry side.", examples=[True]
    )
    exit_side: bool | None = Field(
        default=None, description="A person is detected on the exit side.", examples=[False]
    )


class BarrierState(Observation):
    """State of the barrier, emitted whenever the state or an input changes."""

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
        "conditions",
        "open_at_start",
        "stale",
    }

    state: MovementState = Field(
        description="State of the barrier; of two doors, the more severe state.", examples=["closed"]
    )
    reason: StateReason = Field(
        default=StateReason.LIMIT_SWITCHES, description="Cause of the state.", examples=["limit_switches"]
    )
    doors: tuple[DoorState, ...] = Field(
        min_length=1,
        description="Each door.",
        examples=[[{"state": "closed", "open_limit": False, "closed_limit": True, "presence": False}]],
    )
    emergency: bool | None = Field(
        default=None, description="The emergency input is active, or its wire is broken.", examples=[False]
    )
    key_switch: bool | None = Field(
        default=None, description="The key switch at the barrier is turned.", examples=[False]
    )
    controller_ok: bool | None = Field(
        default=None, description="The barrier's own controller reports that it is ready.", examples=[True]
    )
    conditions: tuple[StateReason, ...] = Field(
        default=(),
        description="All conditions that need attention at this moment, the gravest first.",
        examples=[["emergency_unacknowledged", "forced_open"]],
    )
    open_at_start: bool = Field(
        default=False,
        description="The barrier was not closed at the first reading after a start. It may be open for an "
        "emergency before that start, so it is not closed until a person acknowledges that.",
        examples=[False],
    )
    stale: bool = Field(
        default=False,
        description="The link has failed: the position is unknown, and the inputs are the last ones read.",
        examples=[False],
    )


class PassageDirection(OpenEnum):
    """Direction of a passage."""

    FORWARD = "forward"
    """The intended direction of the lane."""
    REVERSE = "reverse"
    TURNED_BACK = "turned_back"
    """Into the passage and back out again: not passed."""
    UNKNOWN = "unknown"


class BarrierPassage(Observation):
    """End of a passage, with a permit or without one."""

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
        default="",
        pattern=DOOR_NAME_PATTERN,
        description="Name of the door; empty if there is only one.",
        examples=[""],
    )
    direction: PassageDirection = Field(description="Direction of the passage.", examples=["forward"])
    permitted: bool = Field(
        description="A permit was valid for the passage; the event's transaction is that of the permit.",
        examples=[True],
    )
    tailgating: bool = Field(
        default=False,
        description="The passage had no permit, while the barrier was open on one.",
        examples=[False],
    )
    duration_s: float = Field(
        ge=0, description="Time for which a person was detected in the passage, in seconds.", examples=[1.8]
    )


class AlarmKind(OpenEnum):
    """Kind of alarm."""

    TAILGATING = "tailgating"
    """Passage on a permit that was already used, or has ended."""
    REVERSE_PASSAGE = "reverse_passage"
    """Passage from the exit side."""
    FORCED_OPEN = "forced_open"
    """It left the closed limit without a command and without an input at the barrier."""
    OBSTRUCTION_WHILE_CLOSING = "obstruction_while_closing"
    """Obstruction (EN 12453): the presence detector responds while the door closes."""
    EMERGENCY = "emergency"
    """The emergency input became active, or its wire broke."""
    EMERGENCY_CLEARED = "emergency_cleared"
    """A person has acknowledged the end of the emergency."""
    OPEN_TOO_LONG = "open_too_long"
    """Open for longer than `max_open_s`; the gateway leaves it open."""
    NOT_STARTED = "not_started"
    """A commanded movement has not started in time."""
    NOT_ARRIVED = "not_arrived"
    """A movement has not ended in time."""
    IMPLAUSIBLE_INPUTS = "implausible_inputs"
    """The inputs are not plausible; `reason` of the state is the cause."""
    RELAY_STUCK = "relay_stuck"
    """A relay of the board is still closed after the end of its pulse, or was closed at the start."""
    NOT_OPEN_IN_EMERGENCY = "not_open_in_emergency"
    """The emergency input is active, and a door has not opened in time."""
    STOP_NOT_ACKNOWLEDGED = "stop_not_acknowledged"
    """The board has not acknowledged a stop in time; the stop is repeated."""
    OTHER_MASTER = "other_master"
    """A relay was closed, and not by this gateway."""
    SENSING_SLOW = "sensing_slow"
    """The inputs are read too slowly to protect a person in the way of a closing door."""
    PRESENCE_MISSED = "presence_missed"
    """The presence detector has missed three passages that the sides have detected."""
    PRESENCE_TEST_FAILED = "presence_test_failed"
    """The presence detector did not respond to its test before a closing, which is refused."""
    MOVING_AT_START = "moving_at_start"
    """The barrier was between its ends at the start: it is supervised as after a command to close."""
    RECORD_LOST = "record_lost"
    """The record of earlier emergencies and maintenance is unreadable."""
    UNKNOWN = "unknown"


class BarrierAlarm(Observation):
    """Alarm of a barrier, for immediate attention."""

    event_type: ClassVar[str] = "barrier.alarm"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"kind", "door", "text"}

    kind: AlarmKind = Field(description="Kind of alarm.", examples=["tailgating"])
    door: str | None = Field(
        default=None,
        description="Name of the door, if the alarm concerns one; empty if there is only one.",
        examples=[""],
    )
    text: str = Field(
        description="One sentence for the officer, without personal data.",
        examples=["A person followed on a permit that was already used."],
    )
