"""Disk full, read-only or damaged: devices work, live events are sent, and delivery recovers."""

import asyncio
import json
import os
import sqlite3
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.gateway.deliveries import FakeTime, ScriptedBroker, event, until

from drivers.observation import DataClass
from gateway.delivery.destination.scheduler import PAGE_EVENTS
from gateway.delivery.events import Blob
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.settings import BrokerSettings, DestinationSettings

NOWHERE = DestinationSettings.local(BrokerSettings(port=1))


def local(broker, **changes):
    return DestinationSettings.local(BrokerSettings(port=broker.port), **changes)


def causes(delivery):
    return {problem.cause for problem in delivery.problems()}


@contextmanager
def _mounted(place: Path, size: str):
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with _mounted(tmp_path / "disk", "2m") as place:
        yield place


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), b"x" * 65536)
        except OSError:
            pass
        try:
            while True:
                os.write(file.fileno(), b"x")
        except OSError:
            pass
    return ballast


async def test_disk_full_sends_live_events_and_recovers(small_disk, deliver, subscribe, mosquitto):
    directory = small_disk / "outbox"
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), outbox={"directory": directory})
    delivery.submit(event(0))
    await subscriber.has(1)
    first_epoch = delivery.epoch
    ballast = fill(small_disk)
    n = 1
    while "disk_full" not in causes(delivery):
        delivery.submit(event(n, size=2000))
        n += 1
        await asyncio.sleep(0.002)
        assert n < 3000
    await subscriber.has(n)
    (problem,) = (p for p in delivery.problems() if p.cause == "disk_full")
    assert problem.action == "call_support"
    assert "df -h" in problem.how
    assert delivery.epoch != first_epoch
    last = subscriber.messages[-1]
    assert ("durable", "no") in last.properties.UserProperty
    ballast.unlink()
    await until(lambda: "disk_full" not in causes(delivery))
    for _ in range(20):
        delivery.submit(event(n))
        n += 1
    await subscriber.has(n)
    assert subscriber.numbers == list(range(n))
    assert len(subscriber.messages) == n  # no event twice
    by_epoch = {}
    for body in subscriber.events:
        by_epoch.setdefault(body["epoch"], []).append(body["seq"])
    for seqs in by_epoch.values():
        assert seqs == list(range(1, len(seqs) + 1))
    assert not hasattr(subscriber.messages[-1].properties, "UserProperty")


async def test_buffered_events_are_stored_after_recovery(small_disk, deliver, subscribe, mosquitto):
    directory = small_disk / "outbox"
    mosquitto.kill()
    delivery = await deliver(local(mosquitto), outbox={"directory": directory})
    delivery.submit(event(0))
    await until(lambda: len(list(inspect.list_events(directory))) == 1)
    ballast = fill(small_disk)
    images = (Blob("page", "image/jpeg", b"x" * 70_000),)
    for n in range(1, 21):
        delivery.submit(event(n, blobs=images if n == 7 else (), size=5000))
    await until(lambda: "disk_full" in causes(delivery))
    ballast.unlink()
    await until(lambda: "disk_full" not in causes(delivery))
    await until(lambda: len(list(inspect.list_events(directory))) == 21)
    await delivery.stop(0)  # Events on disk now survive the process.
    again = await deliver(local(mosquitto), outbox={"directory": directory})
    assert again.epoch == delivery.epoch
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await subscriber.has(21)
    assert sorted(subscriber.numbers) == list(range(21))
    await until(lambda: again.destination_reports()[0].queued == 0)


async def test_recovered_events_are_sent_from_disk(small_disk, deliver, mosquitto, subscribe):
    """A destination that was away the whole time receives every one of them."""
    mosquitto.kill()
    delivery = await deliver(local(mosquitto), outbox={"directory": small_disk / "outbox"})
    ballast = fill(small_disk)
    for n in range(10):
        delivery.submit(event(n, size=5000))
    await until(lambda: "disk_full" in causes(delivery))
    ballast.unlink()
    await until(lambda: "disk_full" not in causes(delivery))
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await subscriber.has(10)
    assert sorted(subscriber.numbers) == list(range(10))


async def test_buffered_events_come_in_pages(small_disk, deliver, mosquitto, subscribe):
    mosquitto.kill()
    delivery = await deliver(local(mosquitto), outbox={"directory": small_disk / "outbox"})
    fill(small_disk)
    for n in range(PAGE_EVENTS + 50):
        delivery.submit(event(n, size=3000 if n == 0 else 100))
    await until(lambda: delivery.destination_reports()[0].queued == PAGE_EVENTS + 50)
    assert "disk_full" in causes(delivery)
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await subscriber.has(PAGE_EVENTS + 50)
    assert subscriber.numbers == list(range(PAGE_EVENTS + 50))
    assert len(subscriber.messages) == PAGE_EVENTS + 50, "no event twice"


async def test_failed_recovery_keeps_acknowledgements(deliver, outbox_directory, monkeypatch):
    """An acknowledgement arrives during a recovery that fails: the next recovery stores it."""
    async with ScriptedBroker() as broker:
        delivery = await deliver(local(broker))
        delivery.submit(event(0))
        await until(lambda: not list(inspect.list_events(outbox_directory)))
        thread, advanced = delivery._writer.thread, []

        def fail(*_):
            raise sqlite3.OperationalError("database or disk is full")

        def advance(progress):
            advanced.append(progress)
            if len(advanced) == 1:
                thread.acks.note("local", 77, 5)

        with monkeypatch.context() as patch:
            patch.setattr(thread._outbox, "store", fail)
            patch.setattr(thread._outbox, "advance", advance)
            delivery.submit(event(1))
            await until(lambda: len(advanced) >= 2)
        assert ("local", 77) in advanced[1]


