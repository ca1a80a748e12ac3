"""The writer: one thread that owns the disk, so that the event loop never waits for it.

It takes what is queued, commits it as one group, and hands the group back to the loop, which publishes it
from memory. Acknowledgements travel with the next commit, or after a quarter of a second without one.

While the disk is in trouble, events are numbered in memory in an epoch of their own, kept there within a
bound, and handed on marked as not durable. No number of theirs was ever promised to the disk, so no crash
can make it give one twice. When the disk takes writes again, that epoch and what still waits are stored, and
the post goes on in it.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from drivers.observation import DataClass
from gateway.clock import TimeSource, moment
from gateway.contract.envelope import Moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.database import Lock, SetAside, Trouble, trouble_of
from gateway.delivery.ledger import Ledger, new_epoch, unspelled
from gateway.delivery.opening import open_outbox
from gateway.delivery.outbox import Loss, Outbox, Page
from gateway.delivery.settings import OutboxSettings
from gateway.delivery.submission import Entry, Stream, Submission
from gateway.delivery.vault import MasterKey

log = structlog.get_logger()
ResultT = TypeVar("ResultT")

IDLE_S = 0.25
"""Longest time that an acknowledgement waits for a commit to travel with."""
QUIET_S = 1.0
"""Longest sleep when there is nothing to write; expiry, recovery and the watchdog's beat need no more."""
TRAVEL_S = 0.2
"""Acknowledgements younger than this do not weigh a commit down: about five pages instead of two."""
DAY_NS = 86_400_000_000_000
MEMORY_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """What an outbox holds when it is opened, or when it becomes usable again."""

    epoch: str
    streams: tuple[tuple[Stream, int, int], ...]
    """Stream, number that every destination is past, highest number."""
    cursors: Mapping[tuple[str, int], int]
    retained: frozenset[str]


class Audience:
    """What the writer tells, always on the event loop."""

    def committed(self, entries: list[Entry], streams: list[Stream]) -> None:
        """Events may be published; `streams` are new with them."""

    def lost(self, losses: list[Loss]) -> None:
        """Events will not be delivered."""

    def opened(self, known: Known, aside: SetAside | None, because: str | None) -> None:
        """The outbox is usable."""

    def in_trouble(self, trouble: Trouble | None, epoch: str) -> None:
        """The disk does not take what we write, or takes it again."""


@dataclass(slots=True)
class _Fetch:
    stream: int
    after: int
    limit: int
    max_bytes: int
    reply: Callable[[Page | None], None]


@dataclass(slots=True)
class _Call:
    action: Callable[[Outbox], Any]
    future: Future[Any] = field(default_factory=Future)


class _Wake:
    """Acknowledgements have come: look again in a quarter of a second, not in a whole one."""


_WAKE = _Wake()


