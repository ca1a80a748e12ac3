"""What a workstation is handed: events, how devices are, what stands, and what was left out."""

from dataclasses import dataclass, field
from typing import Any

from drivers.observation import Observation
from gateway.contract.commands import DeviceClaim
from gateway.contract.envelope import Event, Provenance, to_cloudevents_type
from gateway.contract.last_values import LastValueMessage
from gateway.contract.registry import EVENTS
from gateway.contract.states import DeviceDescription, DeviceState
from gateway.contract.topics import Position

_MODELS: dict[str, type[Observation]] = {to_cloudevents_type(model.event_type): model for model in EVENTS}


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event as it reached this workstation."""

    position: Position
    envelope: Event[Any]
    data: Observation | dict[str, Any]
    """The typed model where this version knows the event type, else its plain JSON."""
    images: dict[str, bytes]
    """By role; a role that the event lists and that did not arrive in time is not here."""
    deadline_s: float | None = field(repr=False)
    """When it goes stale, in seconds of the event loop's clock; None: never."""

    @property
    def is_simulated(self) -> bool:
        """Whether no real device said it."""
        return self.envelope.provenance is not Provenance.LIVE

    def is_stale_at(self, now_s: float) -> bool:
        """Whether it is too old at that moment of the event loop's clock."""
        return self.deadline_s is not None and now_s > self.deadline_s


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """How a device is, as far as this workstation can know."""

    position: Position
    state: DeviceState | None
    description: DeviceDescription | None
    gateway_online: bool
    """False: the gateway behind it is gone, so whatever `state` says is history."""
    claim: DeviceClaim | None = None
    """Which station has claimed it; None: nobody, or nothing is known."""

    @property
    def is_online(self) -> bool:
        """Whether the device can be expected to answer."""
        return self.gateway_online and self.state is not None and self.state.state in ("online", "busy")


@dataclass(frozen=True, slots=True)
class ConnectionProblem:
    """The reason why a workstation gets nothing from the broker, and its remedy."""

    address: str
    """Where it connects to, as `host:port`."""
    text: str
    how: str

    def __str__(self) -> str:
        return f"{self.text} {self.how}"


@dataclass(frozen=True, slots=True)
class LastValue:
    """What a device said last of a kind that stands, such as the sensed state of a barrier."""

    position: Position
    message: LastValueMessage[Any]
    data: Observation | dict[str, Any]
    """The typed model where this version knows the event type, else its plain JSON."""

    @property
    def is_simulated(self) -> bool:
        """Whether no real device said it."""
        return self.message.provenance is not Provenance.LIVE


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """One event, or an image of one, that is not shown to be the gateway's."""

    position: Position
    event_id: str | None
    """As it says; None where it cannot be read."""
    role: str | None
    """Which image; None: the event itself."""
    text: str
    """What is wrong with it. Nothing that it says."""


@dataclass
class DiscardCounts:
    """What was not handed to the caller, and why."""

    duplicates: int = 0
    expired: int = 0
    unreadable: int = 0
    rejected: int = 0
    """Not signed by a key that was given, or not as it was signed; see `Refused`."""
    missing: int = 0
    """Gaps in the sequence numbers: events that expired before they came here, or that were lost."""


def to_model(envelope: Event[Any] | LastValueMessage[Any]) -> Observation | dict[str, Any]:
    """The data as its model; what this version does not know stays as it is."""
    model = _MODELS.get(envelope.type)
    data: dict[str, Any] = envelope.data
    return data if model is None else model.model_validate(data, extra="ignore")


def to_position(position: str | Position) -> Position:
    """Parse a position that may be a text; raises ValueError."""
    return Position.parse(position) if isinstance(position, str) else position
