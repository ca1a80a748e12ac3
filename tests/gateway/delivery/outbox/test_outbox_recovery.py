"""The outbox after kills, damage, upgrades and lost keys: it opens, and numbers are never reused."""

import base64
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import pytest
from support.gateway.deliveries import ScriptedBroker, event, until

from drivers.observation import DataClass
from gateway.contract.envelope import read_event
from gateway.contract.states import KeyStorage
from gateway.delivery.events import Blob
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.outbox import database
from gateway.delivery.outbox.database import DATABASE_FILE, OutboxUnusable, connect, migrate
from gateway.delivery.outbox.encryption import EncryptionKeyError, MasterKey, master_key
from gateway.delivery.outbox.outbox import NEWEST_ID_FILE
from gateway.delivery.settings import BrokerSettings, DestinationSettings, KeySettings

NOWHERE = DestinationSettings.local(BrokerSettings(port=1))
SUBMITTER = Path(__file__).parents[3] / "support" / "gateway" / "submitter.py"


def local(broker, **changes):
    return DestinationSettings.local(BrokerSettings(port=broker.port), **changes)


def causes(delivery):
    return {problem.cause for problem in delivery.problems()}


def seqs(directory, stream="lane-1/reader/record"):
    return [e.seq for e in inspect.list_events(directory) if e.stream == stream]


def test_killed_process_loses_no_commit(outbox_directory):
    chance = random.Random(20261124)
    committed = 0
    with subprocess.Popen(
        [sys.executable, SUBMITTER, outbox_directory], stdin=PIPE, stdout=PIPE, text=True, bufsize=1
    ) as submitters:
        assert submitters.stdin is not None
        assert submitters.stdout is not None
        for _ in range(16):
            submitters.stdin.write("one more\n")
            ready, pid = submitters.stdout.readline().split()
            assert ready == "ready"
            committed = max(committed, int(submitters.stdout.readline()))
            time.sleep(chance.uniform(0, 0.06))
            os.kill(int(pid), signal.SIGKILL)
            committed = max([committed, *map(int, iter(submitters.stdout.readline, "ended\n"))])
            found = seqs(outbox_directory)
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= committed
        submitters.stdin.close()
    assert committed >= 16
    epochs = {e.epoch for e in inspect.list_events(outbox_directory)}
    assert len(epochs) == 1
    ids = [e.id for e in inspect.list_events(outbox_directory)]
    assert ids == sorted(ids)
    large = [e for e in inspect.list_events(outbox_directory) if e.images]
    connection = sqlite3.connect(outbox_directory / DATABASE_FILE)
    files = {row[0] for row in connection.execute("SELECT file FROM blob WHERE file IS NOT NULL")}
    connection.close()
    assert large
    assert files <= {path.name for path in (outbox_directory / "blobs").iterdir()}


async def _noted(directory):
    """Wait until the newest id is written, which follows the commit."""
    newest = max(one.id for one in inspect.list_events(directory))
    await until(lambda: (directory / NEWEST_ID_FILE).read_text() == newest)


async def _filled(deliver, directory, count=40, *, clean=True, copy_to=None):
    delivery = await deliver(NOWHERE)
    for n in range(count):
        delivery.submit(event(n, size=300))
    await until(lambda: len(seqs(directory)) == count)
    if copy_to is not None:  # As after a power cut: the WAL is not written back.
        await _noted(directory)
        shutil.copytree(directory, copy_to)
    await delivery.stop(0)
    return delivery.epoch