async def test_failed_call_raises_its_error(deliver):
    """The error belongs to the caller alone: the thread goes on with the next call."""
    writer = (await deliver(NOWHERE))._writer

    def fail(_):
        raise sqlite3.OperationalError("no such table: nothing")

    failed, next_one = writer.call(fail), writer.call(lambda _: "done")
    with pytest.raises(sqlite3.OperationalError, match="no such table: nothing"):
        await failed
    assert await next_one == "done"


async def test_ids_rise_after_delivery_from_memory(deliver, mosquitto, subscribe, monkeypatch):
    """All events of a disk problem were delivered before its end, so none of them is on the disk."""

    def fail(*_):
        raise sqlite3.OperationalError("database or disk is full")

    clock = FakeTime()
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), time_source=clock)
    with monkeypatch.context() as patch:
        patch.setattr(delivery._writer.thread._outbox, "store", fail)
        delivery.submit(event(0))
        await subscriber.has(1)
        await until(lambda: delivery._writer.thread.acks)
    await until(lambda: "disk_full" not in causes(delivery))
    await delivery.stop(0)
    clock.jump(-3600)
    again = await deliver(local(mosquitto), time_source=clock)
    again.submit(event(1))
    await subscriber.has(2)
    first, second = subscriber.events
    assert first["epoch"] == second["epoch"]
    assert first["id"] < second["id"]


async def test_full_disk_bounds_memory_travellers_go_first(small_disk, deliver):
    delivery = await deliver(NOWHERE, outbox={"directory": small_disk / "outbox", "memory_bytes": 65_536})
    fill(small_disk)
    for n in range(40):
        delivery.submit(event(n, DataClass.RECORD, size=1000))
        delivery.submit(event(n, DataClass.TRAVELLER, size=2000))
    await until(lambda: delivery.dropped >= 10)
    assert "outbox_full" in causes(delivery)
    writer = delivery._writer
    await until(lambda: writer.thread.memory_buffer.size <= 65_536)
    kept = [stream.data_class for _, stream in writer.thread.memory_buffer]
    assert kept.count(DataClass.RECORD) > kept.count(DataClass.TRAVELLER)


async def test_read_only_disk_is_reported_and_recovers(small_disk, deliver, subscribe, mosquitto):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), outbox={"directory": small_disk / "outbox"})
    delivery.submit(event(0))
    await subscriber.has(1)
    # A tmpfs does not turn read-only while a file is open for writing, so it does between two runs.
    await delivery.stop(0.2)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    again = await deliver(local(mosquitto), outbox={"directory": small_disk / "outbox"})
    for n in range(1, 6):
        again.submit(event(n))
    await subscriber.has(6)
    await until(lambda: "disk_read_only" in causes(again))
    (problem,) = (p for p in again.problems() if p.cause == "disk_read_only")
    assert "remount,rw" in problem.how
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    await until(lambda: "disk_read_only" not in causes(again))
    again.submit(event(6))
    await subscriber.has(7)
    assert subscriber.numbers == list(range(7))
    assert len({(b["epoch"], b["stream"], b["seq"]) for b in subscriber.events}) == 7


async def test_crash_in_disk_trouble_repeats_no_number(small_disk, deliver, outbox_directory):
    async with ScriptedBroker() as broker:
        directory = small_disk / "outbox"
        first = await deliver(local(broker), outbox={"directory": directory})
        first.submit(event(0))
        await until(lambda: broker.numbers == [0])
        ballast = fill(small_disk)
        for n in range(1, 30):
            first.submit(event(n, size=3000))
        await until(lambda: len(broker.numbers) == 30)
        await first.stop(0)  # The trouble lasts to the end: the disk has as much as after a crash.
        ballast.unlink()
        second = await deliver(local(broker), outbox={"directory": directory})
        for n in range(30, 40):
            second.submit(event(n))
        await until(lambda: len(set(broker.numbers)) == 40)
    places = {}
    for _, payload in broker.published:
        body = json.loads(payload)
        if "epoch" in body:
            places.setdefault((body["epoch"], body["stream"], body["seq"]), set()).add(body["id"])
    assert all(len(ids) == 1 for ids in places.values())


async def test_start_without_usable_disk_delivers(small_disk, deliver, subscribe, mosquitto):
    directory = small_disk / "outbox"
    first = await deliver(NOWHERE, outbox={"directory": directory})
    for n in range(3):
        first.submit(event(n))
    await first.stop(0.2)
    ballast = fill(small_disk)
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), outbox={"directory": directory})
    delivery.submit(event(3))
    await until(lambda: 3 in subscriber.numbers)
    ballast.unlink()
    await subscriber.has(4)
    await until(lambda: not causes(delivery) & {"disk_full", "disk_error"})
    await until(lambda: delivery.destination_reports()[0].queued == 0)


async def test_file_damaged_in_use_is_set_aside(deliver, subscribe, mosquitto, outbox_directory):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto))
    delivery.submit(event(0))
    await subscriber.has(1)
    await delivery._writer.call(
        lambda outbox: outbox._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    )
    path = outbox_directory / "outbox.db"
    with path.open("r+b") as file:
        file.seek(0)
        file.write(os.urandom(path.stat().st_size))
    await delivery._writer.call(lambda outbox: outbox._connection.execute("PRAGMA shrink_memory"))
    for n in range(1, 30):
        delivery.submit(event(n))
        await asyncio.sleep(0.02)
    await subscriber.has(30)
    assert subscriber.numbers == list(range(30))
    await until(lambda: "outbox_corrupt" in causes(delivery))
    await until(lambda: [p for p in outbox_directory.iterdir() if "outbox_corrupt" in p.name])
