"""One destination: its in-flight window and the meaning of its acknowledgements.

Messages are in flight until the broker acknowledges them; the window bounds their number and bytes. Answers
go first, then retained states, then events in the order of the scheduler. The order within a stream is that
of the log; there is no order across streams.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import paho.mqtt.client as mqtt
import structlog

from gateway.common.clock import TimeSource
from gateway.common.problems import Problems
from gateway.contract.states import DestinationReport
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.destination.in_flight import ImagesInFlight, InFlightMessage
from gateway.delivery.destination.poison import MessageKey, PoisonMessageDetector, SuspectTrial
from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.destination.refusals import Refusals
from gateway.delivery.destination.resends import Resends
from gateway.delivery.destination.retained import RetainedMessages
from gateway.delivery.destination.scheduler import OutboxPort, SendScheduler
from gateway.delivery.destination.states import StatePublisher
from gateway.delivery.destination.stream import StreamCursor
from gateway.delivery.destination.timers import TimerGroup
from gateway.delivery.events import ParkedCopy, StoredEvent
from gateway.delivery.mqtt.connect import Will, random_client_id
from gateway.delivery.mqtt.connection import ConnackLimits, MqttConnection
from gateway.delivery.mqtt.inbound import InboundRefusal
from gateway.delivery.mqtt.properties import event_properties, pack_properties, signature_property
from gateway.delivery.mqtt.reason_codes import NO_SUBSCRIBERS, TOO_LARGE
from gateway.delivery.settings import DestinationSettings
from gateway.delivery.stations.connections import StationConnections

log = structlog.get_logger()

MAX_ANSWERS = 256
WITHIN_LIMITS_AFTER_S = 60.0
"""Lifetime of a connection after which a broker that exceeded a limit counts as well-behaved, in seconds."""


class Destination:
    """Sends to one broker. Runs on the event loop."""

    def __init__(
        self,
        settings: DestinationSettings,
        topics: SiteTopics,
        will: Will,
        outbox: OutboxPort,
        retained: RetainedMessages,
        problems: Problems,
        time_source: TimeSource,
        on_change: Callable[[], None],
        *,
        stations: StationConnections | None = None,
        on_no_subscriber: Callable[[str], None] | None = None,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.connected = False
        self.on_ack: Callable[[int], None] | None = None
        """Called for each acknowledged event with the time of its reception, in nanoseconds since boot."""
        self._topics = topics
        self._outbox = outbox
        self._problems = DestinationProblems(problems, settings, f"{topics.root}/{topics.site}")
        self._boot_ns = time_source.boot_ns
        self._on_change = on_change
        self._on_no_subscriber = on_no_subscriber
        self._loop = asyncio.get_running_loop()
        self._resends = Resends(outbox)
        """Parked events that are sent again, at the request of an operator."""
        self._previews_in_flight: set[str] = set()
        """Topics of previews in flight; further previews of these topics are dropped."""
        self._timers = TimerGroup()
        self.scheduler = SendScheduler(settings, outbox, self._timers, self.send_ready)
        self._images_in_flight = ImagesInFlight()
        self._poison_detector = PoisonMessageDetector(settings.halt_retry_s)
        self._trial = SuspectTrial(
            self._poison_detector, self.scheduler, self._problems, self._timers, self.send_ready
        )
        self._refusals = Refusals(
            settings,
            outbox,
            self.scheduler,
            self._images_in_flight,
            self._problems,
            self._timers,
            on_change,
            self.send_ready,
        )
        self._states = StatePublisher(
            settings,
            topics.gateway_state,
            will,
            retained,
            self._problems,
            self._timers,
            self.send_ready,
            self._refusals.halt,
            stations,
        )
        self.connection = MqttConnection(
            settings.broker,
            random_client_id,
            will,
            self,
            (settings.retry_first_s, settings.retry_max_s),
            time_source.boot_ns,
            (topics.gateway_state,) if stations is not None else (),
        )
        self._in_flight: dict[int, InFlightMessage] = {}
        self._in_flight_bytes = 0
        self._window = settings.in_flight
        self._requires_subscriber = settings.no_subscriber_timeout_s > 0
        self._max_packet_bytes: int | None = None
        self._queued_answers: deque[tuple[str, bytes, bytes, bool]] = deque(maxlen=MAX_ANSWERS)

    # Start and stop

    async def stop(self) -> None:
        """Disconnect, so that the broker does not publish the will."""
        await self.connection.stop()
        self._timers.cancel_all()

    @property
    def report(self) -> DestinationReport:
        """State of delivery to this destination."""
        return DestinationReport(
            name=self.name,
            connected=self.connected,
            queued=self.scheduler.queued,
            expired=self.scheduler.expired,
            parked=self._refusals.parked,
            halted_reason=self._refusals.halted_reason,
        )

    @property
    def is_settled(self) -> bool:
        """True if nothing is in flight or ready to be sent; always true without a connection."""
        has_work = self.scheduler.has_live or (self._states.due and not self._states.are_held)
        is_halted = self._refusals.halted_reason is not None
        return not self.connected or not (self._in_flight or (has_work and not is_halted))

    # Answers and previews

    def publish_answer(self, topic: str, payload: bytes, properties: bytes, *, retain: bool = False) -> bool:
        """Send an answer before all other messages; dropped, and False, without a connection."""
        if self.connected:
            self._queued_answers.append((topic, payload, properties, retain))
            self.send_ready()
        return self.connected

    def send_preview(self, topic: str, payload: bytes, properties: bytes) -> None:
        """Send a preview image if the window has room and the last one of its topic was acknowledged."""
        size = _packet_bytes(topic, payload, properties)
        small = self._max_packet_bytes is None or size <= self._max_packet_bytes
        free = (
            len(self._in_flight) < self._window
            and not self._poison_detector.serialised_left
            and not self._queued_answers
        )
        if (
            self.connected
            and small
            and free
            and topic not in self._previews_in_flight
            and topic not in self._poison_detector.quarantined
        ):
            self._previews_in_flight.add(topic)
            self._send_plain(topic, payload, properties, retain=False)
            self.connection.flush()

    # The window

    def send_ready(self) -> None:
        """Fill the window: answers, retained messages, events."""
        if not self.connected:
            return
        limit = self._window
        in_flight, poison_detector, states = self._in_flight, self._poison_detector, self._states
        while len(in_flight) < limit and (
            not in_flight or self._in_flight_bytes < self.settings.in_flight_bytes
        ):
            if (poison_detector.serialised_left or self._trial.is_running) and in_flight:
                break
            if self._queued_answers:
                topic, payload, properties, retain = self._queued_answers.popleft()
                self._send_plain(topic, payload, properties, retain=retain)
                continue
            if states.due and not states.are_held:
                self._send_state()
                continue
            if self._refusals.halted_reason is not None:
                break
            if self._resends.queue:
                if not self._resend_parked():
                    break
                continue
            cursor = self.scheduler.next_stream()
            if cursor is None:
                break
            if cursor.stream.number in poison_detector.suspects and not self._trial.may_send(
                cursor, is_alone=not in_flight
            ):
                break
            self._send(cursor)
        self.connection.flush()

    # Sending

    def _send(self, cursor: StreamCursor) -> None:
        entry = cursor.buffer[0]
        left_ns = entry.deadline_ns - self._boot_ns()
        if left_ns <= 0:
            self._images_in_flight.discard(entry)
            self.scheduler.drop_expired(cursor)
            return
        seconds = min(-(-left_ns // 1_000_000_000), 0xFFFF_FFFF)
        if cursor.next_image < len(entry.blobs):
            self._send_image(cursor, entry, seconds)
            return
        properties = event_properties(seconds, entry.is_durable)
        if entry.jws is not None:
            properties += signature_property(entry.jws)
        self.scheduler.requeue(cursor)
        refused = self._publish_part(cursor, entry, -1, entry.topic, entry.payload, properties)
        if refused is not None:
            self._refusals.park(cursor, entry, refused)

    def _send_image(self, cursor: StreamCursor, entry: StoredEvent, seconds: int) -> None:
        part = cursor.next_image
        cursor.next_image += 1
        blob = entry.blobs[part]
        if part == 0:
            self._images_in_flight.begin(entry)
        topic = self._topics.blob(Position.parse(cursor.stream.position), entry.event_id, blob.role)
        properties = pack_properties(blob.media_type, seconds)
        refused = self._publish_part(cursor, entry, part, topic, blob.content, properties)
        if refused is not None:
            self._refusals.drop_image(entry, blob.role, refused)
            self._images_in_flight.skip_image(entry)

    def _publish_part(
        self,
        cursor: StreamCursor,
        entry: StoredEvent,
        part: int,
        topic: str,
        payload: bytes,
        properties: bytes,
    ) -> int | None:
        """Publish an event (`part` -1) or one of its images; return a reason if the broker cannot take it."""
        size = _packet_bytes(topic, payload, properties)
        refused = self._refusal((entry.stream, entry.seq, part), size)
        if refused is not None:
            return refused
        mid = self.connection.publish(topic, payload, properties)
        if mid is not None:
            cursor.in_flight += 1
            self._in_flight[mid] = InFlightMessage(cursor, entry, part, size)
            self._in_flight_bytes += size
        return None

    def _refusal(self, key: MessageKey, size: int) -> int | None:
        """Return the reason code of a message that is too large, or has ended connections before."""
        refused = self._poison_detector.quarantined.pop(key, None)
        is_too_large = self._max_packet_bytes is not None and size > self._max_packet_bytes
        return TOO_LARGE if is_too_large else refused

    def _send_state(self) -> None:
        topic, payload, properties, version = self._states.pop_due(self.connection.name)
        refused = self._refusal(topic, _packet_bytes(topic, payload, properties))
        if refused is not None:
            self._states.drop(topic, refused)
            return
        self._send_plain(topic, payload, properties, retain=True, version=version)

    def _send_plain(
        self, topic: str, payload: bytes, properties: bytes, *, retain: bool, version: int = 0
    ) -> None:
        size = _packet_bytes(topic, payload, properties)
        mid = self.connection.publish(topic, payload, properties, retain=retain)
        if mid is not None:
            self._in_flight[mid] = InFlightMessage(None, None, -1, size, topic, version)
            self._in_flight_bytes += size

    # Parked events that are sent again

    def resend(self, parked: Iterable[ParkedCopy]) -> None:
        """Send parked events again, before all others."""
        self._resends.queue.extend(parked)
        self.send_ready()

    def _resend_parked(self) -> bool:
        """Send the next parked event, or leave it parked; return False if the connection takes none."""
        found = self._resends.next(self._boot_ns())
        if found is None:
            return True
        parked, properties = found
        size = _packet_bytes(parked.topic, parked.payload, properties)
        if self._resends.is_too_large(parked, size, self._max_packet_bytes):
            return True
        mid = self.connection.publish(parked.topic, parked.payload, properties)
        if mid is None:
            self._resends.queue.appendleft(parked)
            return False
        self._in_flight[mid] = InFlightMessage(None, None, -1, size, parked.topic, 0, parked)
        self._in_flight_bytes += size
        return True

    # Callbacks of the connection

    def on_connected(self, limits: ConnackLimits) -> None:
        """Send from the first unacknowledged event of every stream."""
        self._window = min(self.settings.in_flight, limits.receive_maximum)
        self._max_packet_bytes = limits.maximum_packet_size
        self.connected = True
        self._refusals.on_connected()
        self._problems.connected()
        log.info("destination_connected", destination=self.name, window=self._window)
        self.scheduler.on_connected(self._window)
        self._timers.call_later(WITHIN_LIMITS_AFTER_S, self._problems.broker_within_limits)
        self._states.on_connected()
        self.send_ready()
        self._on_change()

    def on_disconnected(self, reason: int | None) -> None:
        """Clear the window; all events in it are still in the outbox."""
        in_flight = list(self._in_flight.values())
        self.connected = False
        self._in_flight.clear()
        self._in_flight_bytes = 0
        self._queued_answers.clear()
        self._previews_in_flight.clear()
        self._images_in_flight.clear()
        self._timers.cancel_all()
        self.scheduler.on_disconnected()
        if in_flight and in_flight[0].resend is None:
            self._poison_detector.on_connection_lost(
                in_flight[0].key, len(in_flight), reason, self._loop.time()
            )
        self._trial.is_running = False
        self._resends.on_connection_lost([one.resend for one in in_flight if one.resend is not None])
        log.warning(
            "destination_disconnected", destination=self.name, reason=reason, in_flight=len(in_flight)
        )
        self._problems.connection_lost()
        self._on_change()

    def on_connect_failed(self, reason: str) -> None:
        """Report the reason as a problem."""
        self._problems.connect_failed(reason)

    def on_inbound_refused(self, refused: InboundRefusal) -> None:
        """Report a broker that sends what it must not."""
        log.error("broker_exceeds_limits", destination=self.name, reason=str(refused.because))
        self._problems.broker_exceeds_limits(refused)

    def on_message(self, message: mqtt.MQTTMessage, _sent_after_ns: int) -> None:
        """Take the gateway's own state, to which this connection subscribes."""
        self._states.on_message(message.topic, bytes(message.payload))

    def on_subscribed(self, refused: int | None) -> None:
        """Log a refusal of the gateway's own state: a late will is then not noticed."""
        if refused is not None:
            log.warning("state_subscription_refused", destination=self.name, reason=refused)

    def on_acks(self, acks: list[tuple[int, int]]) -> None:
        """Process PUBACKs (message id, reason code), and fill the window again."""
        prefixes: dict[int, StreamCursor] = {}
        poison_detector = self._poison_detector
        for mid, reason in acks:
            sent = self._in_flight.pop(mid, None)
            if sent is None:
                continue
            self._in_flight_bytes -= sent.size
            if poison_detector.serialised_left:
                poison_detector.serialised_left -= 1
            cursor, entry = sent.cursor, sent.entry
            if cursor is None or entry is None:
                self._on_other_acked(sent, reason)
                continue
            cursor.in_flight -= 1
            if sent.part < 0 and cursor.stream.number in poison_detector.suspects:
                self._trial.on_answer(cursor, entry.seq, accepted=reason < 0x80)
            cursor.has_subscriber = reason == 0 or not self._requires_subscriber
            self._refusals.is_authorised |= reason < 0x80
            if reason == 0 or (reason < 0x80 and not self._has_no_subscriber(reason, entry)):
                if (not entry.blobs or self._images_in_flight.on_ack(entry)) and cursor.advance_past(
                    entry.seq
                ):
                    prefixes[cursor.stream.number] = cursor
                    if self.on_ack is not None and reason == 0:
                        self.on_ack(entry.deadline_ns - entry.lifetime_ns)
                if cursor.attempts:
                    self._refusals.on_accepted(cursor)
            else:
                self._refusals.on_refused(cursor, entry, sent.part, reason)
        for number, cursor in prefixes.items():
            self._outbox.advance(self.name, number, cursor.acked)
        self.send_ready()

    def _has_no_subscriber(self, reason: int, entry: StoredEvent) -> bool:
        """Return whether an event reached no subscriber and is young enough to be sent again."""
        if reason != NO_SUBSCRIBERS:
            return False
        age_ns = entry.lifetime_ns - (entry.deadline_ns - self._boot_ns())
        return age_ns < self.settings.no_subscriber_timeout_s * 1e9

    def _on_other_acked(self, sent: InFlightMessage, reason: int) -> None:
        if sent.resend is not None:
            required = self._requires_subscriber
            self._resends.on_answer(sent.resend, reason, requires_subscriber=required)
            return
        if not sent.version:  # An answer or a preview is not sent again.
            if sent.topic in self._previews_in_flight:
                self._previews_in_flight.discard(sent.topic)
                if reason and self._on_no_subscriber is not None:
                    self._on_no_subscriber(sent.topic)
            return
        self._refusals.is_authorised |= reason < 0x80
        self._states.on_ack(sent.topic, sent.version, reason)


def _packet_bytes(topic: str, payload: bytes, properties: bytes) -> int:
    """Return an upper bound on the size of a PUBLISH; topics are ASCII."""
    return len(topic) + len(payload) + len(properties) + 16
