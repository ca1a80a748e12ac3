"""Rows of the log, their encryption and bounds, and the counts of them in memory.

Rows and counts change together in a `RowStore.transaction`. After a failed one, the counts are reloaded from
disk. Image files are removed only after the commit that deletes their rows.
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
from gateway.delivery.outbox import expiry
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.encryption import NONCE_BYTES
from gateway.delivery.outbox.fair_share import surpluses
from gateway.delivery.settings import ClassSettings, OutboxSettings

EVICTION_SLACK = 100
"""When the outbox is full, a hundredth of a bound is freed in addition, so that eviction is rarely due."""
ENCRYPTIONS_PER_KEY = 2**31
"""Values under one data key; NIST SP 800-38D, section 8.3, allows 2**32 with random nonces."""
OLDEST_AT_A_TIME = 10_000
"""Upper bound on the events of a stream that are considered at once for their bytes."""
SEQ_BITS = 40
"""Low bits of the key of a row that hold the event's number in its stream."""


def row_key(stream: int, seq: int) -> int:
    """Return the key of an event's row; it orders rows by stream and number."""
    return stream << SEQ_BITS | seq


def seq_from_key(key: int) -> int:
    """Return an event's number in its stream from its key."""
    return key & ((1 << SEQ_BITS) - 1)


