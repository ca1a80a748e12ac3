"""Parked events on disk: marked by an operator, sent again with their content, and deleted when delivered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway.sending import LIFE_NS, entry, stream

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus, Moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.outbox import admin
from gateway.delivery.outbox.database import OutboxLock, OutboxUnusable
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.outbox import Outbox
from gateway.delivery.outbox.recovery import open_outbox
from gateway.delivery.settings import OutboxSettings

BORN_NS = 1_760_000_000_000_000_000
NOW = Moment(BORN_NS, "boot-1", 0, ClockStatus.SYNCED)
ALL = {DataClass.RECORD: ("hq", "local"), DataClass.TRAVELLER: ("local",)}


class ParkedFixture:
    """An outbox that is opened and closed, with parked events of one stream."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.outbox = self.open()
        self.epoch = self.outbox.epoch

    def open(self) -> Outbox:
        keys = (MasterKey(b"k" * 32), None)
        topics = SiteTopics("ke-busia", "gw-1")
        self.outbox = open_outbox(OutboxSettings(directory=self.folder), topics, ALL, keys, NOW).outbox
        return self.outbox

    def park(self, destination: str, seq: int, **more: object) -> None:
        parked = entry(1, seq, event_id=f"id-{seq}", deadline_ns=LIFE_NS + seq, **more)
        self.outbox.parked.add(destination, stream(1, self.epoch), parked, 0x99)

    def mark(self, destination: str | None = None) -> int:
        """Mark events as an operator does, while no gateway runs."""
        self.outbox.close()
        marked = admin.mark_parked(self.folder, destination)
        self.open()
        return marked

    def reasons(self) -> dict[int, int]:
        return {each.seq: each.reason for each in admin.list_parked(self.folder)}


@pytest.fixture
def fixture(tmp_path: Path) -> Iterator[ParkedFixture]:
    made = ParkedFixture(tmp_path / "outbox")
    yield made
    made.outbox.close()


def test_marked_events_are_sent_as_they_were(fixture: ParkedFixture) -> None:
    for seq in (1, 2, 3):
        fixture.park("hq", seq, jws="a..b" if seq == 2 else None)
    assert list(fixture.outbox.parked.to_resend()) == []
    assert fixture.mark() == 3
    found = list(fixture.outbox.parked.to_resend())
    assert [(each.seq, each.payload, each.jws) for each in found] == [
        (1, b"1/1", None),
        (2, b"1/2", "a..b"),
        (3, b"1/3", None),
    ]
    first = found[0]
    assert first.topic == "bgw/v1/ke-busia/lane-1/reader-1/evt/test-said"
    assert (first.destination, first.deadline_ns) == ("hq", LIFE_NS + 1)
    assert first.number < found[1].number < found[2].number


def test_one_destination_is_marked(fixture: ParkedFixture) -> None:
    fixture.park("hq", 1)
    fixture.park("local", 2)
    assert fixture.mark("local") == 1
    assert [each.seq for each in fixture.outbox.parked.to_resend()] == [2]
    assert [each.is_marked for each in admin.list_parked(fixture.folder)] == [False, True]


def test_delivered_event_is_deleted(fixture: ParkedFixture) -> None:
    for seq in (1, 2):
        fixture.park("hq", seq)
    fixture.mark()
    parked = fixture.outbox.parked
    first, second = parked.to_resend()
    parked.finish_resend(first.number, None)
    parked.finish_resend(first.number, None)
    assert [each.seq for each in parked.to_resend()] == [2]
    parked.finish_resend(second.number, 0x95)
    assert list(parked.to_resend()) == []
    assert fixture.reasons() == {2: 0x95}


def test_keys_of_parked_events_are_counted(fixture: ParkedFixture) -> None:
    """A data key is deleted once nothing is encrypted with it."""
    for seq in (1, 2):
        fixture.park("hq", seq)
    assert sum(fixture.outbox.parked._rows.events_per_key.values()) == 2
    fixture.mark()
    keyed = fixture.outbox.parked._rows.events_per_key
    assert sum(keyed.values()) == 2
    for each in list(fixture.outbox.parked.to_resend()):
        fixture.outbox.parked.finish_resend(each.number, None)
    assert sum(keyed.values()) == 0


def test_damaged_event_is_skipped(fixture: ParkedFixture) -> None:
    for seq in (1, 2):
        fixture.park("hq", seq)
    fixture.outbox.parked._connection.execute("UPDATE parked SET body = x'00' WHERE seq = 1")
    fixture.mark()
    assert [each.seq for each in fixture.outbox.parked.to_resend()] == [2]


def test_running_gateway_is_not_disturbed(fixture: ParkedFixture) -> None:
    fixture.park("hq", 1)
    lock = OutboxLock(fixture.folder)
    with pytest.raises(OutboxUnusable):
        admin.mark_parked(fixture.folder)
    lock.release()
    assert fixture.mark() == 1
    with pytest.raises(OutboxUnusable, match="there is no outbox in"):
        admin.mark_parked(fixture.folder / "elsewhere")
