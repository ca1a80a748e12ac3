"""What the gateway itself can say, beside its state: its clock, and the record of who commanded what."""

from typing import Any, ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation, OpenEnum
from gateway.contract.commands import CommandState
from gateway.contract.envelope import ClockStatus
from gateway.contract.reason_codes import CommandReason


class ClockStepped(Observation):
    """The post's wall clock was set, or can be trusted for the first time since the gateway started.

    Times of earlier events of this boot can be put right with it: by `monons`, which no step moves.
    """

    event_type: ClassVar[str] = "clock.stepped"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"step_ms", "clock_status", "first_synced"}

    step_ms: int = Field(
        description="How far it was set, in milliseconds; negative: back. 0: only its standing changed.",
        examples=[86400000],
    )
    clock_status: ClockStatus = Field(description="Whether it can be trusted now.", examples=["synced"])
    first_synced: bool = Field(
        description="Whether it is trusted for the first time since the gateway started.", examples=[True]
    )


class AuditCheckpoint(Observation):
    """The audit at the post was signed up to a line: every hour that has news, and when the gateway stops.

    Whoever keeps this elsewhere can tell later whether the audit's end was cut off, or all of it replaced.
    """

    event_type: ClassVar[str] = "audit.checkpoint"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"line", "sha256", "trigger"}

    line: int = Field(ge=1, description="Number of the line that has the signature.", examples=[4711])
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of that line, without its line end, lower-case hexadecimal.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    trigger: str = Field(description="`hour` or `stop`.", examples=["hour"])


class CommandDecided(Observation):
    """A command came to a device and was let through or refused. Said at the device, by the gateway.

    What was let through is recorded each by itself, but renewals and stops beyond the usual rate. Where those
    or refusals are alike, one record with their number follows the first: nobody fills a disk by asking.
    """

    event_type: ClassVar[str] = "command.decided"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {
        "cmd_id", "station", "verb", "decision", "reason", "holder", "command_seq", "remaining_ms", "count",
        "window_s",
    }  # fmt: skip

    cmd_id: str | None = Field(
        description="Which command; null when it was not readable.",
        examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"],
    )
    station: str | None = Field(
        description="Who asked, as the broker vouches; null when that is no name.", examples=["counter-1"]
    )
    verb: str | None = Field(
        description="What was asked for; null when the device has no such command.", examples=["open"]
    )
    decision: CommandState = Field(
        description="`accepted`, `done` where the gateway obeys itself, `rejected` or `expired`.",
        examples=["accepted"],
    )
    reason: CommandReason | None = Field(description="Why it was refused; null otherwise.", examples=[None])
    holder: str | None = Field(
        description="Which station had claimed the device then, if any.", examples=["counter-1"]
    )
    command_seq: int | None = Field(description="Its number, where readable.", examples=[1795422930123])
    args: dict[str, Any] = Field(
        description="Its arguments: what is not personal as it was sent, of the rest its type and size.",
        examples=[{"direction": "entry"}],
    )
    remaining_ms: int | None = Field(
        description="How much longer it might have waited to be begun, in milliseconds.", examples=[2950]
    )
    count: int = Field(
        1, ge=1, description="How many it stands for; all else is of the last of them.", examples=[1]
    )
    window_s: float = Field(0, ge=0, description="Within how long they came, in seconds.", examples=[0])


class CommandEnded(Observation):
    """How a command ended that had been let through. Said at the device, by the gateway."""

    event_type: ClassVar[str] = "command.ended"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {
        "cmd_id",
        "station",
        "verb",
        "state",
        "reason",
        "duration_ms",
        "count",
        "window_s",
    }

    cmd_id: str = Field(description="Which command.", examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"])
    station: str = Field(description="Who asked.", examples=["counter-1"])
    verb: str = Field(description="What was asked for.", examples=["open"])
    state: CommandState = Field(description="How it ended.", examples=["done"])
    reason: CommandReason | None = Field(description="Why it was not done, or null.", examples=[None])
    duration_ms: float = Field(
        ge=0, description="From its acceptance to its end, in milliseconds.", examples=[812.5]
    )
    count: int = Field(
        1, ge=1, description="How many it stands for; all else is of the last of them.", examples=[1]
    )
    window_s: float = Field(0, ge=0, description="Within how long they came, in seconds.", examples=[0])


class ClaimChange(OpenEnum):
    """How a device got another holder, or none."""

    CLAIMED = "claimed"
    STOLEN = "stolen"
    RELEASED = "released"
    EXPIRED = "expired"
    """Nobody renewed it in time."""
    REVOKED = "revoked"
    """By the gateway: the device or the station's right left the configuration, or the gateway stops."""
    UNKNOWN = "unknown"


class ClaimChanged(Observation):
    """A device is claimed by another station than before, or by none. Said at the device, by the gateway."""

    event_type: ClassVar[str] = "claim.changed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"change", "holder", "previous_holder", "lease_s"}

    change: ClaimChange = Field(description="How it changed.", examples=["stolen"])
    holder: str | None = Field(description="Who has it now, if anybody.", examples=["supervisor-1"])
    previous_holder: str | None = Field(description="Who had it before, if anybody.", examples=["counter-1"])
    lease_s: int | None = Field(
        description="How long it holds unless renewed, in seconds; null when nobody has it.", examples=[30]
    )
    reason: str = Field(
        "",
        description="The reason given for a stolen claim.",
        examples=["Shift change; counter 1 is unattended."],
    )


class TechnicianOperation(OpenEnum):
    """What a technician has asked for."""

    CHECK = "check"
    RESTART = "restart"
    MAINTENANCE_ON = "maintenance_on"
    MAINTENANCE_OFF = "maintenance_off"
    ACCEPT = "accept"
    RESET_COUNTERS = "reset_counters"
    REVOKE_CLAIM = "revoke_claim"
    TRACE_REVEAL = "trace_reveal"
    """To see what crosses the wire as it is, personal data and all."""
    UNKNOWN = "unknown"


class TechnicianOperationPerformed(Observation):
    """A technician had something done at a device, or saw its wire. Said at the device, by the gateway."""

    event_type: ClassVar[str] = "technician.operation"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"user", "role", "channel", "operation", "detail"}

    user: str = Field(description="Login, or user of the post's machine.", examples=["amina"])
    role: str = Field(
        description="In which standing: viewer, technician or supervisor.", examples=["technician"]
    )
    channel: str = Field(
        description="How they came: the machine's `socket`, or `network`.", examples=["socket"]
    )
    operation: TechnicianOperation = Field(description="What was done.", examples=["maintenance_on"])
    detail: str = Field(
        "",
        description="For how long, at which level, which serial number for which, whose claim.",
        examples=["30 min"],
    )
    reason: str = Field("", description="The reason that was given.", examples=["cleaning"])
