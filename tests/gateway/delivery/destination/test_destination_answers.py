"""Reactions of a destination to acknowledgements, and its order: answers, states, events."""

import math

import pytest
from support.gateway.sending import LIFE_NS, Rig, entries, entry, in_virtual_time, stream, turn

from gateway.delivery.events import Blob

IMAGES = (Blob("ir", "image/jpeg", b"i" * 50), Blob("uv", "image/png", b"u" * 60))


def topics(messages):
    return [message.topic for message in messages]


@in_virtual_time
async def test_images_go_before_their_event():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, blobs=IMAGES), entry(1, 2))
    sent = rig.new()
    assert [topic.rpartition("/")[2] for topic in topics(sent)] == ["ir", "uv", "1", "1"]
    assert [message.payload for message in sent[:2]] == [b"i" * 50, b"u" * 60]
    assert b"image/png" in sent[1].properties
    assert "id-1-1" in sent[0].topic
    rig.answer(sent[0], sent[2])
    assert rig.outbox.acked == {}
    rig.answer(sent[3])
    assert rig.outbox.acked == {}
    rig.answer(sent[1])
    assert rig.outbox.acked == {1: 2}
    assert not any(message.retain for message in sent)


@in_virtual_time
async def test_image_too_large_is_left_out():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect(maximum_packet_size=1000)
    large = Blob("uv", "image/png", b"u" * 1000)
    rig.commit(entry(1, 1, blobs=(IMAGES[0], large)))
    sent = rig.new()
    assert [topic.rpartition("/")[2] for topic in topics(sent)] == ["ir", "1"]
    assert "images_refused" in rig.causes
    rig.answer(*sent)
    assert rig.outbox.acked == {1: 1}
    assert rig.destination.report.parked == 1


@in_virtual_time
async def test_refused_image_is_given_up():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, blobs=IMAGES))
    first, second, event = rig.new()
    rig.answer(second, event)
    rig.answer(first, reason=0x95)
    assert rig.outbox.acked == {1: 1}
    assert (rig.outbox.parked, rig.destination.report.parked) == ([], 1)
    assert "images_refused" in rig.causes


@pytest.mark.parametrize("reason", [0x90, 0x95, 0x99])
@in_virtual_time
async def test_poison_is_parked(reason):
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 2))
    first, second = rig.new()
    before = rig.changes
    rig.answer(first, reason=reason)
    assert rig.changes > before
    rig.answer(second)
    assert rig.outbox.parked == [(1, 1, reason)]
    assert rig.outbox.acked == {1: 2}
    assert rig.destination.report.parked == 1
    (problem,) = rig.problems.active()
    assert problem.cause == "events_parked"
    assert f"(last: lane-1/reader-1/record 1, reason code 0x{reason:02x})" in problem.text


@pytest.mark.parametrize(("limit", "parked"), [(0, 1), (1, 0)])
@in_virtual_time
async def test_packet_size_to_the_byte(limit, parked):
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    (message,) = rig.new()
    size = len(message.topic) + len(message.payload) + len(message.properties) + 16
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect(maximum_packet_size=size - 1 + limit)
    rig.commit(entry(1, 1))
    assert len(rig.new()) == 1 - parked
    assert rig.outbox.parked == [(1, 1, 0x95)] * parked


@in_virtual_time
async def test_expired_is_not_sent():
    rig = Rig(in_flight=1)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 3))
    (first,) = rig.new()
    rig.time.advance(LIFE_NS / 1e9)
    rig.answer(first)
    assert rig.new() == []
    assert rig.outbox.acked == {1: 3}
    assert rig.destination.report.expired == 2


@pytest.mark.parametrize(
    ("left_ns", "seconds"), [(1, 1), (10**9, 1), (10**9 + 1, 2), (2**40 * 10**9, 2**32 - 1)]
)
@in_virtual_time
async def test_expiry_in_whole_seconds(left_ns, seconds):
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, deadline_ns=rig.time.boot + left_ns))
    (message,) = rig.new()
    assert b"\x02" + seconds.to_bytes(4, "big") in message.properties


