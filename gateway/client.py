"""What a workstation imports: the events of its positions, typed, once each, none of them stale.

    async with Workstation("127.0.0.1", site="ke-busia", positions=["lane-1/reader"]) as desk:
        async for event in desk:
            ...

Loads no device library. The connection is kept by itself; the broker keeps the session for `session_s`
seconds, so that a short outage or a restarted workstation program loses nothing that is still fresh.
"""

import asyncio
import contextlib
import ssl
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from pydantic import ValidationError

from drivers.observation import Observation
from gateway.backoff import Backoff
from gateway.contract.catalogue import EVENTS
from gateway.contract.envelope import Event, Provenance, cloud_type, read_event
from gateway.contract.standing import Standing
from gateway.contract.states import DeviceDescription, DeviceState, GatewayState
from gateway.contract.topics import ROOT, DeviceTopic, Position

log = structlog.get_logger()

KNOWN_IDS = 10_000
WAITING_EVENTS = 10_000
WAITING_IMAGE_BYTES = 128 * 1024 * 1024
IMAGES_WAIT_S = 2.0
"""Images are sent before their event, but MQTT keeps order within one topic only (MQTT 5, section 4.6)."""
RECEIVE_MAXIMUM = 20
_MODELS: dict[str, type[Observation]] = {cloud_type(model.event_type): model for model in EVENTS}


@dataclass(frozen=True, slots=True)
class Received:
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
    def simulated(self) -> bool:
        """Whether no real device said it."""
        return self.envelope.provenance is not Provenance.LIVE

    def stale_at(self, now_s: float) -> bool:
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

    @property
    def online(self) -> bool:
        """Whether the device can be expected to answer."""
        return self.gateway_online and self.state is not None and self.state.state in ("online", "busy")


@dataclass(frozen=True, slots=True)
class Now:
    """What a device said last of a kind that stands, such as the sensed state of a barrier."""

    position: Position
    standing: Standing[Any]
    data: Observation | dict[str, Any]
    """The typed model where this version knows the event type, else its plain JSON."""

    @property
    def simulated(self) -> bool:
        """Whether no real device said it."""
        return self.standing.provenance is not Provenance.LIVE


@dataclass
class Counts:
    """What was not handed to the caller, and why."""

    repeated: int = 0
    stale: int = 0
    unreadable: int = 0
    missed: int = 0
    """Gaps in the sequence numbers: events that expired before they came here, or that were lost."""