@pytest.mark.parametrize("where", [0.0, 0.01, 0.2, 0.5, 0.8, 0.999])
@pytest.mark.parametrize("how", ["flip", "cut"])
@pytest.mark.parametrize("file", [DATABASE_FILE, f"{DATABASE_FILE}-wal"])
async def test_damage_anywhere_still_opens(deliver, outbox_directory, tmp_path, where, how, file):
    copy = tmp_path / "copy"
    epoch = await _filled(deliver, outbox_directory, copy_to=copy)
    path = copy / file
    if file == DATABASE_FILE:
        path = outbox_directory / DATABASE_FILE
        copy = outbox_directory
    size = path.stat().st_size
    with path.open("r+b") as victim:
        if how == "cut":
            victim.truncate(int(size * where))
        else:
            victim.seek(int(size * where))
            byte = victim.read(1)
            victim.seek(-1, os.SEEK_CUR)
            victim.write(bytes((byte[0] ^ 0x10,)))
    async with ScriptedBroker() as broker:
        delivery = await deliver(local(broker), outbox={"directory": copy})
        delivery.submit(event(1000))
        await until(lambda: 1000 in broker.numbers)
        await until(lambda: delivery.destination_reports()[0].queued == 0)
    old = [n for n in broker.numbers if n != 1000]
    assert old == sorted(set(old))  # Readable events came in order, and once.
    new = next(json.loads(p) for t, p in broker.published if b'"n": 1000' in p)
    if len(old) < 40:
        # Something is lost. Its number must not be reused: a new epoch begins, or counting continues.
        assert new["epoch"] != epoch or new["seq"] == 41
        if how == "flip":
            assert causes(delivery) & {"outbox_corrupt", "events_damaged"}
    for path in copy.iterdir():
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("commits", [1, 2])
async def test_power_cut_in_commit_is_not_damage(deliver, outbox_directory, tmp_path, commits):
    copy, wal = tmp_path / "copy", outbox_directory / f"{DATABASE_FILE}-wal"
    delivery = await deliver(NOWHERE)

    async def received(n):
        delivery.submit(event(n, size=9000))
        await until(lambda: len(seqs(outbox_directory)) == n + 1)
        await _noted(outbox_directory)

    for n in range(3):
        await received(n)
    shutil.copytree(outbox_directory, copy)
    whole = (copy / f"{DATABASE_FILE}-wal").read_bytes()
    for n in range(commits):
        await received(3 + n)
    after = bytearray(wal.read_bytes())
    await delivery.stop(0)
    assert bytes(after[: len(whole)]) == whole
    page = int.from_bytes(after[8:12], "big")
    frames = range(len(whole), len(after), 24 + page)
    ends = [at + 24 + page for at in frames if any(after[at + 4 : at + 8])]
    # The disk wrote all but the first frame of the last commit; the note has only synced ids.
    after[len(whole) + 24 : len(whole) + 24 + page] = bytes(page)
    (copy / f"{DATABASE_FILE}-wal").write_bytes(after[: ends[commits - 1]])

    async with ScriptedBroker() as broker:
        again = await deliver(local(broker), outbox={"directory": copy})
        again.submit(event(1000))
        await until(lambda: {0, 1, 2, 1000} <= set(broker.numbers))
        assert [n for n in broker.numbers if n != 1000] == [0, 1, 2]
        new = next(json.loads(p) for _, p in broker.published if b'"n": 1000' in p)
        interrupted = commits == 1
        assert (new["epoch"] == delivery.epoch) == interrupted
        assert (new["seq"] == 4) == interrupted
        assert ("outbox_corrupt" in causes(again)) != interrupted


async def test_non_database_is_set_aside_private(deliver, outbox_directory):
    outbox_directory.mkdir()
    (outbox_directory / DATABASE_FILE).write_bytes(b"this is not a database" * 100)
    delivery = await deliver(NOWHERE)
    delivery.submit(event(1))
    await until(lambda: seqs(outbox_directory) == [1])
    (problem,) = (p for p in delivery.problems() if p.cause == "outbox_corrupt")
    (aside,) = outbox_directory.glob("outbox.db.outbox_corrupt-*")
    assert aside.name in problem.text
    assert aside.read_bytes().startswith(b"this is not a database")
    assert aside.stat().st_mode & 0o777 == 0o600


