"""Thread side of the writer: commits queued events in groups and passes them on.

The loop publishes a group from memory once it is committed. Acknowledgements are written with the next
commit, or after 0.25 s without one.

While the disk is in trouble, events are numbered in memory in a new epoch, kept in a bounded buffer, and
passed on as not durable. The disk never had their numbers, so a crash cannot make it assign one twice. When
the disk accepts writes again, that epoch and all buffered events are stored, and the epoch continues.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from drivers.observation import DataClass
from gateway.audit.hash_chain import Sign
from gateway.common.clock import TimeSource, current_moment
from gateway.contract.envelope import Moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import LostEvent, PendingEvent, StoredEvent
from gateway.delivery.outbox.database import DiskTrouble, OutboxLock, classify_error
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.outbox import AckLog, Outbox, Progress, RetainedTopicLog
from gateway.delivery.outbox.reader import Page
from gateway.delivery.outbox.recovery import open_outbox
from gateway.delivery.outbox.sequence import SequenceAllocator, format_uuid7, new_epoch, parse_uuid7
from gateway.delivery.settings import OutboxSettings
from gateway.delivery.writer.memory_buffer import MemoryBuffer
from gateway.delivery.writer.messages import (
    AppendEvent,
    FetchPage,
    OutboxCall,
    OutboxListener,
    OutboxSnapshot,
    Wake,
    WriterRequest,
)

log = structlog.get_logger()

MAX_ACK_DELAY_S = 0.25
"""Longest time that an acknowledgement waits for a commit."""
MAX_IDLE_WAIT_S = 1.0
"""Longest wait for a request; enough for expiry, recovery and the watchdog's heartbeat."""
MIN_ACK_AGE_S = 0.2
"""Age from which acknowledgements join a commit; each commit then writes about 2 pages instead of 5."""
DAY_NS = 86_400_000_000_000


