"""The outbox: a log of sealed events in one SQLite file, with a cursor per destination and stream.

An event leaves the log when every destination that takes its class has acknowledged it, when it expires, or
when the log is full. Everything here runs in the writer's thread and raises sqlite3.Error or OSError as the
disk does; after such an error memory is brought back in line with what is on disk.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from drivers.observation import DataClass
from gateway.contract.envelope import Clock, Moment
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery import ages
from gateway.delivery.blobs import BlobFiles
from gateway.delivery.database import BLOBS, NewestId, key_of, seq_of, transaction
from gateway.delivery.ledger import Counter
from gateway.delivery.settings import ClassSettings, OutboxSettings
from gateway.delivery.submission import Blob, Entry, Stream
from gateway.delivery.vault import DataKeys, MasterKey, new_data_key, rewrap

log = structlog.get_logger()

CHECKPOINT_BYTES = 1024 * 1024
"""WAL size from which an idle moment is used to write it back into the database."""
SLACK = 100
"""When the outbox is full, one part in so many is freed beyond need, so that not every event pays for it."""

Progress = Mapping[tuple[str, int], int]
"""(destination, stream): longest acknowledged prefix."""


@dataclass(frozen=True, slots=True)
class Loss:
    """An event, or its images, that will not be delivered."""

    stream: int
    seq: int
    what: Literal["expired", "dropped", "images_dropped", "damaged"]


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a stream, read back. What lies between the entries, up to `upto`, is gone."""

    entries: list[Entry]
    upto: int
    held: bool = False
    """Whether the next one waits because its age is unknown."""


@dataclass(slots=True)
class Usage:
    """What one delivery class takes."""

    events: int = 0
    size: int = 0


@dataclass(slots=True)
class Level:
    """Where one stream stands in the log."""

    stream: Stream
    stored: int = 0
    """Highest number in the log, or that was."""
    passed: int = 0
    """Every destination is past this one."""
    topics: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """What the seal of its values is bound to, with the number."""
        return f"{self.stream.epoch}|{self.stream.name}"


