"""What a device's supervision hands up to the rest of the gateway, and what may be kept back of it."""

from dataclasses import dataclass
from typing import Any, Protocol

from drivers.driver import Identity, StateCode
from drivers.links.link import Action, Cause
from gateway.contract.commands import CommandOutcome
from gateway.contract.states import DeviceDescription, DeviceState

PRESENT_STATES = frozenset({StateCode.ONLINE, StateCode.BUSY, StateCode.DEGRADED})
"""Conditions in which somebody is there who has said who it is."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that belongs to the next event."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One event as a worker handed it up."""

    event_type: str
    data_class: str
    partial_event: bytes
    images: tuple[Image, ...]
    received_boot_ns: int
    """When, by the boot clock: its life counts from then."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why nothing that a device says about persons reaches anybody for now, and what is shown instead."""

    state_code: StateCode
    text: str
    cause: Cause | None = None
    action: Action = Action.NONE
    how: str = ""
    includes_records: bool = False
    """Whether records are kept back as well, and what stands."""

    def overrides(self, state_code: StateCode) -> bool:
        """Whether it is shown instead of how the device is: one that is not there cannot be accepted."""
        return self.state_code is StateCode.MAINTENANCE or state_code in PRESENT_STATES


class DeviceListener(Protocol):
    """What the supervisor hands things to."""

    def on_event(self, position: str, event: DeviceEvent) -> None:
        """A device said something."""
        ...

    def on_state(self, position: str, state: DeviceState) -> None:
        """How a device is now."""
        ...

    def on_description(self, position: str, description: DeviceDescription) -> None:
        """What stands at a position now."""
        ...

    def on_identity(self, position: str, identity: Identity) -> None:
        """Who answered; told before anything that it says."""
        ...

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """What has happened there since the last time, by the worker's counters."""
        ...

    def on_command_result(self, position: str, command_ref: int, outcome: CommandOutcome) -> None:
        """How a command that was handed down ended. Each is told once."""
        ...

    def on_preview_frame(self, position: str, station: str, frame: bytes) -> None:
        """What a camera sees now, for one station; empty: that is over."""
        ...

    def on_last_value(self, position: str, event_type: str, last_value: bytes | None) -> None:
        """What the device said last of a kind that stands; None: it is not there any more."""
        ...