def test_migration_is_atomic(tmp_path):
    connection = connect(tmp_path / DATABASE_FILE)
    migrate(connection)
    later = (*database.MIGRATIONS, ("ALTER TABLE event ADD COLUMN extra TEXT", "CREATE TABLE more (x)"))
    broken = (*database.MIGRATIONS, ("ALTER TABLE event ADD COLUMN extra TEXT", "CREATE NONSENSE"))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(event)")]
    assert "extra" not in columns
    assert connection.execute("PRAGMA user_version").fetchone() == (len(database.MIGRATIONS),)
    migrate(connection, later)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
    assert "extra" in [row[1] for row in connection.execute("PRAGMA table_info(event)")]
    connection.close()


async def test_file_of_newer_gateway_is_refused(deliver, outbox_directory):
    await _filled(deliver, outbox_directory, 3)
    connection = sqlite3.connect(outbox_directory / DATABASE_FILE)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(OutboxUnusable, match="newer gateway"):
        await deliver(NOWHERE)
    assert not list(outbox_directory.glob("*corrupt*"))
    assert seqs(outbox_directory) == [1, 2, 3]


async def test_second_gateway_is_refused(deliver, outbox_directory):
    await deliver(NOWHERE)
    with pytest.raises(OutboxUnusable, match="another gateway"):
        await deliver(NOWHERE)
    with pytest.raises(OutboxUnusable, match="another gateway"):
        inspect.purge(outbox_directory)


# Encryption at rest


async def test_no_personal_data_readable_on_disk(deliver, outbox_directory):
    canary = b"ERIKSSON<<ANNA<MARIA"
    delivery = await deliver(NOWHERE)
    for n in range(50):
        said = event(
            n,
            DataClass.TRAVELLER,
            blobs=(Blob("page", "image/jpeg", canary * 5000), Blob("face", "image/jpeg", canary)),
        )
        delivery.submit(
            type(said)(
                said.position, said.event_type, said.data_class, b'{"data":"' + canary + b'"', said.blobs
            )
        )
    await until(lambda: len(list(inspect.list_events(outbox_directory))) == 50)
    seen = 0
    for path in outbox_directory.rglob("*"):
        if path.is_file():
            seen += path.stat().st_size
            assert canary not in path.read_bytes(), path
            assert path.stat().st_mode & 0o077 == 0, path
    assert seen > 50 * len(canary) * 5000
    await delivery.stop(0)
    assert all(canary not in path.read_bytes() for path in outbox_directory.rglob("*") if path.is_file())


def test_master_key_sources(tmp_path, monkeypatch):
    value = os.urandom(32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "outbox.key").write_bytes(base64.b64encode(value) + b"\n")
    assert master_key(KeySettings(credential="outbox.key"), tmp_path).value == value
    secret = tmp_path / "secret"
    secret.write_bytes(value)
    secret.chmod(0o640)
    with pytest.raises(EncryptionKeyError, match="chmod 600"):
        master_key(KeySettings(file=secret), tmp_path)
    secret.chmod(0o600)
    assert master_key(KeySettings(file=secret), tmp_path).value == value
    monkeypatch.setenv("BGW_KEY", base64.b64encode(value).decode())
    assert master_key(KeySettings(variable="BGW_KEY"), tmp_path).value == value
    for wrong in (
        KeySettings(variable="NO_SUCH"),
        KeySettings(file=tmp_path / "none"),
        KeySettings(credential="none"),
    ):
        with pytest.raises(EncryptionKeyError):
            master_key(wrong, tmp_path)
    monkeypatch.setenv("BGW_KEY", "c2hvcnQ=")
    with pytest.raises(EncryptionKeyError, match="32 bytes") as caught:
        master_key(KeySettings(variable="BGW_KEY"), tmp_path)
    assert "c2hvcnQ" not in str(caught.value)
    made = master_key(KeySettings(), tmp_path)
    assert made.storage is KeyStorage.DISK
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert master_key(KeySettings(), tmp_path).value == made.value
    assert made.value.hex() not in repr(made)


