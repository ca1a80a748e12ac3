"""Opening the outbox after any accident: the post continues, and losses are reported."""

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from drivers.observation import DataClass
from gateway.contract.envelope import Moment
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.outbox import expiry
from gateway.delivery.outbox.database import (
    DATABASE_FILE,
    OutboxCorrupt,
    SetAsideOutbox,
    check,
    connect,
    has_lost_commits,
    migrate,
    rename_outbox_aside,
)
from gateway.delivery.outbox.encryption import EncryptionKeyError, MasterKey, unwrap
from gateway.delivery.outbox.outbox import NewestId, Outbox, rewrap_keys
from gateway.delivery.outbox.rows import DataKeys, transaction
from gateway.delivery.outbox.sequence import new_epoch, parse_uuid7
from gateway.delivery.settings import OutboxSettings

log = structlog.get_logger()

_UNUSABLE_ERRORS = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
}
"""SQLITE_ERROR is one of them: it means that a table of the schema is missing."""


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """An open outbox, and what was done to open it."""

    outbox: Outbox
    set_aside: SetAsideOutbox | None = None
    new_epoch_reason: str | None = None


def open_outbox(
    settings: OutboxSettings,
    topics: SiteTopics,
    destinations_by_class: Mapping[DataClass, tuple[str, ...]],
    keys: tuple[MasterKey, MasterKey | None],
    now: Moment,
) -> RecoveryResult:
    """Open the outbox, or begin a new one if it is unusable.

    Raises OutboxUnusable when it must not be touched, sqlite3.Error or OSError when the disk is in trouble.
    """
    set_aside: SetAsideOutbox | None = None
    while True:
        try:
            return _open(settings, topics, destinations_by_class, keys, now, set_aside)
        except EncryptionKeyError:
            cause = "master_key_changed"
        except (sqlite3.DatabaseError, ValueError, TypeError, OverflowError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if not isinstance(error, OutboxCorrupt) and code not in _UNUSABLE_ERRORS:
                raise
            cause = "outbox_corrupt"
        if set_aside is not None:  # A new file failed as well: the disk is the cause.
            raise sqlite3.OperationalError("a new outbox cannot be used either")
        set_aside = rename_outbox_aside(
            settings.directory, "outbox_corrupt" if cause == "outbox_corrupt" else "master_key_changed"
        )


def _open(
    settings: OutboxSettings,
    topics: SiteTopics,
    destinations_by_class: Mapping[DataClass, tuple[str, ...]],
    keys: tuple[MasterKey, MasterKey | None],
    now: Moment,
    set_aside: SetAsideOutbox | None,
) -> RecoveryResult:
    path = settings.directory / DATABASE_FILE
    connection = connect(path)
    try:
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        lost = has_lost_commits(path.with_name(f"{DATABASE_FILE}-wal"), max(frames, 0))
        check(connection)
        migrate(connection)
        data_keys = _data_keys(connection, *keys)
        with transaction(connection):
            last_id = _remove_unused(connection, destinations_by_class)
            _check_readable(connection, last_id)
            note = NewestId(settings.directory)
            lost = lost or note.read() > last_id
            note.close()
            epoch, new_epoch_reason = _epoch(connection, now, lost=lost)
            _prune(connection)
        outbox = Outbox(connection, settings, topics, destinations_by_class, data_keys, epoch)
        outbox.reload_counts()
        outbox.rotate_data_key(keys[0], f"{now.unix_ns // 86_400_000_000_000}")
        orphans = outbox.files.remove_orphans(
            frozenset(f for (f,) in connection.execute("SELECT file FROM blob WHERE file IS NOT NULL"))
        )
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        raise
    log.info(
        "outbox_opened",
        sqlite_version=sqlite3.sqlite_version,
        events=sum(usage.events for usage in outbox.usage.values()),
        held=outbox.held_events,
        orphans=orphans,
        new_epoch=new_epoch_reason,
    )
    return RecoveryResult(outbox, set_aside, new_epoch_reason)


def _check_readable(connection: sqlite3.Connection, last_id: str) -> None:
    """Check that streams and newest id can be read: a damaged SQLite file may hold any type in a text column.

    Raises ValueError or TypeError. Events are checked one by one when they are read.
    """
    # `class` is in no index, so this reads the table, where the name may be damaged, not the index.
    for name, _ in connection.execute("SELECT name, class FROM stream"):
        Position.parse(str.rpartition(name, "/")[0])
    if last_id:
        parse_uuid7(last_id)


def _data_keys(connection: sqlite3.Connection, master: MasterKey, previous: MasterKey | None) -> DataKeys:
    """Unwrap every data key; wrap those of the previous master key anew. Raises EncryptionKeyError."""
    if previous is not None and previous.fingerprint != master.fingerprint:
        with transaction(connection):
            rewrap_keys(connection, previous, master)
    keys = DataKeys()
    for number, fingerprint, wrapped in connection.execute("SELECT number, master, wrapped FROM data_key"):
        if fingerprint != master.fingerprint:
            raise EncryptionKeyError("the outbox was encrypted with another master key")
        keys.add(number, unwrap(master, wrapped))
    return keys


def _epoch(connection: sqlite3.Connection, now: Moment, *, lost: bool) -> tuple[str, str | None]:
    """Return the epoch to continue in, and the reason if it is new; convert ages to this boot."""
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    new_epoch_reason = None
    if lost:
        new_epoch_reason = "commits_lost"
        log.error("outbox_commits_lost")
    if meta.get("boot") != now.boot_id:
        expiry.rebase_deadlines(connection, now)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (now.boot_id,))
    if expiry.count_held(connection):
        # New events must not wait behind held ones, so they go into streams of their own.
        new_epoch_reason = new_epoch_reason or "ages_unknown"
    epoch = meta.get("epoch")
    if epoch is None or new_epoch_reason:
        epoch = new_epoch()
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (epoch,))
    return epoch, new_epoch_reason


