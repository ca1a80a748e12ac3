"""Topic tree of a site, `bgw/v1/...`, with the lane above the device.

A training post has a tree of its own with the same levels, `bgw-training/v1/...`.

A consumer belongs to a lane, so one static pattern of the broker's access list separates lanes. A site is one
state's trust domain. No level ever carries personal data: brokers log topics. No event
type puts a dot into one.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import StringConstraints

ROOT = "bgw/v1"
TRAINING_ROOT = "bgw-training/v1"
"""Root of the topics of a training post; subscriptions to one root receive nothing of the other."""
SLUG = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
GATEWAY_LANE = "_gw"
"""Lane level of gateways; levels that begin with `_` are never a lane."""
Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$")]
"""A name that is a topic level: lower-case letters, digits and inner hyphens, at most 32."""


def to_level(event_type: str) -> str:
    """Return the topic level of an event type: `document-read` for `document.read`.

    RabbitMQ takes a dot in a topic for a level of its own, so that `evt/+` would not match.
    """
    return event_type.replace(".", "-")


def to_event_type(level: str) -> str:
    """Return the event type of a topic level. Event types have no hyphen."""
    return level.replace("-", ".")


@dataclass(frozen=True, slots=True)
class Position:
    """Address of a device: a lane and a name in that lane. It stays when the device is replaced."""

    lane: str
    device: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `lane-1/reader`, or the address of a gateway itself, `_gw/gw-1`; raises ValueError."""
        if not re.fullmatch(f"(?:{GATEWAY_LANE}|{SLUG})/{SLUG}", text):
            raise ValueError(
                f"{text!r} is no position: write lane/device, each of lower-case letters, digits and hyphens"
            )
        lane, device = text.split("/")
        return cls(lane, device)

    def __str__(self) -> str:
        return f"{self.lane}/{self.device}"


@dataclass(frozen=True, slots=True)
class SiteTopics:
    """Topics of one gateway at one site."""

    site: str
    gateway: str
    root: str = ROOT

    @property
    def gateway_position(self) -> Position:
        """Position of the gateway itself."""
        return Position(GATEWAY_LANE, self.gateway)

    @property
    def gateway_state(self) -> str:
        """Topic of the gateway's birth and last will, retained."""
        return f"{self.root}/{self.site}/{GATEWAY_LANE}/{self.gateway}/state"

    @property
    def fresh(self) -> str:
        """Topic of the gateway's tokens, retained until they expire."""
        return f"{self.root}/{self.site}/{GATEWAY_LANE}/{self.gateway}/fresh"

    def _device(self, position: Position) -> str:
        return f"{self.root}/{self.site}/{position.lane}/{position.device}"

    def description(self, position: Position) -> str:
        """Return the topic of a device's description, retained."""
        return f"{self._device(position)}/desc"

    def state(self, position: Position) -> str:
        """Return the topic of a device's state, retained."""
        return f"{self._device(position)}/state"

    def claim(self, position: Position) -> str:
        """Return the topic of a device's claim, retained; cleared while no station has one."""
        return f"{self._device(position)}/claim"

    def last_value(self, position: Position, event_type: str) -> str:
        """Return the topic of a last value, retained as long as the device is available."""
        return f"{self._device(position)}/now/{to_level(event_type)}"

    def event(self, position: Position, event_type: str) -> str:
        """Return the topic of an event; never retained."""
        return f"{self._device(position)}/evt/{to_level(event_type)}"

    def blob(self, position: Position, event_id: str, role: str) -> str:
        """Return the topic of an image; never retained, published before the event that lists it."""
        return f"{self._device(position)}/blob/{event_id}/{role}"

    def command(self, position: Position, verb: str, station: str) -> str:
        """Return the topic of a station's command; never retained. Its last level names the sender."""
        return f"{self._device(position)}/cmd/{verb}/{station}"

    def answer(self, position: Position, station: str) -> str:
        """Return the topic of the answers to a station; never retained."""
        return f"{self._device(position)}/rsp/{station}"

    def preview(self, position: Position, station: str) -> str:
        """Return the topic of a camera's preview for the station that has claimed it; never retained."""
        return f"{self._device(position)}/preview/{station}"

    @property
    def acl_probe(self) -> str:
        """Topic that every access list denies: a broker that accepts a message there has none."""
        return f"{self.root}/{self.site}/{GATEWAY_LANE}/{self.gateway}/probe"

    @property
    def commands(self) -> str:
        """Topic filter for every command to every device of the site."""
        return f"{self.root}/{self.site}/+/+/cmd/+/+"

    def commands_of(self, station: str) -> str:
        """Return the topic filter for every command of one station."""
        return f"{self.root}/{self.site}/+/+/cmd/+/{station}"


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """Topic below a device, parsed: `kind` is its first level, such as desc, state or evt."""

    site: str
    position: Position
    kind: str
    levels: tuple[str, ...]

    @classmethod
    def parse(cls, topic: str) -> Self | None:
        """Parse a topic; None when it is not below a device."""
        match topic.split("/"):
            case ["bgw" | "bgw-training", "v1", site, lane, device, kind, *rest] if not lane.startswith("_"):
                return cls(site, Position(lane, device), kind, tuple(rest))
            case _:
                return None
