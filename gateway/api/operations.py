"""What a technician may ask of the daemon, and in which role. Every one of them leaves a record."""

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
    "ResetCounters",
    "Restart",
    "RevealTrace",
    "RevokeClaim",
    "RpcError",
    "UserRole",
]

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class UserRole(IntEnum):
    """What somebody may do here; each may what those before it may."""

    VIEWER = 1
    """Looks."""
    TECHNICIAN = 2
    """Checks, traces without content, restarts, maintains, resets counters, takes bundles."""
    SUPERVISOR = 3
    """Accepts other devices, reveals wire content, ends others' claims."""


class Actor(ApiModel):
    """Who asks: goes into the record."""

    name: str = Field(description="Login, or user of this machine.", examples=["amina"])
    role: UserRole = Field(description="What this person may do.", examples=[2])
    channel: Literal["socket", "network"] = Field(description="Which way they came.", examples=["socket"])


class Restart(ApiModel):
    """Replace the process of one device; no other device notices."""

    operation: Literal["restart"] = "restart"


class Maintenance(ApiModel):
    """Take a device from its counter, or give it back. What it says meanwhile reaches no officer."""

    operation: Literal["maintenance"] = "maintenance"
    on: bool = Field(description="Take it, or give it back.", examples=[True])
    minutes: int = Field(30, ge=1, le=480, description="It ends by itself after this.", examples=[30])
    reason: Reason = Field("maintenance", description="Why, without names of persons.", examples=["cleaning"])


class AcceptDevice(ApiModel):
    """Let another serial number serve a position: the swap."""

    operation: Literal["accept"] = "accept"
    serial_number: str = Field(
        min_length=1, description="The one that is there and waits.", examples=["SIM0002"]
    )
    reason: Reason = Field("swap", description="Why.", examples=["the old one was dropped"])


class ResetCounters(ApiModel):
    """Set the resettable counters of a device to zero."""

    operation: Literal["reset_counters"] = "reset_counters"


class RevokeClaim(ApiModel):
    """Take a device from the station that has claimed it."""

    operation: Literal["revoke_claim"] = "revoke_claim"
    reason: Reason = Field(description="Why, without names of persons.", examples=["workstation is dead"])


class RevealTrace(ApiModel):
    """See what crosses a wire as it is, personal data and all."""

    operation: Literal["reveal"] = "reveal"
    reason: Reason = Field(description="Why, without names of persons.", examples=["vendor asks for bytes"])


ManagementOperation = Annotated[
    Restart | Maintenance | AcceptDevice | ResetCounters | RevokeClaim | RevealTrace,
    Field(discriminator="operation"),
]

REQUIRED_ROLES: dict[str, UserRole] = {
    "check": UserRole.TECHNICIAN,
    "trace": UserRole.TECHNICIAN,
    "restart": UserRole.TECHNICIAN,
    "maintenance": UserRole.TECHNICIAN,
    "reset_counters": UserRole.TECHNICIAN,
    "accept": UserRole.SUPERVISOR,
    "revoke_claim": UserRole.SUPERVISOR,
    "reveal": UserRole.SUPERVISOR,
}
"""The least standing that an order needs."""
