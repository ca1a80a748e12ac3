"""The outbox: a log of encrypted events in one SQLite file, with a cursor per destination and stream.

An event leaves the log when every destination of its class has acknowledged it, when it expires, or when the
log is full. `Outbox` runs in the writer's thread and raises sqlite3.Error or OSError; after such an error the
counts in memory are reloaded from disk. `AckLog` and `RetainedTopicLog` collect what it writes next.
"""

import contextlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus, Moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import LostEvent, StoredEvent
from gateway.delivery.outbox import expiry
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.database import BLOB_DIR
from gateway.delivery.outbox.encryption import MasterKey, new_data_key, rewrap
from gateway.delivery.outbox.parked import ParkedEvents
from gateway.delivery.outbox.reader import OutboxReader
from gateway.delivery.outbox.rows import (
    DataKeys,
    EvictionPolicy,
    RowStore,
    StreamPosition,
    Usage,
    seq_from_key,
)
from gateway.delivery.outbox.sequence import StreamCounter
from gateway.delivery.settings import OutboxSettings

NEWEST_ID_FILE = "outbox.newest"
CHECKPOINT_BYTES = 1024 * 1024
"""WAL size from which it is written back into the database while the writer is idle."""

Progress = Mapping[tuple[str, int], int]
"""(destination, stream): longest acknowledged prefix."""


