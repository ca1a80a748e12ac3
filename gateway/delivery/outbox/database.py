"""SQLite file of the outbox: opened after any accident, migrated, and set aside when unusable.

One connection, in one thread: SQLite 3.7.0 to 3.51.2 can corrupt a WAL when two connections of it checkpoint
(sqlite.org/changes.html, 3.51.3), and Debian 13 ships 3.46.1. Inspection opens the file read-only.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from struct import unpack_from
from typing import Literal

import structlog

from gateway.delivery.outbox.rows import transaction

log = structlog.get_logger()

DATABASE_FILE = "outbox.db"
LOCK_FILE = "outbox.lock"
BLOB_DIR = "blobs"
CHECK_TIMEOUT_S = 2.0
"""Time limit of the check at start, in seconds; a larger file is checked only as it is read."""

DiskTrouble = Literal["disk_full", "disk_read_only", "disk_error", "outbox_corrupt"]
Migration = Sequence[str]

MIGRATIONS: tuple[Migration, ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # Numbers of stream and event make the key of an event: see `row_key`.
        """CREATE TABLE stream (number INTEGER PRIMARY KEY, epoch TEXT NOT NULL, name TEXT NOT NULL,
           class TEXT NOT NULL, last_seq INTEGER NOT NULL, UNIQUE (epoch, name))""",
        # Encrypted columns come last: expiry reads the others and then no overflow page.
        # deadline: CLOCK_BOOTTIME in ns, of the boot named in meta. born: wall clock, ns since 1970.
        # held: the age is unknown, because the row is from another boot and a clock was not synced.
        """CREATE TABLE event (k INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL,
           deadline INTEGER NOT NULL, lifetime INTEGER NOT NULL, born INTEGER NOT NULL,
           synced INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL,
           blobs INTEGER NOT NULL, key INTEGER NOT NULL, body BLOB NOT NULL)""",
        "CREATE INDEX event_deadline ON event (deadline)",
        """CREATE TABLE blob (k INTEGER NOT NULL, part INTEGER NOT NULL, role TEXT NOT NULL,
           media_type TEXT NOT NULL, size INTEGER NOT NULL, key INTEGER NOT NULL, file TEXT, body BLOB,
           PRIMARY KEY (k, part))""",
        """CREATE TABLE cursor (destination TEXT NOT NULL, stream INTEGER NOT NULL, upto INTEGER NOT NULL,
           PRIMARY KEY (destination, stream)) WITHOUT ROWID""",
        """CREATE TABLE parked (n INTEGER PRIMARY KEY, destination TEXT NOT NULL, epoch TEXT NOT NULL,
           stream TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
           reason INTEGER NOT NULL, deadline INTEGER NOT NULL, lifetime INTEGER NOT NULL,
           born INTEGER NOT NULL, synced INTEGER NOT NULL, size INTEGER NOT NULL, key INTEGER NOT NULL,
           body BLOB NOT NULL)""",
        "CREATE TABLE retained (topic TEXT PRIMARY KEY) WITHOUT ROWID",
        """CREATE TABLE data_key (number INTEGER PRIMARY KEY AUTOINCREMENT, day TEXT NOT NULL,
           master BLOB NOT NULL, wrapped BLOB NOT NULL)""",
    ),
    ("ALTER TABLE event ADD COLUMN jws TEXT",),
    (
        "ALTER TABLE parked ADD COLUMN jws TEXT",
        "ALTER TABLE parked ADD COLUMN resend INTEGER NOT NULL DEFAULT 0",
    ),
)
"""Migration n takes a file from `user_version` n to n + 1."""


class OutboxUnusable(Exception):  # noqa: N818 - not a fault of the program
    """The outbox must not be used; the text says why and what to do. Nothing was changed."""


class OutboxCorrupt(sqlite3.DatabaseError):
    """The file could be opened, but a check found it damaged."""


@dataclass(frozen=True, slots=True)
class SetAsideOutbox:
    """A file that could not be used and was renamed."""

    path: Path
    cause: Literal["outbox_corrupt", "master_key_changed"]


def classify_error(error: sqlite3.Error | OSError, directory: Path) -> DiskTrouble:
    """Classify a failed write."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return "disk_full"
        return "disk_read_only" if error.errno == errno.EROFS else "disk_error"
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return "disk_full"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return "outbox_corrupt"
    if isinstance(error, OutboxCorrupt):
        return "outbox_corrupt"
    # SQLite reports `disk I/O error` or `unable to open` for many causes: look at the disk itself.
    try:
        disk = os.statvfs(directory)
    except OSError:
        return "disk_error"
    if disk.f_flag & os.ST_RDONLY:
        return "disk_read_only"
    return "disk_full" if disk.f_bavail == 0 else "disk_error"


