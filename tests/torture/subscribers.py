"""Two counting subscribers: a workstation at the post, and a plain subscriber at headquarters."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.numbered import number_of
from support.patience import PATIENCE_S

from gateway.client import ReceivedEvent, Workstation
from torture.post import GATEWAY, SITE, TorturedPost, boot_s


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as received; times in seconds since boot."""

    at: float
    born: float
    epoch: str
    stream: str
    seq: int
    id: str
    number: int
    durable: bool
    bytes: int = 0

    @property
    def place(self) -> tuple[str, str, int]:
        return self.epoch, self.stream, self.seq


@dataclass
class HeadquartersSubscriber:
    """A persistent session at headquarters' broker; keeps all raw messages, repetitions too."""

    port: int
    arrivals: list[Arrival] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)
    """Messages that a consumer must never receive."""

    async def __aenter__(self) -> "HeadquartersSubscriber":
        self._subscribed = threading.Event()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="hq-reader", protocol=mqtt.MQTTv5)
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 86_400
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        client.connect("127.0.0.1", self.port, 60, clean_start=False, properties=lasting)
        client.loop_start()
        self._client = client
        await asyncio.to_thread(self._subscribed.wait, 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._client.__del__()

    @staticmethod
    def _on_connect(client: Any, *_: object) -> None:
        client.subscribe([(f"bgw/v1/{SITE}/+/+/evt/#", _qos1()), (f"bgw/v1/{SITE}/+/+/blob/#", _qos1())])

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        at = boot_s()
        if message.retain:
            self.unexpected.append(f"retained: {message.topic}")
        if "/blob/" in message.topic:
            self.images.add(message.topic.split("/")[-2])
            return
        try:
            event = json.loads(message.payload)
            user = dict(getattr(message.properties, "UserProperty", ()))
            self.arrivals.append(
                Arrival(
                    at=at,
                    born=int(event["monons"]) / 1e9,
                    epoch=event["epoch"],
                    stream=event["stream"],
                    seq=event["seq"],
                    id=event["id"],
                    number=event["data"].get("number", -1),
                    durable=user.get("durable") != "no",
                    bytes=len(message.payload),
                )
            )
        except (ValueError, KeyError) as error:
            self.unexpected.append(f"unreadable: {type(error).__name__} on {message.topic}")


def _qos1() -> Any:
    from paho.mqtt.subscribeoptions import SubscribeOptions

    return SubscribeOptions(qos=1)


@dataclass
class DeskSubscriber:
    """The workstation of the product: `gateway.client.Workstation`, unchanged."""

    workstation: Workstation
    arrivals: list[Arrival] = field(default_factory=list)
    connected: list[tuple[float, bool]] = field(default_factory=list)
    """Times with its connection state."""
    told: dict[str, float] = field(default_factory=dict)
    """Problems in the gateway's state, and when they first appeared."""
    untold_action: set[str] = field(default_factory=set)
    expired: dict[tuple[str, str], int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    async def read(self) -> None:
        async for received in self.workstation:
            self._take(received)

    async def watch(self) -> None:
        """Read the gateway's state ten times a second."""
        was: bool | None = None
        while True:
            connected = self.workstation.connected_event.is_set()
            if connected is not was:
                self.connected.append((boot_s(), connected))
                was = connected
            self._look()
            await asyncio.sleep(0.1)

    def _look(self) -> None:
        state = self.workstation.gateways.get(GATEWAY)
        if state is None or state.report is None:
            return
        for problem in state.report.problems:
            self.told.setdefault(problem.cause, boot_s())
            if not problem.text or not problem.action:
                self.untold_action.add(problem.cause)
        for destination in state.report.destinations:
            self.expired[state.session, destination.name] = destination.expired
        self.dropped[state.session] = state.report.events_dropped

    def _take(self, received: ReceivedEvent) -> None:
        envelope, data = received.envelope, received.data
        number = number_of(data)
        self.arrivals.append(
            Arrival(
                at=boot_s(),
                born=int(envelope.monons) / 1e9,
                epoch=envelope.epoch,
                stream=envelope.stream,
                seq=envelope.seq,
                id=envelope.id,
                number=number,
                durable=True,  # the client does not report it
            )
        )


@contextlib.asynccontextmanager
async def readers(post: TorturedPost) -> AsyncIterator[tuple[DeskSubscriber, HeadquartersSubscriber]]:
    """Both subscribers, while this context lasts."""
    workstation = Workstation("127.0.0.1", post.local.port, site=SITE, client_id="desk", session_s=3600)
    async with HeadquartersSubscriber(post.hq.port) as headquarters, workstation:
        desk = DeskSubscriber(workstation)
        tasks = [asyncio.create_task(desk.read()), asyncio.create_task(desk.watch())]
        try:
            await asyncio.wait_for(workstation.connected_event.wait(), PATIENCE_S)
            yield desk, headquarters
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
