"""Order of streams and bounds of what is in flight: live events first, a backlog beside them."""

import pytest
from support.gateway.sending import Rig, entries, entry, in_virtual_time, stream, turn


@in_virtual_time
async def test_backlog_gets_every_17th():
    """Live events fill the window without end; the backlog still moves."""
    rig = Rig(in_flight=1)
    rig.know(stream(1), stored=5)
    rig.up(window=1)
    await turn(0.01)
    held = rig.new()
    assert [m.event for m in held] == [(1, 1)]
    rig.know(stream(2))
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
    rig.know(stream(1), stored=3)
    rig.know(stream(2), stored=3)
    rig.up()
    order = []
    for _ in range(6):
        await turn(0.01)
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
    assert [number for number, _ in order] == [1, 2, 1, 2, 1, 2]
    assert rig.backlog.acked == {1: 3, 2: 3}


@pytest.mark.parametrize(("window", "backlog_most"), [(20, 15), (8, 6), (3, 2), (2, 1), (1, 1)])
@in_virtual_time
async def test_quarter_of_window_kept(window, backlog_most):
    """The backlog fills its part of the window; a live event goes out at once all the same."""
    rig = Rig(in_flight=window)
    rig.know(stream(1), stored=100)
    rig.know(stream(2))
    rig.up()
    await turn(1.0)
    assert rig.events() == [(1, seq) for seq in range(1, backlog_most + 1)]
    rig.commit(entry(2, 1))
    assert rig.events() == ([(2, 1)] if backlog_most < window else [])


@in_virtual_time
async def test_brokers_window_counts():
    rig = Rig(in_flight=20)
    rig.know(stream(1))
    rig.up(window=3)
    rig.commit(*entries(1, 1, 10))
    assert rig.events() == [(1, 1), (1, 2), (1, 3)]


@in_virtual_time
async def test_live_streams_take_turns():
    """A device that says much does not keep the others waiting."""
    rig = Rig(in_flight=1)
    rig.know(stream(1), stream(2), stream(3))
    rig.up()
    rig.commit(*entries(1, 1, 4), *entries(2, 1, 2), entry(3, 1))
    order = []
    for _ in range(7):
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
    assert order == [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3), (1, 4)]


@in_virtual_time
async def test_live_stream_that_waits_is_passed():
    """Where somebody must be listening, a stream sends singly until one was taken; others go on."""
    rig = Rig(no_subscriber_timeout_s=30.0)
    rig.know(stream(1), stream(2))
    rig.up()
    rig.commit(*entries(1, 1, 3), *entries(2, 1, 2))
    first = rig.new()
    assert [m.event for m in first] == [(1, 1), (2, 1)]
    rig.answer(first[1])
    assert rig.events() == [(2, 2)]
    rig.answer(first[0])
    assert rig.events() == [(1, 2), (1, 3)]


@in_virtual_time
async def test_drain_rate():
    rig = Rig(in_flight=1000, backlog_rate_per_s=40.0)
    rig.know(stream(1), stored=100)
    rig.up()
    await turn()
    sent = len(rig.events())
    await turn(1.0)
    assert sent <= 2
    assert 38 <= len(rig.events()) <= 41


@in_virtual_time
async def test_drain_rate_of_live_events_is_none():
    rig = Rig(in_flight=1000, backlog_rate_per_s=1.0)
    rig.know(stream(1))
    rig.up()
    rig.commit(*entries(1, 1, 500))
    assert len(rig.events()) == 500


@in_virtual_time
async def test_bytes_in_flight_bounded():
    """The window is bounded in bytes, too; one message always fits."""
    rig = Rig(in_flight=100, in_flight_bytes=64 * 1024)
    rig.know(stream(1))
    rig.up()
    rig.commit(*(entry(1, seq, payload=b"%d" % seq + b"x" * 40_000) for seq in range(1, 5)))
    held = rig.new()
    assert len(held) == 2  # the second began below the bound
    rig.answer(held[0])
    assert len(rig.new()) == 1
    rig.answer(held[1])
    assert len(rig.new()) == 1


@in_virtual_time
async def test_one_larger_than_bound_goes():
    rig = Rig(in_flight=100, in_flight_bytes=64 * 1024)
    rig.know(stream(1))
    rig.up()
    rig.commit(entry(1, 1, payload=b"x" * 100_000), entry(1, 2, payload=b"y" * 100_000))
    held = rig.new()
    assert [m.payload[:1] for m in held] == [b"x"]
    rig.answer(*held)
    assert [m.payload[:1] for m in rig.new()] == [b"y"]