async def test_other_master_key_sets_aside_old_one_restores(deliver, outbox_directory, monkeypatch):
    for name in ("OLD", "NEW"):
        monkeypatch.setenv(name, base64.b64encode(os.urandom(32)).decode())
    first = await deliver(NOWHERE, outbox={"key": KeySettings(variable="OLD")})
    first.submit(event(1))
    await until(lambda: seqs(outbox_directory) == [1])
    await first.stop(0)
    copy = outbox_directory.with_name("copy")
    shutil.copytree(outbox_directory, copy)
    second = await deliver(NOWHERE, outbox={"key": KeySettings(variable="NEW")})
    assert "master_key_changed" in causes(second)
    assert second.epoch != first.epoch
    assert seqs(outbox_directory) == []
    assert list(outbox_directory.glob("outbox.db.master_key_changed-*"))
    # With the previous key configured, the data keys are wrapped anew instead.
    async with ScriptedBroker() as broker:
        third = await deliver(
            local(broker),
            outbox={
                "directory": copy,
                "key": KeySettings(variable="NEW"),
                "previous_key": KeySettings(variable="OLD"),
            },
        )
        await until(lambda: broker.numbers == [1])
        assert third.epoch == first.epoch


async def test_master_key_rotates_while_events_flow(deliver, outbox_directory, monkeypatch):
    old, new = os.urandom(32), os.urandom(32)
    monkeypatch.setenv("KEY", base64.b64encode(old).decode())
    first = await deliver(NOWHERE, outbox={"key": KeySettings(variable="KEY")})
    first.submit(event(1))
    await until(lambda: seqs(outbox_directory) == [1])
    await first.rotate(MasterKey(new))
    first.submit(event(2))
    await until(lambda: seqs(outbox_directory) == [1, 2])
    await first.stop(0)
    monkeypatch.setenv("KEY", base64.b64encode(new).decode())
    async with ScriptedBroker() as broker:
        second = await deliver(local(broker), outbox={"key": KeySettings(variable="KEY")})
        await until(lambda: broker.numbers == [1, 2])
        assert "master_key_changed" not in causes(second)


async def test_unused_data_keys_are_deleted(deliver, outbox_directory, fake_time):
    def keys():
        reader = sqlite3.connect(f"file:{outbox_directory / DATABASE_FILE}?mode=ro", uri=True)
        try:
            return [row[0] for row in reader.execute("SELECT number FROM data_key")]
        finally:
            reader.close()

    delivery = await deliver(NOWHERE, time_source=fake_time)
    delivery.submit(event(1, DataClass.TRAVELLER))
    await until(lambda: len(list(inspect.list_events(outbox_directory))) == 1)
    before = keys()
    fake_time.advance(
        86_401
    )  # After a day the event is expired, a new key is made, and the old one is unused.
    await until(lambda: keys() != before and len(keys()) == 1)
    assert not list(inspect.list_events(outbox_directory))


# Bounds


