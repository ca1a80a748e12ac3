"""The outbox: a log of sealed events in one SQLite file, with a cursor per destination and stream.

An event leaves the log when every destination that takes its class has acknowledged it, when it expires, or
when the log is full. Everything here runs in the writer's thread and raises sqlite3.Error or OSError as the
disk does; after such an error memory is brought back in line with what is on disk.
"""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus, Moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import LostEvent, StoredEvent, Stream
from gateway.delivery.outbox import expiry as ages
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.database import BLOB_DIR
from gateway.delivery.outbox.encryption import MasterKey, new_data_key, rewrap
from gateway.delivery.outbox.reader import OutboxReader, Page
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
"""WAL size from which an idle moment is used to write it back into the database."""

Progress = Mapping[tuple[str, int], int]
"""(destination, stream): longest acknowledged prefix."""


class Outbox:
    """The log, once the file is open; `opening.open_outbox` makes one."""

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
        self._rows = rows = RowStore(connection, self.files)
        self._eviction = EvictionPolicy(connection, settings, rows)
        self._reader = OutboxReader(connection, rows.positions, self.files, topics, keys)
        self.positions: Mapping[int, StreamPosition] = rows.positions
        self.cursors: Mapping[tuple[str, int], int] = rows.cursors
        self.usage: Mapping[DataClass, Usage] = rows.usage
        self._connection = connection
        self._settings = settings
        self._destinations_by_class = destinations_by_class
        self._newest = NewestId(settings.directory)

    # What is there

    @property
    def last_id(self) -> str:
        """The newest id in the log, or that was."""
        return self._rows.last_id

    @property
    def held_events(self) -> int:
        """How many events wait because their age is unknown."""
        return self._rows.held_events

    def reload_counts(self) -> None:
        """Bring memory in line with what is on disk."""
        self._rows.reload_counts()

    def counters(self) -> list[StreamCounter]:
        """Every stream, for the ledger."""
        return [
            StreamCounter(level.stream, level.stored_events, stored=True) for level in self.positions.values()
        ]

    def retained(self) -> set[str]:
        """Topics that hold a retained message of ours somewhere."""
        return {topic for (topic,) in self._connection.execute("SELECT topic FROM retained")}

    # Events come

    def store(
        self,
        entries: Sequence[StoredEvent],
        counters: Iterable[StreamCounter],
        progress: Progress,
        epoch: str,
    ) -> list[LostEvent]:
        """Commit events, new streams and progress together; returns what had to go for them."""
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
            with self._rows.transaction():
                self._store_streams(counters, epoch)
                self._rows.insert(entries, files, self.keys)
                losses = self._eviction.evict()
                self._advance(progress)
        except BaseException:
            self.files.remove(names)
            raise
        return losses

    def write_newest_id(self) -> None:
        """Note outside the database how far it goes; may follow a commit at leisure."""
        self._newest.write(self.last_id)

    def _blob_key(self, entry: StoredEvent, counters: Iterable[StreamCounter], part: int) -> str:
        level = self.positions.get(entry.stream)
        stream = (
            level.stream if level else next(c.stream for c in counters if c.stream.number == entry.stream)
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
            # An event that was delivered while the disk was in trouble has a number and no row.
            self._connection.execute(
                "INSERT INTO stream (number, epoch, name, class, last_seq) VALUES (?, ?, ?, ?, ?)",
                (stream.number, stream.epoch, stream.name, str(stream.data_class), counter.last_seq),
            )
            self._rows.positions[stream.number] = StreamPosition(stream, stored_events=counter.last_seq)

    # Events are read back

    def fetch(self, stream: int, after: int, limit: int, max_bytes: int) -> tuple[Page, list[LostEvent]]:
        """Read what follows `after` in a stream, at most `limit` events and about `max_bytes`."""
        return self._reader.fetch(stream, after, limit, max_bytes)

    # Events go

    def advance(self, progress: Progress) -> None:
        """Move cursors, and delete what every destination is past."""
        with self._rows.transaction():
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
        self._rows.cursors.update(known)
        for stream in {s for _, s in known}:
            level = self.positions[stream]
            low = min(
                self.cursors.get((d, stream), 0) for d in self._destinations_by_class[level.stream.data_class]
            )
            if low > level.acked_by_all:
                self._rows.delete_range(level, level.acked_by_all, low)
                level.acked_by_all = low

    def delete_expired(self, now: Moment) -> list[LostEvent]:
        """Delete what has expired, some hundreds at a time, and give an age to what is held."""
        rows = self._rows
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
        with self._rows.transaction():
            for (k,) in expired:
                rows.delete(k)
                losses.append(LostEvent(k >> 40, seq_from_key(k), "expired"))
            for n, key in parked:
                self._connection.execute("DELETE FROM parked WHERE n = ?", (n,))
                rows.events_per_key[key] -= 1
            if release:
                ages.assign_ages(self._connection, now)
                rows.held_events = ages.count_held(self._connection)
        return losses

    def park(self, destination: str, stream: Stream, entry: StoredEvent, reason: int) -> None:
        """Keep a copy of an event that a destination cannot take, so that a person can look at it."""
        sealed = self.keys.encrypt(f"{stream.epoch}|{stream.name}|{entry.seq}", entry.payload)
        key, keyed = self.keys.current, self._rows.events_per_key
        with self._rows.transaction():
            self._connection.execute(
                "INSERT INTO parked (destination, epoch, stream, seq, id, type, reason, deadline, lifetime,"
                " born, synced, size, key, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    destination,
                    stream.epoch,
                    stream.name,
                    entry.seq,
                    entry.event_id,
                    entry.event_type,
                    reason,
                    entry.deadline_ns,
                    entry.lifetime_ns,
                    entry.created_unix_ns,
                    entry.is_clock_synced,
                    len(entry.payload),
                    key,
                    sealed,
                ),
            )
            keyed[key] = keyed.get(key, 0) + 1
            for (spent,) in self._connection.execute(
                "DELETE FROM parked WHERE n <= (SELECT max(n) FROM parked) - ? RETURNING key",
                (self._settings.max_parked,),
            ).fetchall():
                keyed[spent] -= 1

    # Keys, topics, housekeeping

    def rotate_data_key(self, master: MasterKey, day: str) -> None:
        """Seal with a new data key from now on, and shred those that nothing uses any more."""
        cipher, wrapped = new_data_key(master)
        with self._rows.transaction():
            number = self._connection.execute(
                "INSERT INTO data_key (day, master, wrapped) VALUES (?, ?, ?)",
                (day, master.fingerprint, wrapped),
            ).lastrowid
            unused = self.keys.key_numbers - self._rows.keys_needed
            self._connection.executemany("DELETE FROM data_key WHERE number = ?", [(n,) for n in unused])
        assert number is not None
        for spent in unused:
            self.keys.remove(spent)
        self.keys.set_current(number, cipher, day)

    def delete_unused_keys(self) -> None:
        """Delete data keys that nothing uses any more."""
        unused = self.keys.key_numbers - self._rows.keys_needed - {self.keys.current}
        if unused:
            with self._rows.transaction():
                self._connection.executemany("DELETE FROM data_key WHERE number = ?", [(n,) for n in unused])
            for spent in unused:
                self.keys.remove(spent)

    def rewrap_keys(self, old: MasterKey, new: MasterKey) -> None:
        """Wrap every data key with another master key, all or none."""
        with self._rows.transaction():
            rewrap_keys(self._connection, old, new)

    def add_retained_topics(self, topics: Iterable[str]) -> None:
        """Note that retained messages of ours stand there."""
        with self._rows.transaction():
            self._connection.executemany("INSERT OR IGNORE INTO retained VALUES (?)", [(t,) for t in topics])

    def remove_retained_topics(self, topics: Iterable[str]) -> None:
        """Note that nothing of ours stands there any more."""
        with self._rows.transaction():
            self._connection.executemany("DELETE FROM retained WHERE topic = ?", [(t,) for t in topics])

    def checkpoint(self) -> None:
        """Write the WAL back while nobody waits, if it is worth it."""
        wal = self._settings.directory / "outbox.db-wal"
        if wal.exists() and wal.stat().st_size >= CHECKPOINT_BYTES:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the file; SQLite writes the WAL back and removes it."""
        self._newest.close()
        self._connection.close()


def rewrap_keys(connection: sqlite3.Connection, old: MasterKey, new: MasterKey) -> None:
    """Wrap the data keys that `old` wrapped with `new`; raises VaultError when one does not open."""
    for number, wrapped in connection.execute(
        "SELECT number, wrapped FROM data_key WHERE master = ?", (old.fingerprint,)
    ).fetchall():
        connection.execute(
            "UPDATE data_key SET master = ?, wrapped = ? WHERE number = ?",
            (new.fingerprint, rewrap(old, new, wrapped), number),
        )


class NewestId:
    """A note of the newest id that was committed, beside the database; never synced, so it is cheap.

    A WAL that lost its end, because somebody cut it or a flash card lied about a sync, looks like one that
    never was longer. This note then knows of an id that the database does not: commits were lost. A note that
    is itself missing or old says nothing, which is where we would be without it.
    """

    def __init__(self, directory: Path) -> None:
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(directory / NEWEST_ID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, event_id: str) -> None:
        """Note an id, if the disk lets us."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, event_id.encode(), 0)

    def read(self) -> str:
        """Read the note; empty when there is none, or none that makes sense."""
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
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