@in_virtual_time
async def test_live_memory_bounded():
    """What does not fit into memory is read back later, and nothing is lost or repeated."""
    rig = Rig(in_flight=1, buffer_bytes=64 * 1024)
    rig.know(stream(1))
    rig.up()
    rig.commit(*entries(1, 1, 10, size=20_000))
    assert rig.destination.scheduler._buffered <= 64 * 1024 + 20_000
    assert rig.backlog.fetched == []
    order = []
    for _ in range(20):
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
        await turn(0.01)
    assert order == [(1, seq) for seq in range(1, 11)]
    assert rig.backlog.fetched[0] == (1, 4)  # four were kept: the fourth began below the bound
    assert rig.destination.scheduler._buffered == 0


@in_virtual_time
async def test_backlog_memory_bounded():
    """While memory is full, no further page is read; the stream has its turn when there is room again."""
    rig = Rig(in_flight=2, buffer_bytes=64 * 1024)
    rig.know(stream(1))
    big = entries(1, 1, 8, size=20_000)
    rig.backlog.stored[1] = big
    rig.destination.scheduler.on_committed(big)
    rig.up()
    await turn(0.01)
    rig.know(stream(2), stored=2)
    for _ in range(3):
        rig.destination.send_ready()
    assert rig.backlog.fetched == [(1, 0)]
    order = []
    for _ in range(20):
        held = rig.new()
        order += [m.event for m in held]
        rig.answer(*held)
        await turn(0.01)
    assert (2, 0) in rig.backlog.fetched
    assert sorted(order) == [*((1, seq) for seq in range(1, 9)), (2, 1), (2, 2)]


@in_virtual_time
async def test_lost_in_flight_is_still_waited_for():
    """An event that expires in the outbox while it is in flight arrives, and is not counted as expired."""
    rig = Rig()
    rig.know(stream(1))
    rig.up()
    rig.commit(entry(1, 1))
    held = rig.new()
    rig.destination.scheduler.on_lost(1, 1, expired=True)
    assert rig.backlog.acked == {}
    assert (rig.destination.report.queued, rig.destination.report.expired) == (1, 0)
    rig.answer(*held)
    assert rig.backlog.acked == {1: 1}
    assert (rig.destination.report.queued, rig.destination.report.expired) == (0, 0)


@in_virtual_time
async def test_lost_in_memory_is_still_sent():
    rig = Rig(in_flight=1)
    rig.know(stream(1), stream(2))
    rig.up()
    rig.commit(entry(1, 1), entry(2, 1))
    held = rig.new()
    rig.destination.scheduler.on_lost(2, 1, expired=True)
    rig.answer(*held)
    assert rig.events() == [(2, 1)]
    assert rig.destination.report.expired == 0


@pytest.mark.parametrize(("expired", "counted"), [(True, 1), (False, 0)])
@in_virtual_time
async def test_lost_on_disk_is_passed(expired, counted):
    """An event that only the outbox had will never arrive: those behind it do not wait for it."""
    rig = Rig()
    rig.know(stream(1), stored=3)
    rig.destination.scheduler.on_lost(1, 1, expired=expired)
    assert rig.backlog.acked == {1: 1}
    assert (rig.destination.report.queued, rig.destination.report.expired) == (2, counted)
    rig.destination.scheduler.on_lost(1, 1, expired=expired)
    assert rig.destination.report.expired == counted
    rig.destination.scheduler.on_lost(9, 1, expired=True)
    assert rig.destination.report.expired == counted


@in_virtual_time
async def test_lost_beyond_memory_is_passed():
    """One in flight, and one behind it that only the outbox had: only the first may still arrive."""
    rig = Rig(in_flight=1, buffer_bytes=64 * 1024)
    rig.know(stream(1))
    rig.up()
    rig.commit(entry(1, 1, size=70_000), entry(1, 2), entry(1, 3))
    held = rig.new()
    assert [m.event for m in held] == [(1, 1)]
    rig.destination.scheduler.on_lost(1, 3, expired=True)
    assert rig.destination.report.expired == 1
    rig.destination.scheduler.on_lost(1, 1, expired=True)
    assert rig.destination.report.expired == 1


@in_virtual_time
async def test_old_epoch_in_flight_is_kept():
    """Streams of an earlier epoch are forgotten once nothing of them is under way any more."""
    rig = Rig()
    old, new = stream(1, "epoch-1"), stream(2, "epoch-2")
    rig.know(old, new)
    rig.up()
    rig.commit(entry(1, 1), entry(1, 2))
    first, second = rig.new()
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert rig.destination.report.queued == 2
    rig.answer(first)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert rig.destination.report.queued == 1
    rig.answer(second)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert rig.backlog.acked == {1: 2}
    rig.destination.scheduler.on_committed([entry(1, 3)])  # of a stream that is not known any more
    assert rig.destination.report.queued == 0
    rig.commit(entry(2, 1))
    assert rig.events() == [(2, 1)]


