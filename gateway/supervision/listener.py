"""What a device's supervision hands up to the rest of the gateway, and what may be kept back of it."""

from dataclasses import dataclass
from typing import Any, Protocol

from drivers.driver import Condition, Identity
from drivers.links.link import Action, Cause
from gateway.contract.commands import Outcome
from gateway.contract.states import DeviceDescription, DeviceState

PRESENT = frozenset({Condition.ONLINE, Condition.BUSY, Condition.DEGRADED})
"""Conditions in which somebody is there who has said who it is."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that belongs to the next event."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as a worker handed it up."""

    event_type: str
    data_class: str
    open_event: bytes
    images: tuple[Image, ...]
    boot_ns: int
    """When, by the boot clock: its life counts from then."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing that a device says about persons reaches anybody for now, and what is shown instead."""

    condition: Condition
    text: str
    cause: Cause | None = None
    action: Action = Action.NONE
    how: str = ""
    everything: bool = False
    """Whether records are kept back as well, and what stands."""

    def hides(self, condition: Condition) -> bool:
        """Whether it is shown instead of how the device is: one that is not there cannot be accepted."""
        return self.condition is Condition.MAINTENANCE or condition in PRESENT


class Above(Protocol):
    """What the supervisor hands things to."""

    def heard(self, position: str, heard: Heard) -> None:
        """A device said something."""
        ...

    def state_changed(self, position: str, state: DeviceState) -> None:
        """How a device is now."""
        ...

    def description_changed(self, position: str, description: DeviceDescription) -> None:
        """What stands at a position now."""
        ...

    def identified(self, position: str, identity: Identity) -> None:
        """Who answered; told before anything that it says."""
        ...

    def counted(self, position: str, counts: dict[str, Any]) -> None:
        """What has happened there since the last time, by the worker's counters."""
        ...

    def answered(self, position: str, ticket: int, outcome: Outcome) -> None:
        """How a command that was handed down ended. Each is told once."""
        ...

    def glimpsed(self, position: str, station: str, picture: bytes) -> None:
        """What a camera sees now, for one station; empty: that is over."""
        ...

    def stands(self, position: str, event_type: str, standing: bytes | None) -> None:
        """What the device said last of a kind that stands; None: it is not there any more."""
        ...
