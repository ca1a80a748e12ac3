"""Types that a workstation returns: events, status of devices, last values, counts of discarded messages."""

from dataclasses import dataclass, field
from typing import Any

from drivers.observation import Observation
from gateway.contract.commands import DeviceClaim
from gateway.contract.envelope import Event, Provenance
from gateway.contract.last_values import LastValueMessage
from gateway.contract.states import DeviceDescription, DeviceState
from gateway.contract.topics import Position


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event as this workstation received it."""

    position: Position
    """Position of the device that sent it."""
    envelope: Event[Any]
    """CloudEvents envelope: id, type, time, transaction, provenance; `envelope.data` are the data again."""
    data: Observation | dict[str, Any]
    """The model of the event's schema, ours or of a package at this desk; without one its plain JSON."""
    images: dict[str, bytes]
    """Images by role; a role that the event lists and that did not arrive in time is missing."""
    deadline_s: float | None = field(repr=False)
    """Moment when it becomes stale, in seconds of the event loop's clock; None: never."""

    @property
    def schema_id(self) -> str:
        """Id of the JSON Schema of `data`, such as `urn:bgw:schema:document.read:v1`."""
        return self.envelope.dataschema

    @property
    def is_simulated(self) -> bool:
        """True if it is not from a real device."""
        return self.envelope.provenance is not Provenance.LIVE

    def is_stale_at(self, now_s: float) -> bool:
        """Tell whether it is stale at a moment of the event loop's clock."""
        return self.deadline_s is not None and now_s > self.deadline_s


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """Status of a device, as known to this workstation."""

    position: Position
    """Position of the device."""
    state: DeviceState | None
    """Newest state, with its cause, sentence and remedy; None when none has come."""
    description: DeviceDescription | None
    """Model, serial number, events and commands of the device; None when none has come."""
    gateway_online: bool
    """False: its gateway is offline, so `state` is outdated."""
    claim: DeviceClaim | None = None
    """Claim of the device; None without one, or when none is known."""
    is_verified: bool = False
    """True if its gateway signed the state, and it is the newest; always False without `verify`."""
    age_s: float | None = field(default=None, compare=False)
    """Time since the last sign of life of its gateway, in seconds, when this was returned; None: unknown.

    Signs of life come every two seconds. Without one for six seconds `gateway_online` is False.
    """

    @property
    def is_usable(self) -> bool:
        """True if the device is expected to execute commands now; also a degraded or busy one."""
        return self.gateway_online and self.state is not None and self.state.usable


@dataclass(frozen=True, slots=True)
class ConnectionProblem:
    """Reason why a workstation receives nothing from the broker, and its remedy."""

    address: str
    """Address of the broker, as `host:port`."""
    text: str
    """Reason, as a sentence for a person."""
    how: str
    """Remedy, as a sentence for a person."""

    def __str__(self) -> str:
        return f"{self.text} {self.how}"


@dataclass(frozen=True, slots=True)
class LastValue:
    """Last value of an event type that describes a state, such as the state of a barrier."""

    position: Position
    """Position of the device."""
    message: LastValueMessage[Any]
    """Whole message: time, session of the gateway, provenance."""
    data: Observation | dict[str, Any]
    """The model of the value's schema, ours or of a package at this desk; without one its plain JSON."""
    is_verified: bool = False
    """True if its gateway signed it, and it is the newest; always False without `verify`."""
    age_s: float | None = field(default=None, compare=False)
    """Time since the last sign of life of its gateway, in seconds, when this was returned; None: unknown."""

    @property
    def schema_id(self) -> str:
        """Id of the JSON Schema of `data`, such as `urn:bgw:schema:barrier.state:v1`."""
        return self.message.dataschema

    @property
    def is_simulated(self) -> bool:
        """True if it is not from a real device."""
        return self.message.provenance is not Provenance.LIVE


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """An event, an image, a retained message or an answer without a valid signature of the gateway."""

    position: Position
    """Position of the device in whose name it came."""
    event_id: str | None
    """Id as the event gives it; None when it cannot be read."""
    role: str | None
    """Role of the image; None: the event itself."""
    text: str
    """Reason of the rejection, without content of the message."""
    kind: str = "event"
    """Level of its topic below the device, such as `state`, `now` or `rsp`; `event` also for images."""


@dataclass
class DiscardCounts:
    """Numbers of messages that were not delivered to the caller, by reason."""

    duplicates: int = 0
    """Events that had come before."""
    expired: int = 0
    """Events whose life had ended when they arrived, or before the caller took them."""
    unreadable: int = 0
    """Messages that do not fit the contract."""
    rejected: int = 0
    """Not signed by a given key, or with a wrong signature; see `RejectedMessage`."""
    missing: int = 0
    """Gaps in the sequence numbers: events that expired before they arrived, or that were lost."""


def to_position(position: str | Position) -> Position:
    """Parse a position that may be a text; raises ValueError."""
    return Position.parse(position) if isinstance(position, str) else position
