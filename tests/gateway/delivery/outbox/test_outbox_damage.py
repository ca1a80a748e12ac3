"""Damage that SQLite's own check does not find: columns with values of another type."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from support.gateway.deliveries import FakeTime, event

from drivers.observation import DataClass
from gateway.common.clock import current_moment
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import Blob
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.outbox.database import DATABASE_FILE
from gateway.delivery.outbox.encryption import MasterKey
from gateway.delivery.outbox.recovery import RecoveryResult, open_outbox
from gateway.delivery.outbox.sequence import SequenceAllocator
from gateway.delivery.settings import OutboxSettings

TOPICS = SiteTopics("ke-busia", "gw-1")


def opened(folder: Path) -> RecoveryResult:
    destinations_by_class = dict.fromkeys(DataClass, ("local",))
    keys = MasterKey(b"m" * 32), None
    return open_outbox(
        OutboxSettings(directory=folder), TOPICS, destinations_by_class, keys, current_moment(FakeTime())
    )


def damaged(folder: Path, statement: str) -> None:
    """Change an outbox of three events with an image each by an SQL statement."""
    outbox = opened(folder).outbox
    sequence = SequenceAllocator(TOPICS, outbox.epoch)
    events = [replace(event(n), blobs=(Blob("face", "image/jpeg", b"jpeg"),)) for n in (1, 2, 3)]
    outbox.store(
        [sequence.to_stored_event(one, current_moment(FakeTime()), 10**15) for one in events],
        sequence.counters,
        {},
        "e",
    )
    outbox.close()
    connection = sqlite3.connect(folder / DATABASE_FILE)
    connection.execute(statement)
    connection.commit()
    connection.close()


SECOND = "WHERE k & 0xFFFF = 2"


@pytest.mark.parametrize(
    "change",
    [
        "type = CAST(type AS BLOB)",
        "type = 'a/#'",
        "body = 'text'",
        "deadline = 'soon'",
        "size = x'00'",
        "id = x'00'",
    ],
)
def test_damaged_event_costs_only_itself(tmp_path: Path, change: str) -> None:
    damaged(tmp_path, f"UPDATE event SET {change} {SECOND}")
    opening = opened(tmp_path)
    ((number, level),) = opening.outbox.positions.items()
    page, losses = opening.outbox.reader.fetch(number, level.acked_by_all, 10, 10**6)
    opening.outbox.close()
    assert [entry.seq for entry in page.entries] == [1, 3]
    assert [(loss.seq, loss.kind) for loss in losses] == [(2, "damaged")]
    assert opening.set_aside is None


@pytest.mark.parametrize("change", ["role = x'00'", "body = 'text'", "key = 'x'"])
def test_damaged_image_costs_no_event(tmp_path: Path, change: str) -> None:
    damaged(tmp_path, f"UPDATE blob SET {change} {SECOND}")
    outbox = opened(tmp_path).outbox
    ((number, level),) = outbox.positions.items()
    page, losses = outbox.reader.fetch(number, level.acked_by_all, 10, 10**6)
    outbox.close()
    assert [len(entry.blobs) for entry in page.entries] == [1, 0, 1]
    assert not losses


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stream SET name = CAST(name AS BLOB)",
        "UPDATE stream SET name = 'nowhere'",
        "UPDATE stream SET number = 1 << 62",
        "UPDATE event SET id = 'none' WHERE k & 0xFFFF = 3",
    ],
)
def test_unusable_file_is_set_aside(tmp_path: Path, statement: str) -> None:
    damaged(tmp_path, statement)
    opening = opened(tmp_path)
    opening.outbox.close()
    assert opening.set_aside is not None
    assert opening.set_aside.cause == "outbox_corrupt"


def test_inspection_of_damaged_file_reports_it(tmp_path: Path) -> None:
    damaged(tmp_path, "UPDATE event SET born = 'once'")
    with pytest.raises(sqlite3.DatabaseError, match="damaged"):
        list(inspect.list_events(tmp_path))
    content = (tmp_path / DATABASE_FILE).read_bytes()
    (tmp_path / DATABASE_FILE).write_bytes(content.replace(b"CREATE TABLE stream", b"CREATE \xffABLE stream"))
    with pytest.raises(sqlite3.DatabaseError, match="damaged"):
        inspect.stream_summaries(tmp_path)
