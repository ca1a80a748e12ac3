"""Messages of a gateway, published by a test in its place, and a workstation that receives them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.client import ReceivedEvent, Workstation
from support.brokers.mosquitto import Mosquitto
from support.patience import PATIENCE_S

BASE = "bgw/v1/uto-test/lane-1/reader"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def publisher(mosquitto: Mosquitto) -> AsyncIterator["EventPublisher"]:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        yield EventPublisher(client)


class EventPublisher:
    """Publisher of messages in place of a gateway."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.tokens = 0

    async def event(self, number: int, *, lasts_s: int | None = 60, retain: bool = False, **more: Any) -> str:
        event_id = f"01938f3e-7c1a-7b5e-9d55-{number:012x}"
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": "/bgw/uto-test/gw-1/lane-1/reader",
            "type": "bgw.document.read_failed.v1",
            "time": "2026-11-23T08:15:30.123456Z",
            "datacontenttype": "application/json",
            "dataschema": "urn:bgw:schema:document.read_failed:v1",
            "bootid": "7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071",
            "monons": "1",
            "clock": "synced",
            "provenance": "live",
            "transaction": "t",
            "epoch": "5f0c2a6e9b7d4c33",
            "stream": "lane-1/reader/traveller",
            "seq": number,
            "data": {"fault": "cut", "size_bytes": 1, "attachments": []},
        } | more
        await self.say(f"{BASE}/evt/document-read_failed", json.dumps(event).encode(), lasts_s, retain=retain)
        return event_id

    async def say(
        self, topic: str, payload: bytes, lasts_s: int | None = None, *, retain: bool = False
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if lasts_s is not None:
            properties.MessageExpiryInterval = lasts_s
        await self.client.publish(topic, payload, qos=1, retain=retain, properties=properties)

    async def state(self, session: str, state: str = "online", **more: Any) -> None:
        usable = state in ("online", "busy", "degraded")
        body = {"state": state, "usable": usable, "since": "2026-11-23T08:15:30Z", "session": session} | more
        await self.say(f"{BASE}/state", json.dumps(body).encode(), retain=True)

    async def alive(self, session: str, *, online: bool = True) -> None:
        body = {"online": online, "session": session}
        await self.say("bgw/v1/uto-test/_gw/gw-1/state", json.dumps(body).encode(), retain=True)
        if online:
            await self.token(session)

    async def token(self, session: str) -> None:
        """Give a sign of life."""
        self.tokens += 1
        body = {"session": session, "token": f"t{self.tokens}", "number": self.tokens, "numbers": {}}
        await self.say("bgw/v1/uto-test/_gw/gw-1/fresh", json.dumps(body).encode(), retain=True)


def workstation_at(broker: Mosquitto, **more: Any) -> Workstation:
    return Workstation("127.0.0.1", broker.port, site="uto-test", positions=["lane-1/reader"], **more)


async def first(workstation: Workstation, count: int = 1) -> list[ReceivedEvent]:
    found: list[ReceivedEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for received in workstation:
            found.append(received)
            if len(found) == count:
                break
    return found
