"""The writer's thread: it takes what is queued, commits it as one group, and hands it on.

The loop publishes a group from memory once it is committed. Acknowledgements travel with the next commit, or
after a quarter of a second without one.

While the disk is in trouble, events are numbered in memory in an epoch of their own, kept there within a
bound, and handed on marked as not durable. No number of theirs was ever promised to the disk, so no crash
can make it give one twice. When the disk takes writes again, that epoch and what still waits are stored, and
the post goes on in it.
"""

import asyncio
import contextlib
import queue
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from drivers.observation import DataClass
from gateway.audit.hash_chain import Sign
from gateway.common.clock import TimeSource, moment
from gateway.contract.envelope import Moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import Entry, Loss, Submission
from gateway.delivery.outbox.database import Lock, Trouble, trouble_of
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.outbox import Outbox, Progress
from gateway.delivery.outbox.reader import Page
from gateway.delivery.outbox.recovery import open_outbox
from gateway.delivery.outbox.sequence import Ledger, new_epoch, unspelled
from gateway.delivery.settings import OutboxSettings
from gateway.delivery.writer.acks import Acknowledged, NotedTopics
from gateway.delivery.writer.memory_buffer import Unwritten
from gateway.delivery.writer.messages import Audience, Call, Fetch, Known, Wake

log = structlog.get_logger()

Order = Submission | Fetch | Call | Wake | None
"""What the thread is given to do; None: commit what came before, and end."""

IDLE_S = 0.25
"""Longest time that an acknowledgement waits for a commit to travel with."""
QUIET_S = 1.0
"""Longest sleep when there is nothing to write; expiry, recovery and the watchdog's beat need no more."""
TRAVEL_S = 0.2
"""Acknowledgements younger than this do not weigh a commit down: about five pages instead of two."""
DAY_NS = 86_400_000_000_000


