"""Small parts of a destination: subscribers of a stream, images in flight, counts, refused states."""

from collections.abc import Callable
from types import SimpleNamespace

from support.gateway.sending import Rig, entry, in_virtual_time, stream, turn

from gateway.delivery.destination.in_flight import ImagesInFlight
from gateway.delivery.destination.stream import StreamCursor
from gateway.delivery.events import Blob

IMAGES = (Blob("ir", "image/jpeg", b"i"), Blob("uv", "image/jpeg", b"u"))


def test_subscriber_allows_more_in_flight() -> None:
    known, unknown = (StreamCursor(stream(1), 0, 5, has_subscriber=one) for one in (True, False))
    for cursor in (known, unknown):
        assert cursor.is_ready
        cursor.in_flight = 1
    assert (known.is_ready, unknown.is_ready) == (True, False)


def test_event_arrives_with_its_last_message() -> None:
    images, event = ImagesInFlight(), entry(1, 1, blobs=IMAGES)
    images.begin(event)
    assert [images.on_ack(event) for _ in range(4)] == [False, False, True, False]


def test_skipped_image_is_not_waited_for() -> None:
    images, event = ImagesInFlight(), entry(1, 1, blobs=IMAGES)
    images.begin(event)
    images.skip_image(event)
    assert [images.on_ack(event) for _ in range(2)] == [False, True]


def test_late_acknowledgement_is_ignored() -> None:
    images, event = ImagesInFlight(), entry(1, 1, blobs=IMAGES)
    images.begin(event)
    images.discard(event)
    assert not images.on_ack(event)
    images.begin(event)
    images.clear()
    assert not images.on_ack(event)


@in_virtual_time
async def test_parked_events_are_counted() -> None:
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1), entry(1, 2))
    rig.answer(*rig.new(), reason=0x90)
    assert rig.destination.report.parked == 2
    assert rig.outbox.parked == [(1, 1, 0x90), (1, 2, 0x90)]


@in_virtual_time
async def test_refused_state_is_sent_again() -> None:
    rig = Rig()
    rig.connect()
    rig.retained.set("lane-1/reader/state", b"online", "application/json")
    rig.destination.send_ready()
    (sent,) = rig.new()
    rig.answer(sent, reason=0x80)
    assert rig.new() == []
    await turn(1.1)
    (again,) = rig.new()
    assert (again.topic, again.payload, again.retain) == ("lane-1/reader/state", b"online", True)
    rig.answer(again)
    await turn(5)
    assert rig.new() == []


@in_virtual_time
async def test_states_wait_for_commands() -> None:
    """A station that reads a state may command the device at once."""
    waiting: list[Callable[[], None]] = []
    rig = Rig(SimpleNamespace(when_ready=waiting.append))
    rig.connect()
    rig.retained.set("lane-1/reader/state", b"online", "application/json")
    rig.destination.send_ready()
    assert rig.new() == []
    (release,) = waiting
    release()
    assert [message.topic for message in rig.new()] == ["lane-1/reader/state"]
    rig.retained.set("lane-1/reader/state", b"offline", "application/json")
    rig.destination.send_ready()
    assert [message.payload for message in rig.new()] == [b"offline"]


@in_virtual_time
async def test_preview_that_may_end_connections_is_dropped() -> None:
    """Every preview is dropped while messages are sent singly, to find the one that ends connections."""
    rig = Rig()
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1), entry(1, 2))
    rig.new()
    rig.destination.on_disconnected(0x95)
    rig.connect()
    await turn(0.1)
    (first,) = rig.new()
    rig.destination.send_preview("shown", b"1", b"")
    assert rig.new() == [], "the event in flight is alone"
    rig.answer(first)
    await turn(0.1)
    rig.answer(*rig.new())

    rig.destination.send_preview("shown", b"2", b"")
    (preview,) = rig.new()
    assert preview.payload == b"2"
    rig.destination.on_disconnected(0x95)
    rig.connect()
    rig.destination.send_preview("shown", b"3", b"")
    rig.destination.send_preview("other", b"4", b"")
    assert [message.payload for message in rig.new()] == [b"4"], "the first ended the connection"


@in_virtual_time
async def test_lost_connection_frees_the_window() -> None:
    """Neither bytes nor previews of a lost connection count at the next, and its answers are not sent."""
    rig = Rig(in_flight_bytes=65_536)
    rig.connect()
    rig.destination.send_preview("shown", bytes(70_000), b"")
    rig.destination.publish_answer("reply", b"late", b"")
    rig.destination.send_preview("other", b"1", b"")
    assert len(rig.new()) == 1, "the answer waits, and no preview overtakes it"
    rig.destination.on_disconnected(None)
    rig.connect()
    assert rig.new() == []
    rig.destination.send_preview("shown", b"1", b"")
    rig.destination.publish_answer("reply", b"now", b"")
    assert [message.payload for message in rig.new()] == [b"1", b"now"]
