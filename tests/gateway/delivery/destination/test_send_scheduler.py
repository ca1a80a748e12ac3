"""Order of streams and bounds of the window: live events first, a backlog beside them."""

import pytest
from support.gateway.sending import Rig, entries, entry, in_virtual_time, stream, turn


@in_virtual_time
async def test_backlog_gets_every_17th():
    """Live events fill the window without end; the backlog still moves."""
    rig = Rig(in_flight=1)
    rig.add_streams(stream(1), stored=5)
    rig.connect(window=1)
    await turn(0.01)
    held = rig.new()
    assert [m.event for m in held] == [(1, 1)]
    rig.add_streams(stream(2))
    rig.commit(*entries(2, 1, 60))
    order = []
    for _ in range(40):
        rig.answer(*held)
        await turn(0.01)
        held = rig.new()
        order += [m.event for m in held]
    assert [at for at, (number, _) in enumerate(order) if number == 1] == [16, 33]
    assert [seq for number, seq in order if number == 2] == list(range(1, 39))
    assert [seq for number, seq in order if number == 1] == [2, 3]


@in_virtual_time
async def test_backlogs_take_turns():
    rig = Rig(in_flight=1)
    rig.add_streams(stream(1), stored=3)
    rig.add_streams(stream(2), stored=3)
    rig.connect()
    order = []
    for _ in range(6):
        await turn(0.01)
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
    assert [number for number, _ in order] == [1, 2, 1, 2, 1, 2]
    assert rig.outbox.acked == {1: 3, 2: 3}


@pytest.mark.parametrize(("window", "backlog_most"), [(20, 15), (8, 6), (3, 2), (2, 1), (1, 1)])
@in_virtual_time
async def test_quarter_of_window_kept(window, backlog_most):
    """The backlog fills its part of the window; a live event is sent at once all the same."""
    rig = Rig(in_flight=window)
    rig.add_streams(stream(1), stored=100)
    rig.add_streams(stream(2))
    rig.connect()
    await turn(1.0)
    assert rig.events() == [(1, seq) for seq in range(1, backlog_most + 1)]
    rig.commit(entry(2, 1))
    assert rig.events() == ([(2, 1)] if backlog_most < window else [])


@in_virtual_time
async def test_brokers_window_counts():
    rig = Rig(in_flight=20)
    rig.add_streams(stream(1))
    rig.connect(window=3)
    rig.commit(*entries(1, 1, 10))
    assert rig.events() == [(1, 1), (1, 2), (1, 3)]


@in_virtual_time
async def test_live_streams_take_turns():
    """A device with many events does not delay the others."""
    rig = Rig(in_flight=1)
    rig.add_streams(stream(1), stream(2), stream(3))
    rig.connect()
    rig.commit(*entries(1, 1, 4), *entries(2, 1, 2), entry(3, 1))
    order = []
    for _ in range(7):
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
    assert order == [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3), (1, 4)]


@in_virtual_time
async def test_stream_without_subscriber_is_skipped():
    """A stream that requires a subscriber sends singly until one is known; others continue."""
    rig = Rig(no_subscriber_timeout_s=30.0)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(*entries(1, 1, 3), *entries(2, 1, 2))
    first = rig.new()
    assert [m.event for m in first] == [(1, 1), (2, 1)]
    rig.answer(first[1])
    assert rig.events() == [(2, 2)]
    rig.answer(first[0])
    assert rig.events() == [(1, 2), (1, 3)]


@in_virtual_time
async def test_backlog_rate():
    rig = Rig(in_flight=1000, backlog_rate_per_s=40.0)
    rig.add_streams(stream(1), stored=100)
    rig.connect()
    await turn()
    sent = len(rig.events())
    await turn(1.0)
    assert sent <= 2
    assert 38 <= len(rig.events()) <= 41


