"""The post's clocks, and ids that only ever grow."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st
from support.gateway.deliveries import FakeTime

from gateway.common.clock import ClockWatch, SystemTime, moment
from gateway.contract.envelope import Clock
from gateway.delivery.outbox.sequence import EventIds, spelled, unspelled


def test_the_machines_clocks_can_be_read():
    time = SystemTime()
    assert re.fullmatch(r"[0-9a-f]{32}", time.boot_id)
    first, second = moment(time), moment(time)
    assert 0 < first.boot_ns <= second.boot_ns
    assert first.clock in {Clock.SYNCED, Clock.UNSYNCED}


def test_steps_and_the_first_sync_are_told_and_slewing_is_not():
    time = FakeTime()
    time.clock = Clock.UNSYNCED
    told = []
    watch = ClockWatch(time, told.append)
    time.run(10)
    time.jump(0.005)
    watch.look()
    assert not told
    time.jump(3600)
    time.clock = Clock.SYNCED
    watch.look()
    time.jump(-5)
    watch.look()
    time.clock = Clock.UNSYNCED
    watch.look()
    time.clock = Clock.SYNCED
    watch.look()
    assert [(round(c.step_ns / 1e9), c.standing, c.first_synced) for c in told] == [
        (3600, Clock.SYNCED, True),
        (-5, Clock.SYNCED, False),
        (0, Clock.UNSYNCED, False),
        (0, Clock.SYNCED, False),
    ]


async def test_watching_leaves_nothing_behind_and_survives_a_failing_callback():
    time = FakeTime()
    watch = ClockWatch(time, lambda change: 1 / 0)
    watch.start()
    time.jump(60)
    watch.look()
    watch.stop()
    watch.stop()


@given(st.lists(st.integers(0, 2**47), min_size=1, max_size=50), st.integers(0, 2**100))
def test_ids_grow_whatever_the_wall_clock_says(milliseconds, last):
    ids = EventIds(last)
    given_out = [ids.take(ms * 1_000_000) for ms in milliseconds]
    assert given_out == sorted(set(given_out))
    for text in given_out:
        read = uuid.UUID(text)
        assert (read.version, read.variant) == (7, uuid.RFC_4122)
        assert spelled(unspelled(text)) == text
    resumed = EventIds(unspelled(given_out[-1]))
    assert resumed.take(0) > given_out[-1]


def test_an_id_carries_the_time_it_was_given():
    text = EventIds().take(1_760_000_000_123_456_789)
    assert uuid.UUID(text).int >> 80 == 1_760_000_000_123
