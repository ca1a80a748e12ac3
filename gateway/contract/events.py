"""Events of the gateway itself.

Steps of its clock, commands, claims, operations of technicians, audit checkpoints.
"""

from typing import Any, ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation, OpenEnum
from gateway.contract.commands import CommandState
from gateway.contract.envelope import ClockStatus
from gateway.contract.reason_codes import CommandReason


class ClockStepped(Observation):
    """The post's wall clock was set, or is synchronised for the first time since the gateway started.

    With it, times of earlier events of this boot can be corrected: their `monons` is not changed by a step.
    """

    event_type: ClassVar[str] = "clock.stepped"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"step_ms", "clock_status", "first_synced"}

    step_ms: int = Field(
        description="Size of the step, in milliseconds; negative: back. 0: only the clock status changed.",
        examples=[86400000],
    )
    clock_status: ClockStatus = Field(description="Trustworthiness of the clock now.", examples=["synced"])
    first_synced: bool = Field(
        description="True if the clock is trusted for the first time since the gateway started.",
        examples=[True],
    )


class AuditCheckpoint(Observation):
    """Signed checkpoint of the post's audit: every hour that has new lines, and when the gateway stops.

    A consumer that stores it can prove later whether lines at the end of the audit were removed, or all of it
    was replaced.
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
    trigger: str = Field(description="Cause of the checkpoint: `hour` or `stop`.", examples=["hour"])


class CommandDecided(Observation):
    """A command for a device was permitted or refused. Published at the device, by the gateway.

    Each permitted command has a record of its own, except renewals and stops beyond the usual rate. Of those
    and of equal refusals, the first has a record, and one more record counts the rest of a minute: a flood of
    commands cannot fill the disk.
    """

    event_type: ClassVar[str] = "command.decided"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {
        "cmd_id", "station", "verb", "decision", "reason", "holder", "command_seq", "remaining_ms", "count",
        "window_s", "signed_by",
    }  # fmt: skip

    cmd_id: str | None = Field(
        description="Id of the command; null when it was not readable.",
        examples=["6f1c2a9e-7d3b-4c11-9d55-0242ac120002"],
    )
    station: str | None = Field(
        description="Station that sent it, verified by the broker; null when its name is not valid.",
        examples=["counter-1"],
    )
    verb: str | None = Field(
        description="Verb of the command; null when the device has no such command.", examples=["open"]
    )
    decision: CommandState = Field(
        description="`accepted`, `done` where the gateway executes it itself, `rejected` or `expired`.",
        examples=["accepted"],
    )
    reason: CommandReason | None = Field(
        description="Reason of the refusal; null otherwise.", examples=[None]
    )
    holder: str | None = Field(
        description="Station that had claimed the device at that moment, or null.", examples=["counter-1"]
    )
    command_seq: int | None = Field(
        description="Its sequence number, where readable.", examples=[1795422930123]
    )
    args: dict[str, Any] = Field(
        description="Its arguments: values that are not personal; of all others type and size.",
        examples=[{"direction": "entry"}],
    )
    remaining_ms: int | None = Field(
        description="Time that was left to begin it, in milliseconds.", examples=[2950]
    )
    signed_by: str | None = Field(
        default=None,
        description="Id of the station's key, if the signature was verified; null for an unsigned command.",
        examples=["Wm6XVnaQWFBtSPGWbD4ARgPIIKUOIB38ThNFJrUqTjM"],
    )
    count: int = Field(
        default=1,
        ge=1,
        description="Number of commands that this record counts; the other fields are of the last of them.",
        examples=[1],
    )
    window_s: float = Field(
        default=0, ge=0, description="Period in which they arrived, in seconds.", examples=[0]
    )


class CommandEnded(Observation):
    """A permitted command ended. Published at the device, by the gateway."""

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
    station: str = Field(description="Station that sent the command.", examples=["counter-1"])
    verb: str = Field(description="Verb of the command.", examples=["open"])
    state: CommandState = Field(description="Final state.", examples=["done"])
    reason: CommandReason | None = Field(description="Reason why it was not done, or null.", examples=[None])
    duration_ms: float = Field(
        ge=0,
        description="From its acceptance to its end, in milliseconds; 0 with `gateway_lost`: it is unknown.",
        examples=[812.5],
    )
    result: dict[str, Any] | None = Field(
        default=None,
        description="Of a movement that was done or has failed: its result, with personal values as type and "
        "size.",
        examples=[{"state": "open", "duration_s": 1.9}],
    )
    sensed_before: dict[str, Any] | None = Field(
        default=None,
        description="Of a movement: the device's states when the command was passed to it, by event type.",
        examples=[{"barrier.state": {"state": "closed"}}],
    )
    sensed_after: dict[str, Any] | None = Field(
        default=None,
        description="Of a movement: the device's states when the command ended, by event type.",
        examples=[{"barrier.state": {"state": "open"}}],
    )
    count: int = Field(
        default=1,
        ge=1,
        description="Number of commands that this record counts; the other fields are of the last of them.",
        examples=[1],
    )
    window_s: float = Field(
        default=0, ge=0, description="Period in which they arrived, in seconds.", examples=[0]
    )


class ClaimChange(OpenEnum):
    """Change of a device's claim."""

    CLAIMED = "claimed"
    STOLEN = "stolen"
    RELEASED = "released"
    EXPIRED = "expired"
    """It was not renewed in time."""
    REVOKED = "revoked"
    """The gateway stops, or the device or the station's right was removed from the configuration."""
    UNKNOWN = "unknown"


