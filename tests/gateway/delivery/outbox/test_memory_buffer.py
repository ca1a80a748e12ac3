"""Bounds of memory during disk trouble, in bytes and events; traveller events are dropped first."""

import pytest
from support.gateway.sending import entry, stream

from drivers.observation import DataClass
from gateway.delivery.outbox.outbox import AckLog
from gateway.delivery.writer import memory_buffer
from gateway.delivery.writer.memory_buffer import MemoryBuffer

RECORDS, TRAVELLERS = stream(1, at=1), stream(2, data_class=DataClass.TRAVELLER, at=1)
"""Two streams of one position."""
DESTINATIONS_BY_CLASS = {DataClass.RECORD: ("local", "hq"), DataClass.TRAVELLER: ("local",)}


@pytest.fixture
def acks():
    return AckLog()


def make_buffer(acks, memory_bytes, *events, **more):
    """Make a buffer with events of given sizes: (stream, seq, size)."""
    memory = MemoryBuffer(memory_bytes, DESTINATIONS_BY_CLASS, acks)
    for of, seq, size in events:
        memory.add(entry(of.number, seq, size=size, **more), of)
    return memory


def remaining(memory):
    return [(one.stream, one.seq) for one, _ in memory]


def lost_events(losses):
    return [(loss.stream, loss.seq, loss.kind) for loss in losses]


def test_within_bounds_nothing_goes(acks):
    memory = make_buffer(acks, 1000, (RECORDS, 1, 500), (TRAVELLERS, 1, 500))
    assert memory.evict(0) == []
    assert (len(memory), memory.size) == (2, 1000)


def test_bytes_are_bounded(acks):
    """Traveller events are dropped first, oldest first, and slightly more than needed."""
    memory = make_buffer(
        acks, 1000, (RECORDS, 1, 400), (TRAVELLERS, 1, 300), (TRAVELLERS, 2, 300), (TRAVELLERS, 3, 1)
    )
    assert lost_events(memory.evict(0)) == [(2, 1, "dropped")]
    assert remaining(memory) == [(1, 1), (2, 2), (2, 3)]
    assert memory.size == 701


def test_bytes_slack(acks):
    memory = make_buffer(acks, 1000, (TRAVELLERS, 1, 5), (TRAVELLERS, 2, 5), (RECORDS, 1, 991))
    assert lost_events(memory.evict(0)) == [(2, 1, "dropped"), (2, 2, "dropped")]
    assert memory.size == 991


def test_records_go_last(acks):
    memory = make_buffer(acks, 1000, (RECORDS, 1, 600), (RECORDS, 2, 600), (TRAVELLERS, 1, 100))
    assert lost_events(memory.evict(0)) == [(2, 1, "dropped"), (1, 1, "dropped")]
    assert remaining(memory) == [(1, 2)]
    assert memory.size == 600


def test_number_is_bounded(acks, monkeypatch):
    monkeypatch.setattr(memory_buffer, "MEMORY_EVENTS", 100)
    memory = make_buffer(acks, 10**9, *((TRAVELLERS, seq, 1) for seq in range(1, 101)))
    assert memory.evict(0) == []
    memory.add(entry(1, 1, size=1), RECORDS)
    assert lost_events(memory.evict(0)) == [(2, 1, "dropped"), (2, 2, "dropped")]
    assert (len(memory), memory.size) == (99, 99)


def test_what_all_have_goes_first(acks):
    """Events that every destination of their class has are removed without loss."""
    memory = make_buffer(acks, 1000, (TRAVELLERS, 1, 600), (RECORDS, 1, 300), (TRAVELLERS, 2, 300))
    acks.note("local", 2, 1)
    assert memory.evict(0) == []
    assert remaining(memory) == [(1, 1), (2, 2)]
    assert memory.size == 600


def test_what_one_lacks_is_kept(acks):
    memory = make_buffer(acks, 1000, (RECORDS, 1, 10), (RECORDS, 2, 10))
    acks.note("local", 1, 2)
    acks.note("hq", 1, 1)
    assert memory.remove_delivered(0) == []
    assert remaining(memory) == [(1, 2)]
    assert acks.take() == {("local", 1): 2, ("hq", 1): 1}  # The disk does not have the acknowledgements yet.


@pytest.mark.parametrize(("now_ns", "what"), [(99, []), (100, [(2, 1, "expired")])])
def test_expired_go_first(acks, now_ns, what):
    memory = make_buffer(acks, 1000, (TRAVELLERS, 1, 10), deadline_ns=100)
    memory.add(entry(2, 2, size=10, deadline_ns=1000), TRAVELLERS)
    assert lost_events(memory.remove_delivered(now_ns)) == what
    assert memory.size == 20 - 10 * len(what)


def test_delivered_and_expired_is_not_lost(acks):
    memory = make_buffer(acks, 1000, (TRAVELLERS, 1, 10), deadline_ns=100)
    acks.note("local", 2, 1)
    assert memory.remove_delivered(200) == []
    assert (len(memory), memory.size) == (0, 0)


def test_after_a_number(acks):
    memory = make_buffer(acks, 1000, (RECORDS, 1, 1), (TRAVELLERS, 2, 1), (RECORDS, 2, 1), (RECORDS, 3, 1))
    assert [one.seq for one in memory.events_after(1, 1)] == [2, 3]
    memory.clear()
    assert (len(memory), memory.size, memory.events_after(1, 0)) == (0, 0, [])


def test_neighbour_of_a_babbler_loses_nothing(acks):
    """A position with the most events loses its own, also where they are records and newer."""
    other = stream(3, data_class=DataClass.TRAVELLER, at=9)
    memory = make_buffer(acks, 1000, (other, 1, 100), *((RECORDS, seq, 50) for seq in range(1, 20)))
    assert {loss.stream for loss in memory.evict(0)} == {RECORDS.number}
    assert remaining(memory)[0] == (other.number, 1)
