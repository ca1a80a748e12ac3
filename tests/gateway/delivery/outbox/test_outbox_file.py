"""Files of the outbox: locks, signs of damage, keys, encryption; also properties, tokens and timers."""

import errno
import os
import sqlite3
import stat
import struct
from pathlib import Path

import pytest
from support.gateway.sending import in_virtual_time, turn

from gateway.common.token_bucket import TokenBucket
from gateway.contract.states import KeyStorage
from gateway.delivery.destination.timers import TimerGroup
from gateway.delivery.mqtt.client import PackedProperties
from gateway.delivery.mqtt.properties import (
    event_properties,
    pack_properties,
    signature_property,
)
from gateway.delivery.outbox import database, rows
from gateway.delivery.outbox.blobs import BlobFiles
from gateway.delivery.outbox.database import (
    OutboxCorrupt,
    OutboxLock,
    OutboxUnusable,
    classify_error,
    connect,
    has_lost_commits,
    is_locked,
    migrate,
    rename_outbox_aside,
)
from gateway.delivery.outbox.encryption import (
    EncryptionKeyError,
    MasterKey,
    master_key,
    new_data_key,
    rewrap,
    unwrap,
)
from gateway.delivery.outbox.outbox import NewestId
from gateway.delivery.outbox.rows import DataKeys, transaction
from gateway.delivery.settings import KeySettings

PAGE = 512


def wal(*frames, order=">", header_sum=0):
    """Make a WAL of frames: (page count after a commit, or 0; whether it has the header's salt)."""
    salt = b"saltsalt"
    head = struct.pack(">3I", 0x377F0682 | (order == ">"), 3007000, PAGE) + struct.pack(">I", 1) + salt
    words = struct.unpack(f"{order}6I", head)
    a = b = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        a = (a + first + b) % 2**32
        b = (b + second + a) % 2**32
    content = head + struct.pack(">2I", a, (b + header_sum) % 2**32)
    for pages, has_salt in frames:
        content += struct.pack(">2I", 1, pages) + (salt if has_salt else b"elsewise") + bytes(8) + bytes(PAGE)
    return content


@pytest.mark.parametrize(
    ("content", "frames", "lost"),
    [
        (b"", 0, False),
        (wal()[:31], 0, False),
        (wal(), 0, False),
        (wal(header_sum=1), 0, False),
        (wal(header_sum=1) + b"x", 0, True),
        (wal((1, True), (2, True)), 0, True),
        (wal((1, True), (2, True), order="<"), 0, True),
        (wal((1, True), (2, True)), 1, False),
        (wal((1, True), (2, True), (3, True)), 1, True),
        (wal((1, True), (0, True), (0, True)), 0, False),
        (wal((1, True), (256, True)), 0, True),
        (wal((1, True), (2, False)), 0, False),
    ],
)
def test_commits_beyond_what_is_valid(tmp_path, content, frames, lost):
    path = tmp_path / "outbox.db-wal"
    assert has_lost_commits(path, frames) is False
    path.write_bytes(content)
    assert has_lost_commits(path, frames) is lost


def test_lock_keeps_others_off(tmp_path):
    assert not is_locked(tmp_path)
    lock = OutboxLock(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(OutboxUnusable, match="another gateway uses"):
        OutboxLock(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)
    assert stat.S_IMODE((tmp_path / "outbox.lock").stat().st_mode) == 0o600


ID = "01999999-aaaa-7bbb-8ccc-dddddddddddd"


@pytest.mark.parametrize(
    ("text", "read"),
    [(ID, ID), ("", ""), (ID[:-1], ""), (ID.replace("-7", "-4"), ""), (ID + "a", ""), ("\xff", "")],
)
def test_newest_id_is_noted(tmp_path, text, read):
    (tmp_path / "outbox.newest").write_bytes(text.encode("latin-1"))
    note = NewestId(tmp_path)
    assert note.read() == read
    note.write(ID)
    assert note.read() == (ID if len(text) <= len(ID) else "")
    note.close()
    assert note.read() == ""
    note.write("x")
    note.close()


def test_newest_id_where_none_can_be(tmp_path):
    note = NewestId(tmp_path / "absent")
    note.write(ID)
    assert note.read() == ""
    note.close()


def test_unusable_outbox_is_set_aside_whole(tmp_path):
    for name in ("outbox.db", "outbox.db-wal"):
        (tmp_path / name).write_text(name)
    (tmp_path / "outbox.db").chmod(0o644)
    (tmp_path / "blobs").mkdir()
    aside = rename_outbox_aside(tmp_path, "outbox_corrupt")
    assert aside.cause == "outbox_corrupt"
    assert aside.path.read_text() == "outbox.db"
    assert aside.path.name.startswith("outbox.db.outbox_corrupt-2")
    assert aside.path.name.endswith("Z")
    assert stat.S_IMODE(aside.path.stat().st_mode) == 0o600
    suffix = aside.path.name.removeprefix("outbox.db")
    assert {path.name for path in tmp_path.iterdir()} == {
        name + suffix for name in ("outbox.db", "outbox.db-wal", "blobs")
    }


def sqlite(code):
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OSError(errno.ENOSPC, ""), "disk_full"),
        (OSError(errno.EDQUOT, ""), "disk_full"),
        (OSError(errno.EROFS, ""), "disk_read_only"),
        (OSError(errno.EIO, ""), "disk_error"),
        (sqlite(sqlite3.SQLITE_FULL), "disk_full"),
        (sqlite(sqlite3.SQLITE_CORRUPT | 1 << 8), "outbox_corrupt"),
        (sqlite(sqlite3.SQLITE_NOTADB), "outbox_corrupt"),
        (OutboxCorrupt("x"), "outbox_corrupt"),
        (sqlite(sqlite3.SQLITE_IOERR), "disk_error"),
    ],
)
def test_classify_error_by_code(tmp_path, error, trouble):
    assert classify_error(error, tmp_path) == trouble