class Workstation:
    """A consumer of one site's devices. Use it as an async context manager and iterate over it."""

    def __init__(
        self,
        host: str,
        port: int = 1883,
        *,
        site: str,
        positions: Iterable[str] | None = None,
        client_id: str | None = None,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        session_s: int = 300,
    ) -> None:
        """`positions`: such as `lane-1/reader`; None: every device of the site.

        `client_id` must be given and stay the same for the broker to keep the session over a restart.
        """
        self._site = site
        self._positions = None if positions is None else [Position.parse(text) for text in positions]
        self._connection: dict[str, Any] = {
            "hostname": host,
            "port": port,
            "identifier": client_id,
            "username": username,
            "password": password,
            "tls_context": tls,
        }
        self._session_s = session_s if client_id else 0
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Received | DeviceStatus] = deque(maxlen=WAITING_EVENTS)
        self._news = asyncio.Event()
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._last_seq: dict[tuple[str, str, str], int] = {}
        self._images: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._image_bytes = 0
        self._incomplete: dict[str, tuple[Received, asyncio.TimerHandle]] = {}
        self._sessions: dict[str, bool] = {}
        self._states: dict[Position, DeviceState] = {}
        self._descriptions: dict[Position, DeviceDescription] = {}
        self._standing: dict[tuple[Position, str], Now] = {}
        self._told: dict[Position, DeviceStatus] = {}
        self.connected = asyncio.Event()
        self.counts = Counts()
        self.gateways: dict[str, GatewayState] = {}

    async def __aenter__(self) -> Self:
        """Start to connect; does not wait for the broker."""
        self._task = asyncio.create_task(self._stay_connected(), name="workstation")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        for _, timer in self._incomplete.values():
            timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[Received]:
        """Iterate over the events."""
        return self._events()

    async def _events(self) -> AsyncIterator[Received]:
        async for item in self.everything():
            if isinstance(item, Received):
                yield item

    async def everything(self) -> AsyncIterator[Received | DeviceStatus]:
        """Iterate over events and changes of device status, in the order in which they arrived.

        What stands (`now`) is not among them: each is an event as well.
        """
        loop = asyncio.get_running_loop()
        while True:
            while self._waiting:
                item = self._waiting.popleft()
                # It may have grown old while the caller was busy with the one before.
                if (
                    isinstance(item, Received)
                    and item.deadline_s is not None
                    and loop.time() > item.deadline_s
                ):
                    self.counts.stale += 1
                    continue
                yield item
            self._news.clear()
            await self._news.wait()

    def status(self, position: str | Position) -> DeviceStatus:
        """How the device at a position is now."""
        where = Position.parse(position) if isinstance(position, str) else position
        state = self._states.get(where)
        return DeviceStatus(
            where,
            state,
            self._descriptions.get(where),
            gateway_online=state is not None and self._sessions.get(state.session, False),
        )

    def now(self, position: str | Position, event_type: str) -> Now | None:
        """What stands of a kind of event, such as `barrier.state`; None when nothing is known for certain.

        What was said in a session of the gateway that is over is history, and so is not shown.
        """
        where = Position.parse(position) if isinstance(position, str) else position
        found = self._standing.get((where, event_type))
        return found if found is not None and self._sessions.get(found.standing.session, False) else None

    @property
    def devices(self) -> list[Position]:
        """Every position that something is known of."""
        return sorted(self._states.keys() | self._descriptions.keys(), key=str)

    # The connection.

    async def _stay_connected(self) -> None:
        backoff = Backoff(0.5, 5)
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = self._session_s
        lasting.ReceiveMaximum = RECEIVE_MAXIMUM
        while True:
            try:
                async with aiomqtt.Client(
                    **self._connection,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    clean_start=self._session_s == 0,
                    properties=lasting,
                    timeout=5,
                ) as client:
                    await client.subscribe(
                        [(pattern, SubscribeOptions(qos=1)) for pattern in self._patterns()]
                    )
                    backoff.reset()
                    self.connected.set()
                    async for message in client.messages:
                        self._take(message)
            except (aiomqtt.MqttError, OSError) as error:
                log.info("workstation_disconnected", error=type(error).__name__)
            self.connected.clear()
            self._standing.clear()  # what is taken back meanwhile is not told again
            await asyncio.sleep(backoff.next_s())

    def _patterns(self) -> list[str]:
        """What to subscribe to."""
        gateways = f"{ROOT}/{self._site}/_gw/+/state"
        if self._positions is None:
            return [gateways, f"{ROOT}/{self._site}/+/+/+/#"]
        return [gateways, *(f"{ROOT}/{self._site}/{position}/#" for position in self._positions)]

    # What arrives.

    def _take(self, message: aiomqtt.Message) -> None:
        """Sort one message; whatever is wrong with it costs only itself."""
        topic, payload = str(message.topic), message.payload
        try:
            match topic.split("/"):
                case ["bgw", "v1", self._site, "_gw", gateway, "state"]:
                    self._take_gateway(gateway, payload)
                case ["bgw", "v1", self._site, *_]:
                    if where := DeviceTopic.parse(topic):
                        self._take_device(where, payload, message)
        except ValidationError:
            self.counts.unreadable += 1

    def _take_gateway(self, gateway: str, payload: bytes) -> None:
        """Learn of a birth or a death. A death of another session than the one now alive is history."""
        if not payload:
            self.gateways.pop(gateway, None)
            return
        state = GatewayState.model_validate_json(payload, extra="ignore")
        before = self.gateways.get(gateway)
        if state.online and before is not None and before.session != state.session:
            self._sessions[before.session] = False
        self._sessions[state.session] = state.online
        if state.online or before is None or before.session == state.session:
            self.gateways[gateway] = state
        for position, device in self._states.items():
            if device.session == state.session or (before is not None and device.session == before.session):
                self._put_status(position)

    def _take_device(self, where: DeviceTopic, payload: bytes, message: aiomqtt.Message) -> None:
        match where.kind, where.rest:
            case "state", ():
                if payload:
                    self._states[where.position] = DeviceState.model_validate_json(payload, extra="ignore")
                else:
                    self._states.pop(where.position, None)
                self._put_status(where.position)
            case "desc", ():
                if payload:
                    described = DeviceDescription.model_validate_json(payload, extra="ignore")
                    self._descriptions[where.position] = described
                else:
                    self._descriptions.pop(where.position, None)
            case "now", (event_type,):
                if payload:
                    standing = Standing[Any].model_validate_json(payload, extra="ignore")
                    now = Now(where.position, standing, _typed(standing))
                    self._standing[where.position, event_type] = now
                else:
                    self._standing.pop((where.position, event_type), None)
            case "blob", (event_id, role):
                self._take_image(event_id, role, payload)
            case "evt", (_,):
                if message.retain:  # an event is never retained: whoever did this, it is old
                    self.counts.stale += 1
                else:
                    self._take_event(where.position, payload, message)

    def _take_image(self, event_id: str, role: str, payload: bytes) -> None:
        images = self._images.setdefault(event_id, {})
        self._image_bytes += len(payload) - len(images.get(role, b""))
        images[role] = payload
        while self._image_bytes > WAITING_IMAGE_BYTES and len(self._images) > 1:
            _, dropped = self._images.popitem(last=False)
            self._image_bytes -= sum(map(len, dropped.values()))
        if event_id in self._incomplete:
            received, _ = self._incomplete[event_id]
            if _roles(received) <= images.keys():
                self._complete(event_id)

    def _take_event(self, position: Position, payload: bytes, message: aiomqtt.Message) -> None:
        envelope = read_event(payload)
        if envelope.id in self._ids:
            self.counts.repeated += 1
            return
        self._ids[envelope.id] = None
        if len(self._ids) > KNOWN_IDS:
            self._ids.popitem(last=False)
        self._count_gaps(envelope)
        loop = asyncio.get_running_loop()
        lasts_s = getattr(message.properties, "MessageExpiryInterval", None)
        received = Received(
            position,
            envelope,
            _typed(envelope),
            {},
            None if lasts_s is None else loop.time() + lasts_s,
        )
        missing = _roles(received) - self._images.get(envelope.id, {}).keys()
        timer = loop.call_later(IMAGES_WAIT_S, self._complete, envelope.id)
        self._incomplete[envelope.id] = received, timer
        if not missing:
            self._complete(envelope.id)

    def _complete(self, event_id: str) -> None:
        """Hand an event on with the images that have come."""
        received, timer = self._incomplete.pop(event_id)
        timer.cancel()
        images = self._images.pop(event_id, {})
        self._image_bytes -= sum(map(len, images.values()))
        received.images.update(images)
        self._put(received)

    def _count_gaps(self, envelope: Event[Any]) -> None:
        stream = (envelope.source, envelope.epoch, envelope.stream)
        last = self._last_seq.get(stream)
        if last is not None and envelope.seq > last + 1:
            self.counts.missed += envelope.seq - last - 1
        self._last_seq[stream] = max(envelope.seq, last or 0)

    def _put_status(self, position: Position) -> None:
        """Tell how a device is, unless that was told last."""
        status = self.status(position)
        known = self._told.get(position)
        if known is None or (known.state, known.gateway_online) != (status.state, status.gateway_online):
            self._told[position] = status
            self._put(status)

    def _put(self, item: Received | DeviceStatus) -> None:
        self._waiting.append(item)
        self._news.set()


def _roles(received: Received) -> set[str]:
    """The images that an event lists."""
    if isinstance(received.data, Observation):
        return {attachment.role for attachment in received.data.attachments}
    with contextlib.suppress(TypeError, KeyError):
        return {attachment["role"] for attachment in received.data.get("attachments", ())}
    return set()


def _typed(envelope: Event[Any] | Standing[Any]) -> Observation | dict[str, Any]:
    """The event's data as its model; what this version does not know stays as it is."""
    model = _MODELS.get(envelope.type)
    data: dict[str, Any] = envelope.data
    return data if model is None else model.model_validate(data, extra="ignore")