class WriterThread(threading.Thread):
    """Owns outbox and numbering. Runs in its own thread; the loop uses only the public attributes."""

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
        super().__init__(name="outbox-writer", daemon=True)
        self.heartbeat = time.monotonic()
        """Last time at which the thread made progress, in seconds of the monotonic clock."""
        self.dequeued_bytes = 0
        """Bytes of events taken from the queue so far."""
        self.queue: queue.SimpleQueue[WriterRequest] = queue.SimpleQueue()
        self.acks = AckLog()
        self.noted_topics = RetainedTopicLog()
        self.memory_buffer = MemoryBuffer(settings.memory_bytes, destinations_by_class, self.acks)
        self._settings = settings
        self._topics = topics
        self._destinations_by_class = destinations_by_class
        self._keys = keys
        self._time = time_source
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._lifetimes = {
            c: int((settings.record if c is DataClass.RECORD else settings.traveller).expires_s * 1e9)
            for c in DataClass
        }
        self._lock: OutboxLock | None = None
        self._outbox: Outbox | None = None
        self._sign = sign
        self._sequence = SequenceAllocator(topics, new_epoch(), sign=sign)
        self._disk_trouble: DiskTrouble | None = None
        self._retry_at = 0.0
        self._sweep_at = 0.0
        self._key_made_ns = 0
        # Reading the clock's status costs as much as numbering an event; it may be one second old.
        self._clock_status = time_source.clock_status()
        self._stopping = False

    def run(self) -> None:
        """Process requests until the end is requested; an unexpected error does not end the thread."""
        try:
            self._open(first=True)
        except Exception as error:  # noqa: BLE001 - start() raises it
            self._fail_requests(error)
            return
        while not self._stopping:
            try:
                self._process_group()
            except Exception:
                # The next group is independent of this failure. Lost events show as a gap in their stream.
                log.exception("writer_failed")
                time.sleep(0.05)
        self._close()

    def _fail_requests(self, error: Exception) -> None:
        while (item := self.queue.get()) is not None:
            if isinstance(item, OutboxCall) and item.future.set_running_or_notify_cancel():
                item.future.set_exception(error)
        self._close()

    def _process_group(self) -> None:
        """Wait for requests, commit their events as one group, and serve the rest."""
        self.heartbeat = time.monotonic()
        try:
            item = self.queue.get(
                timeout=MAX_ACK_DELAY_S if self.acks or self.noted_topics else MAX_IDLE_WAIT_S
            )
        except queue.Empty:
            self._housekeeping()
            return
        group: list[PendingEvent] = []
        others: list[FetchPage | OutboxCall] = []
        limit = self._settings.group_events
        while True:
            if isinstance(item, AppendEvent):
                group.append(item.event)
                self.dequeued_bytes += item.size
            elif item is None:
                self._stopping = True
            elif not isinstance(item, Wake):
                others.append(item)
            if len(group) >= limit or len(others) >= limit or self.queue.empty():
                break
            item = self.queue.get()
        if group:
            self._commit(group)
        for other in others:
            if isinstance(other, FetchPage):
                self._serve_fetch(other)
            else:
                self._serve_call(other)
        now = time.monotonic()
        if now >= self._sweep_at or self._retry_due(now):
            self._housekeeping()

    def _call_in_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: no listener is left.
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _report_lost(self, losses: list[LostEvent]) -> None:
        if losses:
            self._call_in_loop(self._listener.on_lost, losses)

    def _commit(self, group: list[PendingEvent]) -> None:
        time_source = self._time
        now = Moment(time_source.unix_ns(), time_source.boot_id, time_source.boot_ns(), self._clock_status)
        outbox = self._outbox
        if outbox is None or self._disk_trouble:
            self._buffer(self._to_stored_events(group, now))
            return
        entries = self._to_stored_events(group, now)
        counters = [counter for counter in self._sequence.counters if not counter.is_stored]
        progress = self.acks.take(MIN_ACK_AGE_S)
        try:
            losses = outbox.store(entries, counters, progress, self._sequence.epoch)
        except (sqlite3.Error, OSError) as error:
            self._on_write_failed(error, progress)
            # Their numbers are given up with the epoch. The ids stay: should a recovery bring the failed
            # commit back, consumers recognise the events.
            self._buffer(self._to_stored_events(group, now, [entry.event_id for entry in entries]))
            return
        for counter in counters:
            counter.is_stored = True
        self._call_in_loop(self._listener.on_committed, entries, [counter.stream for counter in counters])
        self._report_lost(losses)
        outbox.write_newest_id()

    def _to_stored_events(
        self, group: list[PendingEvent], now: Moment, ids: list[str] | None = None
    ) -> list[StoredEvent]:
        number, lifetimes = self._sequence.to_stored_event, self._lifetimes
        return [
            number(
                submission,
                now,
                lifetimes[submission.data_class]
                if submission.expires_s is None
                else int(submission.expires_s * 1e9),
                ids[index] if ids else None,
            )
            for index, submission in enumerate(group)
        ]

    # Disk trouble

    def _on_write_failed(self, error: sqlite3.Error | OSError, progress: Progress) -> None:
        trouble = classify_error(error, self._settings.directory)
        self.acks.put_back(progress)
        self._retry_at = time.monotonic() + self._settings.retry_s
        if trouble == "outbox_corrupt" and self._outbox is not None:
            self._close_for_reopen()
        if self._disk_trouble is None:
            self._sequence.start_epoch()
        if trouble != self._disk_trouble:
            self._disk_trouble = trouble
            log.error("outbox_write_failing", trouble=trouble, error=type(error).__name__)
            self._call_in_loop(self._listener.on_disk_trouble, trouble, self._sequence.epoch)

    def _buffer(self, numbered: list[StoredEvent]) -> None:
        """Pass on events that the disk cannot take, and keep them in the bounded buffer."""
        streams = {counter.stream.number: counter for counter in self._sequence.counters}
        entries = [replace(entry, is_durable=False) for entry in numbered]
        for entry in entries:
            self.memory_buffer.add(entry, streams[entry.stream].stream)
        new = [counter.stream for counter in streams.values() if not counter.is_stored]
        self._call_in_loop(self._listener.on_committed, entries, new)
        self._report_lost(self.memory_buffer.evict(self._time.boot_ns()))

    def _retry_due(self, now: float) -> bool:
        return self._disk_trouble is not None and now >= self._retry_at

    def _recover(self) -> None:
        """Try to store the buffered events; success ends the disk trouble."""
        self._retry_at = time.monotonic() + self._settings.retry_s
        try:
            if self._outbox is None:
                self._open(first=False)
            outbox = self._outbox
            if outbox is None:
                return
            # On a full disk, deleting acknowledged events makes room for new ones.
            progress = self.acks.take()
            try:
                outbox.advance(progress)
            except BaseException:
                self.acks.put_back(progress)
                raise
            self._report_lost(self.memory_buffer.remove_delivered(self._time.boot_ns()))
            counters, entries = self._sequence.counters, [entry for entry, _ in self.memory_buffer]
            # Events that were delivered from memory have ids, too.
            last_id = format_uuid7(self._sequence.ids.last)
            losses = outbox.store(entries, counters, {}, self._sequence.epoch, last_id)
        except (sqlite3.Error, OSError) as error:
            self._on_write_failed(error, {})
            return
        for counter in counters:
            counter.is_stored = True
        self.memory_buffer.clear()
        self._disk_trouble = None
        log.info("outbox_recovered")
        outbox.write_newest_id()
        self._call_in_loop(self._listener.on_disk_trouble, None, self._sequence.epoch)
        self._report_lost(losses)

    # Opening and closing

    def _open(self, *, first: bool) -> None:
        settings = self._settings
        try:
            settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._lock or OutboxLock(settings.directory)
            now = current_moment(self._time)
            opening = open_outbox(settings, self._topics, self._destinations_by_class, self._keys, now)
        except (sqlite3.Error, OSError) as error:
            if first:
                # Numbers of streams that begin in memory must not clash with those in the file.
                after = 2**21 + time.time_ns() % 2**21
                self._sequence = SequenceAllocator(
                    self._topics, new_epoch(), after_stream=after, sign=self._sign
                )
            self._on_write_failed(error, {})
            return
        outbox = self._outbox = opening.outbox
        self._key_made_ns = now.boot_ns
        if first:
            self._sequence = SequenceAllocator(self._topics, outbox.epoch, sign=self._sign)
        self._sequence.load_streams(outbox.counters(), _id_to_int(outbox.rows.last_id))
        known = OutboxSnapshot(
            epoch=self._sequence.epoch,
            streams=tuple(
                (level.stream, level.acked_by_all, level.stored_events) for level in outbox.positions.values()
            ),
            cursors=dict(outbox.cursors),
            retained=frozenset(outbox.retained()),
            resends=tuple(outbox.parked.to_resend()),
        )
        self._call_in_loop(self._listener.on_opened, known, opening.set_aside, opening.new_epoch_reason)

    def _close_for_reopen(self) -> None:
        """Close the file. Opening it anew sets it aside if it is damaged."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            with contextlib.suppress(sqlite3.Error):
                outbox.close()

    def _close(self) -> None:
        outbox = self._outbox
        if outbox is not None and not self._disk_trouble:
            try:
                self.noted_topics.write(outbox)
                outbox.advance(self.acks.take())
                outbox.delete_unused_keys()
            except (sqlite3.Error, OSError):
                log.warning("outbox_close_failed")
        elif self._disk_trouble:
            self._recover()
            if self.memory_buffer:
                log.error("events_lost_at_stop", events=len(self.memory_buffer))
        self._close_for_reopen()
        if self._lock is not None:
            self._lock.release()

    # Between groups

    def _housekeeping(self) -> None:
        """Write acknowledgements, delete expired events, recover, rotate keys; at most once a second."""
        now = time.monotonic()
        if self._disk_trouble:
            if self._retry_due(now):
                self._recover()
            return
        outbox = self._outbox
        if outbox is None:
            return
        progress = self.acks.take(MAX_ACK_DELAY_S * 0.8)
        try:
            if progress:
                outbox.advance(progress)
            self.noted_topics.write(outbox)
            if now < self._sweep_at:
                return
            self._sweep_at = now + 1.0
            present = current_moment(self._time)
            self._clock_status = present.clock
            losses = outbox.delete_expired(present)
            self._report_lost(losses)
            if len(losses) >= 500:
                self._sweep_at = now
            if present.boot_ns - self._key_made_ns >= DAY_NS or outbox.keys.is_exhausted:
                self._key_made_ns = present.boot_ns
                outbox.rotate_data_key(self._keys[0], f"{present.unix_ns // DAY_NS}")
            if self.queue.empty():
                outbox.delete_unused_keys()
                outbox.checkpoint()
        except (sqlite3.Error, OSError) as error:
            self._on_write_failed(error, progress)

    def _serve_fetch(self, fetch: FetchPage) -> None:
        page: Page | None = None
        buffered = self.memory_buffer.events_after(fetch.stream, fetch.after)
        counter = next((c for c in self._sequence.counters if c.stream.number == fetch.stream), None)
        if buffered or (counter is not None and not counter.is_stored):
            taken = buffered[: fetch.limit]
            is_complete = len(taken) == len(buffered)
            last_seq = counter.last_seq if counter is not None else 0
            page = Page(taken, max(last_seq, fetch.after) if is_complete else taken[-1].seq)
        elif self._outbox is not None:
            try:
                page, losses = self._outbox.reader.fetch(
                    fetch.stream, fetch.after, fetch.limit, fetch.max_bytes
                )
                self._report_lost(losses)
            except (sqlite3.Error, OSError) as error:
                self._on_write_failed(error, {})
        self._call_in_loop(fetch.reply, page)

    def rotate_master_key(self, outbox: Outbox, new: MasterKey) -> None:
        """Wrap every data key with a new master key, and use that from now on; called by an OutboxCall."""
        outbox.rewrap_keys(self._keys[0], new)
        self._keys = new, None

    def _serve_call(self, call: OutboxCall) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            if self._outbox is None:
                if not call.needs_outbox:
                    call.future.set_result(None)
                    return
                raise OSError("the outbox is not open")
            call.future.set_result(call.action(self._outbox))
        except Exception as error:  # noqa: BLE001 - passed on to the caller
            log.warning("outbox_call_failed", error=type(error).__name__)
            call.future.set_exception(error)


def _id_to_int(event_id: str) -> int:
    return parse_uuid7(event_id) if event_id else 0
