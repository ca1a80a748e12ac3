"""Parked events that an operator sends again: before all others, once, and left parked when refused again."""

from typing import Any

import pytest
from support.gateway.sending import Rig, entry, in_virtual_time, stream, turn

from gateway.delivery.destination.resends import MAX_LOSSES
from gateway.delivery.events import ParkedCopy

TOPIC = "bgw/v1/ke-busia/lane-1/reader-1/evt/test-said"


def parked(rig: Rig, number: int = 1, **changes: Any) -> ParkedCopy:
    given: dict[str, Any] = {
        "number": number,
        "destination": "local",
        "seq": number,
        "topic": TOPIC,
        "payload": b"9/%d" % number,
        "jws": None,
        "deadline_ns": rig.time.boot + 90 * 10**9,
    }
    return ParkedCopy(**given | changes)


def connected(**changes: Any) -> Rig:
    rig = Rig(**changes)
    rig.add_streams(stream(1))
    rig.connect()
    return rig


@in_virtual_time
async def test_parked_event_is_sent_first() -> None:
    rig = Rig()
    rig.add_streams(stream(1))
    rig.commit(entry(1, 1))
    rig.destination.resend([parked(rig), parked(rig, 2, jws="a..b")])
    rig.connect()
    await turn(0.1)
    first, second, event = rig.new()
    assert (first.topic, first.payload, first.retain) == (TOPIC, b"9/1", False)
    assert [second.event, event.event] == [(9, 2), (1, 1)]
    assert (b"a..b" in first.properties, b"a..b" in second.properties) == (False, True)
    assert b"\x02\x00\x00\x00\x5a" in first.properties, "the rest of its lifetime"

    rig.answer(first, second)
    assert rig.outbox.resent == [(1, None), (2, None)]
    await turn(0.1)
    assert rig.new() == []


@in_virtual_time
async def test_expired_event_stays_parked() -> None:
    rig = connected()
    last = parked(rig, 2, deadline_ns=rig.time.boot + 1)
    rig.destination.resend([parked(rig, deadline_ns=rig.time.boot), last])
    assert rig.events() == [(9, 2)]
    assert rig.outbox.resent == []


@pytest.mark.parametrize(
    ("reason", "no_subscriber_timeout_s", "left"),
    [(0, 30.0, None), (0x10, 0.0, None), (0x10, 30.0, 0x10), (0x80, 0.0, 0x80), (0x87, 0.0, 0x87)],
)
@in_virtual_time
async def test_answer_decides(reason: int, no_subscriber_timeout_s: float, left: int | None) -> None:
    rig = connected(no_subscriber_timeout_s=no_subscriber_timeout_s)
    rig.destination.resend([parked(rig)])
    rig.answer(*rig.new(), reason=reason)
    assert rig.outbox.resent == [(1, left)]
    assert rig.outbox.parked == []


@in_virtual_time
async def test_too_large_event_stays_parked() -> None:
    rig = Rig()
    rig.connect(maximum_packet_size=200)
    rig.destination.resend([parked(rig, payload=b"9/1" + b" " * 200), parked(rig, 2)])
    assert rig.events() == [(9, 2)]
    assert rig.outbox.resent == [(1, 0x95)]


@in_virtual_time
async def test_lost_event_is_sent_again_in_order() -> None:
    rig = connected()
    rig.destination.resend([parked(rig, number) for number in (1, 2)])
    for _ in range(MAX_LOSSES - 1):
        assert rig.events() == [(9, 1), (9, 2)]
        rig.destination.on_disconnected(None)
        rig.connect()
        await turn(0.1)
    assert rig.events() == [(9, 1), (9, 2)]
    assert rig.outbox.resent == []
    rig.destination.on_disconnected(None)
    rig.connect()
    await turn(0.1)
    assert rig.events() == []
    assert sorted(rig.outbox.resent) == [(1, 0x80), (2, 0x80)]
    assert rig.outbox.parked == []


@in_virtual_time
async def test_unsent_event_waits_for_a_connection() -> None:
    """A connection that is gone, and not reported as lost yet, takes no message."""
    rig = connected()
    rig.connection.refuses = True
    rig.destination.resend([parked(rig), parked(rig, 2)])
    rig.destination.on_disconnected(None)
    rig.connection.refuses = False
    rig.connect()
    await turn(0.1)
    assert rig.events() == [(9, 1), (9, 2)]
