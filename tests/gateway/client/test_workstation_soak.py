"""Ten thousand events under cuts, kills, a slow and a frozen broker, with every client library.

The gateway here repeats what a workstation has not received, as the real one does after a broken connection.
Each event must be delivered once, none after its life has ended, and images must be whole.
"""

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiomqtt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.brokers.mosquitto import Mosquitto
from support.clients.desks import Desk, DeskEvent, OpenDesk, until_shown
from support.clients.fixtures import library, mosquitto, open_desk
from support.patience import PATIENCE_S
from support.vendors.published_events import BASE
from torture.post import TcpProxy

from gateway.common.public_keys import format_public_key
from gateway.pki.jws import Signer

__all__ = ["library", "mosquitto", "open_desk"]

EVENTS, ROUNDS = 10_000, 20
BATCH = 25
LASTING_S, SHORT_S = 600, 2
ROUNDING_S = 1.0
"""Mosquitto counts the life of a message in whole seconds."""
FAULTS = ("none", "cut", "stalled", "killed", "frozen", "slow")
SEED = 20261202


@dataclass
class RepeatingGateway:
    """Publisher of numbered events, some with an image, some that live two seconds."""

    broker: Mosquitto
    signer: Signer
    rng: random.Random
    acknowledged_s: dict[int, float] = field(default_factory=dict)
    """Wall clock time of the last acknowledgement of each event."""

    def lasts_s(self, number: int) -> int:
        return SHORT_S if number % 20 == 0 else LASTING_S

    def image(self, number: int) -> bytes | None:
        return random.Random(number).randbytes(500 + number % 20_000) if number % 7 == 0 else None

    def event_id(self, number: int) -> str:
        return f"01938f3e-7c1a-7b5e-9d55-{number:012x}"

    def body(self, number: int) -> bytes:
        image, listed = self.image(number), []
        if image is not None:
            facts = {"role": "page_vi", "media_type": "image/jpeg", "bytes": len(image)}
            listed = [facts | {"sha256": hashlib.sha256(image).hexdigest()}]
        event = {
            "specversion": "1.0",
            "id": self.event_id(number),
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
            "data": {"fault": "cut", "size_bytes": number, "attachments": listed},
        }
        return json.dumps(event).encode()

    async def publish(self, numbers: list[int]) -> None:
        """Publish events until the broker has acknowledged all of them, whatever happens to it."""
        for start in range(0, len(numbers), BATCH):
            left = numbers[start : start + BATCH]
            while left:
                client = aiomqtt.Client(
                    "127.0.0.1",
                    self.broker.port,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    timeout=PATIENCE_S,
                )
                try:
                    # A group: where one is lost with the connection, the others are not left waiting for it.
                    async with client, asyncio.TaskGroup() as tasks:
                        for number in left:
                            tasks.create_task(self._publish(client, number))
                    left = []
                except* (aiomqtt.MqttError, OSError):
                    await asyncio.sleep(0.05)

    async def _publish(self, client: aiomqtt.Client, number: int) -> None:
        lasting = Properties(PacketTypes.PUBLISH)
        lasting.MessageExpiryInterval = self.lasts_s(number)
        if (image := self.image(number)) is not None:
            topic = f"{BASE}/blob/{self.event_id(number)}/page_vi"
            await client.publish(topic, image, qos=1, properties=lasting)
        body, signed = self.body(number), Properties(PacketTypes.PUBLISH)
        signed.MessageExpiryInterval = self.lasts_s(number)
        signed.UserProperty = ("jws", self.signer.sign(body))
        await client.publish(f"{BASE}/evt/document-read_failed", body, qos=1, properties=signed)
        self.acknowledged_s[number] = time.time()


@dataclass
class CountingDesk:
    """Reader of a workstation's events."""

    desk: Desk
    received: Counter[int] = field(default_factory=Counter)
    first: dict[int, DeskEvent] = field(default_factory=dict)

    async def read(self) -> None:
        while True:
            for event in await self.desk.next_events():
                self.received[event.seq] += 1
                self.first.setdefault(event.seq, event)


