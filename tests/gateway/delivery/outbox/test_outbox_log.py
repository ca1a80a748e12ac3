"""The log on disk, without a gateway: storing, reading, bounds, inspection."""

import contextlib
import io
import json
import shutil
import sqlite3

import pytest
from support.gateway.sending import LIFE_NS, entry, stream

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus, Moment, to_rfc3339
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import Blob, PendingEvent
from gateway.delivery.outbox import admin
from gateway.delivery.outbox.database import OutboxLock, OutboxUnusable
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.recovery import open_outbox
from gateway.delivery.outbox.rows import row_key
from gateway.delivery.outbox.sequence import (
    EventIds,
    SequenceAllocator,
    StreamCounter,
    format_uuid7,
    parse_uuid7,
)
from gateway.delivery.settings import ClassSettings, OutboxSettings

DESTINATIONS_BY_CLASS = {DataClass.RECORD: ("hq", "local"), DataClass.TRAVELLER: ("local",)}
KEY = MasterKey(b"k" * 32)
MIB = 1024 * 1024
BORN_NS = 1_760_000_000_000_000_000


class Log:
    """An open outbox, with a stream of records and one of traveller events."""

    def __init__(self, folder, **settings):
        folder.mkdir(exist_ok=True)
        self.settings = OutboxSettings(directory=folder, **settings)
        self.ids = EventIds()
        result = open_outbox(
            self.settings, SiteTopics("ke-busia", "gw-1"), DESTINATIONS_BY_CLASS, (KEY, None), self.now()
        )
        self.outbox = result.outbox
        epoch = self.outbox.epoch
        self.counters = [
            StreamCounter(stream(1, epoch), 0, stored=False),
            StreamCounter(stream(2, epoch, DataClass.TRAVELLER, at=1), 0, stored=False),
        ]

    def now(self, boot_ns=0, clock=ClockStatus.SYNCED):
        return Moment(BORN_NS, "boot-1", boot_ns, clock)

    def store(self, *entries, progress=None):
        losses = self.outbox.store(entries, self.counters, progress or {}, self.outbox.epoch)
        return [(loss.stream, loss.seq, loss.kind) for loss in losses]

    def entry(self, number, seq, **more):
        return entry(
            number,
            seq,
            **{
                "event_id": self.ids.next_id(BORN_NS),
                "event_type": "test.said",
                "created_unix_ns": BORN_NS,
                "deadline_ns": LIFE_NS,
            }
            | more,
        )

    def held(self, number=1, after=0, limit=100, max_bytes=10**9):
        page, _ = self.outbox.reader.fetch(number, after, limit, max_bytes)
        return [one.seq for one in page.entries], page.upto

    @property
    def used(self):
        return {str(c): (u.events, u.size) for c, u in self.outbox.usage.items() if u.events or u.size}


@pytest.fixture
def log(tmp_path):
    logs = []

    def opened(**settings):
        logs.append(Log(tmp_path / "outbox", **settings))
        return logs[-1]

    yield opened
    for one in logs:
        one.outbox.close()


def test_page_ends_before_unknown_age(log):
    one = log()
    one.store(one.entry(1, 1), one.entry(1, 2))
    page, _ = one.outbox.reader.fetch(1, 0, 10, 10**6)
    assert (len(page.entries), page.held) == (2, False)
    one.outbox._connection.execute("UPDATE event SET held = 1 WHERE k = ?", (row_key(1, 2),))
    page, _ = one.outbox.reader.fetch(1, 0, 10, 10**6)
    assert ([each.seq for each in page.entries], page.upto, page.held) == ([1], 1, True)


def test_large_wal_is_written_back(log, tmp_path, monkeypatch):
    """The database alone, without its WAL, has the tables then."""
    one = log()
    one.store(one.entry(1, 1))
    for limit, tables in ((1 << 30, 0), (1, 1)):
        monkeypatch.setattr("gateway.delivery.outbox.outbox.CHECKPOINT_BYTES", limit)
        one.outbox.checkpoint()
        shutil.copy(one.settings.directory / "outbox.db", tmp_path / "alone.db")
        with contextlib.closing(sqlite3.connect(tmp_path / "alone.db")) as alone:
            found = alone.execute("SELECT count(*) FROM sqlite_master WHERE name = 'event'").fetchone()
        assert found == (tables,)