class Outbox:
    """The log, once the file is open; `opening.open_outbox` makes one."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        settings: OutboxSettings,
        topics: SiteTopics,
        takers: Mapping[DataClass, tuple[str, ...]],
        keys: DataKeys,
        epoch: str,
    ) -> None:
        self.epoch = epoch
        self.keys = keys
        self.files = BlobFiles(settings.directory / BLOBS)
        self.levels: dict[int, Level] = {}
        self.cursors: dict[tuple[str, int], int] = {}
        self.usage: dict[DataClass, Usage] = {}
        self.last_id = ""
        self.held = 0
        self._connection = connection
        self._settings = settings
        self._topics = topics
        self._takers = takers
        self._keyed: dict[int, int] = {}
        self._newest = NewestId(settings.directory)
        self._doomed: list[str] = []
        self._in_line = False

    # What is there

    def measure(self) -> None:
        """Bring memory in line with what is on disk."""
        run = self._connection.execute
        self._doomed.clear()
        self.levels = {}
        self.usage = {data_class: Usage() for data_class in DataClass}
        self.cursors = {(d, s): upto for d, s, upto in run("SELECT destination, stream, upto FROM cursor")}
        row = run("SELECT value FROM meta WHERE name = 'last_id'").fetchone()
        self.last_id = row[0] if row else ""
        for number, epoch, name, data_class, last_seq in run(
            "SELECT number, epoch, name, class, last_seq FROM stream"
        ).fetchall():
            level = Level(Stream(number, epoch, name, DataClass(data_class)), stored=last_seq)
            bounds = (key_of(number, 0), key_of(number + 1, 0))
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
                level.stored = max(level.stored, seq_of(k))
                self.last_id = max(self.last_id, event_id)
            level.passed = seq_of(first) - 1 if events else level.stored
            self.levels[number] = level
        self._keyed = {}
        for table in ("event", "parked"):
            for key, count in run(f"SELECT key, count(*) FROM {table} GROUP BY key"):  # noqa: S608
                self._keyed[key] = self._keyed.get(key, 0) + count
        self.held = ages.held(self._connection)
        self._in_line = True

    def counters(self) -> list[Counter]:
        """Every stream, for the ledger."""
        return [Counter(level.stream, level.stored, stored=True) for level in self.levels.values()]

    def retained(self) -> set[str]:
        """Topics that hold a retained message of ours somewhere."""
        return {topic for (topic,) in self._connection.execute("SELECT topic FROM retained")}

    def _change(self) -> "_Change":
        if not self._in_line:
            self.measure()
        return _Change(self)

    # Events come

    def store(
        self, entries: Sequence[Entry], counters: Iterable[Counter], progress: Progress, epoch: str
    ) -> list[Loss]:
        """Commit events, new streams and progress together; returns what had to go for them."""
        large = [
            (entry, part, self.keys.seal(self._blob_place(entry, counters, part), blob.content))
            for entry in entries
            if entry.blobs
            for part, blob in enumerate(entry.blobs)
            if len(blob.content) > self._settings.blob_row_bytes
        ]
        names = self.files.write(sealed for *_, sealed in large) if large else []
        files = {(e.stream, e.seq, part): name for (e, part, _), name in zip(large, names, strict=True)}
        try:
            with self._change():
                self._store_streams(counters, epoch)
                self._store_events(entries, files)
                losses = self._make_room()
                self._advance(progress)
        except BaseException:
            self.files.remove(names)
            raise
        return losses

    def note_newest(self) -> None:
        """Note outside the database how far it goes; may follow a commit at leisure."""
        self._newest.write(self.last_id)

    def _blob_place(self, entry: Entry, counters: Iterable[Counter], part: int) -> str:
        level = self.levels.get(entry.stream)
        stream = (
            level.stream if level else next(c.stream for c in counters if c.stream.number == entry.stream)
        )
        return f"{stream.epoch}|{stream.name}|{entry.seq}|{part}"

    def _store_streams(self, counters: Iterable[Counter], epoch: str) -> None:
        if epoch != self.epoch:
            self._connection.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (epoch,))
            self.epoch = epoch
        for counter in counters:
            stream = counter.stream
            if stream.number in self.levels:
                continue
            # An event that was delivered while the disk was in trouble has a number and no row.
            self._connection.execute(
                "INSERT INTO stream (number, epoch, name, class, last_seq) VALUES (?, ?, ?, ?, ?)",
                (stream.number, stream.epoch, stream.name, str(stream.data_class), counter.last_seq),
            )
            self.levels[stream.number] = Level(stream, stored=counter.last_seq)

    def _store_events(self, entries: Sequence[Entry], files: Mapping[tuple[int, int, int], str]) -> None:
        keys = self.keys
        seal, key, levels = keys.seal, keys.current, self.levels
        rows = []
        for entry in entries:
            level = levels[entry.stream]
            place = f"{level.place}|{entry.seq}"
            k = entry.stream << 40 | entry.seq
            rows.append(
                (
                    k,
                    entry.event_id,
                    entry.event_type,
                    entry.deadline_ns,
                    entry.lifetime_ns,
                    entry.born_unix_ns,
                    entry.synced,
                    entry.size,
                    len(entry.blobs),
                    key,
                    seal(place, entry.payload),
                )
            )
            level.stored = max(level.stored, entry.seq)
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
                "INSERT INTO event (k, id, type, deadline, lifetime, born, synced, size, blobs, key, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._keyed[key] = self._keyed.get(key, 0) + len(rows)
            self.last_id = max(self.last_id, entries[-1].event_id)

    # Events are read back

    def fetch(self, stream: int, after: int, limit: int, max_bytes: int) -> tuple[Page, list[Loss]]:
        """Read what follows `after` in a stream, at most `limit` events and about `max_bytes`."""
        level = self.levels.get(stream)
        if level is None:
            return Page([], after), []
        rows = self._connection.execute(
            "SELECT k, id, type, deadline, lifetime, born, synced, held, size, blobs, key, body FROM event"
            " WHERE k > ? AND k <= ? ORDER BY k LIMIT ?",
            (key_of(stream, after), key_of(stream, level.stored), limit),
        )
        entries: list[Entry] = []
        losses: list[Loss] = []
        upto, taken, count = after, 0, 0
        for k, event_id, kind, deadline, lifetime, born, synced, held, size, blobs, key, body in rows:
            if held or (entries and taken + size > max_bytes):
                rows.close()
                return Page(entries, upto, held=bool(held)), losses
            count += 1
            upto = seq_of(k)
            payload = self.keys.open(key, f"{level.place}|{upto}", body)
            if payload is None:
                losses.append(Loss(stream, upto, "damaged"))
                continue
            taken += size
            entries.append(
                Entry(
                    stream=stream,
                    seq=upto,
                    event_id=event_id,
                    event_type=kind,
                    topic=self._topic(level, kind),
                    payload=payload,
                    deadline_ns=deadline,
                    lifetime_ns=lifetime,
                    born_unix_ns=born,
                    synced=bool(synced),
                    blobs=self._blobs(level, k) if blobs else (),
                    size=size,
                )
            )
        return Page(entries, upto if count == limit else level.stored), losses

    def _topic(self, level: Level, kind: str) -> str:
        topic = level.topics.get(kind)
        if topic is None:
            topic = self._topics.event(Position.parse(level.stream.position), kind)
            level.topics[kind] = topic
        return topic

    def _blobs(self, level: Level, k: int) -> tuple[Blob, ...]:
        blobs = []
        for part, role, media_type, key, file, body in self._connection.execute(
            "SELECT part, role, media_type, key, file, body FROM blob WHERE k = ? ORDER BY part", (k,)
        ):
            sealed = self.files.read(file) if file else body
            content = sealed and self.keys.open(key, f"{level.place}|{seq_of(k)}|{part}", sealed)
            if content is None:
                log.error("image_damaged", stream=level.stream.name, seq=seq_of(k), role=role)
            else:
                blobs.append(Blob(role, media_type, content))
        return tuple(blobs)

    # Events go

    def advance(self, progress: Progress) -> None:
        """Move cursors, and delete what every destination is past."""
        with self._change():
            self._advance(progress)

    def _advance(self, progress: Progress) -> None:
        if not progress:
            return
        known = {(d, s): upto for (d, s), upto in progress.items() if s in self.levels}
        self._connection.executemany(
            "INSERT INTO cursor (destination, stream, upto) VALUES (?, ?, ?)"
            " ON CONFLICT (destination, stream) DO UPDATE SET upto = excluded.upto",
            [(destination, stream, upto) for (destination, stream), upto in known.items()],
        )
        self.cursors.update(known)
        for stream in {s for _, s in known}:
            level = self.levels[stream]
            low = min(self.cursors.get((d, stream), 0) for d in self._takers[level.stream.data_class])
            if low > level.passed:
                self._delete(level, level.passed, low)
                level.passed = low

    def _delete(self, level: Level, after: int, upto: int) -> int:
        """Delete a range of a stream; returns how many bytes that freed."""
        number = level.stream.number
        span = (key_of(number, after), key_of(number, upto))
        freed = count = blobs = 0
        for size, held, with_blobs, key in self._connection.execute(
            "DELETE FROM event WHERE k > ? AND k <= ? RETURNING size, held, blobs, key", span
        ).fetchall():
            count += 1
            freed += size
            blobs += with_blobs
            self.held -= held
            self._keyed[key] -= 1
        if blobs:
            self._delete_blobs(span)
        usage = self.usage[level.stream.data_class]
        usage.events -= count
        usage.size -= freed
        # The rows that told these two are gone with them.
        self._connection.execute(
            "UPDATE stream SET last_seq = max(last_seq, ?) WHERE number = ?", (level.stored, number)
        )
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_id', ?)", (self.last_id,))
        return freed

    def _delete_blobs(self, span: tuple[int, int]) -> None:
        rows = self._connection.execute("DELETE FROM blob WHERE k > ? AND k <= ? RETURNING file", span)
        self._doomed.extend(file for (file,) in rows.fetchall() if file)

    def sweep(self, now: Moment) -> list[Loss]:
        """Delete what has expired, some hundreds at a time, and give an age to what is held."""
        if not self._in_line:
            self.measure()
        expired = self._connection.execute(
            "SELECT k FROM event WHERE deadline <= ? ORDER BY deadline LIMIT 500", (now.boot_ns,)
        ).fetchall()
        parked = self._connection.execute(
            "SELECT n, key FROM parked WHERE deadline <= ? LIMIT 500", (now.boot_ns,)
        ).fetchall()
        release = self.held > 0 and now.clock is Clock.SYNCED
        if not expired and not parked and not release:
            return []
        losses = []
        with self._change():
            for (k,) in expired:
                stream, seq = k >> 40, seq_of(k)
                self._delete(self.levels[stream], seq - 1, seq)
                losses.append(Loss(stream, seq, "expired"))
            for n, key in parked:
                self._connection.execute("DELETE FROM parked WHERE n = ?", (n,))
                self._keyed[key] -= 1
            if release:
                ages.release(self._connection, now)
                self.held = ages.held(self._connection)
        return losses

    def park(self, destination: str, stream: Stream, entry: Entry, reason: int) -> None:
        """Keep a copy of an event that a destination cannot take, so that a person can look at it."""
        sealed = self.keys.seal(f"{stream.epoch}|{stream.name}|{entry.seq}", entry.payload)
        key = self.keys.current
        with self._change():
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
                    entry.born_unix_ns,
                    entry.synced,
                    len(entry.payload),
                    key,
                    sealed,
                ),
            )
            self._keyed[key] = self._keyed.get(key, 0) + 1
            for (spent,) in self._connection.execute(
                "DELETE FROM parked WHERE n <= (SELECT max(n) FROM parked) - ? RETURNING key",
                (self._settings.max_parked,),
            ).fetchall():
                self._keyed[spent] -= 1

    # The outbox is full

    def _limits(self, data_class: DataClass) -> ClassSettings:
        return self._settings.record if data_class is DataClass.RECORD else self._settings.traveller

    def _make_room(self) -> list[Loss]:
        """Free what the bounds ask for. Images of travellers go first, then their events, records last."""
        losses: list[Loss] = []
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            limits, usage = self._limits(data_class), self.usage[data_class]
            events, size = usage.events - limits.max_events, usage.size - limits.max_bytes
            if events > 0 or size > 0:
                losses += self._drop(data_class, events, limits.max_events, size, limits.max_bytes)
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            over = sum(usage.size for usage in self.usage.values()) - self._settings.max_bytes
            if over > 0:
                losses += self._drop(data_class, 0, 0, over, self._settings.max_bytes)
        return losses

    def _drop(
        self, data_class: DataClass, events: int, of_events: int, size: int, of_size: int
    ) -> list[Loss]:
        """Free `events` and `size` of one class, and a little more, oldest first."""
        events += of_events // SLACK if events > 0 else 0
        size += of_size // SLACK if size > 0 else 0
        losses: list[Loss] = []
        if size > 0 and events <= 0 and data_class is DataClass.TRAVELLER:
            for k in self._oldest(data_class, with_blobs=True):
                size -= self._drop_images(k)
                losses.append(Loss(k >> 40, seq_of(k), "images_dropped"))
                if size <= 0:
                    return losses
        for k in self._oldest(data_class, with_blobs=False):
            if events <= 0 and size <= 0:
                break
            size -= self._delete(self.levels[k >> 40], seq_of(k) - 1, seq_of(k))
            events -= 1
            losses.append(Loss(k >> 40, seq_of(k), "dropped"))
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

    def _drop_images(self, k: int) -> int:
        (size,) = self._connection.execute("SELECT total(size) FROM blob WHERE k = ?", (k,)).fetchone()
        self._delete_blobs((k - 1, k))
        self._connection.execute("UPDATE event SET blobs = 0, size = size - ? WHERE k = ?", (int(size), k))
        self.usage[self.levels[k >> 40].stream.data_class].size -= int(size)
        return int(size)

    # Keys, topics, housekeeping

    def renew_key(self, master: MasterKey, day: str) -> None:
        """Seal with a new data key from now on, and shred those that nothing uses any more."""
        cipher, wrapped = new_data_key(master)
        with self._change():
            number = self._connection.execute(
                "INSERT INTO data_key (day, master, wrapped) VALUES (?, ?, ?)",
                (day, master.fingerprint, wrapped),
            ).lastrowid
            unused = self.keys.numbers - {k for k, count in self._keyed.items() if count > 0}
            self._connection.executemany("DELETE FROM data_key WHERE number = ?", [(n,) for n in unused])
        assert number is not None
        for spent in unused:
            self.keys.forget(spent)
        self.keys.use(number, cipher, day)

    def shred(self) -> None:
        """Delete data keys that nothing uses any more."""
        unused = (
            self.keys.numbers - {k for k, count in self._keyed.items() if count > 0} - {self.keys.current}
        )
        if unused:
            with self._change():
                self._connection.executemany("DELETE FROM data_key WHERE number = ?", [(n,) for n in unused])
            for spent in unused:
                self.keys.forget(spent)

    def rotate(self, old: MasterKey, new: MasterKey) -> None:
        """Wrap every data key with another master key, all or none."""
        with self._change():
            rotate(self._connection, old, new)

    def remember(self, topics: Iterable[str]) -> None:
        """Note that retained messages of ours stand there."""
        with self._change():
            self._connection.executemany("INSERT OR IGNORE INTO retained VALUES (?)", [(t,) for t in topics])

    def forget(self, topics: Iterable[str]) -> None:
        """Note that nothing of ours stands there any more."""
        with self._change():
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


def rotate(connection: sqlite3.Connection, old: MasterKey, new: MasterKey) -> None:
    """Wrap the data keys that `old` wrapped with `new`; raises VaultError when one does not open."""
    for number, wrapped in connection.execute(
        "SELECT number, wrapped FROM data_key WHERE master = ?", (old.fingerprint,)
    ).fetchall():
        connection.execute(
            "UPDATE data_key SET master = ?, wrapped = ? WHERE number = ?",
            (new.fingerprint, rewrap(old, new, wrapped), number),
        )


class _Change(transaction):
    """A transaction that keeps memory and files in line with its outcome."""

    __slots__ = ("_outbox",)

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox._connection)  # noqa: SLF001 - one class in two halves
        self._outbox = outbox

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        outbox = self._outbox
        try:
            super().__exit__(kind, error, trace)
        except BaseException:
            outbox._in_line = False  # noqa: SLF001
            raise
        if kind is not None:
            outbox._in_line = False  # noqa: SLF001
        elif outbox._doomed:  # noqa: SLF001
            outbox.files.remove(outbox._doomed)  # noqa: SLF001
            outbox._doomed.clear()  # noqa: SLF001