class Writer:
    """The thread and its queue. Every method but `run` belongs to the event loop and returns at once."""

    def __init__(
        self,
        settings: OutboxSettings,
        topics: SiteTopics,
        takers: Mapping[DataClass, tuple[str, ...]],
        keys: tuple[MasterKey, MasterKey | None],
        time_source: TimeSource,
        audience: Audience,
    ) -> None:
        self.beat = time.monotonic()
        self.unwritten_size = 0
        self._settings = settings
        self._topics = topics
        self._takers = takers
        self._keys = keys
        self._time = time_source
        self._audience = audience
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Submission | _Fetch | _Call | _Wake | None] = queue.SimpleQueue()
        self._progress: dict[tuple[str, int], int] = {}
        self._progress_lock = threading.Lock()
        self._progress_since = 0.0
        # Each counted by one thread only, so that no lock is needed.
        self._given = self._taken = 0
        self._lifetimes = {
            c: int((settings.record if c is DataClass.RECORD else settings.traveller).expires_s * 1e9)
            for c in DataClass
        }
        # From here on: of the thread.
        self._lock: Lock | None = None
        self._outbox: Outbox | None = None
        self._ledger = Ledger(topics, new_epoch())
        self._trouble: Trouble | None = None
        self._unwritten: deque[tuple[Entry, Stream]] = deque()
        self._passed: dict[tuple[str, int], int] = {}
        self._retry_at = 0.0
        self._sweep_at = 0.0
        self._key_made_ns = 0
        # Asking the kernel costs as much as numbering an event; a second's delay costs nothing.
        self._standing = time_source.standing()
        self._topic_changes: dict[str, bool] = {}
        self._stopping = False
        self._started = _Call(lambda _: None)
        self._thread = threading.Thread(target=self._run, name="outbox-writer", daemon=True)

    # Of the event loop

    async def start(self) -> None:
        """Open the outbox; raises OutboxRefused. Trouble with the disk does not raise."""
        self._thread.start()
        self._queue.put(self._started)
        try:
            await asyncio.wrap_future(self._started.future)
        except BaseException:
            self._queue.put(None)
            raise

    async def stop(self) -> None:
        """Commit what is queued, close the file, end the thread."""
        self._queue.put(None)
        while self._thread.is_alive():  # noqa: ASYNC110 - a thread announces its end to nobody
            await asyncio.sleep(0.005)

    def submit(self, submission: Submission) -> None:
        """Queue an event."""
        self._given += submission.size
        self._queue.put(submission)

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        """Read from a stream's backlog; replies on the loop, with None when the disk would not read."""
        self._queue.put(_Fetch(stream, after, limit, max_bytes, reply))

    def advance(self, destination: str, stream: int, upto: int) -> None:
        """A destination has everything of a stream up to here."""
        with self._progress_lock:
            if not self._progress:
                self._progress_since = time.monotonic()
                self._queue.put(_WAKE)
            self._progress[destination, stream] = upto

    def call(self, action: Callable[[Outbox], ResultT]) -> "asyncio.Future[ResultT]":
        """Run something on the outbox in the writer's thread."""
        call = _Call(action)
        self._queue.put(call)
        return asyncio.wrap_future(call.future)

    def park(self, destination: str, stream: Stream, entry: Entry, reason: int) -> None:
        """Keep a copy of an event that a destination cannot take."""
        self._queue.put(_Call(lambda outbox: outbox.park(destination, stream, entry, reason)))

    async def rotate(self, new: MasterKey) -> None:
        """Wrap every data key with a new master key, and use that from now on."""

        def rewrap(outbox: Outbox) -> None:
            outbox.rotate(self._keys[0], new)
            self._keys = new, None

        await self.call(rewrap)

    @property
    def queued_bytes(self) -> int:
        """Bytes of events that wait for the disk."""
        return self._given - self._taken

    def note_topic(self, topic: str, *, held: bool) -> None:
        """Note that a retained message of ours stands at a topic, or no longer does."""
        if not self._topic_changes:
            self._queue.put(_WAKE)
        self._topic_changes[topic] = held  # a dict's single operations are atomic; the thread pops items

    # Of the thread

    def _run(self) -> None:
        try:
            self._open(first=True)
        except Exception as error:  # noqa: BLE001 - start() raises it
            self._refuse(error)
            return
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                # Whatever it is, the next event deserves a try; what was in hand is counted by its gap.
                log.exception("writer_failed")
                time.sleep(0.05)
        self._close()

    def _refuse(self, error: Exception) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Call) and item.future.set_running_or_notify_cancel():
                item.future.set_exception(error)
        self._close()

    def _turn(self) -> None:
        """One group: wait, take what is there, commit, hand on."""
        self.beat = time.monotonic()
        try:
            item = self._queue.get(timeout=IDLE_S if self._progress or self._topic_changes else QUIET_S)
        except queue.Empty:
            self._idle()
            return
        group: list[Submission] = []
        others: list[_Fetch | _Call] = []
        limit = self._settings.group_events
        while True:
            if isinstance(item, Submission):
                group.append(item)
            elif item is None:
                self._stopping = True
            elif not isinstance(item, _Wake):
                others.append(item)
            if len(group) >= limit or len(others) >= limit or self._queue.empty():
                break
            item = self._queue.get()
        if group:
            self._taken += sum(submission.size for submission in group)
            self._commit(group)
        for other in others:
            if isinstance(other, _Fetch):
                self._serve(other)
            else:
                self._answer(other)
        now = time.monotonic()
        if now >= self._sweep_at or self._retry_due(now):
            self._idle()

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _take_progress(self, older_s: float) -> dict[tuple[str, int], int]:
        if not self._progress or time.monotonic() - self._progress_since < older_s:
            return {}
        with self._progress_lock:
            progress, self._progress = self._progress, {}
        self._passed.update(progress)
        return progress

    def _commit(self, group: list[Submission]) -> None:
        time_source = self._time
        now = Moment(time_source.unix_ns(), time_source.boot_id, time_source.boot_ns(), self._standing)
        outbox = self._outbox
        if outbox is None or self._trouble:
            self._keep_in_memory(self._number(group, now))
            return
        entries = self._number(group, now)
        counters = [counter for counter in self._ledger.counters if not counter.stored]
        progress = self._take_progress(TRAVEL_S)
        try:
            losses = outbox.store(entries, counters, progress, self._ledger.epoch)
        except (sqlite3.Error, OSError) as error:
            self._enter_trouble(error, progress)
            # The numbers they had are given up with the epoch; the ids stay, so should the failed commit
            # come back to life in a recovery, consumers recognise the events.
            self._keep_in_memory(self._number(group, now, [entry.event_id for entry in entries]))
            return
        for counter in counters:
            counter.stored = True
        self._post(self._audience.committed, entries, [counter.stream for counter in counters])
        if losses:
            self._post(self._audience.lost, losses)
        outbox.note_newest()

    def _number(self, group: list[Submission], now: Moment, ids: list[str] | None = None) -> list[Entry]:
        number, lifetimes = self._ledger.number, self._lifetimes
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

    # The disk is in trouble

    def _enter_trouble(self, error: sqlite3.Error | OSError, progress: Mapping[tuple[str, int], int]) -> None:
        trouble = trouble_of(error, self._settings.directory)
        with self._progress_lock:
            self._progress = {**progress, **self._progress}
        self._retry_at = time.monotonic() + self._settings.retry_s
        if trouble == "outbox_corrupt" and self._outbox is not None:
            self._let_go()
        if self._trouble is None:
            self._ledger.begin_epoch()
        if trouble != self._trouble:
            self._trouble = trouble
            log.error("outbox_in_trouble", trouble=trouble, error=type(error).__name__)
            self._post(self._audience.in_trouble, trouble, self._ledger.epoch)

    def _keep_in_memory(self, numbered: list[Entry]) -> None:
        """Hand events on that the disk would not take, and keep them within a bound until it does."""
        streams = {counter.stream.number: counter for counter in self._ledger.counters}
        entries = [replace(entry, durable=False) for entry in numbered]
        for entry in entries:
            self._unwritten.append((entry, streams[entry.stream].stream))
            self.unwritten_size += entry.size
        new = [counter.stream for counter in streams.values() if not counter.stored]
        self._post(self._audience.committed, entries, new)
        self._bound_memory()

    def _bound_memory(self) -> None:
        if self.unwritten_size <= self._settings.memory_bytes and len(self._unwritten) <= MEMORY_EVENTS:
            return
        self._forget_delivered()
        dropped: list[Loss] = []
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            if self.unwritten_size <= self._settings.memory_bytes and len(self._unwritten) <= MEMORY_EVENTS:
                break
            kept: deque[tuple[Entry, Stream]] = deque()
            left = len(self._unwritten)
            for entry, stream in self._unwritten:
                full = self.unwritten_size > self._settings.memory_bytes * 0.99 or left > MEMORY_EVENTS * 0.99
                if full and stream.data_class is data_class:
                    self.unwritten_size -= entry.size
                    left -= 1
                    dropped.append(Loss(entry.stream, entry.seq, "dropped"))
                else:
                    kept.append((entry, stream))
            self._unwritten = kept
        if dropped:
            self._post(self._audience.lost, dropped)

    def _forget_delivered(self) -> None:
        self._take_progress_in_trouble()
        now_ns = self._time.boot_ns()
        kept: deque[tuple[Entry, Stream]] = deque()
        expired: list[Loss] = []
        for entry, stream in self._unwritten:
            passed = all(
                self._passed.get((name, entry.stream), 0) >= entry.seq
                for name in self._takers[stream.data_class]
            )
            if passed or entry.deadline_ns <= now_ns:
                self.unwritten_size -= entry.size
                if not passed:
                    expired.append(Loss(entry.stream, entry.seq, "expired"))
            else:
                kept.append((entry, stream))
        self._unwritten = kept
        if expired:
            self._post(self._audience.lost, expired)

    def _take_progress_in_trouble(self) -> None:
        """Look at acknowledgements without taking them: they still have to be written."""
        with self._progress_lock:
            self._passed.update(self._progress)

    def _retry_due(self, now: float) -> bool:
        return self._trouble is not None and now >= self._retry_at

    def _recover(self) -> None:
        """Try to write what waits in memory; trouble ends when the disk takes it."""
        self._retry_at = time.monotonic() + self._settings.retry_s
        try:
            if self._outbox is None:
                self._open(first=False)
            outbox = self._outbox
            if outbox is None:
                return
            # On a full disk, what can be deleted makes room for what must be written.
            progress = self._take_progress(0)
            try:
                outbox.advance(progress)
            except BaseException:
                with self._progress_lock:
                    self._progress = {**progress, **self._progress}
                raise
            self._forget_delivered()
            counters = self._ledger.counters
            losses = outbox.store(
                [entry for entry, _ in self._unwritten], counters, self._take_progress(0), self._ledger.epoch
            )
        except (sqlite3.Error, OSError) as error:
            self._enter_trouble(error, {})
            return
        for counter in counters:
            counter.stored = True
        self._unwritten.clear()
        self.unwritten_size = 0
        self._trouble = None
        log.info("outbox_recovered")
        outbox.note_newest()
        self._post(self._audience.in_trouble, None, self._ledger.epoch)
        if losses:
            self._post(self._audience.lost, losses)

    # Opening and closing

    def _open(self, *, first: bool) -> None:
        settings = self._settings
        try:
            settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._lock or Lock(settings.directory)
            now = moment(self._time)
            opening = open_outbox(settings, self._topics, self._takers, self._keys, now)
        except (sqlite3.Error, OSError) as error:
            if first:
                # Streams we now number in memory must not meet those of the file, once it opens.
                self._ledger = Ledger(self._topics, new_epoch(), after_stream=2**21 + time.time_ns() % 2**21)
            self._enter_trouble(error, {})
            return
        outbox = self._outbox = opening.outbox
        self._key_made_ns = now.boot_ns
        if first:
            self._ledger = Ledger(self._topics, outbox.epoch)
        self._ledger.adopt(outbox.counters(), _number_of(outbox.last_id))
        known = Known(
            epoch=self._ledger.epoch,
            streams=tuple((level.stream, level.passed, level.stored) for level in outbox.levels.values()),
            cursors=dict(outbox.cursors),
            retained=frozenset(outbox.retained()),
        )
        self._post(self._audience.opened, known, opening.aside, opening.new_epoch_because)

    def _let_go(self) -> None:
        """Close a file that must be opened anew, which sets it aside if it is damaged."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            with contextlib.suppress(sqlite3.Error):
                outbox.close()

    def _close(self) -> None:
        outbox = self._outbox
        if outbox is not None and not self._trouble:
            try:
                self._write_topics(outbox)
                outbox.advance(self._take_progress(0))
                outbox.shred()
            except (sqlite3.Error, OSError):
                log.warning("outbox_close_failed")
        elif self._trouble:
            self._recover()
            if self._unwritten:
                log.error("events_lost_at_stop", events=len(self._unwritten))
        self._let_go()
        if self._lock is not None:
            self._lock.release()

    # Between groups

    def _idle(self) -> None:
        """Housekeeping: acknowledgements, expiry, recovery, keys. Reads at most once a second."""
        now = time.monotonic()
        if self._trouble:
            if self._retry_due(now):
                self._recover()
            return
        outbox = self._outbox
        if outbox is None:
            return
        progress = self._take_progress(IDLE_S * 0.8)
        try:
            if progress:
                outbox.advance(progress)
            self._write_topics(outbox)
            if now < self._sweep_at:
                return
            self._sweep_at = now + 1.0
            present = moment(self._time)
            self._standing = present.clock
            losses = outbox.sweep(present)
            if losses:
                self._post(self._audience.lost, losses)
                if len(losses) >= 500:
                    self._sweep_at = now
            if present.boot_ns - self._key_made_ns >= DAY_NS or outbox.keys.worn:
                self._key_made_ns = present.boot_ns
                outbox.renew_key(self._keys[0], f"{present.unix_ns // DAY_NS}")
            if self._queue.empty():
                outbox.shred()
                outbox.checkpoint()
        except (sqlite3.Error, OSError) as error:
            self._enter_trouble(error, progress)

    def _write_topics(self, outbox: Outbox) -> None:
        while self._topic_changes:
            changes = dict(self._topic_changes)
            outbox.remember([topic for topic, held in changes.items() if held])
            outbox.forget([topic for topic, held in changes.items() if not held])
            for topic, held in changes.items():
                if self._topic_changes.get(topic) is held:
                    self._topic_changes.pop(topic, None)

    def _serve(self, fetch: _Fetch) -> None:
        page: Page | None = None
        waiting = [e for e, _ in self._unwritten if e.stream == fetch.stream and e.seq > fetch.after]
        if waiting or any(c.stream.number == fetch.stream and not c.stored for c in self._ledger.counters):
            page = self._page_of_memory(fetch, waiting)
        elif self._outbox is not None:
            try:
                page, losses = self._outbox.fetch(fetch.stream, fetch.after, fetch.limit, fetch.max_bytes)
                if losses:
                    self._post(self._audience.lost, losses)
            except (sqlite3.Error, OSError) as error:
                self._enter_trouble(error, {})
        self._post(fetch.reply, page)

    def _page_of_memory(self, fetch: _Fetch, waiting: list[Entry]) -> Page:
        taken = waiting[: fetch.limit]
        if len(taken) < len(waiting):
            return Page(taken, taken[-1].seq)
        last = max((c.last_seq for c in self._ledger.counters if c.stream.number == fetch.stream), default=0)
        return Page(taken, max(last, fetch.after))

    def _answer(self, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            if self._outbox is None:
                if call is self._started:
                    call.future.set_result(None)
                    return
                raise OSError("the outbox is not open")
            call.future.set_result(call.action(self._outbox))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            log.warning("outbox_call_failed", error=type(error).__name__)
            call.future.set_exception(error)


def _number_of(event_id: str) -> int:
    return unspelled(event_id) if event_id else 0
