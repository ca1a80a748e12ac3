"""The rows of the log, and what memory knows of them.

Rows and the counts beside them change together, inside `change`. When a change fails, memory is measured anew
from what is on disk; files of images go only after the commit that forgets them.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drivers.observation import DataClass
from gateway.delivery.events import LostEvent, StoredEvent, Stream
from gateway.delivery.outbox import expiry as ages
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.encryption import NONCE_BYTES
from gateway.delivery.settings import ClassSettings, OutboxSettings

EVICTION_SLACK = 100
"""When the outbox is full, one part in so many is freed beyond need, so that not every event pays for it."""
ENCRYPTIONS_PER_KEY = 2**31
"""Values under one data key; NIST SP 800-38D, section 8.3, allows 2**32 with random nonces."""
SEQ_BITS = 40
"""Low bits of the key of a row that hold the event's number in its stream."""


def row_key(stream: int, seq: int) -> int:
    """Where an event stands in its table: streams one after the other, each in its order."""
    return stream << SEQ_BITS | seq


def seq_from_key(key: int) -> int:
    """The number in its stream of the event with this key."""
    return key & ((1 << SEQ_BITS) - 1)


class transaction:  # noqa: N801 - reads as a statement
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK when anything goes wrong, COMMIT itself included."""

    __slots__ = ("_connection", "_on_end")

    def __init__(self, connection: sqlite3.Connection, on_end: Callable[[bool], None] | None = None) -> None:
        """`on_end` is called at the end, with True after a commit and False after a rollback."""
        self._connection = connection
        self._on_end = on_end

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        committed = False
        try:
            if kind is None:
                self._connection.execute("COMMIT")
                committed = True
        finally:
            if not committed:
                # SQLite rolls back by itself after SQLITE_FULL and SQLITE_IOERR; then ROLLBACK is an error.
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if self._on_end is not None:
                self._on_end(committed)


class DataKeys:
    """The data keys in use: one seals, all open."""

    def __init__(self) -> None:
        self._ciphers: dict[int, AESGCM] = {}
        self.current = 0
        self.day = ""
        self._seals = 0

    def add(self, number: int, cipher: AESGCM) -> None:
        """Know a key of an earlier time, to open with."""
        self._ciphers[number] = cipher

    def set_current(self, number: int, cipher: AESGCM, day: str) -> None:
        """Seal with this key from now on."""
        self.add(number, cipher)
        self.current, self.day, self._seals = number, day, 0

    def remove(self, number: int) -> None:
        """Drop a key that nothing uses."""
        self._ciphers.pop(number, None)

    @property
    def key_numbers(self) -> frozenset[int]:
        """Every key that is known."""
        return frozenset(self._ciphers)

    @property
    def is_exhausted(self) -> bool:
        """Whether the sealing key has sealed all it may."""
        return self._seals >= ENCRYPTIONS_PER_KEY

    def encrypt(self, context: str, value: bytes) -> bytes:
        """Seal a value to its place with the current key."""
        self._seals += 1
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[self.current].encrypt(nonce, value, f"{context}|{self.current}".encode())

    def decrypt(self, number: int, context: str, ciphertext: bytes) -> bytes | None:
        """Open a value; None when it is damaged, displaced, or its key is gone."""
        cipher = self._ciphers.get(number)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(
                ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], f"{context}|{number}".encode()
            )
        except (InvalidTag, ValueError):
            return None


@dataclass(slots=True)
class Usage:
    """What one delivery class takes."""

    events: int = 0
    size: int = 0


@dataclass(slots=True)
class StreamPosition:
    """Where one stream stands in the log."""

    stream: Stream
    stored_events: int = 0
    """Highest number in the log, or that was."""
    acked_by_all: int = 0
    """Every destination is past this one."""
    topics: dict[str, str] = field(default_factory=dict)

    @property
    def seal_context(self) -> str:
        """What the seal of its values is bound to, with the number."""
        return f"{self.stream.epoch}|{self.stream.name}"


class RowStore:
    """Events and images in the log. The mappings stay the same objects for as long as the file is open."""

    def __init__(self, connection: sqlite3.Connection, files: BlobFiles) -> None:
        self.positions: dict[int, StreamPosition] = {}
        self.cursors: dict[tuple[str, int], int] = {}
        """(destination, stream): longest acknowledged prefix."""
        self.usage: dict[DataClass, Usage] = {}
        self.events_per_key: dict[int, int] = {}
        """How many events, parked ones included, each data key has sealed."""
        self.last_id = ""
        self.held_events = 0
        self._connection = connection
        self._files = files
        self._files_to_delete: list[str] = []
        self._is_current = False

    # In line with the disk

    def reload_counts(self) -> None:
        """Bring memory in line with what is on disk."""
        run = self._connection.execute
        self._files_to_delete.clear()
        self.positions.clear()
        self.usage.update({data_class: Usage() for data_class in DataClass})
        cursors = {(d, s): upto for d, s, upto in run("SELECT destination, stream, upto FROM cursor")}
        self.cursors.clear()
        self.cursors.update(cursors)
        row = run("SELECT value FROM meta WHERE name = 'last_id'").fetchone()
        self.last_id = row[0] if row else ""
        for number, epoch, name, data_class, last_seq in run(
            "SELECT number, epoch, name, class, last_seq FROM stream"
        ).fetchall():
            level = StreamPosition(Stream(number, epoch, name, DataClass(data_class)), stored_events=last_seq)
            bounds = (row_key(number, 0), row_key(number + 1, 0))
            events, size, first = run(
                "SELECT count(*), total(size), min(k) FROM event WHERE k > ? AND k < ?", bounds
            ).fetchone()
            usage = self.usage[level.stream.data_class]
            usage.events += events
            usage.size += int(size)
            if events:
                k, event_id = run(
                    "SELECT k, id FROM event WHERE k > ? AND k < ? ORDER BY k DESC LIMIT 1", bounds
                ).fetchone()
                level.stored_events = max(level.stored_events, seq_from_key(k))
                self.last_id = max(self.last_id, event_id)
            level.acked_by_all = seq_from_key(first) - 1 if events else level.stored_events
            self.positions[number] = level
        self.events_per_key.clear()
        for table in ("event", "parked"):
            for key, count in run(f"SELECT key, count(*) FROM {table} GROUP BY key"):  # noqa: S608
                self.events_per_key[key] = self.events_per_key.get(key, 0) + count
        self.held_events = ages.count_held(self._connection)
        self._is_current = True

    def transaction(self) -> "transaction":
        """Begin a transaction that keeps memory and files in line with its outcome."""
        self.reload_if_stale()
        return transaction(self._connection, self._changed)

    def reload_if_stale(self) -> None:
        """Measure, if the last change failed."""
        if not self._is_current:
            self.reload_counts()

    def _changed(self, committed: bool) -> None:
        if not committed:
            self._is_current = False
        elif self._files_to_delete:
            self._files.remove(self._files_to_delete)
            self._files_to_delete.clear()

    # Events come

    def insert(
        self, entries: Sequence[StoredEvent], files: Mapping[tuple[int, int, int], str], keys: DataKeys
    ) -> None:
        """Append events to their streams; `files` has the names of images that lie outside, by part."""
        seal, key, levels = keys.encrypt, keys.current, self.positions
        rows = []
        for entry in entries:
            level = levels[entry.stream]
            place = f"{level.seal_context}|{entry.seq}"
            k = entry.stream << 40 | entry.seq
            rows.append(
                (
                    k,
                    entry.event_id,
                    entry.event_type,
                    entry.deadline_ns,
                    entry.lifetime_ns,
                    entry.created_unix_ns,
                    entry.is_clock_synced,
                    entry.size,
                    len(entry.blobs),
                    key,
                    seal(place, entry.payload),
                    entry.jws,
                )
            )
            level.stored_events = max(level.stored_events, entry.seq)
            usage = self.usage[level.stream.data_class]
            usage.events += 1
            usage.size += entry.size
            for part, blob in enumerate(entry.blobs):
                name = files.get((entry.stream, entry.seq, part))
                sealed = None if name else seal(f"{place}|{part}", blob.content)
                self._connection.execute(
                    "INSERT INTO blob (k, part, role, media_type, size, key, file, body)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (k, part, blob.role, blob.media_type, len(blob.content), key, name, sealed),
                )
        if rows:
            self._connection.executemany(
                "INSERT INTO event (k, id, type, deadline, lifetime, born, synced, size, blobs, key, body,"
                " jws) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self.events_per_key[key] = self.events_per_key.get(key, 0) + len(rows)
            self.last_id = max(self.last_id, entries[-1].event_id)

    @property
    def keys_needed(self) -> set[int]:
        """The data keys that some event is sealed with."""
        return {key for key, count in self.events_per_key.items() if count > 0}

    # Events go

    def delete(self, k: int) -> int:
        """Delete one event; returns how many bytes that freed."""
        seq = seq_from_key(k)
        return self.delete_range(self.positions[k >> 40], seq - 1, seq)

    def delete_range(self, level: StreamPosition, after: int, upto: int) -> int:
        """Delete a range of a stream; returns how many bytes that freed."""
        number = level.stream.number
        span = (row_key(number, after), row_key(number, upto))
        freed = count = blobs = 0
        # In a file that was damaged a column may hold anything: these come out as numbers whatever they hold.
        for size, held, with_blobs, key in self._connection.execute(
            "DELETE FROM event WHERE k > ? AND k <= ?"
            " RETURNING CAST(ifnull(size, 0) AS INTEGER), held IS 1, blobs IS NOT 0, key",
            span,
        ).fetchall():
            count += 1
            freed += size
            blobs += with_blobs
            self.held_events -= held
            self.events_per_key[key] -= 1
        if blobs:
            self._delete_blobs(span)
        usage = self.usage[level.stream.data_class]
        usage.events -= count
        usage.size -= freed
        # The rows that told these two are gone with them.
        self._connection.execute(
            "UPDATE stream SET last_seq = max(last_seq, ?) WHERE number = ?", (level.stored_events, number)
        )
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_id', ?)", (self.last_id,))
        return freed

    def _delete_blobs(self, span: tuple[int, int]) -> None:
        rows = self._connection.execute("DELETE FROM blob WHERE k > ? AND k <= ? RETURNING file", span)
        self._files_to_delete.extend(file for (file,) in rows.fetchall() if file)

    def drop_images(self, k: int) -> int:
        """Delete the images of an event; returns how many bytes that freed."""
        (size,) = self._connection.execute("SELECT total(size) FROM blob WHERE k = ?", (k,)).fetchone()
        self._delete_blobs((k - 1, k))
        self._connection.execute("UPDATE event SET blobs = 0, size = size - ? WHERE k = ?", (int(size), k))
        self.usage[self.positions[k >> 40].stream.data_class].size -= int(size)
        return int(size)


class EvictionPolicy:
    """Keeps the log within its settings. Everything here is part of a change that somebody else commits."""

    def __init__(self, connection: sqlite3.Connection, settings: OutboxSettings, rows: RowStore) -> None:
        self._connection = connection
        self._settings = settings
        self._rows = rows

    def _class_settings(self, data_class: DataClass) -> ClassSettings:
        return self._settings.record if data_class is DataClass.RECORD else self._settings.traveller

    def evict(self) -> list[LostEvent]:
        """Free what the bounds ask for. Images of travellers go first, then their events, records last."""
        losses: list[LostEvent] = []
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            limits, usage = self._class_settings(data_class), self._rows.usage[data_class]
            events, size = usage.events - limits.max_events, usage.size - limits.max_bytes
            if events > 0 or size > 0:
                losses += self._drop(data_class, events, limits.max_events, size, limits.max_bytes)
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            over = sum(usage.size for usage in self._rows.usage.values()) - self._settings.max_bytes
            if over > 0:
                losses += self._drop(data_class, 0, 0, over, self._settings.max_bytes)
        return losses

    def _drop(
        self, data_class: DataClass, events: int, of_events: int, size: int, of_size: int
    ) -> list[LostEvent]:
        """Free `events` and `size` of one class, and a little more, oldest first."""
        events += of_events // EVICTION_SLACK if events > 0 else 0
        size += of_size // EVICTION_SLACK if size > 0 else 0
        losses: list[LostEvent] = []
        if size > 0 and events <= 0 and data_class is DataClass.TRAVELLER:
            for k in self._oldest(data_class, with_blobs=True):
                size -= self._rows.drop_images(k)
                losses.append(LostEvent(k >> 40, seq_from_key(k), "images_dropped"))
                if size <= 0:
                    return losses
        for k in self._oldest(data_class, with_blobs=False):
            if events <= 0 and size <= 0:
                break
            size -= self._rows.delete(k)
            events -= 1
            losses.append(LostEvent(k >> 40, seq_from_key(k), "dropped"))
        return losses

    def _oldest(self, data_class: DataClass, *, with_blobs: bool) -> list[int]:
        """Keys of a class by age: ids only ever increase."""
        return [
            k
            for (k,) in self._connection.execute(
                "SELECT k FROM event WHERE k >> 40 IN (SELECT number FROM stream WHERE class = ?)"
                " AND blobs >= ? ORDER BY id LIMIT 10000",
                (str(data_class), int(with_blobs)),
            )
        ]