class Outbox:
    """The log in an open file; `recovery.open_outbox` makes one."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        settings: OutboxSettings,
        topics: SiteTopics,
        destinations_by_class: Mapping[DataClass, tuple[str, ...]],
        keys: DataKeys,
        epoch: str,
    ) -> None:
        self.epoch = epoch
        self.keys = keys
        self.files = BlobFiles(settings.directory / BLOB_DIR)
        self.rows = rows = RowStore(connection, self.files)
        self._eviction = EvictionPolicy(connection, settings, rows)
        self.reader = OutboxReader(connection, rows.positions, self.files, topics, keys)
        self.parked = ParkedEvents(connection, rows, keys, topics, settings.max_parked)
        self.positions: Mapping[int, StreamPosition] = rows.positions
        self.cursors: Mapping[tuple[str, int], int] = rows.cursors
        self.usage: Mapping[DataClass, Usage] = rows.usage
        self._connection = connection
        self._settings = settings
        self._destinations_by_class = destinations_by_class
        self._newest = NewestId(settings.directory)

    # State

    def counters(self) -> list[StreamCounter]:
        """Return every stream, for the sequence allocator."""
        return [
            StreamCounter(position.stream, position.stored_events, stored=True)
            for position in self.positions.values()
        ]

    def retained(self) -> set[str]:
        """Return topics that hold a retained message of this gateway at some destination."""
        return {topic for (topic,) in self._connection.execute("SELECT topic FROM retained")}

    # Storing events

    def store(
        self,
        entries: Sequence[StoredEvent],
        counters: Iterable[StreamCounter],
        progress: Progress,
        epoch: str,
        last_id: str = "",
    ) -> list[LostEvent]:
        """Commit events, new streams and progress together; return the events dropped to make room.

        `last_id`: newest id, if events that are not stored have newer ones than those stored.
        """
        large = [
            (entry, part, self.keys.encrypt(self._blob_key(entry, counters, part), blob.content))
            for entry in entries
            if entry.blobs
            for part, blob in enumerate(entry.blobs)
            if len(blob.content) > self._settings.blob_row_bytes
        ]
        names = self.files.write(sealed for *_, sealed in large) if large else []
        files = {(e.stream, e.seq, part): name for (e, part, _), name in zip(large, names, strict=True)}
        try:
            with self.rows.transaction():
                self._store_streams(counters, epoch)
                self.rows.insert(entries, files, self.keys)
                if last_id:
                    self.rows.store_last_id(last_id)
                losses = self._eviction.evict()
                self._advance(progress)
        except BaseException:
            self.files.remove(names)
            raise
        return losses

    def write_newest_id(self) -> None:
        """Write the newest id beside the database; may follow a commit later."""
        self._newest.write(self.rows.last_id)

    def _blob_key(self, entry: StoredEvent, counters: Iterable[StreamCounter], part: int) -> str:
        position = self.positions.get(entry.stream)
        stream = (
            position.stream
            if position
            else next(c.stream for c in counters if c.stream.number == entry.stream)
        )
        return f"{stream.epoch}|{stream.name}|{entry.seq}|{part}"

    def _store_streams(self, counters: Iterable[StreamCounter], epoch: str) -> None:
        if epoch != self.epoch:
            self._connection.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (epoch,))
            self.epoch = epoch
        for counter in counters:
            stream = counter.stream
            if stream.number in self.positions:
                continue
            # The number of an event that was delivered during disk trouble has no row.
            self._connection.execute(
                "INSERT INTO stream (number, epoch, name, class, last_seq) VALUES (?, ?, ?, ?, ?)",
                (stream.number, stream.epoch, stream.name, str(stream.data_class), counter.last_seq),
            )
            self.rows.positions[stream.number] = StreamPosition(stream, stored_events=counter.last_seq)

    # Deleting events

    def advance(self, progress: Progress) -> None:
        """Move cursors, and delete events that every destination has."""
        with self.rows.transaction():
            self._advance(progress)

    def _advance(self, progress: Progress) -> None:
        if not progress:
            return
        known = {(d, s): upto for (d, s), upto in progress.items() if s in self.positions}
        self._connection.executemany(
            "INSERT INTO cursor (destination, stream, upto) VALUES (?, ?, ?)"
            " ON CONFLICT (destination, stream) DO UPDATE SET upto = excluded.upto",
            [(destination, stream, upto) for (destination, stream), upto in known.items()],
        )
        self.rows.cursors.update(known)
        for stream in {s for _, s in known}:
            position = self.positions[stream]
            low = min(
                self.cursors.get((d, stream), 0)
                for d in self._destinations_by_class[position.stream.data_class]
            )
            if low > position.acked_by_all:
                self.rows.delete_range(position, position.acked_by_all, low)
                position.acked_by_all = low

    def delete_expired(self, now: Moment) -> list[LostEvent]:
        """Delete up to 500 expired and parked events each, and give held events their age."""
        rows = self.rows
        rows.reload_if_stale()
        expired = self._connection.execute(
            "SELECT k FROM event WHERE deadline <= ? ORDER BY deadline LIMIT 500", (now.boot_ns,)
        ).fetchall()
        parked = self._connection.execute(
            "SELECT n, key FROM parked WHERE deadline <= ? LIMIT 500", (now.boot_ns,)
        ).fetchall()
        release = rows.held_events > 0 and now.clock is ClockStatus.SYNCED
        if not expired and not parked and not release:
            return []
        losses = []
        with self.rows.transaction():
            for (k,) in expired:
                rows.delete(k)
                losses.append(LostEvent(k >> 40, seq_from_key(k), "expired"))
            for n, key in parked:
                self._connection.execute("DELETE FROM parked WHERE n = ?", (n,))
                rows.events_per_key[key] -= 1
            if release:
                expiry.assign_ages(self._connection, now)
                rows.held_events = expiry.count_held(self._connection)
        return losses

    # Keys, topics, housekeeping

    def rotate_data_key(self, master: MasterKey, day: str) -> None:
        """Encrypt with a new data key from now on, and delete unused ones."""
        cipher, wrapped = new_data_key(master)
        with self.rows.transaction():
            number = self._connection.execute(
                "INSERT INTO data_key (day, master, wrapped) VALUES (?, ?, ?)",
                (day, master.fingerprint, wrapped),
            ).lastrowid
            unused = self.keys.key_numbers - self.rows.keys_needed
            self._connection.executemany("DELETE FROM data_key WHERE number = ?", [(n,) for n in unused])
        assert number is not None
        for spent in unused:
            self.keys.remove(spent)
        self.keys.set_current(number, cipher, day)

    def delete_unused_keys(self) -> None:
        """Delete unused data keys."""
        unused = self.keys.key_numbers - self.rows.keys_needed - {self.keys.current}
        if unused:
            with self.rows.transaction():
                self._connection.executemany("DELETE FROM data_key WHERE number = ?", [(n,) for n in unused])
            for spent in unused:
                self.keys.remove(spent)

    def rewrap_keys(self, old: MasterKey, new: MasterKey) -> None:
        """Wrap every data key with another master key, all or none."""
        with self.rows.transaction():
            rewrap_keys(self._connection, old, new)

    def add_retained_topics(self, topics: Iterable[str]) -> None:
        """Record topics that hold a retained message of this gateway."""
        with self.rows.transaction():
            self._connection.executemany("INSERT OR IGNORE INTO retained VALUES (?)", [(t,) for t in topics])

    def remove_retained_topics(self, topics: Iterable[str]) -> None:
        """Delete topics that hold no retained message any more."""
        with self.rows.transaction():
            self._connection.executemany("DELETE FROM retained WHERE topic = ?", [(t,) for t in topics])

    def checkpoint(self) -> None:
        """Write a large WAL back into the database."""
        wal = self._settings.directory / "outbox.db-wal"
        if wal.exists() and wal.stat().st_size >= CHECKPOINT_BYTES:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the file; SQLite writes the WAL back and removes it."""
        self._newest.close()
        self._connection.close()


