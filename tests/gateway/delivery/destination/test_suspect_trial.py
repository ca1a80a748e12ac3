"""Trial of an event that ends connections without a reason: waits, other streams, proof."""

from support.gateway.sending import Rig, entries, entry, in_virtual_time, stream, turn

from gateway.delivery.destination.poison import QUARANTINE_LOSSES

RETRY_S = 10.0


async def with_suspect(*, events: int = 2) -> Rig:
    """Return a connected destination whose first event of stream 1 has ended six connections."""
    rig = Rig(halt_retry_s=RETRY_S)
    rig.add_streams(stream(1), stream(2))
    rig.connect()
    rig.commit(*entries(1, 1, events))
    for _ in range(QUARANTINE_LOSSES):
        assert rig.events()[0] == (1, 1)
        await reconnect(rig)
    return rig


async def reconnect(rig: Rig) -> None:
    """Lose the connection without a reason, and make another."""
    rig.destination.on_disconnected(None)
    rig.connect()
    await turn(0.1)


@in_virtual_time
async def test_waiting_suspect_delays_no_other_stream() -> None:
    """A stream whose turn comes after that of the suspect is served at once, not when something arrives."""
    rig = await with_suspect()
    assert rig.events() == [(1, 2)]
    rig.destination.on_disconnected(None)
    rig.commit(entry(2, 1))
    rig.connect()
    await turn(0.1)
    assert rig.causes >= {"events_held"}
    assert rig.events() == [(2, 1)]


@in_virtual_time
async def test_suspect_waits_before_it_is_tried_again() -> None:
    """The outbox is not read meanwhile, and a new connection does not shorten the wait."""
    rig = await with_suspect()
    await reconnect(rig)
    (problem,) = [one for one in rig.problems.active() if one.cause == "events_held"]
    assert "lane-1/reader-1" in problem.text
    rig.new()
    pages = len(rig.outbox.fetched)
    await turn(RETRY_S / 2)
    assert len(rig.outbox.fetched) == pages
    await turn(RETRY_S / 2 - 0.4)
    await reconnect(rig)
    assert rig.events() == []
    await turn(0.2)
    assert rig.events() == [(1, 2)]


@in_virtual_time
async def test_suspect_follows_accepted_event_at_once() -> None:
    rig = await with_suspect()
    rig.answer(*rig.new())
    await turn(0.1)
    assert rig.events() == [(1, 1)]
    assert rig.outbox.acked == {}


@in_virtual_time
async def test_refused_event_proves_nothing() -> None:
    """The broker refuses the later event too: the suspect is not parked when it ends the connection again."""
    rig = await with_suspect()
    rig.answer(*rig.new(), reason=0x83)
    await turn(1.1)
    assert rig.events() == [(1, 2)]
    await reconnect(rig)
    assert rig.outbox.parked == []


@in_virtual_time
async def test_proved_suspect_is_parked() -> None:
    rig = await with_suspect(events=3)
    rig.answer(*rig.new())
    await turn(0.1)
    assert rig.events() == [(1, 1)]
    await reconnect(rig)
    assert rig.outbox.parked == [(1, 1, 0x80)]
    assert rig.events() == [(1, 3)]


@in_virtual_time
async def test_suspect_without_later_event_is_tried() -> None:
    rig = await with_suspect(events=1)
    (alone,) = rig.new()
    assert alone.event == (1, 1)
    rig.answer(alone)
    rig.commit(*entries(1, 2, 3))
    await turn(0.1)
    assert rig.events() == [(1, 2), (1, 3)]
    assert rig.outbox.acked == {1: 1}


@in_virtual_time
async def test_event_of_another_topic_proves_nothing() -> None:
    rig = Rig(halt_retry_s=RETRY_S)
    rig.add_streams(stream(1))
    rig.connect()
    rig.commit(entry(1, 1), entry(1, 2, topic="evt/other"))
    for _ in range(QUARANTINE_LOSSES):
        rig.new()
        await reconnect(rig)
    assert rig.events() == [(1, 1)]


@in_virtual_time
async def test_suspect_is_alone_in_flight() -> None:
    rig = await with_suspect()
    for _ in range(2):  # After as many answers as messages were lost, others are no longer sent singly.
        rig.answer(*rig.new(), reason=0x83)
        await turn(2.0)
    (other,) = rig.new()
    rig.commit(entry(2, 1))
    await turn(0.1)
    assert rig.events() == []
    rig.answer(other)
    await turn(0.1)
    assert len(rig.events()) == 1
