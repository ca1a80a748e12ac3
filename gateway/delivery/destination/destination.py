"""One destination: what is in flight to it, and what its answers mean.

Messages are in flight until the broker acknowledges them, as many as the window allows. Answers go first,
then states, then the events of the flow whose turn it is. Within a stream the order is that of the log;
across streams there is none.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable

import paho.mqtt.client as mqtt
import structlog

from gateway.common.clock import TimeSource
from gateway.common.problems import Problems
from gateway.contract.states import DestinationReport
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.destination.acl_probe import Guard
from gateway.delivery.destination.in_flight import ImagesInFlight, Sent
from gateway.delivery.destination.poison import Suspicion
from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.destination.retained import Retained
from gateway.delivery.destination.scheduler import Backlog, Turns
from gateway.delivery.destination.stream import Flow, Pace
from gateway.delivery.destination.timers import Timers
from gateway.delivery.events import Entry, Stream
from gateway.delivery.mqtt.connection import Limits, Will, Wire
from gateway.delivery.mqtt.properties import of_event, packed, signature
from gateway.delivery.mqtt.reason_codes import NO_SUBSCRIBERS, NOT_AUTHORISED, POISON, TOO_LARGE
from gateway.delivery.settings import DestinationSettings

log = structlog.get_logger()

MAX_ANSWERS = 256


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
        on_message: Callable[[mqtt.MQTTMessage, int], None] | None = None,
        on_unheard: Callable[[str], None] | None = None,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.connected = False
        self.halted: str | None = None
        self.parked = 0
        self.on_arrival: Callable[[int], None] | None = None
        """Told of each event that has arrived: when it was heard, in nanoseconds since boot."""
        self._topics = topics
        self._backlog = backlog
        self._retained = retained
        self._problems = DestinationProblems(problems, settings, f"{topics.root}/{topics.site}")
        self._boot_ns = time_source.boot_ns
        self._changed = changed
        self._on_message = on_message
        self._on_unheard = on_unheard
        self._glimpses: set[str] = set()
        """Topics of those in flight: the next one is dropped until the last one has arrived."""
        self._timers = Timers()
        self._turns = Turns(settings, backlog, self._timers, self.pump)
        self._images = ImagesInFlight()
        self._suspicion = Suspicion()
        self._guard = Guard(topics.nobodys, self._problems, wanted=settings.guarded)
        self._wire = Wire(
            settings.broker,
            settings.broker.client_id or f"bgw-{topics.site}-{topics.gateway}-{settings.name}",
            will,
            self,
            (settings.retry_first_s, settings.retry_cap_s),
            time_source.boot_ns,
            subscriptions,
        )
        self._flying: dict[int, Sent] = {}
        self._flying_bytes = 0
        self._window = settings.in_flight
        self._wants_listeners = settings.subscriber_wait_s > 0
        self._maximum_packet: int | None = None
        self._answers: deque[tuple[str, bytes, bytes]] = deque(maxlen=MAX_ANSWERS)

    # Its life

    def start(self) -> None:
        """Connect, and stay connected."""
        self._wire.start()

    async def stop(self) -> None:
        """Disconnect in good order."""
        await self._wire.stop()
        self._timers.call_off()

    def alive(self, patience_s: float) -> bool:
        """Whether its client was seen at work within so many seconds."""
        return self._wire.alive(patience_s)

    @property
    def report(self) -> DestinationReport:
        """How delivery goes."""
        return DestinationReport(
            name=self.name,
            connected=self.connected,
            waiting=self._turns.waiting,
            expired=self._turns.expired,
            parked=self.parked,
            halted=self.halted,
        )

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that a moment's patience would finish."""
        return not self.connected or not (
            self._flying or (self.halted is None and (self._turns.live or self._retained.due(self.name)))
        )

    def takes(self, stream: Stream) -> bool:
        """Whether it is given this class."""
        return stream.data_class in self.settings.classes

    # What the outbox says

    def know(self, stream: Stream, acked: int, head: int) -> None:
        """A stream exists, and how far it was delivered before."""
        self._turns.know(stream, acked, head)

    def offer(self, entries: Iterable[Entry]) -> None:
        """Events were committed."""
        self._turns.offer(entries)

    def lose(self, stream: int, seq: int, *, expired: bool) -> None:
        """An event is gone from the outbox. One that is in memory or in flight may still arrive."""
        self._turns.lose(stream, seq, expired=expired)

    def forget_old(self, epoch: str) -> None:
        """Drop streams of earlier epochs that are delivered to the end."""
        self._turns.forget_old(epoch)

    def answer(self, topic: str, payload: bytes, properties: bytes) -> None:
        """Send something that is of use now or never, before everything else."""
        if self.connected:
            self._answers.append((topic, payload, properties))
            self.pump()

    def glimpse(self, topic: str, payload: bytes, properties: bytes) -> None:
        """Send something that is of use at this moment only, where nothing is in its way."""
        size = len(payload) + len(topic) + len(properties) + 16
        small = self._maximum_packet is None or size <= self._maximum_packet
        free = len(self._flying) < self._window and not self._suspicion.singly and not self._answers
        if self.connected and small and free and topic not in self._glimpses | self._suspicion.refused:
            self._glimpses.add(topic)
            self._send_plain(topic, payload, properties, retain=False)
            self._wire.flush()

    # The window

    def pump(self) -> None:
        """Send what may be sent now."""
        if not self.connected:
            return
        limit = self._window
        flying, retained, suspicion = self._flying, self._retained, self._suspicion
        while len(flying) < limit and (not flying or self._flying_bytes < self.settings.in_flight_bytes):
            if suspicion.singly and flying:
                break
            if self._answers:
                self._send_plain(*self._answers.popleft(), retain=False)
                continue
            if retained.due(self.name) and self.settings.states:
                self._send_retained()
                continue
            if self.halted is not None:
                break
            flow = self._turns.choose()
            if flow is None:
                break
            self._send(flow)
        self._wire.flush()

    # Sending

    def _send(self, flow: Flow) -> None:
        entry = flow.buffer[0]
        left_ns = entry.deadline_ns - self._boot_ns()
        if left_ns <= 0:
            self._images.forget(entry)
            self._turns.expire(flow)
            return
        seconds = min(-(-left_ns // 1_000_000_000), 0xFFFF_FFFF)
        if flow.part < len(entry.blobs):
            self._send_image(flow, entry, seconds)
            return
        properties = of_event(seconds, entry.durable)
        if entry.jws is not None:
            properties += signature(entry.jws)
        self._turns.shift(flow)
        size = len(entry.payload) + len(entry.topic) + len(properties) + 16
        name, refused = (entry.stream, entry.seq, -1), self._suspicion.refused
        if (self._maximum_packet is not None and size > self._maximum_packet) or name in refused:
            refused.discard(name)
            self._park(flow, entry, TOO_LARGE)
            return
        mid = self._wire.publish(entry.topic, entry.payload, properties)
        if mid is not None:
            flow.flying += 1
            self._flying[mid] = Sent(flow, entry, -1, size)
            self._flying_bytes += size

    def _send_image(self, flow: Flow, entry: Entry, seconds: int) -> None:
        part = flow.part
        flow.part += 1
        blob = entry.blobs[part]
        if part == 0:
            self._images.begin(entry)
        topic = self._topics.blob(Position.parse(flow.stream.position), entry.event_id, blob.role)
        properties = packed(blob.media_type, seconds)
        size = len(blob.content) + len(topic) + len(properties) + 16
        name, refused = (entry.stream, entry.seq, part), self._suspicion.refused
        if (self._maximum_packet is not None and size > self._maximum_packet) or name in refused:
            refused.discard(name)
            self._refuse_image(entry, blob.role, TOO_LARGE)
            self._images.withhold(entry)
            return
        mid = self._wire.publish(topic, blob.content, properties)
        if mid is not None:
            flow.flying += 1
            self._flying[mid] = Sent(flow, entry, part, size)
            self._flying_bytes += size

    def _send_retained(self) -> None:
        topic, payload, media_type, version = self._retained.take(self.name)
        properties = packed(media_type, None) if payload else b""
        size = len(payload) + len(topic) + len(properties) + 16
        refused = self._suspicion.refused
        if (self._maximum_packet is not None and size > self._maximum_packet) or topic in refused:
            refused.discard(topic)
            self._refuse_retained(topic, TOO_LARGE)
            return
        self._send_plain(topic, payload, properties, retain=True, version=version)

    def _send_plain(
        self, topic: str, payload: bytes, properties: bytes, *, retain: bool, version: int = 0
    ) -> None:
        size = len(payload) + len(topic) + len(properties) + 16
        mid = self._wire.publish(topic, payload, properties, retain=retain)
        if mid is not None:
            self._flying[mid] = Sent(None, None, -1, size, topic, version)
            self._flying_bytes += size

    # What the broker says

    def wire_up(self, limits: Limits) -> None:
        """Begin where the last connection ended: from the first unacknowledged event of every stream."""
        self._window = min(self.settings.in_flight, limits.receive_maximum)
        self._maximum_packet = limits.maximum_packet_size
        self.connected = True
        self.halted = None
        self._retained.renew(self.name)
        self._problems.reached()
        log.info("destination_up", destination=self.name, window=self._window)
        self._turns.connect(self._window)
        if self._guard.connected():
            self._send_plain(self._guard.topic, b"", packed("application/json", 1), retain=False)
        self.pump()
        self._changed()

    def wire_down(self, reason: int | None) -> None:
        """Forget what was in flight; all of it is still in the outbox."""
        flying = list(self._flying.values())
        self.connected = False
        self._flying.clear()
        self._flying_bytes = 0
        self._answers.clear()
        self._glimpses.clear()
        self._images.forget_all()
        self._timers.call_off()
        self._turns.disconnect()
        if flying:
            self._suspicion.lost(flying[0].name, len(flying), reason)
        log.warning("destination_down", destination=self.name, reason=reason, in_flight=len(flying))
        self._problems.lost()
        self._changed()

    def wire_refused(self, reason: str) -> None:
        """Say why there is no connection."""
        self._problems.unreachable(reason)

    def wire_message(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Pass on what arrived on a subscribed topic, from a broker that knows whose it is."""
        if self._on_message is not None and self._guard.opened:
            self._on_message(message, sent_after_ns)

    def wire_subscribed(self, refused: int | None) -> None:
        """Say when no command will be heard here."""
        self._problems.subscribed(refused)

    def wire_acked(self, acks: list[tuple[int, int]]) -> None:
        """Take note of PUBACKs, and fill the window again."""
        prefixes: dict[int, Flow] = {}
        suspicion = self._suspicion
        for mid, reason in acks:
            sent = self._flying.pop(mid, None)
            if sent is None:
                continue
            self._flying_bytes -= sent.size
            if suspicion.singly:
                suspicion.singly -= 1
            flow, entry = sent.flow, sent.entry
            if flow is None or entry is None:
                self._retained_acked(sent, reason)
                continue
            flow.flying -= 1
            flow.listened = reason == 0 or not self._wants_listeners
            if reason == 0 or (reason < 0x80 and not self._missed(reason, entry)):
                if (not entry.blobs or self._images.arrived(entry)) and flow.pass_by(entry.seq):
                    prefixes[flow.stream.number] = flow
                    if self.on_arrival is not None and reason == 0:
                        self.on_arrival(entry.deadline_ns - entry.lifetime_ns)
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

    def _recovered(self, flow: Flow) -> None:
        flow.attempts = 0
        if not self._turns.troubled:
            self._problems.all_taken()
        self._problems.authorised()

    def _not_taken(self, flow: Flow, entry: Entry, part: int, reason: int) -> None:
        if reason in POISON:
            if part >= 0:
                self._refuse_image(entry, entry.blobs[part].role, reason)
                if self._images.arrived(entry):
                    self._turns.pass_by(flow, entry.seq)
            else:
                self._images.forget(entry)
                self._park(flow, entry, reason)
            return
        self._images.forget(entry)
        flow.attempts += 1
        if reason == NOT_AUTHORISED:
            self._halt("not_authorised")
            return
        if flow.pace is Pace.BLOCKED:
            return
        if reason == NO_SUBSCRIBERS:
            self._problems.no_subscriber()
        else:
            self._problems.not_taken(reason)
        longest = min(self.settings.retry_cap_s, self.settings.retry_first_s * 2.0 ** min(flow.attempts, 16))
        self._turns.block(flow, random.uniform(longest / 10, longest))

    def _halt(self, why: str) -> None:
        """Send no event until an administrator has had time to act, or the broker was reconnected."""
        if self.halted is not None:
            return
        self.halted = why
        self._turns.halt()
        self._problems.not_authorised()
        log.error("destination_halted", destination=self.name, why=why)
        self._timers.later(self.settings.halt_retry_s, self._resume)
        self._changed()

    def _resume(self) -> None:
        if self._turns.flying:
            self._timers.later(0.05, self._resume)
            return
        self.halted = None
        self._changed()
        self._turns.resume()
        self.pump()

    # What is over

    def _park(self, flow: Flow, entry: Entry, reason: int) -> None:
        self.parked += 1
        log.error(
            "event_parked", destination=self.name, stream=flow.stream.name, seq=entry.seq, reason=reason
        )
        self._backlog.park(self.name, flow.stream, entry, reason)
        self._turns.pass_by(flow, entry.seq)
        self._problems.parked(self.parked, flow.stream.name, entry.seq, reason)
        self._changed()

    def _refuse_image(self, entry: Entry, role: str, reason: int) -> None:
        self.parked += 1
        log.error("image_refused", destination=self.name, role=role, seq=entry.seq, reason=reason)
        self._problems.image_refused(role)

    def _retained_acked(self, sent: Sent, reason: int) -> None:
        if sent.topic == self._guard.topic:
            self._guard.answered(reason)
            return
        if not sent.version:  # an answer or a glimpse: it had its chance
            if sent.topic in self._glimpses:
                self._glimpses.discard(sent.topic)
                if reason and self._on_unheard is not None:
                    self._on_unheard(sent.topic)
            return
        if reason < 0x80:
            self._retained.acked(self.name, sent.topic, sent.version)
        elif reason == NOT_AUTHORISED:
            self._retained.again(self.name, sent.topic, later=True)
            # What an earlier name of this post left stands where it may say nothing now: that keeps no event.
            if not self._retained.clears(sent.topic):
                self._halt("not_authorised")
            self._timers.later(self.settings.halt_retry_s, self._renew_states)
        elif reason in POISON:
            self._refuse_retained(sent.topic, reason)
        else:
            self._retained.again(self.name, sent.topic, later=True)
            self._timers.later(1.0, self._renew_states)

    def _renew_states(self) -> None:
        self._retained.renew_late(self.name)
        self.pump()

    def _refuse_retained(self, topic: str, reason: int) -> None:
        log.error("state_refused", destination=self.name, topic=topic, reason=reason)
        self._problems.state_refused(topic, reason)
