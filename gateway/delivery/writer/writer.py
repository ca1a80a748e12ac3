"""Event loop side of the writer, so that the loop never waits for the disk.

Requests are put into the queue of a `WriterThread`, which calls back an `OutboxListener`.
"""

import asyncio
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
from gateway.delivery.writer.messages import WAKE, AppendEvent, FetchPage, OutboxCall, OutboxListener
from gateway.delivery.writer.thread import WriterThread

ResultT = TypeVar("ResultT")


class Writer:
    """Interface to the writer's thread. Every method runs on the event loop and returns at once."""

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
        self.thread = WriterThread(settings, topics, destinations_by_class, keys, time_source, listener, sign)
        self._queue = self.thread.queue
        self._enqueued_bytes = 0

    async def start(self) -> None:
        """Open the outbox; raises OutboxUnusable. Trouble with the disk does not raise."""
        self.thread.start()
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
        while self.thread.is_alive():  # noqa: ASYNC110 - the end of a thread is no event of the loop
            await asyncio.sleep(0.005)

    def submit(self, event: PendingEvent, size: int) -> None:
        """Queue an event of `size` bytes, images included."""
        self._enqueued_bytes += size
        self._queue.put(AppendEvent(event, size))

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        """Read a page of a stream; `reply` is called on the loop, with None if the disk could not be read."""
        self._queue.put(FetchPage(stream, after, limit, max_bytes, reply))

    def advance(self, destination: str, stream: int, upto: int) -> None:
        """Record that a destination has a stream up to `upto`."""
        if self.thread.acks.note(destination, stream, upto):
            self._queue.put(WAKE)

    def call(self, action: Callable[[Outbox], ResultT]) -> "asyncio.Future[ResultT]":
        """Run a function on the outbox in the writer's thread."""
        call = OutboxCall(action)
        self._queue.put(call)
        return asyncio.wrap_future(call.future)

    def park(self, destination: str, stream: Stream, entry: StoredEvent, reason: int) -> None:
        """Store a copy of an event that a destination cannot take."""
        self._queue.put(OutboxCall(lambda outbox: outbox.parked.add(destination, stream, entry, reason)))

    def finish_resend(self, number: int, reason: int | None) -> None:
        """Record that a parked event was delivered (None), or that it was refused again."""
        self._queue.put(OutboxCall(lambda outbox: outbox.parked.finish_resend(number, reason)))

    async def rotate(self, new: MasterKey) -> None:
        """Wrap every data key with a new master key, and use that from now on."""
        await self.call(lambda outbox: self.thread.rotate_master_key(outbox, new))

    @property
    def queued_bytes(self) -> int:
        """Bytes of queued events that are not committed yet."""
        return self._enqueued_bytes - self.thread.dequeued_bytes

    def note_topic(self, topic: str, *, held: bool) -> None:
        """Record that a topic holds a retained message of this gateway, or no longer does."""
        if self.thread.noted_topics.note(topic, held=held):
            self._queue.put(WAKE)