def kept(events=1000, size=64 * MIB):
    return ClassSettings(expires_s=60, max_events=events, max_bytes=size)


def test_events_come_back_as_they_were(log):
    one = log(blob_row_bytes=100)
    images = (Blob("ir", "image/jpeg", b"i" * 50), Blob("uv", "image/png", b"u" * 500))
    whole = one.entry(1, 1, blobs=images, size=700, jws="a..b")
    plain = one.entry(1, 2, is_clock_synced=False)
    one.store(whole, plain)
    assert len(list((one.settings.directory / "blobs").iterdir())) == 1
    page, losses = one.outbox.reader.fetch(1, 0, 10, 10**6)
    assert losses == []
    first, second = page.entries
    assert first.topic == "bgw/v1/ke-busia/lane-1/reader-1/evt/test-said"
    for found, was in ((first, whole), (second, plain)):
        for name in ("stream", "seq", "event_id", "event_type", "payload", "deadline_ns", "lifetime_ns"):
            assert getattr(found, name) == getattr(was, name)
        for name in ("created_unix_ns", "is_clock_synced", "blobs", "size", "is_durable", "jws"):
            assert getattr(found, name) == getattr(was, name)
    assert one.used == {"record": (2, 800)}


def test_pages_are_bounded(log):
    one = log()
    one.store(*(one.entry(1, seq) for seq in range(1, 6)))
    assert one.held() == ([1, 2, 3, 4, 5], 5)
    assert one.held(limit=2) == ([1, 2], 2)
    assert one.held(after=3, limit=2) == ([4, 5], 5)
    assert one.held(max_bytes=200) == ([1, 2], 2)
    assert one.held(max_bytes=299) == ([1, 2], 2)
    assert one.held(max_bytes=1) == ([1], 1)  # one event is always returned
    assert one.held(after=5) == ([], 5)
    assert one.held(number=9, after=4) == ([], 4)


def test_event_goes_when_all_have_it(log):
    one = log()
    one.store(*(one.entry(1, seq) for seq in range(1, 4)), one.entry(2, 1))
    one.outbox.advance({("local", 1): 3})
    assert one.held() == ([1, 2, 3], 3)
    one.outbox.advance({("hq", 1): 2, ("local", 2): 1, ("hq", 99): 5})
    assert one.held() == ([3], 3)
    assert one.held(number=2) == ([], 1)
    assert one.used == {"record": (1, 100)}
    one.store(one.entry(1, 4), progress={("hq", 1): 3})
    assert one.held() == ([4], 4)


def test_numbers_of_events_are_bounded(log):
    one = log(record=kept(events=5))
    assert one.store(*(one.entry(1, seq) for seq in range(1, 6))) == []
    assert one.store(one.entry(1, 6), one.entry(1, 7)) == [(1, 1, "dropped"), (1, 2, "dropped")]
    assert one.used == {"record": (5, 500)}
    assert one.held() == ([3, 4, 5, 6, 7], 7)


def test_babbler_displaces_only_itself(log):
    """A document waits; another position floods each bound: number, bytes of a class, bytes of all."""
    one = log(
        traveller=kept(events=10, size=5000),
        record=kept(events=500, size=MIB),
        max_bytes=MIB,
        blob_row_bytes=0,
    )
    one.counters.append(StreamCounter(stream(3, one.outbox.epoch, DataClass.TRAVELLER), 0, stored=False))
    picture = (Blob("ir", "image/jpeg", b"i" * 50),)
    one.store(one.entry(3, 1, blobs=picture, size=400))
    for seq in range(1, 30):
        assert {loss[0] for loss in one.store(one.entry(2, seq))} <= {2}
    assert {loss[0] for loss in one.store(one.entry(2, 30, size=4900))} == {2}
    for seq in range(1, 20):
        assert {loss[0] for loss in one.store(one.entry(1, seq, size=100_000))} <= {1, 2}
    assert one.held(3) == ([1], 1)
    assert one.outbox.reader.fetch(3, 0, 1, MIB)[0].entries[0].blobs == picture


