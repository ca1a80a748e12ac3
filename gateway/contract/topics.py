"""Where things are published: the topic tree `bgw/v1/...`, lane before device.

A training post has a tree of its own, `bgw-training/v1/...`, which is alike.

The consumer is a lane, so one static pattern of the broker's access list keeps lanes apart. A site is one
state's trust domain. No level ever carries personal data: brokers log topics.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import StringConstraints

ROOT = "bgw/v1"
TRAINING_ROOT = "bgw-training/v1"
"""Where a training post publishes: nothing that subscribes to the one tree hears of the other."""
SLUG = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
GATEWAY_LANE = "_gw"
"""Where gateways stand; levels that begin with `_` are never a lane."""
Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$")]
"""A name that is a topic level: lower-case letters, digits and inner hyphens, at most 32."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a device stands: a lane and its place in that lane. Survives the device itself."""

    lane: str
    device: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `lane-1/reader`, or the place of a gateway itself, `_gw/gw-1`; raises ValueError."""
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
    """The topics of one gateway at one site."""

    site: str
    gateway: str
    root: str = ROOT

    @property
    def gateway_position(self) -> Position:
        """Where the gateway itself speaks from."""
        return Position(GATEWAY_LANE, self.gateway)

    @property
    def gateway_state(self) -> str:
        """Retained birth, and last will."""
        return f"{self.root}/{self.site}/{GATEWAY_LANE}/{self.gateway}/state"

    def _device(self, position: Position) -> str:
        return f"{self.root}/{self.site}/{position.lane}/{position.device}"

    def description(self, position: Position) -> str:
        """Retained: what the device is and can say."""
        return f"{self._device(position)}/desc"

    def state(self, position: Position) -> str:
        """Retained: how the device is."""
        return f"{self._device(position)}/state"

    def claim(self, position: Position) -> str:
        """Retained: who has claimed the device; cleared while nobody has."""
        return f"{self._device(position)}/claim"

    def last_value(self, position: Position, event_type: str) -> str:
        """Retained: what the device said last of a kind that stands, as long as the device is there."""
        return f"{self._device(position)}/now/{event_type}"

    def event(self, position: Position, event_type: str) -> str:
        """Never retained: one thing the device said."""
        return f"{self._device(position)}/evt/{event_type}"

    def blob(self, position: Position, event_id: str, role: str) -> str:
        """Never retained: one image, published before the event that lists it."""
        return f"{self._device(position)}/blob/{event_id}/{role}"

    def command(self, position: Position, verb: str, station: str) -> str:
        """Never retained: what a station wants of a device. The last level proves who sent it."""
        return f"{self._device(position)}/cmd/{verb}/{station}"

    def answer(self, position: Position, station: str) -> str:
        """Never retained: what became of a station's commands."""
        return f"{self._device(position)}/rsp/{station}"

    def preview(self, position: Position, station: str) -> str:
        """Never retained: what a camera sees now, for the station that has claimed it."""
        return f"{self._device(position)}/preview/{station}"

    @property
    def acl_probe(self) -> str:
        """What no access list lets anybody write: a broker that takes it has none."""
        return f"{self.root}/{self.site}/{GATEWAY_LANE}/{self.gateway}/probe"

    @property
    def commands(self) -> str:
        """What the gateway subscribes to: every command to every device of the site."""
        return f"{self.root}/{self.site}/+/+/cmd/+/+"


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """A topic under a device, taken apart: `kind` is its first level, such as desc, state or evt."""

    site: str
    position: Position
    kind: str
    levels: tuple[str, ...]

    @classmethod
    def parse(cls, topic: str) -> Self | None:
        """Take a topic apart; None when it is not under a device."""
        match topic.split("/"):
            case ["bgw" | "bgw-training", "v1", site, lane, device, kind, *rest] if not lane.startswith("_"):
                return cls(site, Position(lane, device), kind, tuple(rest))
            case _:
                return None
