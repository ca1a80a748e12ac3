"""Clocks of the post, and event ids that only increase."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st
from support.gateway.deliveries import FakeTime

from gateway.common.clock import ClockWatch, SystemTime, current_moment
from gateway.contract.envelope import ClockStatus
from gateway.delivery.outbox.sequence import EventIds, format_uuid7, parse_uuid7


def test_machine_clocks_can_be_read():
    time = SystemTime()
    assert re.fullmatch(r"[0-9a-f]{32}", time.boot_id)
    first, second = current_moment(time), current_moment(time)
    assert 0 < first.boot_ns <= second.boot_ns
    assert first.clock in {ClockStatus.SYNCED, ClockStatus.UNSYNCED}


def test_steps_and_first_sync_reported_slewing_not():
    time = FakeTime()
    time.clock = ClockStatus.UNSYNCED
    told = []
    watch = ClockWatch(time, told.append)
    time.advance(10)
    time.jump(0.005)
    watch.check()
    assert not told
    time.jump(3600)
    time.clock = ClockStatus.SYNCED
    watch.check()
    time.jump(-5)
    watch.check()
    time.clock = ClockStatus.UNSYNCED
    watch.check()
    time.clock = ClockStatus.SYNCED
    watch.check()
    assert [(round(c.step_ns / 1e9), c.clock_status, c.first_synced) for c in told] == [
        (3600, ClockStatus.SYNCED, True),
        (-5, ClockStatus.SYNCED, False),
        (0, ClockStatus.UNSYNCED, False),
        (0, ClockStatus.SYNCED, False),
    ]


async def test_watch_cleans_up_and_survives_failing_callback():
    time = FakeTime()
    watch = ClockWatch(time, lambda change: 1 / 0)
    watch.start()
    time.jump(60)
    watch.check()
    watch.stop()
    watch.stop()


@given(st.lists(st.integers(0, 2**47), min_size=1, max_size=50), st.integers(0, 2**100))
def test_ids_increase_whatever_the_wall_clock(milliseconds, last):
    ids = EventIds(last)
    given_out = [ids.next_id(ms * 1_000_000) for ms in milliseconds]
    assert given_out == sorted(set(given_out))
    for text in given_out:
        read = uuid.UUID(text)
        assert (read.version, read.variant) == (7, uuid.RFC_4122)
        assert format_uuid7(parse_uuid7(text)) == text
    resumed = EventIds(parse_uuid7(given_out[-1]))
    assert resumed.next_id(0) > given_out[-1]


def test_id_contains_its_time():
    text = EventIds().next_id(1_760_000_000_123_456_789)
    assert uuid.UUID(text).int >> 80 == 1_760_000_000_123