def test_slack_of_a_hundredth(log):
    one = log(record=kept(events=200))
    one.store(*(one.entry(1, seq) for seq in range(1, 201)))
    assert [seq for _, seq, _ in one.store(one.entry(1, 201))] == [1, 2, 3]


def test_count_at_its_bound_frees_only_bytes(log):
    """Bytes exceed their bound, events do not: only bytes are freed."""
    one = log(record=kept(events=200, size=10_000))
    one.store(one.entry(1, 1, size=5000), *(one.entry(1, seq, size=10) for seq in range(2, 200)))
    assert one.store(one.entry(1, 200, size=3100)) == [(1, 1, "dropped")]


def test_event_over_count_goes_with_its_images(log):
    one = log(traveller=kept(events=2, size=10_000))
    image = (Blob("ir", "image/jpeg", b"i" * 4900),)
    one.store(*(one.entry(2, seq, blobs=image, size=5000) for seq in (1, 2)))
    assert one.store(one.entry(2, 3)) == [(2, 1, "dropped")]


def test_bytes_of_a_class_are_bounded(log):
    one = log(record=kept(size=10_000))
    assert one.store(*(one.entry(1, seq, size=2500) for seq in range(1, 5))) == []
    assert one.store(one.entry(1, 5, size=100), one.entry(2, 1, size=50_000)) == [(1, 1, "dropped")]


def test_images_of_travellers_go_first(log):
    one = log(traveller=kept(size=10_000))
    image = (Blob("ir", "image/jpeg", b"i" * 3000),)
    one.store(one.entry(2, 1, size=100), *(one.entry(2, seq, blobs=image, size=3100) for seq in (2, 3, 4)))
    assert one.store(one.entry(2, 5, size=1000)) == [(2, 2, "images_dropped")]
    page, _ = one.outbox.reader.fetch(2, 0, 10, 10**6)
    assert [(found.seq, len(found.blobs), found.size) for found in page.entries] == [
        (1, 0, 100),
        (2, 0, 100),
        (3, 1, 3100),
        (4, 1, 3100),
        (5, 0, 1000),
    ]
    assert one.used == {"traveller": (5, 7400)}
    assert one.store(one.entry(2, 6, size=9000)) == [
        *((2, seq, "images_dropped") for seq in (3, 4)),
        *((2, seq, "dropped") for seq in range(1, 6)),
    ]
    assert one.used["traveller"][1] <= 10_000


def test_all_classes_share_a_bound(log):
    """Traveller events make room for records."""
    one = log(max_bytes=MIB)
    one.store(one.entry(1, 1, size=500_000), one.entry(2, 1, size=500_000))
    assert one.store(one.entry(1, 2, size=500_000)) == [(2, 1, "dropped")]
    assert one.store(one.entry(1, 3, size=500_000)) == [(1, 1, "dropped")]


def test_expired_events_go(log):
    one = log()
    one.store(one.entry(1, 1, deadline_ns=100), one.entry(1, 2, deadline_ns=101))
    assert one.outbox.delete_expired(one.now(99)) == []
    losses = one.outbox.delete_expired(one.now(100))
    assert [(loss.stream, loss.seq, loss.kind) for loss in losses] == [(1, 1, "expired")]
    assert one.held() == ([2], 2)


