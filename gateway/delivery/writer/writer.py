"""The writer: one thread that owns the disk, so that the event loop never waits for it.

This is the loop's side of it: what is asked here is queued, and what comes of it is told to an `Audience`.
`group_commit` is the side of the thread.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from drivers.observation import DataClass
from gateway.audit.hash_chain import Sign
from gateway.common.clock import TimeSource
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import PendingEvent, StoredEvent, Stream
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.outbox import Outbox
from gateway.delivery.outbox.reader import Page
from gateway.delivery.settings import OutboxSettings
from gateway.delivery.writer.acks import AckLog, RetainedTopicLog
from gateway.delivery.writer.memory_buffer import MemoryBuffer
from gateway.delivery.writer.messages import WAKE, FetchPage, OutboxCall, OutboxListener
from gateway.delivery.writer.thread import WriterRequest, WriterThread

ResultT = TypeVar("ResultT")


class Writer:
    """The thread and its queue. Every method belongs to the event loop and returns at once."""

    def __init__(
        self,
        settings: OutboxSettings,
        topics: SiteTopics,
        destinations_by_class: Mapping[DataClass, tuple[str, ...]],
        keys: tuple[MasterKey, MasterKey | None],
        time_source: TimeSource,
        listener: OutboxListener,
        sign: Sign | None = None,
    ) -> None:
        self._queue: queue.SimpleQueue[WriterRequest] = queue.SimpleQueue()
        self._enqueued_bytes = 0
        self._acks = AckLog()
        self._noted_topics = RetainedTopicLog()
        self._memory_buffer = MemoryBuffer(settings.memory_bytes, destinations_by_class, self._acks)
        self._worker = WriterThread(
            settings,
            topics,
            destinations_by_class,
            keys,
            time_source,
            listener,
            self._queue,
            self._acks,
            self._noted_topics,
            self._memory_buffer,
            sign,
        )
        self._thread = threading.Thread(target=self._worker.run, name="outbox-writer", daemon=True)

    async def start(self) -> None:
        """Open the outbox; raises OutboxRefused. Trouble with the disk does not raise."""
        self._thread.start()
        started = OutboxCall(lambda _: None, needs_outbox=False)
        self._queue.put(started)
        try:
            await asyncio.wrap_future(started.future)
        except BaseException:
            self._queue.put(None)
            raise

    async def stop(self) -> None:
        """Commit what is queued, close the file, end the thread."""
        self._queue.put(None)
        while self._thread.is_alive():  # noqa: ASYNC110 - a thread announces its end to nobody
            await asyncio.sleep(0.005)

    def submit(self, event: PendingEvent) -> None:
        """Queue an event."""
        self._enqueued_bytes += event.size
        self._queue.put(event)

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        """Read from a stream's backlog; replies on the loop, with None when the disk would not read."""
        self._queue.put(FetchPage(stream, after, limit, max_bytes, reply))

    def advance(self, destination: str, stream: int, upto: int) -> None:
        """A destination has everything of a stream up to here."""
        if self._acks.note(destination, stream, upto):
            self._queue.put(WAKE)

    def call(self, action: Callable[[Outbox], ResultT]) -> "asyncio.Future[ResultT]":
        """Run something on the outbox in the writer's thread."""
        call = OutboxCall(action)
        self._queue.put(call)
        return asyncio.wrap_future(call.future)

    def park(self, destination: str, stream: Stream, entry: StoredEvent, reason: int) -> None:
        """Keep a copy of an event that a destination cannot take."""
        self._queue.put(OutboxCall(lambda outbox: outbox.park(destination, stream, entry, reason)))

    async def rotate(self, new: MasterKey) -> None:
        """Wrap every data key with a new master key, and use that from now on."""
        await self.call(lambda outbox: self._worker.rotate_master_key(outbox, new))

    @property
    def queued_bytes(self) -> int:
        """Bytes of events that wait for the disk."""
        return self._enqueued_bytes - self._worker.dequeued_bytes

    def note_topic(self, topic: str, *, held: bool) -> None:
        """Note that a retained message of ours stands at a topic, or no longer does."""
        if self._noted_topics.note(topic, held=held):
            self._queue.put(WAKE)

    @property
    def buffered_bytes(self) -> int:
        """Bytes of events that are kept in memory while the disk is in trouble."""
        return self._memory_buffer.size

    @property
    def heartbeat(self) -> float:
        """When the thread was last seen at work, in seconds of the monotonic clock."""
        return self._worker.heartbeat