@pytest.mark.parametrize(
    ("flags", "free", "trouble"),
    [(os.ST_RDONLY, 5, "disk_read_only"), (0, 0, "disk_full"), (0, 1, "disk_error")],
)
def test_classify_error_by_disk(tmp_path, monkeypatch, flags, free, trouble):
    class Disk:
        f_flag, f_bavail = flags, free

    monkeypatch.setattr(database.os, "statvfs", lambda _: Disk)
    assert classify_error(sqlite(sqlite3.SQLITE_IOERR), tmp_path) == trouble


def test_classify_error_without_directory(tmp_path):
    assert classify_error(sqlite(sqlite3.SQLITE_IOERR), tmp_path / "absent") == "disk_error"


def test_transaction_is_atomic(tmp_path):
    connection = connect(tmp_path / "outbox.db")
    assert stat.S_IMODE((tmp_path / "outbox.db").stat().st_mode) == 0o600
    pragmas = ("journal_mode", "synchronous", "secure_delete", "temp_store", "trusted_schema")
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert found == ["wal", 2, 1, 2, 0]
    with transaction(connection):
        connection.execute("CREATE TABLE t (x UNIQUE)")
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany("INSERT INTO t VALUES (?)", [(2,), (1,)])
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO t VALUES (1)")
    assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]
    connection.close()


def test_schema_is_upgraded_in_steps(tmp_path):
    connection = connect(tmp_path / "outbox.db")
    steps = (("CREATE TABLE a (x)",), ("CREATE TABLE b (x)", "INSERT INTO b VALUES (1)"))
    migrate(connection, steps[:1])
    migrate(connection, steps)
    migrate(connection, steps)
    assert connection.execute("SELECT x FROM b").fetchall() == [(1,)]
    with pytest.raises(
        OutboxUnusable, match="the outbox has schema 2, this gateway supports 1: a newer gateway"
    ):
        migrate(connection, steps[:1])
    connection.close()