def rewrap_keys(connection: sqlite3.Connection, old: MasterKey, new: MasterKey) -> None:
    """Wrap the data keys of `old` with `new`; raises EncryptionKeyError if one cannot be unwrapped."""
    for number, wrapped in connection.execute(
        "SELECT number, wrapped FROM data_key WHERE master = ?", (old.fingerprint,)
    ).fetchall():
        connection.execute(
            "UPDATE data_key SET master = ?, wrapped = ? WHERE number = ?",
            (new.fingerprint, rewrap(old, new, wrapped), number),
        )


class NewestId:
    """File with the newest committed id, beside the database; never synced, so it is cheap.

    A WAL that lost its end, because it was cut or a flash card reported a sync too early, looks like one that
    never was longer. If this file has an id that the database does not have, commits were lost. A missing or
    old file proves nothing.
    """

    def __init__(self, directory: Path) -> None:
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(directory / NEWEST_ID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, event_id: str) -> None:
        """Write an id; ignore errors of the disk."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, event_id.encode(), 0)

    def read(self) -> str:
        """Read the id; empty when there is none or it is malformed."""
        if self._fd < 0:
            return ""
        try:
            text = os.pread(self._fd, 64, 0).decode("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        return (
            text
            if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
            else ""
        )

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class AckLog:
    """Longest acknowledged prefix per destination and stream. The loop calls `note`, the thread all else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], int] = {}
        self._since = 0.0
        self._acked: dict[tuple[str, int], int] = {}

    def note(self, destination: str, stream: int, upto: int) -> bool:
        """Record that a destination has a stream up to `upto`; return True if the log was empty."""
        with self._lock:
            first = not self._pending
            if first:
                self._since = time.monotonic()
            self._pending[destination, stream] = upto
        return first

    def __bool__(self) -> bool:
        """Return whether acknowledgements wait to be written."""
        return bool(self._pending)

    def take(self, min_age_s: float = 0) -> Progress:
        """Remove and return what waits, if the oldest has waited for `min_age_s` seconds; else nothing."""
        if not self._pending or time.monotonic() - self._since < min_age_s:
            return {}
        with self._lock:
            pending, self._pending = self._pending, {}
        self._acked.update(pending)
        return pending

    def put_back(self, progress: Progress) -> None:
        """Put back what could not be written; newer entries win."""
        with self._lock:
            self._pending = {**progress, **self._pending}

    def snapshot(self) -> None:
        """Make waiting entries visible to `acked_by_all` without removing them."""
        with self._lock:
            self._acked.update(self._pending)

    def acked_by_all(self, destinations: Iterable[str], entry: StoredEvent) -> bool:
        """Return whether all these destinations have an event, according to `take` and `snapshot`."""
        return all(self._acked.get((name, entry.stream), 0) >= entry.seq for name in destinations)


class RetainedTopicLog:
    """Topics that gained or lost a retained message. The loop calls `note`, the thread writes."""

    def __init__(self) -> None:
        # Single operations of a dict are atomic: the loop sets items, the thread pops them.
        self._changes: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Return whether changes wait to be written."""
        return bool(self._changes)

    def note(self, topic: str, *, held: bool) -> bool:
        """Record that a topic holds a retained message, or no longer; return True if the log was empty."""
        first = not self._changes
        self._changes[topic] = held
        return first

    def write(self, outbox: Outbox) -> None:
        """Write all changes; after sqlite3.Error or OSError they are still recorded."""
        while self._changes:
            changes = dict(self._changes)
            outbox.add_retained_topics([topic for topic, held in changes.items() if held])
            outbox.remove_retained_topics([topic for topic, held in changes.items() if not held])
            for topic, held in changes.items():
                if self._changes.get(topic) is held:
                    self._changes.pop(topic, None)
