"""Delivery of events from the workers to the brokers, as the daemon uses it.

Everything here runs on the event loop. `submit` and `publish_retained` return at once and never raise. Faults
of the disk and of brokers appear in `problems`; events that were lost because of them are counted.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace

import paho.mqtt.client as mqtt
import structlog

from drivers.observation import DataClass
from gateway.audit.hash_chain import Sign
from gateway.common.clock import SystemTime, TimeSource
from gateway.common.problems import Problems
from gateway.contract.states import DestinationReport, GatewayProblem, GatewayState, KeyStorage
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.destination.destination import Destination
from gateway.delivery.destination.retained import RetainedMessages
from gateway.delivery.events import LostEvent, PendingEvent, StoredEvent, Stream
from gateway.delivery.mqtt.connect import Will
from gateway.delivery.mqtt.properties import pack_properties
from gateway.delivery.outbox.database import DiskTrouble, SetAsideOutbox
from gateway.delivery.outbox.encryption import MasterKey, master_key
from gateway.delivery.outbox.problems import OutboxProblems
from gateway.delivery.settings import DeliverySettings
from gateway.delivery.stations.connections import StationConnections
from gateway.delivery.writer.messages import OutboxListener, OutboxSnapshot
from gateway.delivery.writer.writer import Writer

log = structlog.get_logger()

SignRetained = Callable[[str, bytes], tuple[tuple[str, str], ...]]


class Delivery(OutboxListener):
    """Outbox and destinations of one gateway."""

    def __init__(
        self,
        settings: DeliverySettings,
        topics: SiteTopics,
        session: str,
        *,
        time_source: TimeSource | None = None,
        on_change: Callable[[], None] | None = None,
        stations: Iterable[str] = (),
        on_message: Callable[[mqtt.MQTTMessage, int], None] | None = None,
        on_flood: Callable[[str], None] | None = None,
        on_no_subscriber: Callable[[str], None] | None = None,
        sign: Sign | None = None,
        sign_retained: SignRetained | None = None,
    ) -> None:
        """Prepare delivery; nothing is opened before `start`.

        Commands are received from the first destination if there is an `on_message`. It gets a message and a
        time of CLOCK_BOOTTIME, in nanoseconds; the message was sent after that time. `stations`: names of the
        stations that may send commands. `on_flood` gets the name of one that sends too many.
        `on_no_subscriber` gets the topic of a preview that reached no subscriber. `sign` signs each event
        once. `sign_retained` returns the user properties of a retained message from its topic and body.
        """
        self.epoch = ""
        self.dropped = 0
        """Events dropped because outbox or memory was full, or that could not be accepted."""
        self.images_dropped = 0
        """Images dropped because of their size, or because the outbox was full."""
        self._settings = settings
        self._topics = topics
        self._time = time_source or SystemTime()
        self._sign = sign
        self._sign_retained: SignRetained = sign_retained or (lambda _topic, _body: ())
        self._on_change = on_change
        self._change_scheduled = False
        self._problems = Problems(self._schedule_change)
        self.key_storage = KeyStorage.UNKNOWN
        """Place of the key that encrypts the queued events, once delivery has started."""
        self._outbox_problems = OutboxProblems(self._problems, settings.outbox.directory)
        self._will_payload = (
            GatewayState(online=False, session=session, report=None).model_dump_json().encode()
        )
        self._station_names = tuple(stations)
        self._stations: StationConnections | None = None
        self._on_message = on_message
        self._on_flood = on_flood
        self._on_no_subscriber = on_no_subscriber
        self._destinations_by_class = {
            data_class: tuple(d.name for d in settings.destinations if data_class in d.classes)
            for data_class in DataClass
        }
        self._retained = RetainedMessages(
            tuple(d.name for d in settings.destinations if d.publishes_states),
            lambda topic, held: self._note_retained(topic, is_held=held),
        )
        self._destinations: list[Destination] = []
        self._by_class: dict[DataClass, list[Destination]] = {}
        self._streams: dict[int, Stream] = {}
        self._positions: set[str] = set()
        self._writer: Writer | None = None
        self._is_accepting = False

    def set_ack_listener(self, listener: Callable[[int], None] | None) -> None:
        """Call a function for each event that the post's broker acknowledges; see `Destination.on_ack`."""
        for destination in self._destinations[:1]:
            destination.on_ack = listener

    # Start and stop

    async def start(self) -> None:
        """Open the outbox and connect. Raise EncryptionKeyError (no key) and OutboxUnusable.

        Trouble with the disk or a broker does not raise: it is reported as a problem, and delivery retries.
        """
        outbox = self._settings.outbox
        outbox.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = self._master_keys()
        writer = Writer(outbox, self._topics, self._destinations_by_class, keys, self._time, self, self._sign)
        will = Will(self._topics.gateway_state, self._will_payload, self._settings.will_delay_s)
        if self._on_message is not None and self._settings.destinations:
            self._stations = StationConnections(
                self._settings.destinations[0],
                self._topics,
                self._problems,
                self._time.boot_ns,
                self._on_message,
                self._on_flood or (lambda _: None),
            )
        self._destinations = [
            Destination(
                destination,
                self._topics,
                will,
                writer,
                self._retained,
                self._problems,
                self._time,
                self._schedule_change,
                stations=self._stations if first else None,
                on_no_subscriber=self._on_no_subscriber if first else None,
            )
            for first, destination in ((not i, d) for i, d in enumerate(self._settings.destinations))
        ]
        self._by_class = {
            data_class: [d for d in self._destinations if data_class in d.settings.classes]
            for data_class in DataClass
        }
        self._writer = writer
        try:
            await writer.start()
        except BaseException:
            self._writer = None
            raise
        self._is_accepting = True
        for destination in self._destinations:
            destination.connection.start()
        self.set_stations(self._station_names)

    def set_stations(self, stations: Iterable[str]) -> None:
        """Receive commands of these stations, each over a connection of its own."""
        self._station_names = tuple(stations)
        if self._stations is not None:
            self._stations.configure(self._station_names)

    def _master_keys(self) -> tuple[MasterKey, MasterKey | None]:
        settings = self._settings.outbox
        key = master_key(settings.key, settings.directory)
        self.key_storage = key.storage
        self._outbox_problems.key_storage(key.storage)
        previous = master_key(settings.previous_key, settings.directory) if settings.previous_key else None
        return key, previous

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Commit submitted events, publish the offline state, deliver for at most `timeout_s`, and close."""
        self._is_accepting = False
        writer = self._writer
        if writer is None:
            return
        if self._stations is not None:
            stations, self._stations = self._stations, None
            await stations.stop()
        try:
            async with asyncio.timeout(timeout_s):
                with contextlib.suppress(OSError):  # No outbox is open, so nothing is being committed.
                    await writer.call(lambda _: None)
                self.publish_retained(self._topics.gateway_state, self._will_payload)
                for destination in self._destinations:
                    destination.send_ready()
                while not all(destination.is_settled for destination in self._destinations):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        except TimeoutError:
            log.info("stopped_with_unacked_events", waiting=[d.report.queued for d in self._destinations])
        for destination in self._destinations:
            await destination.stop()
        await writer.stop()
        self._writer = None
        self._outbox_problems.stop()

    # From the gateway to the brokers

    def submit(self, event: PendingEvent) -> None:
        """Accept an event. It is published once it is on disk, or at once while the disk is in trouble."""
        writer = self._writer
        if writer is None or not self._is_accepting:
            self._drop_submission("not_running")
            return
        if event.position not in self._positions and not self._is_known_position(event.position):
            self._drop_submission("no_position")
            return
        if event.blobs:
            event = self._without_large_images(event)
        if event.data_class not in (DataClass.TRAVELLER, DataClass.RECORD):
            # Events of other classes are kept like traveller data: for a short time, and at the post only.
            event = replace(event, data_class=DataClass.TRAVELLER)
        settings = self._settings.outbox
        limits = settings.record if event.data_class is DataClass.RECORD else settings.traveller
        size = len(event.partial_event) + sum(len(blob.content) for blob in event.blobs)
        if not self._destinations_by_class[event.data_class]:
            self._drop_submission("no_destination")
        elif size > min(limits.max_bytes, settings.max_bytes, settings.memory_bytes * 4):
            self._drop_submission("too_large")
        elif writer.queued_bytes > settings.queue_bytes:
            self._drop_submission("disk_slow")
            self._outbox_problems.disk_slow()
        else:
            writer.submit(event, size)

    def _is_known_position(self, position: str) -> bool:
        try:
            Position.parse(position)
        except ValueError:
            return False
        self._positions.add(position)
        return True

    def _without_large_images(self, event: PendingEvent) -> PendingEvent:
        settings = self._settings.outbox
        kept = []
        room = min(settings.max_blobs_bytes, settings.memory_bytes * 2)
        for blob in event.blobs:
            size = len(blob.content)
            if size > settings.max_blob_bytes or size > room:
                self.images_dropped += 1
                log.error("image_too_large", position=event.position, role=blob.role, size=size)
                self._outbox_problems.image_too_large(blob.role, event.position)
            else:
                room -= size
                kept.append(blob)
        return event if len(kept) == len(event.blobs) else replace(event, blobs=tuple(kept))

    def _drop_submission(self, reason: str) -> None:
        self.dropped += 1
        log.error("event_refused", reason=reason)
        self._schedule_change()

    def publish_retained(
        self, topic: str, payload: bytes | None, media_type: str = "application/json"
    ) -> None:
        """Publish a retained message at every destination that publishes states; None clears the topic."""
        self._retained.set(topic, payload or None, media_type, self._sign_retained(topic, payload or b""))
        for destination in self._destinations:
            destination.send_ready()

    def publish_answer(
        self,
        topic: str,
        payload: bytes,
        expiry_s: int,
        *,
        correlation: bytes = b"",
        media_type: str = "application/json",
        user: tuple[tuple[str, str], ...] = (),
        retain: bool = False,
    ) -> bool:
        """Publish an answer or a token at the first destination; it is not stored. False: not connected."""
        properties = pack_properties(media_type, expiry_s, user=user)
        if correlation:
            properties += b"\x09" + struct.pack(">H", len(correlation)) + correlation
        if not self._destinations:
            return False
        return self._destinations[0].publish_answer(topic, payload, properties, retain=retain)

    def send_preview(
        self,
        topic: str,
        payload: bytes,
        expiry_s: int,
        *,
        media_type: str,
        user: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Publish a preview image at the first destination if the window has room; it is not stored."""
        if self._destinations:
            properties = pack_properties(media_type, expiry_s, user=user)
            self._destinations[0].send_preview(topic, payload, properties)

    # State of delivery

    def destination_reports(self) -> tuple[DestinationReport, ...]:
        """Return the state of delivery to each destination."""
        return tuple(destination.report for destination in self._destinations)

    def problems(self) -> tuple[GatewayProblem, ...]:
        """Return the active problems, oldest first."""
        return self._problems.active()

    def retained_topics(self) -> frozenset[str]:
        """Return all topics that may hold a retained message of this gateway, earlier runs included."""
        return self._retained.topics

    @property
    def writer_silence_s(self) -> float:
        """Time since the writer's thread last reported progress, in seconds; a long commit counts."""
        return (
            asyncio.get_running_loop().time() - self._writer.thread.heartbeat
            if self._writer is not None
            else 0.0
        )

    def find_stuck_part(self, patience_s: float) -> str | None:
        """Return the name of a component that made no progress for `patience_s` seconds, or None."""
        if self._writer is None:
            return None
        if self.writer_silence_s > patience_s:
            return "outbox writer"
        if self._stations is not None and not self._stations.is_alive(patience_s):
            return "connections of stations"
        return next(
            (f"client of {d.name}" for d in self._destinations if not d.connection.is_alive(patience_s)), None
        )

    async def rotate(self, new: MasterKey) -> None:
        """Wrap every data key with a new master key. On OSError or sqlite3.Error nothing has changed."""
        if self._writer is not None:
            await self._writer.rotate(new)

    # Callbacks of the writer

    def on_committed(self, entries: list[StoredEvent], streams: list[Stream]) -> None:
        """Publish committed events."""
        for stream in streams:
            if stream.number not in self._streams:
                self._add_stream(stream, 0, 0, {})
        by_class: dict[DataClass, list[StoredEvent]] = {}
        known = self._streams
        for entry in entries:
            by_class.setdefault(known[entry.stream].data_class, []).append(entry)
        for data_class, group in by_class.items():
            for destination in self._by_class[data_class]:
                destination.scheduler.on_committed(group)
        for destination in self._destinations:
            destination.send_ready()

    def _add_stream(
        self, stream: Stream, passed: int, head: int, cursors: dict[tuple[str, int], int]
    ) -> None:
        self._streams[stream.number] = stream
        for destination in self._by_class[stream.data_class]:
            cursor = cursors.get((destination.name, stream.number), 0)
            destination.scheduler.add_stream(stream, max(passed, cursor), head)

    def on_lost(self, losses: list[LostEvent]) -> None:
        """Count events that will not be delivered."""
        for loss in losses:
            stream = self._streams.get(loss.stream)
            if stream is None:
                continue
            if loss.kind == "images_dropped":
                self.images_dropped += 1
            else:
                for destination in self._by_class[stream.data_class]:
                    destination.scheduler.on_lost(loss.stream, loss.seq, expired=loss.kind == "expired")
            if loss.kind == "damaged":
                log.error("event_damaged", stream=stream.name, seq=loss.seq)
                self._outbox_problems.event_damaged(stream, loss.seq)
            elif loss.kind == "dropped":
                self.dropped += 1
                self._outbox_problems.record_drop(stream, loss.seq)
        if any(loss.kind in ("dropped", "images_dropped") for loss in losses):
            self._outbox_problems.outbox_full(self.dropped, self.images_dropped)

    def on_opened(
        self, snapshot: OutboxSnapshot, set_aside: SetAsideOutbox | None, new_epoch_reason: str | None
    ) -> None:
        """Continue from the state of the outbox."""
        self.epoch = snapshot.epoch
        for stream, passed, head in snapshot.streams:
            self._add_stream(stream, passed, head, dict(snapshot.cursors))
        self._retained.add_known(snapshot.retained)
        if set_aside is not None:
            self._outbox_problems.set_aside(set_aside)
        if new_epoch_reason == "commits_lost":
            self._outbox_problems.commits_lost()
        for destination in self._destinations:
            destination.resend(one for one in snapshot.resends if one.destination == destination.name)
        self._schedule_change()

    def on_disk_trouble(self, trouble: DiskTrouble | None, epoch: str) -> None:
        """Report trouble with the disk, or its end (None)."""
        self.epoch = epoch
        self._outbox_problems.disk_trouble(trouble)
        if trouble is None:
            for destination in self._destinations:
                destination.scheduler.drop_old_streams(epoch)
        self._schedule_change()

    def _note_retained(self, topic: str, *, is_held: bool) -> None:
        if self._writer is not None:
            self._writer.note_topic(topic, held=is_held)

    def _schedule_change(self) -> None:
        """Notify the daemon once for all changes of one iteration of the loop."""
        if self._on_change is None or self._change_scheduled:
            return
        self._change_scheduled = True
        asyncio.get_running_loop().call_soon(self._notify_change)

    def _notify_change(self) -> None:
        self._change_scheduled = False
        try:
            if self._on_change is not None:
                self._on_change()
        except Exception:
            log.exception("change_callback_failed")