def test_images_are_written_all_or_none(tmp_path):
    files = BlobFiles(tmp_path / "blobs")
    assert files.remove_orphans(frozenset()) == 0
    first, second = files.write([b"one", b"two"])
    assert (files.read(first), files.read(second), files.read("absent")) == (b"one", b"two", None)
    assert len(first) == 32
    assert stat.S_IMODE((tmp_path / "blobs" / first).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700

    def failing():
        yield b"three"
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        files.write(failing())
    assert len(list((tmp_path / "blobs").iterdir())) == 2
    assert files.remove_orphans(frozenset({first})) == 1
    files.remove([first, "absent"])
    assert list((tmp_path / "blobs").iterdir()) == []


# Keys and encryption

MASTER = MasterKey(b"m" * 32)


def test_data_key_is_wrapped():
    cipher, wrapped = new_data_key(MASTER)
    sealed = cipher.encrypt(b"n" * 12, b"text", b"")
    assert unwrap(MASTER, wrapped).decrypt(b"n" * 12, sealed, b"") == b"text"
    other = MasterKey(b"o" * 32)
    again = rewrap(MASTER, other, wrapped)
    assert unwrap(other, again).decrypt(b"n" * 12, sealed, b"") == b"text"
    with pytest.raises(EncryptionKeyError, match="encrypted with another master key"):
        unwrap(other, wrapped)
    assert MASTER.fingerprint != other.fingerprint
    assert repr(MASTER) == f"<MasterKey {MASTER.fingerprint.hex()}>"


def test_value_opens_in_its_place_alone(monkeypatch):
    keys = DataKeys()
    keys.set_current(1, new_data_key(MASTER)[0], "1")
    sealed = keys.encrypt("a|1", b"text")
    assert keys.decrypt(1, "a|1", sealed) == b"text"
    assert keys.decrypt(1, "a|2", sealed) is None
    assert keys.decrypt(2, "a|1", sealed) is None
    assert keys.decrypt(1, "a|1", sealed[:-1]) is None
    assert keys.decrypt(1, "a|1", b"") is None
    assert keys.encrypt("a|1", b"text") != sealed
    keys.set_current(2, new_data_key(MASTER)[0], "2")
    assert (keys.current, keys.day, keys.key_numbers) == (2, "2", {1, 2})
    assert keys.decrypt(1, "a|1", sealed) == b"text"
    keys.remove(1)
    keys.remove(1)
    assert keys.decrypt(1, "a|1", sealed) is None
    monkeypatch.setattr(rows, "ENCRYPTIONS_PER_KEY", 2)
    keys.encrypt("a", b"")
    assert not keys.is_exhausted
    keys.encrypt("a", b"")
    assert keys.is_exhausted


def test_key_is_made_once(tmp_path):
    key = master_key(KeySettings(), tmp_path)
    assert (len(key.value), key.storage) == (32, KeyStorage.DISK)
    path = tmp_path / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["master.key"]
    assert master_key(KeySettings(), tmp_path) == key
    path.chmod(0o640)
    with pytest.raises(EncryptionKeyError, match=r"readable by others \(mode 0640\): chmod 600"):
        master_key(KeySettings(), tmp_path)


def test_key_from_configured_source(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_bytes(b"f" * 32)
    path.chmod(0o600)
    assert master_key(KeySettings(file=path), tmp_path) == MasterKey(b"f" * 32, KeyStorage.DISK)
    assert master_key(KeySettings(file=path), Path("/proc")) == MasterKey(b"f" * 32, KeyStorage.OPERATOR)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert master_key(KeySettings(credential="key", file=tmp_path / "x"), tmp_path) == MasterKey(b"f" * 32)
    for storage in (KeyStorage.TPM, KeyStorage.MACHINE):
        (tmp_path / "sealed").write_text(f"{storage.value} ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU=")
        assert master_key(KeySettings(credential="sealed"), tmp_path) == MasterKey(b"e" * 32, storage)
    monkeypatch.setenv("POST_KEY", "ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU=\n")
    assert master_key(KeySettings(variable="POST_KEY"), tmp_path) == MasterKey(b"e" * 32)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            KeySettings(credential="k"),
            "no credential 'k': systemd passed none; add LoadCredentialEncrypted=k",
        ),
        (KeySettings(variable="ABSENT_KEY"), "environment variable ABSENT_KEY is not set"),
        (KeySettings(variable="SHORT_KEY"), "the key SHORT_KEY is not 32 bytes, raw or in base64"),
        (KeySettings(file="/nowhere/key"), "cannot read the key /nowhere/key: No such file"),
    ],
)
def test_key_that_cannot_be_had(tmp_path, monkeypatch, settings, words):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("SHORT_KEY", "c2hvcnQ=")
    with pytest.raises(EncryptionKeyError, match=words):
        master_key(settings, tmp_path)


# Properties, tokens, timers


def test_properties():
    assert pack_properties("a/b", None) == b"\x03\x00\x03a/b"
    assert pack_properties("a/b", 258, user=(("k", "v"),), utf8=True) == (
        b"\x01\x01\x02\x00\x00\x01\x02\x03\x00\x03a/b\x26\x00\x01k\x00\x01v"
    )
    assert signature_property("a..b") == b"\x26\x00\x03jws\x00\x04a..b"
    assert event_properties(7, True) in event_properties(7, False)
    assert event_properties(7, False).endswith(b"\x26\x00\x07durable\x00\x02no")
    assert event_properties(7, True).startswith(b"\x01\x01\x02\x00\x00\x00\x07\x03")


@pytest.mark.parametrize(
    ("size", "length"), [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")]
)
def test_length_before_properties(size, length):
    assert PackedProperties(b"x" * size).pack() == length + b"x" * size


def test_tokens_come_at_a_rate():
    bucket = TokenBucket(40.0)
    bucket.reset(100.0)
    assert not bucket.take(100.0)
    assert bucket.wait_s == pytest.approx(0.025)
    assert bucket.take(100.025)
    assert not bucket.take(100.04)
    assert bucket.wait_s == pytest.approx(0.01)
    assert [bucket.take(200.0) for _ in range(3)] == [
        True,
        True,
        False,
    ]  # at most those of a twentieth of a second


def test_slow_tokens_are_kept_singly():
    bucket = TokenBucket(2.0)
    bucket.reset(0.0)
    assert [bucket.take(60.0) for _ in range(2)] == [True, False]
    assert bucket.wait_s == pytest.approx(0.5)


@in_virtual_time
async def test_timers_are_called_off():
    timers, done = TimerGroup(), []
    timers.call_later(1.0, lambda: done.append(1))
    await turn(0.9)
    assert done == []
    await turn(0.2)
    assert done == [1]
    timers.call_later(1.0, lambda: done.append(2))
    timers.call_later(2.0, lambda: done.append(3))
    timers.cancel_all()
    await turn(5.0)
    assert done == [1]
