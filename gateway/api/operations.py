"""What a technician may ask of the daemon, and in which role. Every one of them leaves a record."""

from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.api.models import View
from gateway.ipc.rpc import Refusal

__all__ = [
    "NEEDED",
    "Accept",
    "EndClaim",
    "Maintenance",
    "Order",
    "Reason",
    "Refusal",
    "ResetCounters",
    "Restart",
    "Reveal",
    "Standing",
    "Who",
]

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class Standing(IntEnum):
    """What somebody may do here; each may what those before it may."""

    VIEWER = 1
    """Looks."""
    TECHNICIAN = 2
    """Checks, traces without content, restarts, maintains, resets counters, takes bundles."""
    SUPERVISOR = 3
    """Accepts other devices, reveals wire content, ends others' claims."""


class Who(View):
    """Who asks: goes into the record."""

    name: str = Field(description="Login, or user of this machine.", examples=["amina"])
    standing: Standing = Field(description="What this person may do.", examples=[2])
    via: Literal["socket", "network"] = Field(description="Which way they came.", examples=["socket"])


class Restart(View):
    """Replace the process of one device; no other device notices."""

    do: Literal["restart"] = "restart"


class Maintenance(View):
    """Take a device from its counter, or give it back. What it says meanwhile reaches no officer."""

    do: Literal["maintenance"] = "maintenance"
    on: bool = Field(description="Take it, or give it back.", examples=[True])
    minutes: int = Field(30, ge=1, le=480, description="It ends by itself after this.", examples=[30])
    reason: Reason = Field("maintenance", description="Why, without names of persons.", examples=["cleaning"])


class Accept(View):
    """Let another serial number serve a position: the swap."""

    do: Literal["accept"] = "accept"
    serial_number: str = Field(
        min_length=1, description="The one that is there and waits.", examples=["SIM0002"]
    )
    reason: Reason = Field("swap", description="Why.", examples=["the old one was dropped"])


class ResetCounters(View):
    """Set the resettable counters of a device to zero."""

    do: Literal["reset_counters"] = "reset_counters"


class EndClaim(View):
    """Take a device from the station that has claimed it."""

    do: Literal["end_claim"] = "end_claim"
    reason: Reason = Field(description="Why, without names of persons.", examples=["workstation is dead"])


class Reveal(View):
    """See what crosses a wire as it is, personal data and all."""

    do: Literal["reveal"] = "reveal"
    reason: Reason = Field(description="Why, without names of persons.", examples=["vendor asks for bytes"])


Order = Annotated[
    Restart | Maintenance | Accept | ResetCounters | EndClaim | Reveal, Field(discriminator="do")
]

NEEDED: dict[str, Standing] = {
    "check": Standing.TECHNICIAN,
    "trace": Standing.TECHNICIAN,
    "restart": Standing.TECHNICIAN,
    "maintenance": Standing.TECHNICIAN,
    "reset_counters": Standing.TECHNICIAN,
    "accept": Standing.SUPERVISOR,
    "end_claim": Standing.SUPERVISOR,
    "reveal": Standing.SUPERVISOR,
}
"""The least standing that an order needs."""