class OutboxLock:
    """Lock against a second gateway on the same outbox; the kernel releases it with the process."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise OutboxUnusable(f"another gateway uses {directory}: stop it first") from None

    def release(self) -> None:
        """Release the lock."""
        os.close(self._fd)


def is_locked(directory: Path) -> bool:
    """Return whether a gateway has this outbox open."""
    try:
        OutboxLock(directory).release()
    except OutboxUnusable:
        return True
    return False


def connect(path: Path) -> sqlite3.Connection:
    """Open or create the file, private from its first byte; raises sqlite3.Error or OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=2, cached_statements=256)
    try:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # NORMAL may roll commits back after a power cut.
            "secure_delete=ON",
            "temp_store=MEMORY",
            "cache_size=-2000",
            "journal_size_limit=8388608",
            "wal_autocheckpoint=2000",
            "trusted_schema=OFF",
            "cell_size_check=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection) -> None:
    """Check the whole file, for at most CHECK_TIMEOUT_S; raises OutboxCorrupt."""
    until = time.monotonic() + CHECK_TIMEOUT_S
    connection.set_progress_handler(lambda: time.monotonic() > until, 50_000)
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("outbox_check_timed_out", limit_s=CHECK_TIMEOUT_S)
        return
    finally:
        connection.set_progress_handler(None, 0)
    if verdict != ("ok",):
        raise OutboxCorrupt("quick_check found the file damaged")


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Migrate the schema in one transaction; raises OutboxUnusable for a file of a newer gateway."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise OutboxUnusable(
            f"the outbox has schema {version}, this gateway supports {len(migrations)}: "
            "a newer gateway wrote it; install that one again, or move the outbox away"
        )
    if version == len(migrations):
        return
    with transaction(connection):
        for migration in migrations[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(migrations)}")


def has_lost_commits(path: Path, frames: int) -> bool:
    """Return whether the WAL holds committed transactions beyond the `frames` that SQLite accepts.

    SQLite stops reading a WAL at the first frame with a wrong checksum and silently rolls back the rest.
    After a power cut, one commit frame may follow: that of the interrupted transaction, if the disk wrote it
    before the frames ahead of it. Each commit is synced before the next begins. So a second commit frame
    means that a committed transaction was damaged later: its numbers were assigned, and perhaps published,
    and the database no longer has them. `NewestId` covers the newest transaction alone. Format:
    sqlite.org/fileformat.html, section 4.1.
    """
    commits = 0
    try:
        with path.open("rb") as wal:
            header = wal.read(32)
            if len(header) < 32:
                return False
            if not _is_wal_header_valid(header):
                return wal.seek(0, os.SEEK_END) > 32
            page_size = unpack_from(">I", header, 8)[0]
            wal.seek(32 + frames * (24 + page_size))
            while len(head := wal.read(24)) == 24:
                # Bytes 4-7: database size after commit, 0 in other frames. 8-15: salt, as in the header;
                # frames of an earlier use of the file have another.
                commits += head[8:16] == header[16:24] and head[4:8] != b"\0\0\0\0"
                wal.seek(page_size, os.SEEK_CUR)
    except OSError:
        return False
    return commits > 1


def _is_wal_header_valid(header: bytes) -> bool:
    """Return whether the checksum in a WAL header is right (sqlite.org/fileformat.html, section 4.2)."""
    words = unpack_from(">6I" if header[3] & 1 else "<6I", header)
    a = b = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        a = a + first + b & 0xFFFF_FFFF
        b = b + second + a & 0xFFFF_FFFF
    return (a, b) == unpack_from(">2I", header, 24)


def rename_outbox_aside(
    directory: Path, cause: Literal["outbox_corrupt", "master_key_changed"]
) -> SetAsideOutbox:
    """Rename database, WAL and images, so that a new outbox can begin and nothing is deleted."""
    suffix = f".{cause}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z"
    # The database goes first. If the process dies in between, SQLite discards a WAL beside an empty database;
    # without its WAL it would take the old database for a whole one.
    for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm", BLOB_DIR):
        with contextlib.suppress(FileNotFoundError):
            (directory / name).rename(directory / (name + suffix))
    path = directory / (DATABASE_FILE + suffix)
    with contextlib.suppress(FileNotFoundError):
        path.chmod(0o600)
    log.error("outbox_set_aside", cause=cause, file=path.name)
    return SetAsideOutbox(path, cause)
