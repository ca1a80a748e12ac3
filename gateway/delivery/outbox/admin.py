"""Inspect queued events, without their payloads and keys, and delete them.

Reading works beside a running gateway: the file is opened read-only, and a reader neither blocks the writer
nor takes part in checkpoints. Purging and marking write, so the gateway must be stopped.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from drivers.observation import DataClass
from gateway.contract.envelope import to_rfc3339
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.database import (
    BLOB_DIR,
    DATABASE_FILE,
    OutboxCorrupt,
    OutboxLock,
    OutboxUnusable,
    connect,
    migrate,
)
from gateway.delivery.outbox.parked import REASON_TEXTS
from gateway.delivery.outbox.rows import seq_from_key, transaction

RESEND_VERSION = 3
"""Schema from which parked events can be marked."""


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One event in the outbox, without its payload."""

    epoch: str
    stream: str
    seq: int
    id: str
    type: str
    data_class: str
    accepted_at: str
    """Wall clock time of its acceptance, UTC."""
    clock: str
    lifetime_s: float
    is_age_unknown: bool
    """True: it waits because its age is unknown."""
    bytes: int
    images: int
    waiting_destinations: tuple[str, ...]
    """Known destinations that have not acknowledged it; empty: none was ever reached."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One event that a destination could not take."""

    destination: str
    epoch: str
    stream: str
    seq: int
    id: str
    type: str
    reason: int
    """MQTT 5 reason code."""
    accepted_at: str
    bytes: int
    is_marked: bool
    """True: it is sent again at the next start of the gateway."""

    @property
    def text(self) -> str:
        """Reason in a sentence."""
        return REASON_TEXTS.get(self.reason, "The broker refuses it.")


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """Events of one stream in the outbox."""

    epoch: str
    stream: str
    data_class: str
    events: int
    bytes: int
    first: int | None
    last: int