@in_virtual_time
async def test_old_epoch_that_waits_is_kept():
    rig = Rig()
    rig.know(stream(1, "epoch-1"), stored=2)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    rig.up()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_present_epoch_is_kept():
    rig = Rig()
    rig.know(stream(1, "epoch-2"))
    rig.destination.scheduler.drop_old_streams("epoch-2")
    rig.up()
    rig.commit(entry(1, 1))
    assert rig.events() == [(1, 1)]


@in_virtual_time
async def test_old_epoch_with_a_message_in_flight_is_kept():
    """All events have arrived, and one of them is on its way a second time, with its image."""
    rig = Rig()
    rig.know(stream(1, "epoch-1"), stream(2, "epoch-2"))
    rig.up()
    rig.commit(entry(1, 1))
    held = rig.new()
    scheduler = rig.destination.scheduler
    scheduler.advance_past(scheduler._cursors[1], 1)  # the outbox is past it, the answer is not there yet
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert 1 in scheduler._cursors
    rig.answer(*held)
    rig.destination.scheduler.drop_old_streams("epoch-2")
    assert 1 not in scheduler._cursors


@in_virtual_time
async def test_reply_of_old_connection_is_ignored():
    """A page asked for over the last connection arrives over this one: nothing is sent twice."""
    rig = Rig()
    rig.backlog.slow = True
    rig.know(stream(1), stored=3)
    rig.up()
    assert rig.backlog.fetched == [(1, 0)]
    rig.destination.on_disconnected(None)
    rig.up()
    assert rig.backlog.fetched == [(1, 0), (1, 0)]
    rig.backlog.reply()  # both of them
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2), (1, 3)]
    assert rig.destination.scheduler._buffered == 0


@in_virtual_time
async def test_failed_read_of_old_connection():
    """That the disk would not read for the last connection keeps nothing from this one."""
    rig = Rig()
    rig.backlog.slow = True
    rig.know(stream(1), stored=2)
    rig.up()
    rig.destination.on_disconnected(None)
    rig.up()
    old, new = rig.backlog.waiting
    rig.backlog.unreadable = True
    old()
    rig.backlog.unreadable = False
    new()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_page_of_refused_stream_is_ignored():
    """A refusal arrives while the next page is read: the stream begins anew, and the page is of no use."""
    rig = Rig(retry_first_s=0.5, retry_max_s=0.5)
    rig.backlog.slow, rig.backlog.page_events = True, 1
    rig.know(stream(1), stored=2)
    rig.up()
    rig.backlog.reply()
    await turn(0.01)
    rig.answer(*rig.new(), reason=0x83)
    assert rig.backlog.fetched == [(1, 0), (1, 1)]
    rig.backlog.reply()
    rig.backlog.slow = False
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.destination.report.expired == 0


@in_virtual_time
async def test_late_page_of_refused_stream_is_ignored():
    """A page comes after the wait for a new attempt: the event before it, refused, does not pass for gone."""
    rig = Rig(retry_first_s=0.5, retry_max_s=0.5)
    rig.backlog.slow, rig.backlog.page_events = True, 1
    rig.know(stream(1), stored=2)
    rig.up()
    rig.backlog.reply()
    await turn(0.01)
    rig.answer(*rig.new(), reason=0x83)
    await turn(1.0)
    rig.backlog.reply()
    rig.backlog.slow = False
    rig.backlog.reply()
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.destination.report.expired == 0


@in_virtual_time
async def test_late_page_of_halted_stream_is_ignored():
    rig = Rig(halt_retry_s=5.0)
    rig.backlog.slow, rig.backlog.page_events = True, 1
    rig.know(stream(1), stored=2)
    rig.up()
    rig.backlog.reply()
    await turn(0.01)
    rig.answer(*rig.new(), reason=0x87)
    assert rig.destination.halted_reason == "not_authorised"
    await turn(6.0)
    assert rig.destination.halted_reason is None
    rig.backlog.slow = False
    rig.backlog.reply()
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.destination.report.expired == 0


@in_virtual_time
async def test_reply_while_down_is_ignored():
    rig = Rig()
    rig.backlog.slow = True
    rig.know(stream(1), stored=3)
    rig.up()
    rig.destination.on_disconnected(None)
    rig.backlog.reply()
    assert rig.new() == []
    assert rig.destination.scheduler._buffered == 0


