"""A hostile broker: a client with every right at a real one, which records, forges and replays."""

import asyncio
import json
import random
import string
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

USER_JWS = "jws"
ALPHABET = string.ascii_letters + string.digits + "-_"


@dataclass(frozen=True)
class Recorded:
    """A message as the broker has seen it."""

    topic: str
    body: bytes
    user: tuple[tuple[str, str], ...] = ()
    retain: bool = False
    expires_s: int | None = 5

    @property
    def jws(self) -> str:
        return dict(self.user).get(USER_JWS, "")

    def signed(self, jws: str | None) -> "Recorded":
        """Return the message with another signature; None: without one."""
        return replace(self, user=() if jws is None else ((USER_JWS, jws),))

    def to(self, **levels: str) -> "Recorded":
        """Return the message at another topic; `levels`: root, site, lane, device, kind, verb, station."""
        names = ("root", "version", "site", "lane", "device", "kind", "verb", "station")
        parts = dict(zip(names, self.topic.split("/"), strict=True)) | levels
        return replace(self, topic="/".join(parts[name] for name in names))


@dataclass
class HostileBroker:
    """Messages that the attacker has seen, and its connection."""

    client: aiomqtt.Client
    seen: list[Recorded] = field(default_factory=list)

    @property
    def commands(self) -> list[Recorded]:
        return [message for message in self.seen if "/cmd/" in message.topic]

    @property
    def token(self) -> dict[str, Any]:
        """Newest token of the gateway."""
        return json.loads(next(m.body for m in reversed(self.seen) if m.topic.endswith("/fresh")))

    def retained(self, end: str) -> list[Recorded]:
        """Return the messages of a topic, oldest first; `end`: end of the topic."""
        return [message for message in self.seen if message.topic.endswith(end)]

    async def send(self, message: Recorded) -> None:
        """Publish a message as it stands."""
        properties = Properties(PacketTypes.PUBLISH)
        if message.user:
            properties.UserProperty = list(message.user)
        if message.expires_s is not None:
            properties.MessageExpiryInterval = message.expires_s
        await self.client.publish(
            message.topic, message.body, qos=1, retain=message.retain, properties=properties
        )

    def command(self, topic: str, **more: Any) -> Recorded:
        """Make an unsigned command that is right in everything but its signature."""
        token = self.token
        body = {
            "cmd_id": str(uuid.uuid4()),
            "session": token["session"],
            "command_seq": time.time_ns() // 1_000_000,
            "fresh": token["token"],
        }
        return Recorded(topic, json.dumps(body | more).encode())


@asynccontextmanager
async def hostile_broker(port: int) -> AsyncIterator[HostileBroker]:
    """Connect the attacker; it sees every message."""
    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, max_queued_incoming_messages=100_000
    ) as client:
        broker = HostileBroker(client)
        await client.subscribe("#", qos=1)

        async def record() -> None:
            async for message in client.messages:
                user = tuple(getattr(message.properties, "UserProperty", ()))
                broker.seen.append(
                    Recorded(str(message.topic), bytes(message.payload), user, bool(message.retain))
                )

        recording = asyncio.create_task(record())
        try:
            yield broker
        finally:
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)


def flip(rng: random.Random, raw: bytes) -> bytes:
    """Change one bit."""
    at = rng.randrange(len(raw))
    return raw[:at] + bytes((raw[at] ^ (1 << rng.randrange(8)),)) + raw[at + 1 :]


def misspell(rng: random.Random, text: str) -> str:
    """Replace one character of a text in base64url."""
    at = rng.randrange(len(text))
    return text[:at] + rng.choice([letter for letter in ALPHABET if letter != text[at]]) + text[at + 1 :]


Forge = Callable[[random.Random], Recorded]