@in_virtual_time
async def test_live_events_have_no_rate_limit():
    rig = Rig(in_flight=1000, backlog_rate_per_s=1.0)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 500))
    assert len(rig.events()) == 500


@in_virtual_time
async def test_bytes_in_flight_bounded():
    """The window is bounded in bytes, too; one message is always allowed."""
    rig = Rig(in_flight=100, in_flight_bytes=64 * 1024)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*(entry(1, seq, payload=b"%d" % seq + b"x" * 40_000) for seq in range(1, 5)))
    held = rig.new()
    assert len(held) == 2  # The second began below the bound.
    rig.answer(held[0])
    assert len(rig.new()) == 1
    rig.answer(held[1])
    assert len(rig.new()) == 1


@in_virtual_time
async def test_bytes_of_all_answers_are_free_again():
    rig = Rig(in_flight=100, in_flight_bytes=64 * 1024)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*(entry(1, seq, payload=b"x" * 20_000) for seq in range(1, 13)))
    for _ in range(3):
        held = rig.new()
        assert len(held) == 4
        rig.answer(*held)


@in_virtual_time
async def test_bytes_of_states_count_too():
    rig = Rig(in_flight=100, in_flight_bytes=64 * 1024)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, payload=b"x" * 40_000))
    rig.retained.set("state", b"s" * 30_000, "text/x")
    rig.destination.send_ready()
    assert [len(message.payload) for message in rig.new()] == [40_000, 30_000]
    rig.commit(entry(1, 2, payload=b"y" * 40_000))
    assert rig.new() == []


@in_virtual_time
async def test_message_above_bound_is_sent_alone():
    rig = Rig(in_flight=100, in_flight_bytes=64 * 1024)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, payload=b"x" * 100_000), entry(1, 2, payload=b"y" * 100_000))
    held = rig.new()
    assert [m.payload[:1] for m in held] == [b"x"]
    rig.answer(*held)
    assert [m.payload[:1] for m in rig.new()] == [b"y"]


@in_virtual_time
async def test_live_memory_bounded():
    """Events beyond the memory bound are read back later, without loss or repetition."""
    rig = Rig(in_flight=1, buffer_bytes=64 * 1024)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 10, size=20_000))
    assert rig.destination.scheduler._buffered <= 64 * 1024 + 20_000
    assert rig.outbox.fetched == []
    order = []
    for _ in range(20):
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
        await turn(0.01)
    assert order == [(1, seq) for seq in range(1, 11)]
    assert rig.outbox.fetched[0] == (1, 4)  # Four were kept: the fourth began below the bound.
    assert rig.destination.scheduler._buffered == 0


@in_virtual_time
async def test_backlog_memory_bounded():
    """While memory is full, no further page is read; the stream continues when there is room."""
    rig = Rig(in_flight=2, buffer_bytes=64 * 1024)
    rig.add_streams(stream(1))
    big = entries(1, 1, 8, size=20_000)
    rig.outbox.stored[1] = big
    rig.destination.scheduler.on_committed(big)
    rig.connect()
    await turn(0.01)
    rig.add_streams(stream(2), stored=2)
    for _ in range(3):
        rig.destination.send_ready()
    assert rig.outbox.fetched == [(1, 0)]
    order = []
    for _ in range(20):
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
        await turn(0.01)
    assert (2, 0) in rig.outbox.fetched
    assert sorted(order) == [*((1, seq) for seq in range(1, 9)), (2, 1), (2, 2)]


@in_virtual_time
async def test_lost_event_in_flight_may_arrive():
    """An event that expires in the outbox while it is in flight arrives, and is not counted as expired."""
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    held = rig.new()
    rig.destination.scheduler.on_lost(1, 1, expired=True)
    assert rig.outbox.acked == {}
    assert (rig.destination.report.queued, rig.destination.report.expired) == (1, 0)
    rig.answer(*held)
    assert rig.outbox.acked == {1: 1}
    assert (rig.destination.report.queued, rig.destination.report.expired) == (0, 0)


