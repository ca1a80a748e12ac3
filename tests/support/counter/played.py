"""A gateway played by a test, for a counter page: devices, events, and answers to commands.

Everything else is real: broker, client, page. A whole post takes half a minute to start.
"""

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from drivers.barrier.observations import BarrierState
from drivers.camera.commands import TakePictureResult
from drivers.fingerprint.commands import CaptureFingerResult
from drivers.observation import Observation
from gateway.contract.documents.schemas import event_example, example, last_value_example
from support.brokers.mosquitto import Mosquitto
from support.counter.files import static_server
from support.counter.pages import (
    BARRIER,
    CAMERA,
    FINGER,
    PASSWORD,
    POSITIONS,
    READER,
    STATION,
    CounterFixture,
    chromium,
    settings_of,
)
from support.patience import PATIENCE_S

BASE = "bgw/v1/uto-test"
FAMILIES = {
    READER: "passport_reader",
    CAMERA: "camera",
    FINGER: "fingerprint_scanner",
    BARRIER: "barrier",
}
COMMANDS = {
    READER: (),
    CAMERA: ("capture", "cancel", "preview"),
    FINGER: ("capture", "cancel"),
    BARRIER: ("open", "close", "stop", "acknowledge"),
}
CLAIM_VERBS = ("claim", "renew", "steal")
RESULTS: dict[tuple[str, str], dict[str, Any]] = {
    (CAMERA, "capture"): example(TakePictureResult),
    (CAMERA, "preview"): {"duration_s": 30},
    (FINGER, "capture"): example(CaptureFingerResult),
    (BARRIER, "open"): {"state": "open", "duration_s": 1.0},
    (BARRIER, "close"): {"state": "closed", "duration_s": 1.0},
    (BARRIER, "stop"): {"by_stop_contact": True},
}
_EVENTS = itertools.count(1)
"""Numbers of events: those of another run of the gateway are none of this one's again."""
TOKEN_S = 1.0
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63"
    "6060600000000400012734270a0000000049454e44ae426082"
)


