"""Callbacks from a device supervisor to the gateway, and the rule that suppresses its output."""

from dataclasses import dataclass
from typing import Any, Protocol

from drivers.driver import Identity, StateCode
from drivers.links.link import Action, Cause
from drivers.observation import DataClass
from gateway.contract.commands import CommandOutcome
from gateway.contract.states import DeviceDescription, DeviceState

PRESENT_STATES = frozenset({StateCode.ONLINE, StateCode.BUSY, StateCode.DEGRADED})
"""States in which a device is present and identified."""


@dataclass(frozen=True, slots=True)
class Image:
    """Image of the next event."""

    role: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One event as received from a worker."""

    event_type: str
    data_class: DataClass
    partial_event: bytes
    images: tuple[Image, ...]
    received_boot_ns: int
    """Receive time by the boot clock, in nanoseconds: the event's expiry counts from it."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Suppression of a device's traveller data, and the state that is published meanwhile."""

    state_code: StateCode
    text: str
    cause: Cause | None = None
    action: Action = Action.NONE
    how: str = ""
    includes_records: bool = False
    """True if records and last values are suppressed as well."""

    def overrides(self, state_code: StateCode) -> bool:
        """Return True if its state replaces `state_code`: an absent device cannot be accepted."""
        return self.state_code is StateCode.MAINTENANCE or state_code in PRESENT_STATES


class DeviceListener(Protocol):
    """Callbacks of a device supervisor."""

    def on_event(self, position: str, event: DeviceEvent) -> None:
        """Handle an event of the device."""
        ...

    def on_state(self, position: str, state: DeviceState) -> None:
        """Handle a new state."""
        ...

    def on_description(self, position: str, description: DeviceDescription) -> None:
        """Handle a new description."""
        ...

    def on_identity(self, position: str, identity: Identity) -> None:
        """Handle the identity of the device; called before any event of it."""
        ...

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Handle increments of the worker's counters since the last call."""
        ...

    def on_command_result(self, position: str, command_ref: int, outcome: CommandOutcome) -> None:
        """Handle the result of a command; called once per command."""
        ...

    def on_preview_frame(self, position: str, station: str, frame: bytes) -> None:
        """Handle a preview frame for one station; empty: the preview has ended."""
        ...

    def on_last_value(self, position: str, event_type: str, last_value: bytes | None) -> None:
        """Handle the last value of an event type; None: it is no longer valid."""
        ...