@in_virtual_time
async def test_lost_in_memory_is_still_sent():
    rig = Rig(in_flight=1)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(entry(1, 1), entry(2, 1))
    held = rig.new()
    rig.destination.scheduler.on_lost(2, 1, expired=True)
    rig.answer(*held)
    assert rig.events() == [(2, 1)]
    assert rig.destination.report.expired == 0


@pytest.mark.parametrize(("expired", "counted"), [(True, 1), (False, 0)])
@in_virtual_time
async def test_lost_on_disk_is_passed_over(expired, counted):
    """An event that was only in the outbox will never arrive: later ones do not wait for it."""
    rig = Rig()
    rig.add_streams(stream(1), stored=3)
    rig.destination.scheduler.on_lost(1, 1, expired=expired)
    assert rig.outbox.acked == {1: 1}
    assert (rig.destination.report.queued, rig.destination.report.expired) == (2, counted)
    rig.destination.scheduler.on_lost(1, 1, expired=expired)
    assert rig.destination.report.expired == counted
    rig.destination.scheduler.on_lost(9, 1, expired=True)
    assert rig.destination.report.expired == counted


@in_virtual_time
async def test_lost_beyond_memory_is_passed_over():
    """One event in flight and later ones only in the outbox: only the first may still arrive."""
    rig = Rig(in_flight=1, buffer_bytes=64 * 1024)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, size=70_000), entry(1, 2), entry(1, 3))
    held = rig.new()
    assert [m.event for m in held] == [(1, 1)]
    rig.destination.scheduler.on_lost(1, 3, expired=True)
    assert rig.destination.report.expired == 1
    rig.destination.scheduler.on_lost(1, 1, expired=True)
    assert rig.destination.report.expired == 1


@in_virtual_time
async def test_old_epoch_in_flight_is_kept():
    """Streams of an earlier epoch are dropped once none of their messages is in flight."""
    rig = Rig()
    old, new = stream(1, "epoch-1"), stream(2, "epoch-2")
    rig.add_streams(old, new)
    rig.connect()
    rig.commit(entry(1, 1), entry(1, 2))
    first, second = rig.new()
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert rig.destination.report.queued == 2
    rig.answer(first)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert rig.destination.report.queued == 1
    rig.answer(second)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert rig.outbox.acked == {1: 2}
    rig.destination.scheduler.on_committed([entry(1, 3)])  # The stream was dropped.
    assert rig.destination.report.queued == 0
    rig.commit(entry(2, 1))
    assert rig.events() == [(2, 1)]


@in_virtual_time
async def test_old_epoch_that_waits_is_kept():
    rig = Rig()
    rig.add_streams(stream(1, "epoch-1"), stored=2)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    rig.connect()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_present_epoch_is_kept():
    rig = Rig()
    rig.add_streams(stream(1, "epoch-2"))
    rig.destination.scheduler.drop_old_streams("epoch-2")
    rig.connect()
    rig.commit(entry(1, 1))
    assert rig.events() == [(1, 1)]


@in_virtual_time
async def test_old_epoch_with_message_in_flight_is_kept():
    """All events are acknowledged, and one of them is in flight a second time, with its image."""
    rig = Rig()
    rig.add_streams(stream(1, "epoch-1"), stream(2, "epoch-2"))
    rig.connect()
    rig.commit(entry(1, 1))
    held = rig.new()
    scheduler = rig.destination.scheduler
    scheduler.advance_past(scheduler._cursors[1], 1)  # The cursor is past it; its acknowledgement is missing.
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert 1 in scheduler._cursors
    rig.answer(*held)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert 1 not in scheduler._cursors