def _remove_unused(
    connection: sqlite3.Connection, destinations_by_class: Mapping[DataClass, tuple[str, ...]]
) -> str:
    """Delete cursors of removed destinations, and events that all others have; return the newest id."""
    destinations = sorted({name for names in destinations_by_class.values() for name in names})
    marks = ",".join("?" * len(destinations))
    connection.execute(f"DELETE FROM cursor WHERE destination NOT IN ({marks})", destinations)  # noqa: S608
    last_id = ""
    for number, data_class in connection.execute("SELECT number, class FROM stream").fetchall():
        span = (number << 40, number + 1 << 40)
        row = connection.execute(
            "SELECT k, id FROM event WHERE k > ? AND k < ? ORDER BY k DESC LIMIT 1", span
        ).fetchone()
        if row is None:
            continue
        last_id = max(last_id, row[1])
        connection.execute(
            "UPDATE stream SET last_seq = max(last_seq, ?) WHERE number = ?", (row[0] - span[0], number)
        )
        cursors = dict(
            connection.execute("SELECT destination, upto FROM cursor WHERE stream = ?", (number,)).fetchall()
        )
        low = min(
            (cursors.get(name, 0) for name in destinations_by_class.get(DataClass(data_class), ())), default=0
        )
        passed = (span[0], span[0] + low)
        connection.execute("DELETE FROM event WHERE k > ? AND k <= ?", passed)
        connection.execute("DELETE FROM blob WHERE k > ? AND k <= ?", passed)
    row = connection.execute("SELECT value FROM meta WHERE name = 'last_id'").fetchone()
    last_id = max(last_id, row[0] if row else "")
    if last_id:
        connection.execute(
            "INSERT INTO meta VALUES ('last_id', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (last_id,),
        )
    connection.execute("DELETE FROM blob WHERE k NOT IN (SELECT k FROM event)")
    return last_id


def _prune(connection: sqlite3.Connection) -> None:
    """Delete empty streams of earlier epochs, and cursors of deleted streams."""
    connection.execute(
        "DELETE FROM stream WHERE epoch <> (SELECT value FROM meta WHERE name = 'epoch')"
        " AND NOT EXISTS (SELECT 1 FROM event WHERE k > number << 40 AND k < number + 1 << 40)"
    )
    connection.execute("DELETE FROM cursor WHERE stream NOT IN (SELECT number FROM stream)")