def test_parked_are_kept_for_a_person(log):
    one = log(max_parked=2)
    events = [one.entry(1, seq, deadline_ns=1000 * seq) for seq in range(1, 4)]
    one.store(*events)
    for each in events:
        one.outbox.parked.add("hq", one.counters[0].stream, each, 0x99)
    found = list(admin.list_parked(one.settings.directory))
    assert [each.seq for each in found] == [2, 3]
    last = found[-1]
    assert (last.destination, last.epoch, last.stream) == ("hq", one.outbox.epoch, "lane-1/reader-1/record")
    assert (last.id, last.type, last.reason) == (events[2].event_id, "test.said", 0x99)
    assert (last.accepted_at, last.bytes) == (to_rfc3339(BORN_NS), 3)
    one.outbox.delete_expired(one.now(2000))
    assert [each.seq for each in admin.list_parked(one.settings.directory)] == [3]


def test_list_events(log):
    one = log()
    one.store(one.entry(1, 1), one.entry(1, 2, is_clock_synced=False, size=7), one.entry(2, 1))
    one.outbox.advance({("local", 1): 1, ("hq", 1): 0})
    first, second, third = admin.list_events(one.settings.directory)
    assert (first.epoch, first.stream, first.seq, first.type) == (
        one.outbox.epoch,
        "lane-1/reader-1/record",
        1,
        "test.said",
    )
    assert (first.data_class, first.accepted_at, first.clock) == ("record", to_rfc3339(BORN_NS), "synced")
    assert (first.lifetime_s, first.is_age_unknown, first.bytes, first.images) == (3600.0, False, 100, 0)
    assert (first.waiting_destinations, second.waiting_destinations, third.waiting_destinations) == (
        ("hq",),
        ("hq", "local"),
        ("hq", "local"),
    )
    assert (second.clock, second.bytes, third.data_class) == ("unsynced", 7, "traveller")
    out = io.StringIO()
    assert admin.export(one.settings.directory, out) == 3
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 1]
    assert lines[0]["waiting_destinations"] == ["hq"]


def test_streams_are_counted(log):
    one = log()
    one.store(*(one.entry(1, seq) for seq in range(1, 5)))
    one.outbox.advance({("local", 1): 1, ("hq", 1): 1})
    records, travellers = admin.stream_summaries(one.settings.directory)
    assert (records.stream, records.data_class) == ("lane-1/reader-1/record", "record")
    assert (records.events, records.bytes, records.first, records.last) == (3, 300, 2, 4)
    assert (travellers.events, travellers.bytes, travellers.first, travellers.last) == (0, 0, None, 0)


@pytest.mark.parametrize(
    ("of", "include_parked", "deleted", "left"),
    [(None, False, 3, []), (None, True, 4, []), (DataClass.RECORD, False, 2, [(2, 1)])],
)
def test_purge(log, tmp_path, of, include_parked, deleted, left):
    one = log(blob_row_bytes=0)
    image = (Blob("ir", "image/jpeg", b"i"),)
    one.store(one.entry(1, 1, blobs=image), one.entry(1, 2), one.entry(2, 1, blobs=image))
    one.outbox.parked.add("hq", one.counters[0].stream, one.entry(1, 1), 0x99)
    one.outbox.close()
    folder = one.settings.directory
    assert admin.purge(folder, of, include_parked=include_parked) == deleted
    found = [(2 if each.data_class == "traveller" else 1, each.seq) for each in admin.list_events(folder)]
    assert found == left
    assert len(list((folder / "blobs").iterdir())) == len(left)
    assert [count.last for count in admin.stream_summaries(folder)] == [2, 1]
    assert len(list(admin.list_parked(folder))) == (0 if include_parked else 1)


def test_inspect_without_outbox(tmp_path):
    for look in (admin.stream_summaries, admin.purge, lambda folder: list(admin.list_events(folder))):
        with pytest.raises(OutboxUnusable, match="no outbox in"):
            look(tmp_path)


def test_purge_beside_running_gateway_is_refused(log):
    one = log()
    lock = OutboxLock(one.settings.directory)
    try:
        with pytest.raises(OutboxUnusable):
            admin.purge(one.settings.directory)
    finally:
        lock.release()


def test_failed_commit_keeps_counts(log):
    one = log(blob_row_bytes=0)
    one.store(one.entry(1, 1))
    double = one.entry(1, 1, blobs=(Blob("ir", "image/jpeg", b"i"),))
    with pytest.raises(sqlite3.IntegrityError):
        one.store(double)
    assert list((one.settings.directory / "blobs").iterdir()) == []
    one.store(one.entry(1, 2))
    assert one.used == {"record": (2, 200)}