@in_virtual_time
async def test_page_of_old_connection_is_ignored():
    """A page requested over the last connection arrives over this one: nothing is sent twice."""
    rig = Rig()
    rig.outbox.slow = True
    rig.add_streams(stream(1), stored=3)
    rig.connect()
    assert rig.outbox.fetched == [(1, 0)]
    rig.destination.on_disconnected(None)
    rig.connect()
    assert rig.outbox.fetched == [(1, 0), (1, 0)]
    rig.outbox.reply()  # Both pages arrive.
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2), (1, 3)]
    assert rig.destination.scheduler._buffered == 0


@in_virtual_time
async def test_failed_read_of_old_connection():
    """A failed read for the last connection does not affect this one."""
    rig = Rig()
    rig.outbox.slow = True
    rig.add_streams(stream(1), stored=2)
    rig.connect()
    rig.destination.on_disconnected(None)
    rig.connect()
    old, new = rig.outbox.waiting
    rig.outbox.unreadable = True
    old()
    rig.outbox.unreadable = False
    new()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_page_of_refused_stream_is_ignored():
    """A refusal arrives while the next page is read: the stream is rewound, and the page is dropped."""
    rig = Rig(retry_first_s=0.5, retry_max_s=0.5)
    rig.outbox.slow, rig.outbox.page_events = True, 1
    rig.add_streams(stream(1), stored=2)
    rig.connect()
    rig.outbox.reply()
    await turn(0.01)
    rig.answer(*rig.new(), reason=0x83)
    assert rig.outbox.fetched == [(1, 0), (1, 1)]
    rig.outbox.reply()
    rig.outbox.slow = False
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.destination.report.expired == 0


@in_virtual_time
async def test_late_page_of_refused_stream_is_ignored():
    """A page arrives after the stream was rewound: the refused event before it must not count as gone."""
    rig = Rig(retry_first_s=0.5, retry_max_s=0.5)
    rig.outbox.slow, rig.outbox.page_events = True, 1
    rig.add_streams(stream(1), stored=2)
    rig.connect()
    rig.outbox.reply()
    await turn(0.01)
    rig.answer(*rig.new(), reason=0x83)
    await turn(1.0)
    rig.outbox.reply()
    rig.outbox.slow = False
    rig.outbox.reply()
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.destination.report.expired == 0


@in_virtual_time
async def test_late_page_of_halted_stream_is_ignored():
    rig = Rig(halt_retry_s=5.0)
    rig.outbox.slow, rig.outbox.page_events = True, 1
    rig.add_streams(stream(1), stored=2)
    rig.connect()
    rig.outbox.reply()
    await turn(0.01)
    rig.answer(*rig.new(), reason=0x87)
    assert rig.destination.report.halted_reason == "not_authorised"
    await turn(6.0)
    assert rig.destination.report.halted_reason is None
    rig.outbox.slow = False
    rig.outbox.reply()
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.destination.report.expired == 0


@in_virtual_time
async def test_page_while_disconnected_is_ignored():
    rig = Rig()
    rig.outbox.slow = True
    rig.add_streams(stream(1), stored=3)
    rig.connect()
    rig.destination.on_disconnected(None)
    rig.outbox.reply()
    assert rig.new() == []
    assert rig.destination.scheduler._buffered == 0


@in_virtual_time
async def test_live_event_behind_a_page_waits():
    """An event that is committed while its stream is read back comes after what is read."""
    rig = Rig()
    rig.outbox.slow = True
    rig.add_streams(stream(1), stored=2)
    rig.connect()
    rig.commit(entry(1, 3))
    assert rig.new() == []
    rig.outbox.reply()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2), (1, 3)]


@in_virtual_time
async def test_refused_stream_waits_for_in_flight():
    """A refused event waits until later ones in flight are answered, which else were sent twice."""
    rig = Rig(retry_first_s=0.5, retry_max_s=0.5)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 3))
    first, second, third = rig.new()
    rig.answer(first, reason=0x83)
    assert "event_refused" in rig.causes
    await turn(3.0)
    assert rig.new() == []  # Two and three are still in flight.
    rig.answer(second, third)
    await turn(3.0)
    assert rig.events() == [(1, 1)]