@in_virtual_time
async def test_halted_sends_states_alone():
    rig = Rig(halt_retry_s=10.0)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(*entries(1, 1, 2))
    first, second = rig.new()
    rig.answer(first, reason=0x87)
    assert rig.destination.report.halted_reason == "not_authorised"
    assert "publish_not_authorised" in rig.causes
    rig.commit(entry(2, 1))
    assert rig.new() == []
    rig.retained.set("state", b"{}", "application/json")
    rig.destination.send_ready()
    assert topics(rig.new()) == ["state"]
    await turn(11.0)
    assert rig.new() == []  # The second is still in flight; it would be sent twice.
    rig.answer(second)
    await turn(0.2)
    assert rig.destination.report.halted_reason is None
    sent = rig.new()
    assert [m.event for m in sent] == [(1, 1), (2, 1)]
    rig.answer(*sent)
    assert "publish_not_authorised" not in rig.causes
    assert rig.outbox.acked == {1: 2, 2: 1}


@in_virtual_time
async def test_halt_ends_with_a_connection():
    rig = Rig(halt_retry_s=10.0)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    rig.answer(*rig.new(), reason=0x87)
    rig.destination.on_disconnected(None)
    rig.connect()
    assert rig.destination.report.halted_reason is None
    await turn(0.1)
    assert rig.events() == [(1, 1)]


@in_virtual_time
async def test_answers_go_first():
    rig = Rig(in_flight=1)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 2))
    (first,) = rig.new()
    rig.retained.set("state", b"{}", "application/json")
    rig.destination.publish_answer("reply", b"yes", b"p")
    sent = []
    for _ in range(3):
        rig.answer(first)
        (first,) = rig.new()
        sent.append((first.topic, first.payload, first.retain))
    assert sent == [("reply", b"yes", False), ("state", b"{}", True), ("evt/1", b"1/2", False)]


@in_virtual_time
async def test_answer_without_connection_is_dropped():
    rig = Rig()
    rig.destination.publish_answer("reply", b"yes", b"")
    rig.connect()
    assert rig.new() == []


@in_virtual_time
async def test_answers_are_bounded():
    rig = Rig(in_flight=1)
    rig.connect()
    for number in range(300):
        rig.destination.publish_answer("reply", b"%d" % number, b"")
    sent = []
    while fresh := rig.new():
        sent += [int(message.payload) for message in fresh]
        rig.answer(*fresh)
    assert sent == [0, *range(44, 300)]  # the latest 256, after the one in flight


@in_virtual_time
async def test_one_preview_of_a_topic_in_flight():
    rig = Rig()
    rig.connect()
    rig.destination.send_preview("shown", b"1", b"p")
    rig.destination.send_preview("shown", b"2", b"p")
    rig.destination.send_preview("other", b"3", b"p")
    first, other = rig.new()
    assert (first.payload, other.payload, first.properties, first.retain) == (b"1", b"3", b"p", False)
    rig.answer(first)
    assert rig.no_subscriber == []
    rig.destination.send_preview("shown", b"4", b"p")
    (again,) = rig.new()
    rig.answer(again, reason=0x10)
    assert rig.no_subscriber == ["shown"]


@in_virtual_time
async def test_preview_only_if_window_has_room():
    rig = Rig(in_flight=1)
    rig.destination.send_preview("shown", b"1", b"")
    rig.add_streams(stream(1))
    rig.connect(maximum_packet_size=30)
    rig.destination.send_preview("large", b"1" * 30, b"")
    assert rig.new() == []
    rig.destination.send_preview("shown", b"1" * 9, b"")  # 16 bytes of overhead: just small enough
    assert len(rig.new()) == 1
    rig.destination.send_preview("other", b"1", b"")  # The window is full.
    assert rig.new() == []


@in_virtual_time
async def test_state_is_retained_and_resent():
    rig = Rig()
    rig.retained.set("state", b"{}", "text/x")
    rig.retained.set("gone", None, "text/x")
    rig.connect()
    state, gone = rig.new()
    assert (state.topic, state.payload, state.retain) == ("state", b"{}", True)
    assert b"text/x" in state.properties
    assert (gone.payload, gone.properties, gone.retain) == (b"", b"", True)
    rig.answer(state, gone)
    assert rig.held_topics == [("state", True), ("gone", True), ("gone", False)]
    assert rig.retained.topics == {"state"}
    rig.destination.send_ready()
    assert rig.new() == []
    rig.destination.on_disconnected(None)
    rig.connect()
    assert topics(rig.new()) == ["state"]


