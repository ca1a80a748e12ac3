"""Operations of the management API, and the roles that they require. Every operation is recorded."""

from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.api.models import ApiModel
from gateway.ipc.rpc import RpcError

__all__ = [
    "REQUIRED_ROLES",
    "AcceptDevice",
    "Actor",
    "Maintenance",
    "ManagementOperation",
    "Reason",
    "RecordTest",
    "Replug",
    "ResetCounters",
    "Restart",
    "RevealTrace",
    "RevokeClaim",
    "RpcError",
    "StepResult",
    "UserRole",
]

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class UserRole(IntEnum):
    """Role of a user; each includes the permissions of those before it."""

    VIEWER = 1
    """Reads only."""
    TECHNICIAN = 2
    """Checks, traces without content, restarts, maintains, resets counters, takes bundles."""
    SUPERVISOR = 3
    """Accepts other devices, reveals wire content, ends others' claims."""


class Actor(ApiModel):
    """User of an operation, as recorded."""

    name: str = Field(description="Login name, or user name on this machine.", examples=["amina"])
    role: UserRole = Field(description="Role of the user.", examples=[2])
    channel: Literal["socket", "network"] = Field(
        description="Connection of the user: local socket or network.", examples=["socket"]
    )


class Restart(ApiModel):
    """Restart the worker process of one device; other devices are not affected."""

    operation: Literal["restart"] = "restart"


class Replug(ApiModel):
    """Record that root switches the power of the device's USB port off and on, before it happens."""

    operation: Literal["replug"] = "replug"
    reason: Reason = Field(
        "device hangs", description="Reason, without names of persons.", examples=["device hangs"]
    )


class Maintenance(ApiModel):
    """Start or end maintenance of a device. Its events meanwhile reach no officer."""

    operation: Literal["maintenance"] = "maintenance"
    on: bool = Field(description="True: start; false: end.", examples=[True])
    minutes: int = Field(
        30, ge=1, le=480, description="Maintenance ends by itself after this time.", examples=[30]
    )
    reason: Reason = Field(
        "maintenance", description="Reason, without names of persons.", examples=["cleaning"]
    )


class AcceptDevice(ApiModel):
    """Accept another serial number at a position, after a swap."""

    operation: Literal["accept"] = "accept"
    serial_number: str = Field(
        min_length=1,
        description="Serial number of the connected device that awaits acceptance.",
        examples=["SIM0002"],
    )
    reason: Reason = Field("swap", description="Why.", examples=["the old one was dropped"])


class ResetCounters(ApiModel):
    """Set the resettable counters of a device to zero."""

    operation: Literal["reset_counters"] = "reset_counters"


class RevokeClaim(ApiModel):
    """Take a device from the station that has claimed it."""

    operation: Literal["revoke_claim"] = "revoke_claim"
    reason: Reason = Field(description="Reason, without names of persons.", examples=["workstation is dead"])


class RevealTrace(ApiModel):
    """Show the bytes of a trace, including personal data."""

    operation: Literal["reveal"] = "reveal"
    reason: Reason = Field(
        description="Reason, without names of persons.", examples=["vendor asks for bytes"]
    )


class StepResult(ApiModel):
    """Result of one step of a test of a barrier."""

    name: str = Field(min_length=1, max_length=80, description="Name of the step.", examples=["presence cut"])
    passed: bool = Field(description="The expected result was seen.", examples=[True])


class RecordTest(ApiModel):
    """Record the protocol of a test of a barrier. It passed if every step did."""

    operation: Literal["record_test"] = "record_test"
    kind: Literal["commissioning", "proof_test", "power_on"] = Field(
        description="Kind of test; a commissioning needs a supervisor.", examples=["proof_test"]
    )
    configuration: str = Field(
        pattern=r"^[0-9a-f]{16}$",
        description="Fingerprint of the tested configuration; a test of another one is refused.",
        examples=["b0631ee31a237a4d"],
    )
    steps: tuple[StepResult, ...] = Field(
        min_length=1,
        max_length=200,
        description="Result of each step.",
        examples=[[{"name": "presence cut", "passed": True}]],
    )
    reason: Reason = Field(
        "test at the machine", description="Occasion, without names of persons.", examples=["yearly test"]
    )

    @property
    def passed(self) -> bool:
        """True if every step passed."""
        return all(step.passed for step in self.steps)


ManagementOperation = Annotated[
    Restart | Replug | Maintenance | AcceptDevice | ResetCounters | RevokeClaim | RevealTrace | RecordTest,
    Field(discriminator="operation"),
]

REQUIRED_ROLES: dict[str, UserRole] = {
    "check": UserRole.TECHNICIAN,
    "trace": UserRole.TECHNICIAN,
    "restart": UserRole.TECHNICIAN,
    "replug": UserRole.TECHNICIAN,
    "maintenance": UserRole.TECHNICIAN,
    "reset_counters": UserRole.TECHNICIAN,
    "record_test": UserRole.TECHNICIAN,
    "commissioning": UserRole.SUPERVISOR,
    "accept": UserRole.SUPERVISOR,
    "revoke_claim": UserRole.SUPERVISOR,
    "reveal": UserRole.SUPERVISOR,
}
"""Lowest role that an operation requires."""