async def test_full_outbox_drops_in_order(deliver, outbox_directory):
    limit = 1024 * 1024
    delivery = await deliver(NOWHERE, outbox={"max_bytes": limit, "blob_row_bytes": 10_000})
    page = Blob("page", "image/jpeg", b"p" * 30_000)
    for n in range(20):
        delivery.submit(event(n, DataClass.TRAVELLER, blobs=(page,)))
    await until(lambda: len(list(inspect.list_events(outbox_directory))) == 20)
    for n in range(30):
        delivery.submit(event(n, DataClass.RECORD, size=20_000))
    await until(lambda: seqs(outbox_directory) == list(range(1, 31)))
    images = [e.images for e in inspect.list_events(outbox_directory) if e.data_class == "traveller"]
    assert len(images) == 20
    assert images == sorted(images)  # the oldest have none left
    await until(lambda: delivery.images_dropped == images.count(0))
    assert 0 < delivery.images_dropped < 20
    assert delivery.dropped == 0
    for n in range(30, 90):
        delivery.submit(event(n, DataClass.RECORD, size=20_000))
    await until(lambda: seqs(outbox_directory)[-1:] == [90])
    assert not [e for e in inspect.list_events(outbox_directory) if e.data_class == "traveller"]
    kept = seqs(outbox_directory)
    assert kept == list(range(kept[0], 91))  # The oldest records went last.
    assert sum(e.bytes for e in inspect.list_events(outbox_directory)) <= limit
    await until(lambda: delivery.dropped == 20 + kept[0] - 1)
    (problem,) = (p for p in delivery.problems() if p.cause == "outbox_full")
    assert "lane-1/reader/traveller 1-20" in problem.text
    assert delivery.destination_reports()[0].queued == len(kept)
    await until(lambda: not list((outbox_directory / "blobs").iterdir()))


async def test_a_class_is_bounded_by_count(deliver, outbox_directory):
    record = {"expires_s": 1000, "max_events": 50, "max_bytes": 10_000_000}
    delivery = await deliver(NOWHERE, outbox={"record": record})
    for n in range(200):
        delivery.submit(event(n))
    await until(lambda: seqs(outbox_directory)[-1:] == [200])
    kept = seqs(outbox_directory)
    assert kept == list(range(kept[0], 201))
    assert len(kept) <= 50
    await until(lambda: delivery.dropped == 200 - len(kept))


# Inspection


async def test_inspect_while_running_purge_when_stopped(deliver, outbox_directory, tmp_path):
    delivery = await deliver(NOWHERE)
    for n in range(5):
        delivery.submit(event(n, blobs=(Blob("page", "image/jpeg", b"x" * 70_000),)))
        delivery.submit(event(n, DataClass.TRAVELLER))
    await until(lambda: len(list(inspect.list_events(outbox_directory))) == 10)
    count = {c.stream: (c.events, c.first, c.last) for c in inspect.stream_summaries(outbox_directory)}
    assert count == {"lane-1/reader/record": (5, 1, 5), "lane-1/reader/traveller": (5, 1, 5)}
    with (tmp_path / "export.jsonl").open("w") as out:
        assert inspect.export(outbox_directory, out) == 10
    lines = [json.loads(line) for line in (tmp_path / "export.jsonl").read_text().splitlines()]
    assert {line["type"] for line in lines} == {"test.said"}
    assert not any("data" in line for line in lines)
    epoch = delivery.epoch
    await delivery.stop(0)
    assert len(list(inspect.list_events(outbox_directory))) == 10  # also when stopped
    assert inspect.purge(outbox_directory, DataClass.TRAVELLER) == 5
    assert inspect.purge(outbox_directory) == 5
    assert not list((outbox_directory / "blobs").iterdir())
    again = await deliver(NOWHERE)
    assert again.epoch == epoch
    again.submit(event(5))
    await until(lambda: seqs(outbox_directory) == [6])


async def test_event_read_back_matches_contract(deliver):
    body = (
        b'{"specversion":"1.0","source":"/bgw/ke-busia/gw-1/lane-1/reader","type":"bgw.test.said.v1",'
        b'"time":"2026-11-23T08:15:30Z","datacontenttype":"application/json","dataschema":"urn:x","bootid":"b",'
        b'"monons":"1","clock":"synced","provenance":"live","transaction":"t","data":{"n":1}'
    )
    async with ScriptedBroker() as broker:
        first = await deliver(NOWHERE)
        said = event(1)
        first.submit(type(said)(said.position, said.event_type, said.data_class, body))
        await first.stop(0)
        await deliver(local(broker))
        await until(lambda: broker.published)
        assert read_event(broker.published[0][1]).seq == 1