@in_virtual_time
async def test_states_only_where_published():
    rig = Rig(publishes_states=False)
    rig.retained.set("state", b"{}", "text/x")
    rig.connect()
    assert rig.new() == []


@in_virtual_time
async def test_refused_state_is_tried_again():
    rig = Rig(halt_retry_s=5.0)
    rig.retained.set("state", b"{}", "text/x")
    rig.connect()
    rig.answer(*rig.new(), reason=0x83)
    rig.destination.send_ready()
    assert rig.new() == []
    await turn(1.1)
    sent = rig.new()
    assert topics(sent) == ["state"]
    rig.answer(*sent, reason=0x87)
    assert rig.destination.report.halted_reason is None
    assert "state_refused" in rig.causes
    await turn(5.1)
    rig.answer(*rig.new())
    assert "state_refused" not in rig.causes
    rig.retained.set("state", b"{1}", "text/x")
    rig.destination.send_ready()
    sent = rig.new()
    assert topics(sent) == ["state"]
    rig.answer(*sent, reason=0x99)
    assert "state_refused" in rig.causes
    await turn(10.0)
    assert rig.new() == []


@in_virtual_time
async def test_unlisted_device_stops_no_other():
    """An access list without a new device refuses its events alone."""
    rig = Rig(halt_retry_s=5.0)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(entry(1, 1), entry(2, 1))
    listed, unlisted = rig.new()
    rig.answer(listed)
    rig.answer(unlisted, reason=0x87)
    assert rig.destination.report.halted_reason is None
    assert "publish_not_authorised" in rig.causes
    rig.commit(entry(1, 2), entry(2, 2))
    await turn()
    sent = rig.new()
    assert [message.event for message in sent] == [(1, 2)]
    rig.answer(*sent)
    await turn(5.1)
    sent = rig.new()
    assert [message.event for message in sent] == [(2, 1), (2, 2)]
    rig.answer(*sent)
    assert rig.outbox.acked == {1: 2, 2: 2}
    assert "publish_not_authorised" not in rig.causes
    assert rig.outbox.parked == []


@in_virtual_time
async def test_state_too_large_is_reported():
    rig = Rig()
    rig.retained.set("state", b"x" * 1000, "text/x")
    rig.connect(maximum_packet_size=1000)
    assert rig.new() == []
    assert "state_refused" in rig.causes


@in_virtual_time
async def test_refused_clearing_halts_nothing():
    rig = Rig()
    rig.retained.set("state", None, "text/x")
    rig.connect()
    rig.answer(*rig.new(), reason=0x87)
    assert rig.destination.report.halted_reason is None


@pytest.mark.parametrize(("age_s", "sent_again"), [(0, True), (29.9, True), (30, False), (40, False)])
@in_virtual_time
async def test_no_subscriber_is_retried(age_s, sent_again):
    """An event that reached no subscriber is sent again while it is younger than the time limit."""
    rig = Rig(no_subscriber_timeout_s=30.0, retry_first_s=0.5)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    held = rig.new()
    rig.time.advance(age_s)
    rig.answer(*held, reason=0x10)
    assert ("no_subscriber" in rig.causes) == sent_again
    await turn(2.0)
    assert rig.events() == [(1, 1)] * sent_again
    assert rig.outbox.acked == ({} if sent_again else {1: 1})


@in_virtual_time
async def test_problem_clears_when_all_streams_accepted():
    rig = Rig(no_subscriber_timeout_s=math.inf, retry_first_s=0.5)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(entry(1, 1), entry(2, 1))
    rig.answer(*rig.new(), reason=0x10)
    await turn(2.0)
    first, second = rig.new()
    rig.answer(first)
    assert "no_subscriber" in rig.causes
    rig.answer(second)
    assert "no_subscriber" not in rig.causes