def test_topics_are_remembered(log):
    one = log()
    one.outbox.add_retained_topics(["a", "b"])
    one.outbox.add_retained_topics(["b", "c"])
    one.outbox.remove_retained_topics(["a", "x"])
    assert one.outbox.retained() == {"b", "c"}


def test_unused_keys_are_deleted(log):
    one = log()
    one.store(one.entry(1, 1))
    first = one.outbox.keys.current
    one.outbox.rotate_data_key(KEY, "2")
    assert one.outbox.keys.current != first
    one.outbox.delete_unused_keys()
    assert first in one.outbox.keys.key_numbers
    assert one.held() == ([1], 1)
    one.outbox.advance({("local", 1): 1, ("hq", 1): 1})
    one.outbox.delete_unused_keys()
    assert one.outbox.keys.key_numbers == {one.outbox.keys.current}


# Numbers and ids


def test_ids_only_increase():
    ids = EventIds()
    taken = [ids.next_id(ns) for ns in (5_000_000, 5_000_000, 4_000_000, 5_999_999, 6_000_000)]
    assert taken == sorted(taken)
    assert len(set(taken)) == 5
    assert [one[:13] for one in taken] == ["00000000-0005"] * 4 + ["00000000-0006"]
    for one in taken:
        assert (one[14], one[19] in "89ab", len(one)) == ("7", True, 36)
        assert format_uuid7(parse_uuid7(one)) == one
    assert parse_uuid7(taken[-1]) == ids.last
    assert EventIds(ids.last).next_id(0) > taken[-1]


def test_uuid7_format():
    assert format_uuid7(0) == "00000000-0000-7000-8000-000000000000"
    assert format_uuid7(2**122 - 1) == "ffffffff-ffff-7fff-bfff-ffffffffffff"
    assert format_uuid7(1 << 74 | 1 << 62 | 1) == "00000000-0001-7001-8000-000000000001"
    assert parse_uuid7("00000000-0001-7001-8000-000000000001") == 1 << 74 | 1 << 62 | 1


def test_streams_are_numbered():
    sequence = SequenceAllocator(SiteTopics("ke-busia", "gw-1"), "e-1", after_stream=3)
    sequence.load_streams(
        [
            StreamCounter(stream(4, "e-0"), 9, stored=True),
            StreamCounter(stream(6, "e-1"), 9, stored=True),
        ],
        7,
    )
    assert sequence.ids.last == 7
    now = Moment(BORN_NS, "boot-1", 50, ClockStatus.UNSYNCED)

    def number(position, data_class=DataClass.RECORD, **more):
        given = PendingEvent(position, "x.said", data_class, b'{"a":1', **more)
        return sequence.to_stored_event(given, now, 1000)

    known = number("lane-1/reader-6")
    assert (known.stream, known.seq) == (6, 10)
    new, other = number("lane-1/new"), number("lane-1/new", DataClass.TRAVELLER, received_boot_ns=20)
    assert (new.stream, new.seq, other.stream, other.seq) == (5, 1, 7, 1)  # 4 and 6 are taken
    assert (new.deadline_ns, other.deadline_ns) == (1050, 1020)
    assert (new.lifetime_ns, new.created_unix_ns, new.is_clock_synced) == (1000, BORN_NS, False)
    assert new.size == len(new.payload)
    with_image = number("lane-1/new", blobs=(Blob("ir", "image/jpeg", b"i" * 9),))
    assert (with_image.seq, with_image.size) == (2, len(with_image.payload) + 9)
    assert [counter.stream.number for counter in sequence.counters] == [6, 5, 7]
    sequence.start_epoch()
    assert sequence.counters == []
    assert (again := number("lane-1/new")).seq == 1
    assert again.stream == 8
    assert json.loads(again.payload)["epoch"] == sequence.epoch != "e-1"