class GroupCommit:
    """Owns outbox and ledger. Everything here runs in the writer's thread, `taken` and `beat` may be read."""

    def __init__(
        self,
        settings: OutboxSettings,
        topics: SiteTopics,
        takers: Mapping[DataClass, tuple[str, ...]],
        keys: tuple[MasterKey, MasterKey | None],
        time_source: TimeSource,
        audience: Audience,
        orders: queue.SimpleQueue[Order],
        acknowledged: Acknowledged,
        noted_topics: NotedTopics,
        unwritten: Unwritten,
        sign: Sign | None = None,
    ) -> None:
        self.beat = time.monotonic()
        self.taken = 0
        """Bytes of events taken from the queue so far."""
        self._settings = settings
        self._topics = topics
        self._takers = takers
        self._keys = keys
        self._time = time_source
        self._audience = audience
        self._loop = asyncio.get_running_loop()
        self._queue = orders
        self._acknowledged = acknowledged
        self._noted_topics = noted_topics
        self._unwritten = unwritten
        self._lifetimes = {
            c: int((settings.record if c is DataClass.RECORD else settings.traveller).expires_s * 1e9)
            for c in DataClass
        }
        self._lock: Lock | None = None
        self._outbox: Outbox | None = None
        self._sign = sign
        self._ledger = Ledger(topics, new_epoch(), sign=sign)
        self._trouble: Trouble | None = None
        self._retry_at = 0.0
        self._sweep_at = 0.0
        self._key_made_ns = 0
        # Asking the kernel costs as much as numbering an event; a second's delay costs nothing.
        self._standing = time_source.standing()
        self._stopping = False

    def run(self) -> None:
        """Work until the end is ordered; whatever fails meanwhile does not end it."""
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
            if isinstance(item, Call) and item.future.set_running_or_notify_cancel():
                item.future.set_exception(error)
        self._close()

    def _turn(self) -> None:
        """One group: wait, take what is there, commit, hand on."""
        self.beat = time.monotonic()
        try:
            item = self._queue.get(timeout=IDLE_S if self._acknowledged or self._noted_topics else QUIET_S)
        except queue.Empty:
            self._idle()
            return
        group: list[Submission] = []
        others: list[Fetch | Call] = []
        limit = self._settings.group_events
        while True:
            if isinstance(item, Submission):
                group.append(item)
            elif item is None:
                self._stopping = True
            elif not isinstance(item, Wake):
                others.append(item)
            if len(group) >= limit or len(others) >= limit or self._queue.empty():
                break
            item = self._queue.get()
        if group:
            self.taken += sum(submission.size for submission in group)
            self._commit(group)
        for other in others:
            if isinstance(other, Fetch):
                self._serve(other)
            else:
                self._answer(other)
        now = time.monotonic()
        if now >= self._sweep_at or self._retry_due(now):
            self._idle()

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _tell_lost(self, losses: list[Loss]) -> None:
        if losses:
            self._post(self._audience.lost, losses)

    def _commit(self, group: list[Submission]) -> None:
        time_source = self._time
        now = Moment(time_source.unix_ns(), time_source.boot_id, time_source.boot_ns(), self._standing)
        outbox = self._outbox
        if outbox is None or self._trouble:
            self._keep_in_memory(self._number(group, now))
            return
        entries = self._number(group, now)
        counters = [counter for counter in self._ledger.counters if not counter.stored]
        progress = self._acknowledged.take(TRAVEL_S)
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
        self._tell_lost(losses)
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

    def _enter_trouble(self, error: sqlite3.Error | OSError, progress: Progress) -> None:
        trouble = trouble_of(error, self._settings.directory)
        self._acknowledged.give_back(progress)
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
            self._unwritten.add(entry, streams[entry.stream].stream)
        new = [counter.stream for counter in streams.values() if not counter.stored]
        self._post(self._audience.committed, entries, new)
        self._tell_lost(self._unwritten.bound(self._time.boot_ns()))

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
            progress = self._acknowledged.take()
            try:
                outbox.advance(progress)
            except BaseException:
                self._acknowledged.give_back(progress)
                raise
            self._tell_lost(self._unwritten.forget_delivered(self._time.boot_ns()))
            counters, entries = self._ledger.counters, [entry for entry, _ in self._unwritten]
            losses = outbox.store(entries, counters, self._acknowledged.take(), self._ledger.epoch)
        except (sqlite3.Error, OSError) as error:
            self._enter_trouble(error, {})
            return
        for counter in counters:
            counter.stored = True
        self._unwritten.clear()
        self._trouble = None
        log.info("outbox_recovered")
        outbox.note_newest()
        self._post(self._audience.in_trouble, None, self._ledger.epoch)
        self._tell_lost(losses)

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
                after = 2**21 + time.time_ns() % 2**21
                self._ledger = Ledger(self._topics, new_epoch(), after_stream=after, sign=self._sign)
            self._enter_trouble(error, {})
            return
        outbox = self._outbox = opening.outbox
        self._key_made_ns = now.boot_ns
        if first:
            self._ledger = Ledger(self._topics, outbox.epoch, sign=self._sign)
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
                self._noted_topics.write(outbox)
                outbox.advance(self._acknowledged.take())
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
        progress = self._acknowledged.take(IDLE_S * 0.8)
        try:
            if progress:
                outbox.advance(progress)
            self._noted_topics.write(outbox)
            if now < self._sweep_at:
                return
            self._sweep_at = now + 1.0
            present = moment(self._time)
            self._standing = present.clock
            losses = outbox.sweep(present)
            self._tell_lost(losses)
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

    def _serve(self, fetch: Fetch) -> None:
        page: Page | None = None
        waiting = self._unwritten.after(fetch.stream, fetch.after)
        if waiting or any(c.stream.number == fetch.stream and not c.stored for c in self._ledger.counters):
            page = self._page_of_memory(fetch, waiting)
        elif self._outbox is not None:
            try:
                page, losses = self._outbox.fetch(fetch.stream, fetch.after, fetch.limit, fetch.max_bytes)
                self._tell_lost(losses)
            except (sqlite3.Error, OSError) as error:
                self._enter_trouble(error, {})
        self._post(fetch.reply, page)

    def _page_of_memory(self, fetch: Fetch, waiting: list[Entry]) -> Page:
        taken = waiting[: fetch.limit]
        if len(taken) < len(waiting):
            return Page(taken, taken[-1].seq)
        last = max((c.last_seq for c in self._ledger.counters if c.stream.number == fetch.stream), default=0)
        return Page(taken, max(last, fetch.after))

    def rewrap(self, outbox: Outbox, new: MasterKey) -> None:
        """Wrap every data key with a new master key, and use that from now on; the action of a `Call`."""
        outbox.rotate(self._keys[0], new)
        self._keys = new, None

    def _answer(self, call: Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            if self._outbox is None:
                if not call.needs_outbox:
                    call.future.set_result(None)
                    return
                raise OSError("the outbox is not open")
            call.future.set_result(call.action(self._outbox))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            log.warning("outbox_call_failed", error=type(error).__name__)
            call.future.set_exception(error)


def _number_of(event_id: str) -> int:
    return unspelled(event_id) if event_id else 0
