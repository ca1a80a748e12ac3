"""Delivery as the daemon holds it: events in, reports out.

Everything here belongs to the event loop. `submit` and `retain` return at once and raise nothing, whatever
the disk and the brokers do; what is wrong is in `problems`, what it cost in the counters.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable
from dataclasses import replace

import paho.mqtt.client as mqtt
import structlog

from drivers.observation import DataClass
from gateway.audit.hash_chain import Sign
from gateway.common.clock import SystemTime, TimeSource
from gateway.common.problems import Problems
from gateway.contract.states import DestinationReport, GatewayState, Problem
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.destination.destination import Destination
from gateway.delivery.destination.retained import Retained
from gateway.delivery.events import Entry, Loss, Stream, Submission
from gateway.delivery.mqtt.connection import Will
from gateway.delivery.mqtt.properties import packed
from gateway.delivery.outbox.database import SetAside, Trouble
from gateway.delivery.outbox.encryption import MasterKey, master_key
from gateway.delivery.outbox.problems import OutboxProblems
from gateway.delivery.settings import DeliverySettings
from gateway.delivery.writer.messages import Audience, Known
from gateway.delivery.writer.writer import Writer

log = structlog.get_logger()


class Delivery(Audience):
    """Outbox and destinations of one gateway."""

    def __init__(
        self,
        settings: DeliverySettings,
        topics: SiteTopics,
        session: str,
        *,
        time_source: TimeSource | None = None,
        on_change: Callable[[], None] | None = None,
        subscriptions: tuple[str, ...] = (),
        on_message: Callable[[mqtt.MQTTMessage, int], None] | None = None,
        on_unheard: Callable[[str], None] | None = None,
        sign: Sign | None = None,
    ) -> None:
        """`on_unheard` is told of topics at which a glimpse found nobody. `sign` signs every event, once.

        `subscriptions` and `on_message` are for commands: the first destination's broker has them.

        With a message comes a moment of CLOCK_BOOTTIME, in nanoseconds, before which it had not been sent.
        """
        self.epoch = ""
        self.dropped = 0
        """Events given up because outbox or memory was full, or that could not be taken at all."""
        self.images_dropped = 0
        """Images refused for their size, or given up because the outbox was full."""
        self._settings = settings
        self._topics = topics
        self._time = time_source or SystemTime()
        self._sign = sign
        self._on_change = on_change
        self._change_due = False
        self._problems = Problems(self._changed)
        self._outbox_problems = OutboxProblems(self._problems, settings.outbox.directory)
        self._farewell = GatewayState(online=False, session=session, report=None).model_dump_json().encode()
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_unheard = on_unheard
        self._takers = {
            data_class: tuple(d.name for d in settings.destinations if data_class in d.classes)
            for data_class in DataClass
        }
        self._retained = Retained(
            tuple(d.name for d in settings.destinations if d.states),
            lambda topic, held: self._note(topic, held=held),
        )
        self._destinations: list[Destination] = []
        self._by_class: dict[DataClass, list[Destination]] = {}
        self._streams: dict[int, Stream] = {}
        self._positions: set[str] = set()
        self._writer: Writer | None = None
        self._accepting = False

    def tell_arrivals(self, told: Callable[[int], None] | None) -> None:
        """Have it told of each event that the post's broker has now; see `Destination.on_arrival`."""
        for destination in self._destinations[:1]:
            destination.on_arrival = told

    # Life

    async def start(self) -> None:
        """Open the outbox and connect. Raises VaultError (no key) and OutboxRefused (not ours to use).

        Trouble with the disk or a broker does not raise: it is reported and mended meanwhile.
        """
        outbox = self._settings.outbox
        outbox.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = self._master_keys()
        writer = Writer(outbox, self._topics, self._takers, keys, self._time, self, self._sign)
        will = Will(self._topics.gateway_state, self._farewell, self._settings.will_delay_s)
        self._destinations = [
            Destination(
                destination,
                self._topics,
                will,
                writer,
                self._retained,
                self._problems,
                self._time,
                self._changed,
                subscriptions=self._subscriptions if first else (),
                on_message=self._on_message if first else None,
                on_unheard=self._on_unheard if first else None,
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
        self._accepting = True
        for destination in self._destinations:
            destination.start()

    def _master_keys(self) -> tuple[MasterKey, MasterKey | None]:
        settings = self._settings.outbox
        key = master_key(settings.key, settings.directory)
        if key.beside_disk:
            self._outbox_problems.key_beside_disk()
        previous = master_key(settings.previous_key, settings.directory) if settings.previous_key else None
        return key, previous

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Commit what was submitted, say goodbye, deliver what a moment delivers, disconnect, close."""
        self._accepting = False
        writer = self._writer
        if writer is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                with contextlib.suppress(OSError):  # no outbox open: then nothing is being committed
                    await writer.call(lambda _: None)
                self._retained.set(self._topics.gateway_state, self._farewell, "application/json")
                for destination in self._destinations:
                    destination.pump()
                while not all(destination.settled for destination in self._destinations):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        except TimeoutError:
            log.info("stopped_before_settled", waiting=[d.report.waiting for d in self._destinations])
        for destination in self._destinations:
            await destination.stop()
        await writer.stop()
        self._writer = None
        self._outbox_problems.stop()

    # What comes in

    def submit(self, submission: Submission) -> None:
        """Take an event. It is published once it is on disk, or at once while the disk is in trouble."""
        writer = self._writer
        if writer is None or not self._accepting:
            self._refuse("not_running")
            return
        if submission.position not in self._positions and not self._knows(submission.position):
            self._refuse("no_position")
            return
        if submission.blobs:
            submission = self._without_large_images(submission)
        if submission.data_class not in (DataClass.TRAVELLER, DataClass.RECORD):
            # What has no class of its own is kept like what is about a person: briefly, and here.
            submission = replace(submission, data_class=DataClass.TRAVELLER)
        settings = self._settings.outbox
        limits = settings.record if submission.data_class is DataClass.RECORD else settings.traveller
        if not self._takers[submission.data_class]:
            self._refuse("no_destination")
        elif submission.size > min(limits.max_bytes, settings.max_bytes, settings.memory_bytes * 4):
            self._refuse("too_large")
        elif writer.queued_bytes > settings.queue_bytes:
            self._refuse("disk_slow")
            self._outbox_problems.disk_slow()
        else:
            writer.submit(submission)

    def _knows(self, position: str) -> bool:
        try:
            Position.parse(position)
        except ValueError:
            return False
        self._positions.add(position)
        return True

    def _without_large_images(self, submission: Submission) -> Submission:
        settings = self._settings.outbox
        kept = []
        room = min(settings.max_blobs_bytes, settings.memory_bytes * 2)
        for blob in submission.blobs:
            size = len(blob.content)
            if size > settings.max_blob_bytes or size > room:
                self.images_dropped += 1
                log.error("image_too_large", position=submission.position, role=blob.role, size=size)
                self._outbox_problems.image_too_large(blob.role, submission.position)
            else:
                room -= size
                kept.append(blob)
        return submission if len(kept) == len(submission.blobs) else replace(submission, blobs=tuple(kept))

    def _refuse(self, why: str) -> None:
        self.dropped += 1
        log.error("event_refused", why=why)
        self._changed()

    def retain(self, topic: str, payload: bytes | None, media_type: str = "application/json") -> None:
        """Have this stand at a topic at every destination that takes states; None clears it."""
        self._retained.set(topic, payload or None, media_type)
        for destination in self._destinations:
            destination.pump()

    def respond(
        self,
        topic: str,
        payload: bytes,
        expiry_s: int,
        *,
        correlation: bytes = b"",
        media_type: str = "application/json",
    ) -> None:
        """Answer a command at the first destination: now or never, not kept."""
        properties = packed(media_type, expiry_s)
        if correlation:
            properties += b"\x09" + struct.pack(">H", len(correlation)) + correlation
        if self._destinations:
            self._destinations[0].answer(topic, payload, properties)

    def glimpse(self, topic: str, payload: bytes, expiry_s: int, *, media_type: str) -> None:
        """Show something of this moment at the first destination, at once or never."""
        if self._destinations:
            self._destinations[0].glimpse(topic, payload, packed(media_type, expiry_s))

    # What goes out

    def reports(self) -> tuple[DestinationReport, ...]:
        """How delivery to each destination goes."""
        return tuple(destination.report for destination in self._destinations)

    def problems(self) -> tuple[Problem, ...]:
        """What a person should know of."""
        return self._problems.standing()

    def known_retained(self) -> frozenset[str]:
        """Topics where a retained message of ours may stand, those of earlier runs included."""
        return self._retained.topics

    @property
    def silence_s(self) -> float:
        """How long the writer's thread has not been heard of; a long commit counts."""
        return asyncio.get_running_loop().time() - self._writer.beat if self._writer is not None else 0.0

    def stuck(self, patience_s: float) -> str | None:
        """The part that was not seen at work within so many seconds."""
        if self._writer is None:
            return None
        if self.silence_s > patience_s:
            return "outbox writer"
        return next((f"client of {d.name}" for d in self._destinations if not d.alive(patience_s)), None)

    async def rotate(self, new: MasterKey) -> None:
        """Wrap every data key with a new master key. Raises OSError, sqlite3.Error: then nothing changed."""
        if self._writer is not None:
            await self._writer.rotate(new)

    # What the writer tells

    def committed(self, entries: list[Entry], streams: list[Stream]) -> None:
        """Publish."""
        for stream in streams:
            if stream.number not in self._streams:
                self._learn(stream, 0, 0, {})
        by_class: dict[DataClass, list[Entry]] = {}
        known = self._streams
        for entry in entries:
            by_class.setdefault(known[entry.stream].data_class, []).append(entry)
        for data_class, group in by_class.items():
            for destination in self._by_class[data_class]:
                destination.offer(group)
        for destination in self._destinations:
            destination.pump()

    def _learn(self, stream: Stream, passed: int, head: int, cursors: dict[tuple[str, int], int]) -> None:
        self._streams[stream.number] = stream
        for destination in self._by_class[stream.data_class]:
            cursor = cursors.get((destination.name, stream.number), 0)
            destination.know(stream, max(passed, cursor), head)

    def lost(self, losses: list[Loss]) -> None:
        """Count what will not be delivered."""
        for loss in losses:
            stream = self._streams.get(loss.stream)
            if stream is None:
                continue
            if loss.what == "images_dropped":
                self.images_dropped += 1
            else:
                for destination in self._by_class[stream.data_class]:
                    destination.lose(loss.stream, loss.seq, expired=loss.what == "expired")
            if loss.what == "damaged":
                log.error("event_damaged", stream=stream.name, seq=loss.seq)
                self._outbox_problems.damaged(stream, loss.seq)
            elif loss.what == "dropped":
                self.dropped += 1
                self._outbox_problems.note_drop(stream, loss.seq)
        if any(loss.what in ("dropped", "images_dropped") for loss in losses):
            self._outbox_problems.full(self.dropped, self.images_dropped)

    def opened(self, known: Known, aside: SetAside | None, because: str | None) -> None:
        """Go on where the outbox stands."""
        self.epoch = known.epoch
        for stream, passed, head in known.streams:
            self._learn(stream, passed, head, dict(known.cursors))
        self._retained.know(known.retained)
        if aside is not None:
            self._outbox_problems.set_aside(aside)
        if because == "commits_lost":
            self._outbox_problems.commits_lost()
        for destination in self._destinations:
            destination.pump()
        self._changed()

    def in_trouble(self, trouble: Trouble | None, epoch: str) -> None:
        """The disk does not take what is written, or takes it again."""
        self.epoch = epoch
        self._outbox_problems.trouble(trouble)
        if trouble is None:
            for destination in self._destinations:
                destination.forget_old(epoch)
        self._changed()

    def _note(self, topic: str, *, held: bool) -> None:
        if self._writer is not None:
            self._writer.note_topic(topic, held=held)

    def _changed(self) -> None:
        """Tell the daemon once for all that changes in one turn of the loop."""
        if self._on_change is None or self._change_due:
            return
        self._change_due = True
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._change_due = False
        try:
            if self._on_change is not None:
                self._on_change()
        except Exception:
            log.exception("change_callback_failed")