class transaction:  # noqa: N801 - reads as a statement
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK after any error, also of COMMIT."""

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
    """Data keys in use: the current one encrypts, all decrypt."""

    def __init__(self) -> None:
        self._ciphers: dict[int, AESGCM] = {}
        self.current = 0
        self.day = ""
        self._seals = 0

    def add(self, number: int, cipher: AESGCM) -> None:
        """Add a key that only decrypts."""
        self._ciphers[number] = cipher

    def set_current(self, number: int, cipher: AESGCM, day: str) -> None:
        """Encrypt with this key from now on."""
        self.add(number, cipher)
        self.current, self.day, self._seals = number, day, 0

    def remove(self, number: int) -> None:
        """Remove a key that no row uses."""
        self._ciphers.pop(number, None)

    @property
    def key_numbers(self) -> frozenset[int]:
        """Numbers of all keys."""
        return frozenset(self._ciphers)

    @property
    def is_exhausted(self) -> bool:
        """True: the current key has encrypted as many values as it may."""
        return self._seals >= ENCRYPTIONS_PER_KEY

    def encrypt(self, context: str, value: bytes) -> bytes:
        """Encrypt a value with the current key; it can be decrypted only with the same context."""
        self._seals += 1
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[self.current].encrypt(nonce, value, f"{context}|{self.current}".encode())

    def decrypt(self, number: int, context: str, ciphertext: bytes) -> bytes | None:
        """Decrypt a value; None when value, context or key number do not match."""
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
    """Events and bytes of one delivery class."""

    events: int = 0
    size: int = 0


@dataclass(slots=True)
class StreamPosition:
    """State of one stream in the log."""

    stream: Stream
    stored_events: int = 0
    """Highest number that was ever in the log."""
    acked_by_all: int = 0
    """Number up to which every destination has the stream."""
    usage: Usage = field(default_factory=Usage)
    topics: dict[str, str] = field(default_factory=dict)

    @property
    def seal_context(self) -> str:
        """Encryption context of its values, without their number."""
        return f"{self.stream.epoch}|{self.stream.name}"


class RowStore:
    """Events and images in the log. The mappings stay the same objects while the file is open."""

    def __init__(self, connection: sqlite3.Connection, files: BlobFiles) -> None:
        self.positions: dict[int, StreamPosition] = {}
        self.cursors: dict[tuple[str, int], int] = {}
        """(destination, stream): longest acknowledged prefix."""
        self.usage: dict[DataClass, Usage] = {}
        self.events_per_key: dict[int, int] = {}
        """Number of events, parked ones included, that each data key encrypts."""
        self.last_id = ""
        self.held_events = 0
        self._connection = connection
        self._files = files
        self._files_to_delete: list[str] = []
        self._is_current = False

    # Counts

    def reload_counts(self) -> None:
        """Reload all counts from disk."""
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
            position = StreamPosition(
                Stream(number, epoch, name, DataClass(data_class)), stored_events=last_seq
            )
            bounds = (row_key(number, 0), row_key(number + 1, 0))
            events, size, first = run(
                "SELECT count(*), total(size), min(k) FROM event WHERE k > ? AND k < ?", bounds
            ).fetchone()
            self._count(position, events, int(size))
            if events:
                k, event_id = run(
                    "SELECT k, id FROM event WHERE k > ? AND k < ? ORDER BY k DESC LIMIT 1", bounds
                ).fetchone()
                position.stored_events = max(position.stored_events, seq_from_key(k))
                self.last_id = max(self.last_id, event_id)
            position.acked_by_all = seq_from_key(first) - 1 if events else position.stored_events
            self.positions[number] = position
        self.events_per_key.clear()
        for table in ("event", "parked"):
            for key, count in run(f"SELECT key, count(*) FROM {table} GROUP BY key"):  # noqa: S608
                self.events_per_key[key] = self.events_per_key.get(key, 0) + count
        self.held_events = expiry.count_held(self._connection)
        self._is_current = True

    def transaction(self) -> "transaction":
        """Begin a transaction that keeps counts and files in line with its outcome."""
        self.reload_if_stale()
        return transaction(self._connection, self._changed)

    def reload_if_stale(self) -> None:
        """Reload the counts if the last transaction failed."""
        if not self._is_current:
            self.reload_counts()

    def _changed(self, committed: bool) -> None:
        if not committed:
            self._is_current = False
        elif self._files_to_delete:
            self._files.remove(self._files_to_delete)
            self._files_to_delete.clear()

    # Inserting

    def insert(
        self, entries: Sequence[StoredEvent], files: Mapping[tuple[int, int, int], str], keys: DataKeys
    ) -> None:
        """Append events to their streams; `files` has the file names of large images, by part."""
        seal, key, positions = keys.encrypt, keys.current, self.positions
        rows = []
        for entry in entries:
            position = positions[entry.stream]
            context = f"{position.seal_context}|{entry.seq}"
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
                    seal(context, entry.payload),
                    entry.jws,
                )
            )
            position.stored_events = max(position.stored_events, entry.seq)
            self._count(position, 1, entry.size)
            for part, blob in enumerate(entry.blobs):
                name = files.get((entry.stream, entry.seq, part))
                sealed = None if name else seal(f"{context}|{part}", blob.content)
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
        """Numbers of the data keys that encrypt at least one event."""
        return {key for key, count in self.events_per_key.items() if count > 0}

    # Deleting

    def delete(self, k: int) -> int:
        """Delete one event; return the number of bytes freed."""
        seq = seq_from_key(k)
        return self.delete_range(self.positions[k >> 40], seq - 1, seq)

    def delete_range(self, position: StreamPosition, after: int, upto: int) -> int:
        """Delete a range of a stream; return the number of bytes freed."""
        number = position.stream.number
        span = (row_key(number, after), row_key(number, upto))
        freed = count = blobs = 0
        # In a damaged file a column may hold any type; the casts return numbers in every case.
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
        self._count(position, -count, -freed)
        # With the last row of a stream, its highest number and the newest id would be lost.
        self._connection.execute(
            "UPDATE stream SET last_seq = max(last_seq, ?) WHERE number = ?", (position.stored_events, number)
        )
        self.store_last_id(self.last_id)
        return freed

    def store_last_id(self, event_id: str) -> None:
        """Store the newest id apart from the events, of which the one with that id may be gone."""
        self.last_id = max(self.last_id, event_id)
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_id', ?)", (self.last_id,))

    def _delete_blobs(self, span: tuple[int, int]) -> None:
        rows = self._connection.execute("DELETE FROM blob WHERE k > ? AND k <= ? RETURNING file", span)
        self._files_to_delete.extend(file for (file,) in rows.fetchall() if file)

    def drop_images(self, k: int) -> int:
        """Delete the images of an event; return the number of bytes freed."""
        (size,) = self._connection.execute("SELECT total(size) FROM blob WHERE k = ?", (k,)).fetchone()
        self._delete_blobs((k - 1, k))
        self._connection.execute("UPDATE event SET blobs = 0, size = size - ? WHERE k = ?", (int(size), k))
        self._count(self.positions[k >> 40], 0, -int(size))
        return int(size)

    def _count(self, position: StreamPosition, events: int, size: int) -> None:
        """Add to the usage of a stream and of its class."""
        for usage in (position.usage, self.usage[position.stream.data_class]):
            usage.events += events
            usage.size += size


class EvictionPolicy:
    """Keeps the log within the bounds of the settings, by fair shares of positions. The caller commits."""

    def __init__(self, connection: sqlite3.Connection, settings: OutboxSettings, rows: RowStore) -> None:
        self._connection = connection
        self._settings = settings
        self._rows = rows

    def _class_settings(self, data_class: DataClass) -> ClassSettings:
        return self._settings.record if data_class is DataClass.RECORD else self._settings.traveller

    def evict(self) -> list[LostEvent]:
        """Free what exceeds the bounds: of each class, then of all together."""
        losses: list[LostEvent] = []
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            limits, usage = self._class_settings(data_class), self._rows.usage[data_class]
            losses += self._drop_events(data_class, usage.events - limits.max_events, limits.max_events)
            losses += self._drop_bytes((data_class,), usage.size - limits.max_bytes, limits.max_bytes)
        over = sum(usage.size for usage in self._rows.usage.values()) - self._settings.max_bytes
        losses += self._drop_bytes((DataClass.TRAVELLER, DataClass.RECORD), over, self._settings.max_bytes)
        return losses

    def _drop_events(self, data_class: DataClass, events: int, bound: int) -> list[LostEvent]:
        """Drop `events`, and EVICTION_SLACK of the bound: from positions with the most, oldest first."""
        if events <= 0:
            return []
        streams = self._by_position((data_class,))
        used = {position: sum(each.usage.events for each in group) for position, group in streams.items()}
        losses = []
        for position, surplus in surpluses(used, events + bound // EVICTION_SLACK).items():
            for k in self._oldest(streams[position], surplus, with_blobs=False):
                self._rows.delete(k)
                losses.append(LostEvent(k >> 40, seq_from_key(k), "dropped"))
        return losses

    def _drop_bytes(self, classes: Sequence[DataClass], size: int, bound: int) -> list[LostEvent]:
        """Free `size` bytes, and EVICTION_SLACK of the bound: from positions with the most.

        Each loses images of travellers' events first, then these events, then records, the oldest first.
        """
        if size <= 0:
            return []
        streams = self._by_position(classes)
        used = {position: sum(each.usage.size for each in group) for position, group in streams.items()}
        losses: list[LostEvent] = []
        for position, surplus in surpluses(used, size + bound // EVICTION_SLACK).items():
            left = surplus
            for data_class in classes:
                group = [each for each in streams[position] if each.stream.data_class is data_class]
                for images in (True, False) if data_class is DataClass.TRAVELLER else (False,):
                    for k in self._oldest(group, OLDEST_AT_A_TIME, with_blobs=images) if left > 0 else ():
                        left -= self._rows.drop_images(k) if images else self._rows.delete(k)
                        losses.append(
                            LostEvent(k >> 40, seq_from_key(k), "images_dropped" if images else "dropped")
                        )
                        if left <= 0:
                            break
        return losses

    def _by_position(self, classes: Sequence[DataClass]) -> dict[str, list[StreamPosition]]:
        """Return the streams of some classes that have events, by position."""
        found: dict[str, list[StreamPosition]] = {}
        for each in self._rows.positions.values():
            if each.stream.data_class in classes and each.usage.events > 0:
                found.setdefault(each.stream.position, []).append(each)
        return found

    def _oldest(self, streams: Sequence[StreamPosition], limit: int, *, with_blobs: bool) -> list[int]:
        """Return keys of some streams by age: ids only increase."""
        if not streams:
            return []
        numbers = [each.stream.number for each in streams]
        return [
            k
            for (k,) in self._connection.execute(
                f"SELECT k FROM event WHERE ({' OR '.join(['k > ? AND k < ?'] * len(numbers))})"  # noqa: S608
                " AND blobs >= ? ORDER BY id LIMIT ?",
                (*(row_key(n + after, 0) for n in numbers for after in (0, 1)), int(with_blobs), limit),
            )
        ]