@in_virtual_time
async def test_retry_waits_longer_each_time(monkeypatch):
    waits = []
    monkeypatch.setattr("random.uniform", lambda low, high: waits.append((low, high)) or high)
    rig = Rig(retry_first_s=0.5, retry_max_s=3.0)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    for _ in range(4):
        await turn(3.1)
        rig.answer(*rig.new(), reason=0x83)
    assert waits == [(0.1, 1.0), (0.2, 2.0), (0.3, 3.0), (0.3, 3.0)]


@in_virtual_time
async def test_lost_connection_resends_unacknowledged():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 4))
    sent = rig.new()
    rig.answer(sent[1], sent[3])
    assert rig.destination.report.queued == 2
    rig.destination.on_disconnected(None)
    assert not rig.destination.connected
    assert "broker_unreachable" in rig.causes
    rig.answer(sent[0])  # An acknowledgement of the lost connection.
    assert rig.outbox.acked == {}
    rig.commit(entry(1, 5))
    assert rig.new() == []
    rig.connect()
    await turn(0.1)
    assert rig.events() == [(1, 1), (1, 3), (1, 5)]
    assert "broker_unreachable" not in rig.causes


@in_virtual_time
async def test_broker_disconnects_silently():
    """After 3 connections lost over one message it is sent alone; after 6, another one is tried first."""
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 3))
    tried = []
    for _ in range(7):
        tried.append(rig.events())
        rig.destination.on_disconnected(None)
        rig.connect()
        await turn(0.1)
    all_three = [(1, 1), (1, 2), (1, 3)]
    assert tried == [*[all_three] * 3, *[[(1, 1)]] * 3, [(1, 2)]]
    assert rig.outbox.parked == []
    assert "events_held" in rig.causes
    await turn(rig.settings.halt_retry_s)
    for due in all_three[1], all_three[0]:
        (sent,) = rig.new()
        assert sent.event == due
        rig.answer(sent)
        await turn(0.1)
    assert [message.event for message in rig.new()] == [(1, 3)]
    assert rig.outbox.parked == []
    assert "events_held" not in rig.causes


@in_virtual_time
async def test_broker_disconnects_with_reason():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(*entries(1, 1, 3))
    assert len(rig.new()) == 3
    rig.destination.on_disconnected(0x95)
    rig.connect()
    await turn(0.1)
    assert rig.events() == [(1, 1)]
    rig.destination.on_disconnected(0x95)
    rig.connect()
    await turn(0.1)
    assert rig.outbox.parked == [(1, 1, 0x95)]
    sent = rig.new()
    assert [m.event for m in sent] == [(1, 2)]
    rig.answer(*sent)
    await turn(0.1)
    assert rig.events() == [(1, 3)]


@in_virtual_time
async def test_is_settled():
    rig = Rig(in_flight=1)
    assert rig.destination.is_settled
    rig.add_streams(stream(1))
    rig.connect()
    assert rig.destination.is_settled
    rig.commit(*entries(1, 1, 2))
    sent = rig.new()
    assert not rig.destination.is_settled
    rig.answer(*sent)
    assert not rig.destination.is_settled
    rig.answer(*rig.new())
    assert rig.destination.is_settled
    rig.retained.set("state", b"", "")
    assert not rig.destination.is_settled


@in_virtual_time
async def test_unsent_is_not_in_flight():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.connection.refuses = True
    rig.commit(entry(1, 1))
    assert rig.destination._in_flight == {}
    assert rig.destination.report.queued == 1


@in_virtual_time
async def test_acks_are_reported():
    rig = Rig(no_subscriber_timeout_s=30.0)
    acked = []
    rig.destination.on_ack = acked.append
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1))
    rig.answer(*rig.new())
    assert acked == [rig.time.boot]
    rig.commit(entry(1, 2, deadline_ns=rig.time.boot + 5, lifetime_ns=10**12))
    rig.answer(*rig.new(), reason=0x10)  # no subscriber
    assert acked == [rig.time.boot]
    assert rig.outbox.acked == {1: 2}


@in_virtual_time
async def test_signature_is_sent():
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1, jws="a..b"), entry(1, 2, is_durable=False))
    signed, fleeting = rig.new()
    assert b"a..b" in signed.properties
    assert b"a..b" not in fleeting.properties
    assert signed.properties != fleeting.properties