@contextlib.contextmanager
def _open_read_only(directory: Path) -> Iterator[sqlite3.Connection]:
    path = directory / DATABASE_FILE
    if not path.exists():
        raise OutboxUnusable(f"there is no outbox in {directory}")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)
    try:
        connection.execute("BEGIN")
        yield connection
    except (
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # Texts that are not text; SQLite's own messages too.
        raise OutboxCorrupt("the outbox is damaged") from error
    finally:
        connection.close()


def list_events(directory: Path) -> Iterator[EventSummary]:
    """Yield every event in the outbox, stream by stream; raises OutboxUnusable, sqlite3.Error."""
    with _open_read_only(directory) as connection:
        cursors: dict[int, dict[str, int]] = {}
        names: set[str] = set()
        for destination, stream, upto in connection.execute("SELECT destination, stream, upto FROM cursor"):
            cursors.setdefault(stream, {})[destination] = upto
            names.add(destination)
        for (
            k,
            epoch,
            stream,
            data_class,
            event_id,
            kind,
            born,
            synced,
            lifetime,
            held,
            size,
            blobs,
        ) in connection.execute(
            "SELECT k, epoch, name, class, id, type, born, synced, lifetime, held, size, blobs"
            " FROM event JOIN stream ON number = k >> 40 ORDER BY k"
        ):
            seq = seq_from_key(k)
            passed = cursors.get(k >> 40, {})
            yield EventSummary(
                epoch=epoch,
                stream=stream,
                seq=seq,
                id=event_id,
                type=kind,
                data_class=data_class,
                accepted_at=to_rfc3339(born),
                clock="synced" if synced else "unsynced",
                lifetime_s=lifetime / 1e9,
                is_age_unknown=bool(held),
                bytes=size,
                images=blobs,
                waiting_destinations=tuple(sorted(name for name in names if passed.get(name, 0) < seq)),
            )


def list_parked(directory: Path) -> Iterator[ParkedEvent]:
    """Yield every parked event; raises OutboxUnusable, sqlite3.Error."""
    with _open_read_only(directory) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        marked = "resend" if version >= RESEND_VERSION else "0"
        for destination, epoch, stream, seq, event_id, kind, reason, born, size, resend in connection.execute(
            f"SELECT destination, epoch, stream, seq, id, type, reason, born, size, {marked}"  # noqa: S608
            " FROM parked ORDER BY n"
        ):
            yield ParkedEvent(
                destination, epoch, stream, seq, event_id, kind, reason, to_rfc3339(born), size, bool(resend)
            )


def stream_summaries(directory: Path) -> list[StreamSummary]:
    """Return a summary of every stream; raises OutboxUnusable, sqlite3.Error."""
    with _open_read_only(directory) as connection:
        return [
            StreamSummary(
                epoch,
                name,
                data_class,
                n,
                int(size),
                None if first is None else seq_from_key(first),
                max(last, seq),
            )
            for epoch, name, data_class, last, n, size, first, seq in connection.execute(
                "SELECT epoch, name, class, last_seq, count(k), total(size), min(k),"
                " coalesce(max(k) & ((1 << 40) - 1), 0)"
                " FROM stream LEFT JOIN event ON k > number << 40 AND k < number + 1 << 40"
                " GROUP BY number ORDER BY number"
            )
        ]


def export(directory: Path, out: TextIO) -> int:
    """Write a summary of every event as JSON lines; return their number."""
    written = 0
    for event in list_events(directory):
        out.write(json.dumps(asdict(event)) + "\n")
        written += 1
    return written


def mark_parked(directory: Path, destination: str | None = None) -> int:
    """Mark parked events, of one destination or all, to be sent again; return their number.

    The gateway sends them at its next start. Raises OutboxUnusable while a gateway runs, and sqlite3.Error.
    """
    with _open_exclusive(directory) as connection, transaction(connection):
        return connection.execute(
            "UPDATE parked SET resend = 1 WHERE destination = coalesce(?, destination)", (destination,)
        ).rowcount


def purge(directory: Path, data_class: DataClass | None = None, *, include_parked: bool = False) -> int:
    """Delete events of a class, or all, even if undelivered; return their number.

    Raises OutboxUnusable while a gateway runs, and sqlite3.Error. Sequence numbers continue.
    """
    with _open_exclusive(directory) as connection:
        return _purge(connection, BlobFiles(directory / BLOB_DIR), data_class, parked_too=include_parked)


@contextlib.contextmanager
def _open_exclusive(directory: Path) -> Iterator[sqlite3.Connection]:
    """Open the outbox of a stopped gateway for writing."""
    if not (directory / DATABASE_FILE).exists():
        raise OutboxUnusable(f"there is no outbox in {directory}")
    lock = OutboxLock(directory)
    try:
        connection = connect(directory / DATABASE_FILE)
        try:
            migrate(connection)
            yield connection
        finally:
            connection.close()
    finally:
        lock.release()


def _purge(
    connection: sqlite3.Connection, files: BlobFiles, data_class: DataClass | None, *, parked_too: bool
) -> int:
    deleted = 0
    names: list[str] = []
    with transaction(connection):
        for number, kind in connection.execute("SELECT number, class FROM stream").fetchall():
            if data_class is not None and kind != data_class:
                continue
            span = (number << 40, (number + 1) << 40)
            k, event_id = connection.execute(
                "SELECT max(k), max(id) FROM event WHERE k > ? AND k < ?", span
            ).fetchone()
            if k is None:
                continue
            connection.execute(
                "UPDATE stream SET last_seq = max(last_seq, ?) WHERE number = ?", (seq_from_key(k), number)
            )
            connection.execute(
                "INSERT INTO meta VALUES ('last_id', ?)"
                " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                (event_id,),
            )
            blobs = connection.execute("DELETE FROM blob WHERE k > ? AND k < ? RETURNING file", span)
            names += [file for (file,) in blobs.fetchall() if file]
            deleted += connection.execute("DELETE FROM event WHERE k > ? AND k < ?", span).rowcount
        if parked_too:
            deleted += connection.execute("DELETE FROM parked").rowcount
    files.remove(names)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return deleted