@in_virtual_time
async def test_refused_stream_blocks_no_other():
    rig = Rig(retry_first_s=5.0, retry_max_s=5.0)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(entry(1, 1), entry(1, 2), entry(2, 1))
    first, *others = rig.new()
    rig.answer(*others)
    rig.answer(first, reason=0x83)
    rig.commit(entry(1, 3), entry(2, 2))
    assert rig.events() == [(2, 2)]
    await turn(6.0)
    assert rig.events() == [(1, 1), (1, 3)]  # not the second, which has arrived


@in_virtual_time
async def test_retry_of_old_connection_is_ignored():
    """The wait of a refused stream ends with its connection: the new one sends at once, and once."""
    rig = Rig(retry_first_s=5.0, retry_max_s=5.0)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    rig.answer(*rig.new(), reason=0x83)
    rig.destination.on_disconnected(None)
    rig.connect()
    await turn(0.1)
    assert rig.events() == [(1, 1)]
    await turn(10.0)
    assert rig.new() == []


@in_virtual_time
async def test_unreadable_backlog_is_read_again():
    rig = Rig()
    rig.outbox.unreadable = True
    rig.add_streams(stream(1), stored=2)
    rig.connect()
    await turn(0.9)
    assert (rig.new(), len(rig.outbox.fetched)) == ([], 1)
    rig.outbox.unreadable = False
    await turn(0.2)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.outbox.fetched == [(1, 0), (1, 0)]


@in_virtual_time
async def test_unknown_age_holds_its_stream():
    """A stream is not sent before its first event has an age; it is read again every second."""
    rig = Rig()
    rig.add_streams(stream(1), stored=2)
    held, rig.outbox.stored[1], rig.outbox.held = rig.outbox.stored[1], [], True
    rig.connect()
    await turn(2.5)
    assert rig.new() == []
    assert len(rig.outbox.fetched) == 3
    rig.outbox.stored[1], rig.outbox.held = held, False
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_events_before_unknown_age_are_sent():
    rig = Rig()
    rig.add_streams(stream(1), stored=2)
    rig.outbox.held = True
    rig.connect()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_empty_page_ends_the_backlog():
    """All remaining events are gone from the disk: the stream is live again."""
    rig = Rig()
    rig.add_streams(stream(1), stored=2)
    rig.outbox.stored[1] = []
    rig.destination.scheduler.advance_past(rig.destination.scheduler._cursors[1], 1)
    rig.destination.scheduler.advance_past(rig.destination.scheduler._cursors[1], 2)
    rig.connect()
    await turn(0.1)
    rig.commit(entry(1, 3))
    assert rig.events() == [(1, 3)]


@in_virtual_time
async def test_missing_in_log_is_counted():
    """Events missing in the log are passed over and counted."""
    rig = Rig()
    rig.add_streams(stream(1), stored=6)
    rig.outbox.stored[1] = [entry(1, 2), entry(1, 5), entry(1, 6)]
    rig.connect()
    await turn(0.1)
    held = rig.new()
    assert [m.event for m in held] == [(1, 2), (1, 5), (1, 6)]
    assert (rig.destination.report.expired, rig.destination.report.queued) == (3, 3)
    rig.answer(*held)
    assert rig.outbox.acked == {1: 6}
    assert rig.destination.report.queued == 0


@in_virtual_time
async def test_caught_up_stream_is_live_again():
    rig = Rig(backlog_rate_per_s=1.0)
    rig.add_streams(stream(1), stored=1)
    rig.connect()
    await turn(1.5)
    assert rig.events() == [(1, 1)]
    rig.commit(entry(1, 2), entry(1, 3), entry(1, 4))
    assert rig.events() == [(1, 2), (1, 3), (1, 4)]  # at once: the rate of backlogs does not apply