@dataclass
class FaultyWay:
    """The broker, and the network between it and the workstation."""

    broker: Mosquitto
    network: TcpProxy
    rng: random.Random

    @contextlib.asynccontextmanager
    async def fault(self, kind: str) -> AsyncIterator[None]:
        """Do something while this context lasts; afterwards all is well."""
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "cut": self._cut,
            "stalled": self._stall,
            "killed": self._kill,
            "frozen": self._freeze,
            "slow": self._slow,
        }
        disturbing = asyncio.create_task(actions[kind]()) if kind in actions else None
        try:
            yield
        finally:
            if disturbing is not None:
                await disturbing
            self.network.restore()

    async def _cut(self) -> None:
        for _ in range(3):
            await asyncio.sleep(self.rng.uniform(0.02, 0.4))
            self.network.cut()
            await asyncio.sleep(self.rng.uniform(0.05, 0.5))
            self.network.restore()

    async def _stall(self) -> None:
        """Hold back what is on its way for longer than some events live."""
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        self.network.stall()
        await asyncio.sleep(self.rng.uniform(SHORT_S + 1, SHORT_S + 3))

    async def _kill(self) -> None:
        await asyncio.sleep(self.rng.uniform(0.05, 0.5))
        self.broker.kill()
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        await asyncio.to_thread(self.broker.start)

    async def _freeze(self) -> None:
        await asyncio.sleep(self.rng.uniform(0.05, 0.3))
        self.broker.pause()
        await asyncio.sleep(self.rng.uniform(SHORT_S + 1, SHORT_S + 4))
        self.broker.resume()

    async def _slow(self) -> None:
        for _ in range(40):
            self.broker.pause()
            await asyncio.sleep(0.06)
            self.broker.resume()
            await asyncio.sleep(0.02)


@pytest.mark.thorough
@pytest.mark.timeout(900)
@pytest.mark.long(120)
async def test_ten_thousand_events_under_faults(
    library: str, open_desk: OpenDesk, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    key = Ed25519PrivateKey.generate()
    network = TcpProxy(mosquitto.ws_port or mosquitto.port)
    await network.start()
    gateway = RepeatingGateway(mosquitto, Signer(key), rng)
    way = FaultyWay(mosquitto, network, rng)
    verify = {"uto-test/gw-1": (format_public_key(key.public_key()),)}
    desk = CountingDesk(await open_desk(client_id="soak", verify=verify, port=network.port))
    reading = asyncio.create_task(desk.read())
    kinds = [FAULTS[number % len(FAULTS)] for number in range(ROUNDS)]
    rng.shuffle(kinds)
    try:
        for number, kind in enumerate(kinds):
            first = number * EVENTS // ROUNDS + 1
            batch = list(range(first, (number + 1) * EVENTS // ROUNDS + 1))
            async with way.fault(kind):
                await gateway.publish(batch)
            await until_shown(desk.desk, lambda view: view.is_connected)
            await everything_received(gateway, desk, batch)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await network.close()
    view = await desk.desk.view()
    late = [
        (number, event.at_s - gateway.acknowledged_s[number])
        for number, event in desk.first.items()
        if event.at_s > gateway.acknowledged_s[number] + gateway.lasts_s(number) + ROUNDING_S
    ]
    torn = [
        number
        for number, event in desk.first.items()
        if any(image != gateway.image(number) for image in event.images.values())
    ]
    without = [n for n, event in desk.first.items() if gateway.image(n) is not None and not event.images]
    lasting = {number for number in range(1, EVENTS + 1) if gateway.lasts_s(number) == LASTING_S}
    with capsys.disabled():
        print(
            f"\n{library}: {len(desk.first)} of {EVENTS} events, {len(lasting - desk.first.keys())} missing, "
            f"{len(late)} late, {len(torn)} torn, {len(without)} without their image, {view.discarded}"
        )
    assert lasting <= desk.first.keys()
    assert [number for number, count in desk.received.items() if count > 1] == []
    assert late == []
    assert torn == []
    assert view.discarded["unreadable"] == view.discarded["rejected"] == 0
    assert len(without) <= kinds.count("killed") * BATCH


async def everything_received(gateway: RepeatingGateway, desk: CountingDesk, batch: list[int]) -> None:
    """Repeat what is missing, and some of what is not, until nothing that lasts is missing."""
    lasting = [number for number in batch if gateway.lasts_s(number) == LASTING_S]
    async with asyncio.timeout(PATIENCE_S):
        await gateway.publish(batch[-5:-1])
        while True:
            before = -1
            while before != sum(desk.received.values()):  # what is on its way
                before = sum(desk.received.values())
                await asyncio.sleep(0.3)
            missing = [number for number in lasting if number not in desk.received]
            if not missing:
                return
            await gateway.publish(missing)
