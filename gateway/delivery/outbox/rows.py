"""The rows of the log, and what memory knows of them.

Rows and the counts beside them change together, inside `change`. When a change fails, memory is measured anew
from what is on disk; files of images go only after the commit that forgets them.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.observation import DataClass
from gateway.delivery.events import StoredEvent, Stream
from gateway.delivery.outbox import expiry as ages
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.database import row_key, seq_from_key, transaction
from gateway.delivery.outbox.encryption import DataKeys


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

    def transaction(self) -> "_RowTransaction":
        """Begin a transaction that keeps memory and files in line with its outcome."""
        self.reload_if_stale()
        return _RowTransaction(self._connection, self._changed)

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


class _RowTransaction(transaction):
    """A transaction that tells how it ended."""

    __slots__ = ("_on_end",)

    def __init__(self, connection: sqlite3.Connection, on_end: Callable[[bool], None]) -> None:
        super().__init__(connection)
        self._on_end = on_end

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            super().__exit__(kind, error, trace)
        except BaseException:
            self._on_end(False)
            raise
        self._on_end(kind is None)