@dataclass
class PlayedGateway:
    """The gateway of `lane-1`."""

    client: aiomqtt.Client
    session: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    commands: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)
    """Position, verb, station and body of every command that is none of claims."""
    refusals: dict[tuple[str, str], str] = field(default_factory=dict)
    """Reason with which a command of a position is refused, by its verb."""
    unfinished: set[str] = field(default_factory=set)
    """Verbs whose commands are accepted, and done when the test says so."""
    holders: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    """True: it gives no sign of life."""
    _tokens: Any = field(default_factory=lambda: itertools.count(1))

    async def start(self) -> None:
        """Publish the gateway and its devices, all of them ready and the gate closed."""
        for position in POSITIONS:
            commands = [
                {
                    "verb": verb,
                    "args": f"urn:bgw:schema:command.{FAMILIES[position]}.{verb}:v1:args",
                    "result": f"urn:bgw:schema:command.{FAMILIES[position]}.{verb}:v1:result",
                    "moves": position == BARRIER,
                    "urgent": verb in ("stop", "cancel"),
                    "requires_claim": verb == "preview",
                }
                for verb in COMMANDS[position]
            ]
            body = {
                "driver": "played",
                "family": FAMILIES[position],
                "events": [],
                "commands": commands,
                "session": self.session,
            }
            await self.say(f"{position}/desc", body, retain=True)
            await self.state(position)
        await self.gate("closed")
        await self.say("_gw/gw-1/state", {"online": True, "session": self.session}, retain=True)
        await self.token()

    async def say(
        self,
        topic: str,
        body: dict[str, Any] | bytes,
        *,
        retain: bool = False,
        lasts_s: int | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish a message."""
        properties = Properties(PacketTypes.PUBLISH)
        if lasts_s is not None:
            properties.MessageExpiryInterval = lasts_s
        if correlation is not None:
            properties.CorrelationData = correlation
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.client.publish(f"{BASE}/{topic}", payload, qos=1, retain=retain, properties=properties)

    async def token(self) -> None:
        """Give a sign of life."""
        number = next(self._tokens)
        body = {"session": self.session, "token": f"t{number}", "number": number, "numbers": {}}
        await self.say("_gw/gw-1/fresh", body, retain=True)

    async def state(self, position: str, state: str = "online", cause: str | None = None) -> None:
        """Publish a device's state."""
        body = {
            "state": state,
            "usable": state in ("online", "busy", "degraded"),
            "since": "2026-11-23T08:15:30Z",
            "cause": cause,
            "session": self.session,
        }
        await self.say(f"{position}/state", body, retain=True)

    async def gate(self, state: str, reason: str = "limit_switches", **more: Any) -> None:
        """Publish the state of the gate."""
        door = {
            "state": state,
            "open_limit": state == "open",
            "closed_limit": state == "closed",
            "presence": state == "blocked",
        }
        data = {"state": state, "reason": reason, "doors": [door]} | more
        body = last_value_example(BarrierState) | {"session": self.session, "data": data}
        await self.say(f"{BARRIER}/now/barrier-state", body, retain=True)
        await self.publish(BARRIER, BarrierState.model_validate(data))

    async def publish(self, position: str, observation: Observation, transaction: str | None = None) -> None:
        """Publish an event, its images first."""
        number = next(_EVENTS)
        event_id = f"01938f3e-7c1a-7b5e-9d55-{number:012x}"
        for each in observation.attachments:
            await self.say(f"{position}/blob/{event_id}/{each.role}", each.content, lasts_s=60)
        event = event_example(type(observation)) | {
            "id": event_id,
            "source": f"/bgw/uto-test/gw-1/{position}",
            "transaction": transaction or observation.transaction or str(uuid.uuid4()),
            "stream": f"{position}/{observation.data_class}",
            "provenance": "live",
            "seq": number,
            "data": observation.model_dump(mode="json", by_alias=True),
        }
        level = observation.event_type.replace(".", "-")
        await self.say(f"{position}/evt/{level}", event, lasts_s=60)

    async def publish_all(self, reads: Iterable[Observation], position: str = READER) -> str:
        """Publish the events of a document; returns its transaction."""
        transaction = ""
        for observation in reads:
            transaction = observation.transaction or ""
            await self.publish(position, observation)
        return transaction

    async def claim(self, position: str, holder: str | None) -> None:
        """Let a station have a device, or nobody."""
        if holder is None:
            self.holders.pop(position, None)
            await self.say(f"{position}/claim", b"", retain=True)
            return
        self.holders[position] = holder
        body = {"holder": holder, "since": "2026-11-23T08:15:30Z", "lease_s": 30, "session": self.session}
        await self.say(f"{position}/claim", body, retain=True)

    async def run(self) -> None:
        """Answer commands until cancelled."""
        await self.client.subscribe(f"{BASE}/+/+/cmd/+/+")
        async for message in self.client.messages:
            _, _, _, lane, device, _, verb, station = str(message.topic).split("/")
            body = json.loads(message.payload)  # type: ignore[arg-type]
            await self._answer(f"{lane}/{device}", verb, station, body)

    async def give_signs_of_life(self) -> None:
        """Give one every second until cancelled."""
        while True:
            await asyncio.sleep(TOKEN_S)
            if not self.is_silent:
                await self.token()

    async def command(self, verb: str) -> dict[str, Any]:
        """Wait for a command of a verb; returns the body of the last one."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [body for _, asked, _, body in self.commands if asked == verb]):
                await asyncio.sleep(0.01)
        return found[-1]

    async def finish(self, verb: str) -> None:
        """Say that the last command of a verb, which was only accepted, is done."""
        self.unfinished.remove(verb)
        position, _, station, body = next(one for one in reversed(self.commands) if one[1] == verb)
        answer = {"cmd_id": body["cmd_id"], "state": "done", "transaction": body.get("transaction")}
        answer["result"] = RESULTS.get((position, verb), {})
        await self.say(f"{position}/rsp/{station}", answer, lasts_s=10)

    async def _answer(self, position: str, verb: str, station: str, body: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"cmd_id": body["cmd_id"], "state": "done", "result": {}}
        reason = self.refusals.get((position, verb))
        holder = self.holders.get(position)
        if reason is None and holder not in (None, station) and verb != "steal":
            reason = "claimed"
        if reason is not None:
            answer |= {"state": "rejected", "reason": reason, "text": "No.", "how": "Wait."}
        elif verb in CLAIM_VERBS:
            if verb != "renew":
                await self.claim(position, station)
            answer["result"] = {"lease_s": 30}
        elif verb == "release":
            await self.claim(position, None)
        else:
            answer["transaction"] = body.get("transaction")
            answer["result"] = RESULTS.get((position, verb), {})
            if verb in self.unfinished:
                answer |= {"state": "accepted", "result": None}
        if verb not in (*CLAIM_VERBS, "release"):
            self.commands.append((position, verb, station, body))
        await self.say(f"{position}/rsp/{station}", answer, lasts_s=10)


@dataclass
class PlayedPost(CounterFixture):
    """A page before a played gateway."""

    broker: Mosquitto = None  # type: ignore[assignment]
    gateway: PlayedGateway = None  # type: ignore[assignment]
    _running: contextlib.AsyncExitStack | None = None

    async def start_gateway(self) -> None:
        """Start the gateway, or another run of it."""
        await self.stop_gateway()
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                aiomqtt.Client(
                    self.broker.host,
                    self.broker.port,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    username="gateway",
                    password="gw",
                )
            )
            self.gateway = PlayedGateway(client)
            await self.gateway.start()
            tasks = [
                asyncio.create_task(self.gateway.run()),
                asyncio.create_task(self.gateway.give_signs_of_life()),
            ]
            stack.push_async_callback(_end, tasks)
            self._running = stack.pop_all()

    async def stop_gateway(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await running.aclose()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def played_post(**settings: Any) -> AsyncIterator[PlayedPost]:
    """Run a broker, a played gateway and a browser."""
    users = {"gateway": "gw", STATION: PASSWORD, "counter-2": "two"}
    with Mosquitto("max_queued_messages 10000", users=users, websockets=True) as broker:
        asked: list[str] = []
        with static_server(settings_of(broker, **settings), asked) as url:
            async with chromium() as browser:
                post = PlayedPost(url, browser, asked, broker=broker)
                await post.start_gateway()
                try:
                    yield post
                finally:
                    await post.stop_gateway()


def data_of(of: type[Observation], **changes: Any) -> Observation:
    """Make an observation of the examples of its fields, with changes."""
    return of.model_validate(example(of) | {"attachments": ()} | changes)