@in_virtual_time
async def test_live_event_behind_a_page_waits():
    """An event that is committed while its stream is read back comes after what is read."""
    rig = Rig()
    rig.backlog.slow = True
    rig.know(stream(1), stored=2)
    rig.up()
    rig.commit(entry(1, 3))
    assert rig.new() == []
    rig.backlog.reply()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2), (1, 3)]


@in_virtual_time
async def test_refused_stream_waits_for_flight():
    """A refused event is sent again when those behind it have been answered, which else were sent twice."""
    rig = Rig(retry_first_s=0.5, retry_max_s=0.5)
    rig.know(stream(1))
    rig.up()
    rig.commit(*entries(1, 1, 3))
    first, second, third = rig.new()
    rig.answer(first, reason=0x83)
    assert "event_refused" in rig.causes
    await turn(3.0)
    assert rig.new() == []  # two and three are still in flight
    rig.answer(second, third)
    await turn(3.0)
    assert rig.events() == [(1, 1)]


@in_virtual_time
async def test_refused_stream_holds_up_no_other():
    rig = Rig(retry_first_s=5.0, retry_max_s=5.0)
    rig.know(stream(1), stream(2))
    rig.up()
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
    """The wait of a refused stream ends with its connection: a new one begins at once, and only once."""
    rig = Rig(retry_first_s=5.0, retry_max_s=5.0)
    rig.know(stream(1))
    rig.up()
    rig.commit(entry(1, 1))
    rig.answer(*rig.new(), reason=0x83)
    rig.destination.on_disconnected(None)
    rig.up()
    await turn(0.1)
    assert rig.events() == [(1, 1)]
    await turn(10.0)
    assert rig.new() == []


@in_virtual_time
async def test_unreadable_backlog_is_tried_again():
    rig = Rig()
    rig.backlog.unreadable = True
    rig.know(stream(1), stored=2)
    rig.up()
    await turn(0.9)
    assert (rig.new(), len(rig.backlog.fetched)) == ([], 1)
    rig.backlog.unreadable = False
    await turn(0.2)
    assert rig.events() == [(1, 1), (1, 2)]
    assert rig.backlog.fetched == [(1, 0), (1, 0)]


@in_virtual_time
async def test_event_of_unknown_age_holds_its_stream():
    """Nothing of that stream is sent before its age is known; it is looked at again every second."""
    rig = Rig()
    rig.know(stream(1), stored=2)
    held, rig.backlog.stored[1], rig.backlog.held = rig.backlog.stored[1], [], True
    rig.up()
    await turn(2.5)
    assert rig.new() == []
    assert len(rig.backlog.fetched) == 3
    rig.backlog.stored[1], rig.backlog.held = held, False
    await turn(1.0)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_events_before_one_of_unknown_age_go():
    rig = Rig()
    rig.know(stream(1), stored=2)
    rig.backlog.held = True
    rig.up()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 2)]


@in_virtual_time
async def test_empty_page_ends_the_backlog():
    """All that was left is gone from the disk: the stream is live again, and waits for nothing."""
    rig = Rig()
    rig.know(stream(1), stored=2)
    rig.backlog.stored[1] = []
    rig.destination.scheduler.advance_past(rig.destination.scheduler._cursors[1], 1)
    rig.destination.scheduler.advance_past(rig.destination.scheduler._cursors[1], 2)
    rig.up()
    await turn(0.1)
    rig.commit(entry(1, 3))
    assert rig.events() == [(1, 3)]


@in_virtual_time
async def test_gone_from_disk_is_counted():
    """What the log lacks between two events is passed by, and counted."""
    rig = Rig()
    rig.know(stream(1), stored=6)
    rig.backlog.stored[1] = [entry(1, 2), entry(1, 5), entry(1, 6)]
    rig.up()
    await turn(0.1)
    held = rig.new()
    assert [m.event for m in held] == [(1, 2), (1, 5), (1, 6)]
    assert (rig.destination.report.expired, rig.destination.report.queued) == (3, 3)
    rig.answer(*held)
    assert rig.backlog.acked == {1: 6}
    assert rig.destination.report.queued == 0


@in_virtual_time
async def test_caught_up_stream_is_live_again():
    rig = Rig(backlog_rate_per_s=1.0)
    rig.know(stream(1), stored=1)
    rig.up()
    await turn(1.5)
    assert rig.events() == [(1, 1)]
    rig.commit(entry(1, 2), entry(1, 3), entry(1, 4))
    assert rig.events() == [(1, 2), (1, 3), (1, 4)]  # at once: no backlog's rate applies
