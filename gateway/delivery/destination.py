"""One destination: what is sent there next, and what its answers mean.

Live events go first, straight from memory. A stream that is behind is read back from the outbox, in turn with
others and under a rate limit, and catches up until it is live again. Within a stream the order is that of the
log; across streams there is none.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import paho.mqtt.client as mqtt
import structlog

from drivers.links.link import Action
from gateway.clock import TimeSource
from gateway.contract.envelope import MEDIA_TYPE
from gateway.contract.states import DestinationReport
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.flow import Flow, Pace
from gateway.delivery.outbox import Page
from gateway.delivery.problems import Problems
from gateway.delivery.retained import Retained
from gateway.delivery.settings import DestinationSettings
from gateway.delivery.submission import Entry, Stream
from gateway.delivery.wire import Limits, Will, Wire, packed

log = structlog.get_logger()

NO_SUBSCRIBERS, NOT_AUTHORISED = 0x10, 0x87
POISON = {0x90, 0x95, 0x99}
"""Topic name invalid, packet too large, payload format invalid: this message will never be taken."""
POISON_AT_DISCONNECT = POISON | {0x81, 0x82}
"""Malformed packet and protocol error besides: what a broker says as it hangs up because of a message."""
PAGE_EVENTS, PAGE_BYTES = 128, 1024 * 1024
BEHIND_TURN = 16
"""While live events fill the window, a backlog still gets one message in so many."""
MAX_ANSWERS = 256
SUSPECT_LOSSES, GUILTY_LOSSES = 3, 6
"""Connections lost over the same first message: then one at a time, and then it is parked."""


class Backlog(Protocol):
    """What a destination asks of the writer."""

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        """Read from a stream."""

    def advance(self, destination: str, stream: int, upto: int) -> None:
        """Everything up to here is done with."""

    def park(self, destination: str, stream: Stream, entry: Entry, reason: int) -> None:
        """Keep for a person to look at."""


@dataclass(slots=True)
class _Sent:
    """One message in flight: an event (`part` -1), one of its images, or a retained message (no flow)."""

    flow: Flow | None
    entry: Entry | None
    part: int
    size: int
    topic: str = ""
    version: int = 0

    @property
    def name(self) -> tuple[int, int, int] | str:
        """The same when it is sent again."""
        return (self.entry.stream, self.entry.seq, self.part) if self.entry is not None else self.topic


class Destination:
    """Sends to one broker. Everything happens on the event loop."""

    def __init__(
        self,
        settings: DestinationSettings,
        topics: SiteTopics,
        will: Will,
        backlog: Backlog,
        retained: Retained,
        problems: Problems,
        time_source: TimeSource,
        changed: Callable[[], None],
        *,
        subscriptions: tuple[str, ...] = (),
        on_message: Callable[[mqtt.MQTTMessage], None] | None = None,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.connected = False
        self.halted: str | None = None
        self.expired = 0
        self.parked = 0
        self._topics = topics
        self._backlog = backlog
        self._retained = retained
        self._problems = problems
        self._boot_ns = time_source.boot_ns
        self._changed = changed
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(
            settings.broker,
            settings.broker.client_id or f"bgw-{topics.site}-{topics.gateway}-{settings.name}",
            will,
            self,
            (settings.retry_first_s, settings.retry_cap_s),
            subscriptions,
        )
        self._flows: dict[int, Flow] = {}
        self._live: deque[Flow] = deque()
        self._behind: deque[Flow] = deque()
        self._buffered = 0
        self._flying: dict[int, _Sent] = {}
        self._flying_bytes = 0
        self._parts_left: dict[tuple[int, int], int] = {}
        self._window = settings.in_flight
        self._wants_listeners = settings.subscriber_wait_s > 0
        self._maximum_packet: int | None = None
        self._connection = 0
        self._live_run = 0
        self._tokens = 0.0
        self._tokens_at = 0.0
        self._timers: set[asyncio.TimerHandle] = set()
        self._drain_timer: asyncio.TimerHandle | None = None
        self._singly = 0
        self._suspect: tuple[object, int] = (None, 0)
        self._refused: set[tuple[int, int, int] | str] = set()
        self._answers: deque[tuple[str, bytes, bytes]] = deque(maxlen=MAX_ANSWERS)
        self._event_properties: dict[tuple[int, bool], bytes] = {}

    # Its life

    def start(self) -> None:
        """Connect, and stay connected."""
        self._wire.start()

    async def stop(self) -> None:
        """Disconnect in good order."""
        await self._wire.stop()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    @property
    def report(self) -> DestinationReport:
        """How delivery goes."""
        return DestinationReport(
            name=self.name,
            connected=self.connected,
            waiting=max(0, sum(flow.waiting for flow in self._flows.values())),
            expired=self.expired,
            parked=self.parked,
            halted=self.halted,
        )

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that a moment's patience would finish."""
        return not self.connected or not (
            self._flying or (self.halted is None and (self._live or self._retained.due(self.name)))
        )

    def takes(self, stream: Stream) -> bool:
        """Whether it is given this class."""
        return stream.data_class in self.settings.classes

    # What the outbox says

    def know(self, stream: Stream, acked: int, head: int) -> None:
        """A stream exists, and how far it was delivered before."""
        if stream.number not in self._flows:
            self._flows[stream.number] = flow = Flow(stream, acked, head, listened=not self._wants_listeners)
            self._queue(flow)

    def offer(self, entries: Iterable[Entry]) -> None:
        """Events were committed."""
        flows, room = self._flows, self.settings.buffer_bytes
        up = self.connected and self.halted is None
        for entry in entries:
            flow = flows.get(entry.stream)
            if flow is None:
                continue
            flow.head = seq = entry.seq
            if not up:
                continue
            if (
                seq == flow.tail + 1
                and flow.pace is not Pace.BLOCKED
                and self._buffered < room
                and not flow.fetching
            ):
                flow.buffer.append(entry)
                flow.tail = seq
                self._buffered += entry.size
                if flow.pace is Pace.IDLE:
                    flow.pace = Pace.LIVE
                    self._live.append(flow)
            elif flow.pace is Pace.IDLE:
                self._queue(flow)

    def lose(self, stream: int, seq: int, *, expired: bool) -> None:
        """An event is gone from the outbox. One that is in memory or in flight may still arrive."""
        flow = self._flows.get(stream)
        if flow is None or flow.passed(seq) or (seq <= flow.tail and (flow.flying or flow.buffer)):
            return
        self._pass(flow, seq)
        self.expired += expired

    def forget_old(self, epoch: str) -> None:
        """Drop streams of earlier epochs that are delivered to the end."""
        for number, flow in list(self._flows.items()):
            if flow.stream.epoch != epoch and flow.waiting <= 0 and not flow.flying:
                del self._flows[number]

    def answer(self, topic: str, payload: bytes, properties: bytes) -> None:
        """Send something that is of use now or never, before everything else."""
        if self.connected:
            self._answers.append((topic, payload, properties))
            self.pump()

    # The window

    def pump(self) -> None:
        """Send what may be sent now."""
        if not self.connected:
            return
        limit = self._window
        flying, retained = self._flying, self._retained
        while len(flying) < limit and (not flying or self._flying_bytes < self.settings.in_flight_bytes):
            if self._singly and flying:
                break
            if self._answers:
                self._send_plain(*self._answers.popleft(), retain=False)
                continue
            if retained.due(self.name) and self.settings.states:
                self._send_retained()
                continue
            if self.halted is not None:
                break
            flow = self._choose()
            if flow is None:
                break
            self._send(flow)
        self._wire.flush()

    def _choose(self) -> Flow | None:
        if self._live_run < BEHIND_TURN or not self._behind:
            flow = self._next_live()
            if flow is not None:
                self._live_run += 1
                return flow
        self._live_run = 0
        for _ in range(len(self._behind)):
            flow = self._behind[0]
            self._behind.rotate(-1)
            if not flow.buffer:
                self._read_on(flow)
            elif not flow.ready:
                continue
            elif self._token():
                return flow
            else:
                break
        return self._next_live()

    def _next_live(self) -> Flow | None:
        for _ in range(len(self._live)):
            if self._live[0].ready:
                return self._live[0]
            self._live.rotate(-1)
        return None

    def _token(self) -> bool:
        """Take leave to send one event of a backlog; a quarter of the window stays free for live ones."""
        if self._behind_flying() >= max(1, self._window - max(1, self._window // 4)):
            return False
        now, rate = self._loop.time(), self.settings.drain_per_s
        self._tokens = min(max(1.0, rate / 20), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        if self._drain_timer is None:
            self._drain_timer = self._later((1.0 - self._tokens) / rate + 0.001, self._drain_again)
        return False

    def _behind_flying(self) -> int:
        return sum(flow.flying for flow in self._behind)

    def _drain_again(self) -> None:
        self._drain_timer = None
        self.pump()

    def _read_on(self, flow: Flow) -> None:
        if flow.fetching or self._buffered >= self.settings.buffer_bytes:
            return
        flow.fetching = True
        connection = self._connection

        def reply(page: Page | None) -> None:
            if connection == self._connection:
                self._fetched(flow, page)

        self._backlog.fetch(flow.stream.number, flow.tail, PAGE_EVENTS, PAGE_BYTES, reply)

    def _fetched(self, flow: Flow, page: Page | None) -> None:
        flow.fetching = False
        if flow.pace is not Pace.BEHIND:
            return
        if page is None:
            self._block(flow, 1.0)
            return
        before = flow.acked
        joined, gone = flow.take(page)
        self._buffered += sum(entry.size for entry in joined)
        self.expired += gone
        if flow.acked > before:
            self._backlog.advance(self.name, flow.stream.number, flow.acked)
        if page.held and not joined:
            self._block(flow, 1.0)
        elif not flow.buffer and flow.tail >= flow.head:
            self._leave(flow)
        self.pump()

    # Sending

    def _send(self, flow: Flow) -> None:
        entry = flow.buffer[0]
        left_ns = entry.deadline_ns - self._boot_ns()
        if left_ns <= 0:
            self._parts_left.pop((entry.stream, entry.seq), None)
            self._shift(flow)
            self.expired += 1
            self._pass(flow, entry.seq)
            return
        seconds = min(-(-left_ns // 1_000_000_000), 0xFFFF_FFFF)
        if flow.part < len(entry.blobs):
            self._send_image(flow, entry, seconds)
            return
        key = seconds, entry.durable
        properties = self._event_properties.get(key)
        if properties is None:
            if len(self._event_properties) > 256:
                self._event_properties.clear()
            user = () if entry.durable else (("durable", "no"),)
            properties = packed(MEDIA_TYPE, seconds, user=user, utf8=True)
            self._event_properties[key] = properties
        self._shift(flow)
        size = len(entry.payload) + len(entry.topic) + len(properties) + 16
        name = (entry.stream, entry.seq, -1)
        if (self._maximum_packet is not None and size > self._maximum_packet) or name in self._refused:
            self._refused.discard(name)
            self._park(flow, entry, 0x95)
            return
        mid = self._wire.publish(entry.topic, entry.payload, properties)
        if mid is not None:
            flow.flying += 1
            self._flying[mid] = _Sent(flow, entry, -1, size)
            self._flying_bytes += size

    def _send_image(self, flow: Flow, entry: Entry, seconds: int) -> None:
        part = flow.part
        flow.part += 1
        blob = entry.blobs[part]
        key = (entry.stream, entry.seq)
        if part == 0:
            self._parts_left[key] = len(entry.blobs) + 1
        topic = self._topics.blob(Position.parse(flow.stream.position), entry.event_id, blob.role)
        properties = packed(blob.media_type, seconds)
        size = len(blob.content) + len(topic) + len(properties) + 16
        if (self._maximum_packet is not None and size > self._maximum_packet) or (
            *key,
            part,
        ) in self._refused:
            self._refused.discard((*key, part))
            self._refuse_image(entry, blob.role, 0x95)
            self._parts_left[key] -= 1
            return
        mid = self._wire.publish(topic, blob.content, properties)
        if mid is not None:
            flow.flying += 1
            self._flying[mid] = _Sent(flow, entry, part, size)
            self._flying_bytes += size

    def _shift(self, flow: Flow) -> None:
        """The first of the buffer is sent or given up: find the flow its place again."""
        self._buffered -= flow.buffer.popleft().size
        flow.part = 0
        if flow.buffer:
            if flow.pace is Pace.LIVE and len(self._live) > 1:
                self._live.rotate(-1)
            return
        if flow.pace is Pace.LIVE:
            self._live.remove(flow)
            flow.pace = Pace.IDLE
            self._queue(flow)
        elif flow.pace is Pace.BEHIND and flow.tail >= flow.head:
            self._leave(flow)

    def _send_retained(self) -> None:
        topic, payload, media_type, version = self._retained.take(self.name)
        properties = packed(media_type, None) if payload else b""
        size = len(payload) + len(topic) + len(properties) + 16
        if (self._maximum_packet is not None and size > self._maximum_packet) or topic in self._refused:
            self._refused.discard(topic)
            self._refuse_retained(topic, 0x95)
            return
        self._send_plain(topic, payload, properties, retain=True, version=version)

    def _send_plain(
        self, topic: str, payload: bytes, properties: bytes, *, retain: bool, version: int = 0
    ) -> None:
        size = len(payload) + len(topic) + len(properties) + 16
        mid = self._wire.publish(topic, payload, properties, retain=retain)
        if mid is not None:
            self._flying[mid] = _Sent(None, None, -1, size, topic, version)
            self._flying_bytes += size

    # Where a flow queues

    def _queue(self, flow: Flow) -> None:
        if self.connected and self.halted is None and flow.pace is Pace.IDLE and flow.tail < flow.head:
            flow.pace = Pace.BEHIND
            self._behind.append(flow)

    def _leave(self, flow: Flow) -> None:
        if flow.pace is Pace.LIVE:
            self._live.remove(flow)
        elif flow.pace is Pace.BEHIND:
            self._behind.remove(flow)
        flow.pace = Pace.IDLE

    def _block(self, flow: Flow, delay_s: float) -> None:
        """Send nothing of this stream for a while, then read it anew from its first unacknowledged event."""
        self._leave(flow)
        self._buffered -= flow.rewind()
        flow.pace = Pace.BLOCKED
        connection = self._connection

        def unblock() -> None:
            if connection != self._connection or flow.pace is not Pace.BLOCKED:
                return
            if flow.flying:  # what is still in flight would be sent twice
                self._later(0.02, unblock)
                return
            flow.rewind()
            flow.pace = Pace.IDLE
            self._queue(flow)
            self.pump()

        self._later(delay_s, unblock)

    def _later(self, delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        def act() -> None:
            self._timers.discard(handle)
            action()

        handle = self._loop.call_later(delay_s, act)
        self._timers.add(handle)
        return handle

    # What the broker says

    def wire_up(self, limits: Limits) -> None:
        """Begin where the last connection ended: from the first unacknowledged event of every stream."""
        self._connection += 1
        self._window = min(self.settings.in_flight, limits.receive_maximum)
        self._maximum_packet = limits.maximum_packet_size
        self.connected = True
        self.halted = None
        self._tokens_at = self._loop.time()
        self._retained.renew(self.name)
        self._problems.clear("broker_unreachable", about=self.name)
        log.info("destination_up", destination=self.name, window=self._window)
        self._restart_flows()
        self._changed()

    def _restart_flows(self) -> None:
        self._live.clear()
        self._behind.clear()
        self._buffered = 0
        for flow in self._flows.values():
            flow.rewind()
            flow.flying = 0
            flow.listened = not self._wants_listeners
            flow.fetching = False
            flow.pace = Pace.IDLE
            self._queue(flow)
        self.pump()

    def wire_down(self, reason: int | None) -> None:
        """Forget what was in flight; all of it is still in the outbox."""
        flying = list(self._flying.values())
        self._connection += 1
        self.connected = False
        self._flying.clear()
        self._flying_bytes = 0
        self._answers.clear()
        self._parts_left.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._drain_timer = None
        self._live.clear()
        self._behind.clear()
        self._buffered = 0
        for flow in self._flows.values():
            flow.rewind()
            flow.flying = 0
            flow.pace = Pace.IDLE
        self._suspect_of(flying, reason)
        log.warning("destination_down", destination=self.name, reason=reason, in_flight=len(flying))
        self._problems.add(
            "broker_unreachable",
            f"The connection to {self.name} was lost; events wait in the outbox.",
            Action.WAIT,
            about=self.name,
        )
        self._changed()

    def _suspect_of(self, flying: list[_Sent], reason: int | None) -> None:
        """A broker that hangs up over a message gets it again for ever, unless we find out which."""
        if not flying:
            return
        first = flying[0].name
        losses = self._suspect[1] + 1 if self._suspect[0] == first else 1
        self._suspect = (first, losses)
        told = reason in POISON_AT_DISCONNECT
        if (told and len(flying) == 1) or losses >= GUILTY_LOSSES:
            self._refused.add(first)
            self._suspect = (None, 0)
        elif told or losses >= SUSPECT_LOSSES:
            self._singly = max(self._singly, len(flying))

    def wire_refused(self, reason: str) -> None:
        """Say why there is no connection."""
        broker = self.settings.broker
        self._problems.add(
            "broker_unreachable",
            f"No connection to {self.name} ({broker.host}:{broker.port}): {reason}. Events wait on disk.",
            Action.CONFIGURE if "0x8" in reason or "certificate" in reason else Action.WAIT,
            f"Check that the broker runs and that [{self.name}] has its address and credentials.",
            about=self.name,
        )

    def wire_message(self, message: mqtt.MQTTMessage) -> None:
        """Pass on what arrived on a subscribed topic."""
        if self._on_message is not None:
            self._on_message(message)

    def wire_acked(self, acks: list[tuple[int, int]]) -> None:
        """Take note of PUBACKs, and fill the window again."""
        prefixes: dict[int, Flow] = {}
        for mid, reason in acks:
            sent = self._flying.pop(mid, None)
            if sent is None:
                continue
            self._flying_bytes -= sent.size
            if self._singly:
                self._singly -= 1
            flow, entry = sent.flow, sent.entry
            if flow is None or entry is None:
                self._retained_acked(sent, reason)
                continue
            flow.flying -= 1
            flow.listened = reason == 0 or not self._wants_listeners
            if reason == 0 or (reason < 0x80 and not self._missed(reason, entry)):
                if self._complete(entry) and flow.pass_by(entry.seq):
                    prefixes[flow.stream.number] = flow
                if flow.attempts:
                    self._recovered(flow)
            else:
                self._not_taken(flow, entry, sent.part, reason)
        for number, flow in prefixes.items():
            self._backlog.advance(self.name, number, flow.acked)
        self.pump()

    def _missed(self, reason: int, entry: Entry) -> bool:
        """Whether nobody heard an event that is young enough to be tried again."""
        if reason != NO_SUBSCRIBERS:
            return False
        age_ns = entry.lifetime_ns - (entry.deadline_ns - self._boot_ns())
        return age_ns < self.settings.subscriber_wait_s * 1e9

    def _complete(self, entry: Entry) -> bool:
        """Whether an event and all its images have arrived with this acknowledgement."""
        if not entry.blobs:
            return True
        key = (entry.stream, entry.seq)
        left = self._parts_left.get(key, 0) - 1
        if left > 0:
            self._parts_left[key] = left
            return False
        # Images refused before sending do not count; the event itself is always last.
        return self._parts_left.pop(key, None) is not None

    def _recovered(self, flow: Flow) -> None:
        flow.attempts = 0
        if not any(other.attempts for other in self._flows.values()):
            self._problems.clear("no_subscriber", about=self.name)
            self._problems.clear("not_taken", about=self.name)
        self._problems.clear("not_authorised", about=self.name)

    def _not_taken(self, flow: Flow, entry: Entry, part: int, reason: int) -> None:
        if reason in POISON:
            if part >= 0:
                self._refuse_image(entry, entry.blobs[part].role, reason)
                if self._complete(entry):
                    self._pass(flow, entry.seq)
            else:
                self._parts_left.pop((entry.stream, entry.seq), None)
                self._park(flow, entry, reason)
            return
        self._parts_left.pop((entry.stream, entry.seq), None)
        flow.attempts += 1
        if reason == NOT_AUTHORISED:
            self._halt("not_authorised")
            return
        if flow.pace is Pace.BLOCKED:
            return
        missed = reason == NO_SUBSCRIBERS
        self._problems.add(
            "no_subscriber" if missed else "not_taken",
            f"Nobody at {self.name} takes the events; they wait in the outbox."
            if missed
            else f"{self.name} does not take events at the moment (reason code 0x{reason:02x}); they wait.",
            Action.CALL if missed else Action.WAIT,
            f"Ask those who run {self.name} whether their receiver is subscribed." if missed else "",
            about=self.name,
        )
        longest = min(self.settings.retry_cap_s, self.settings.retry_first_s * 2.0 ** min(flow.attempts, 16))
        self._block(flow, random.uniform(longest / 10, longest))

    def _halt(self, why: str) -> None:
        """Send no event until an administrator has had time to act, or the broker was reconnected."""
        if self.halted is not None:
            return
        self.halted = why
        for flow in self._flows.values():
            self._leave(flow)
            self._buffered -= flow.rewind()
        self._problems.add(
            "not_authorised",
            f"{self.name} refuses our events as not authorised; nothing is sent, nothing is discarded.",
            Action.CONFIGURE,
            f"Allow the gateway's user to write bgw/v1/{self._topics.site}/# at {self.name}.",
            about=self.name,
        )
        log.error("destination_halted", destination=self.name, why=why)
        self._later(self.settings.halt_retry_s, self._resume)
        self._changed()

    def _resume(self) -> None:
        if any(flow.flying for flow in self._flows.values()):
            self._later(0.05, self._resume)
            return
        self.halted = None
        self._changed()
        self._restart_flows()

    # What is over

    def _pass(self, flow: Flow, seq: int) -> None:
        if flow.pass_by(seq):
            self._backlog.advance(self.name, flow.stream.number, flow.acked)

    def _park(self, flow: Flow, entry: Entry, reason: int) -> None:
        self.parked += 1
        log.error(
            "event_parked", destination=self.name, stream=flow.stream.name, seq=entry.seq, reason=reason
        )
        self._backlog.park(self.name, flow.stream, entry, reason)
        self._pass(flow, entry.seq)
        self._problems.add(
            "events_parked",
            f"{self.parked} events cannot be taken by {self.name} and were set aside "
            f"(last: {flow.stream.name} {entry.seq}, reason code 0x{reason:02x}).",
            Action.CALL,
            "borderpost outbox list --parked",
            about=self.name,
        )
        self._changed()

    def _refuse_image(self, entry: Entry, role: str, reason: int) -> None:
        self.parked += 1
        log.error("image_refused", destination=self.name, role=role, seq=entry.seq, reason=reason)
        self._problems.add(
            "images_refused",
            f"An image ({role}) is too large for {self.name}; its event was sent without it.",
            Action.CONFIGURE,
            f"Raise max_packet_size of the broker of {self.name}.",
            about=self.name,
        )

    def _retained_acked(self, sent: _Sent, reason: int) -> None:
        if not sent.version:  # an answer: it had its chance
            return
        if reason < 0x80:
            self._retained.acked(self.name, sent.topic, sent.version)
        elif reason == NOT_AUTHORISED:
            self._retained.again(self.name, sent.topic, later=True)
            self._halt("not_authorised")
            self._later(self.settings.halt_retry_s, self._renew_states)
        elif reason in POISON:
            self._refuse_retained(sent.topic, reason)
        else:
            self._retained.again(self.name, sent.topic, later=True)
            self._later(1.0, self._renew_states)

    def _renew_states(self) -> None:
        self._retained.renew_late(self.name)
        self.pump()

    def _refuse_retained(self, topic: str, reason: int) -> None:
        log.error("state_refused", destination=self.name, topic=topic, reason=reason)
        self._problems.add(
            "state_refused",
            f"{self.name} cannot take the state at {topic} (reason code 0x{reason:02x}).",
            Action.CALL,
            about=self.name,
        )