class ClaimChanged(Observation):
    """A device has another holder than before, or none. Published at the device, by the gateway."""

    event_type: ClassVar[str] = "claim.changed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"change", "holder", "previous_holder", "lease_s"}

    change: ClaimChange = Field(description="Kind of change.", examples=["stolen"])
    holder: str | None = Field(
        description="Station that has the claim now, or null.", examples=["supervisor-1"]
    )
    previous_holder: str | None = Field(
        description="Station that had the claim before, or null.", examples=["counter-1"]
    )
    lease_s: int | None = Field(
        description="Duration of the lease unless renewed, in seconds; null without a holder.", examples=[30]
    )
    reason: str = Field(
        default="",
        description="Reason given for a stolen claim.",
        examples=["Shift change; counter 1 is unattended."],
    )


class TechnicianOperation(OpenEnum):
    """Operation of a technician."""

    CHECK = "check"
    RESTART = "restart"
    REPLUG = "replug"
    """Power of its USB port off and on."""
    MAINTENANCE_ON = "maintenance_on"
    MAINTENANCE_OFF = "maintenance_off"
    ACCEPT = "accept"
    RESET_COUNTERS = "reset_counters"
    REVOKE_CLAIM = "revoke_claim"
    COMMISSIONING = "commissioning"
    """The test of a barrier before its first use; `detail` has its result and every step."""
    PROOF_TEST = "proof_test"
    """A periodic test of a barrier; `detail` likewise."""
    POWER_ON = "power_on"
    """The test of a barrier after it was without power; `detail` likewise."""
    TRACE_REVEAL = "trace_reveal"
    """Show a trace with its content, personal data included."""
    UNKNOWN = "unknown"


class TechnicianOperationPerformed(Observation):
    """A technician operated a device, or saw its trace. Published at the device, by the gateway."""

    event_type: ClassVar[str] = "technician.operation"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"user", "role", "channel", "operation", "detail"}

    user: str = Field(description="Login, or user of the post's machine.", examples=["amina"])
    role: str = Field(
        description="Role of the user: viewer, technician or supervisor.", examples=["technician"]
    )
    channel: str = Field(
        description="Channel of the request: the machine's `socket`, or `network`.", examples=["socket"]
    )
    operation: TechnicianOperation = Field(
        description="Operation that was performed.", examples=["maintenance_on"]
    )
    detail: str = Field(
        default="",
        description="Details: duration, level, old and new serial number, or holder of the claim.",
        examples=["30 min"],
    )
    reason: str = Field(default="", description="Reason that was given.", examples=["cleaning"])
