"""Events at a workstation, with every client library: delivered once, fresh and complete."""

import asyncio
import hashlib
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.clients.desks import Desk, OpenDesk, next_events, until_shown
from support.clients.fixtures import library, mosquitto, open_desk
from support.patience import PATIENCE_S
from support.vendors.published_events import BASE, EventPublisher, publisher
from torture.post import TcpProxy

__all__ = ["library", "mosquitto", "open_desk", "publisher"]


async def numbers(desk: Desk, count: int) -> list[int]:
    return [event.seq for event in await next_events(desk, count)]


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    desk = await open_desk()
    async with asyncio.timeout(PATIENCE_S):
        await desk.connected()
    return desk


async def test_repeated_event_is_delivered_once(desk: Desk, publisher: EventPublisher) -> None:
    for number in (1, 1, 2, 1, 3):
        await publisher.event(number)
    assert await numbers(desk, 3) == [1, 2, 3]
    assert (await desk.view()).discarded["duplicates"] == 2


async def test_sequence_gaps_are_counted(desk: Desk, publisher: EventPublisher) -> None:
    for number in (1, 2, 6):
        await publisher.event(number)
    await next_events(desk, 3)
    assert (await desk.view()).discarded["missing"] == 3


async def test_stale_event_is_dropped(desk: Desk, publisher: EventPublisher) -> None:
    await publisher.event(1, lasts_s=1)
    await publisher.event(2, lasts_s=600)
    # Both are in the queue once the gateway's state, which came later, is shown.
    await publisher.alive("one")
    await until_shown(desk, lambda view: view.gateways)
    await asyncio.sleep(1.1)
    assert await numbers(desk, 1) == [2]
    assert (await desk.view()).discarded["expired"] == 1


async def test_event_that_ended_on_its_way_is_dropped(
    open_desk: OpenDesk, mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    """The broker counts the life of an event up to the moment when it sends it, not until it arrives."""
    network = TcpProxy(mosquitto.ws_port or mosquitto.port)
    await network.start()
    try:
        desk = await open_desk(port=network.port)
        async with asyncio.timeout(PATIENCE_S):
            await desk.connected()
        network.stall()
        await publisher.event(1, lasts_s=1)
        await publisher.event(2, lasts_s=600)
        await asyncio.sleep(1.1)
        network.restore()
        assert await numbers(desk, 1) == [2]
        assert (await desk.view()).discarded["expired"] == 1
    finally:
        await network.close()


async def test_retained_event_is_dropped(open_desk: OpenDesk, publisher: EventPublisher) -> None:
    await publisher.event(1, retain=True)
    desk = await open_desk()
    await desk.connected()
    await publisher.event(2)
    assert await numbers(desk, 1) == [2]
    assert (await desk.view()).discarded["expired"] == 1


async def test_event_of_which_no_second_is_left_is_dropped(desk: Desk, publisher: EventPublisher) -> None:
    """Every gateway limits the life of its events; Mosquitto leaves out a remaining life of 0 seconds."""
    await publisher.event(1, lasts_s=None)
    await publisher.event(2)
    assert await numbers(desk, 1) == [2]
    assert (await desk.view()).discarded["expired"] == 1


async def test_restarted_workstation_gets_missed_events(
    open_desk: OpenDesk, publisher: EventPublisher
) -> None:
    desk = await open_desk(client_id="counter-1")
    await desk.connected()
    await desk.close()
    await publisher.event(1)
    assert await numbers(await open_desk(client_id="counter-1"), 1) == [1]


def listing(image: bytes) -> dict[str, Any]:
    """Return the data of an event with one image."""
    facts = {"role": "page_vi", "media_type": "image/jpeg", "bytes": len(image)}
    return {
        "fault": "cut",
        "size_bytes": 1,
        "attachments": [facts | {"sha256": hashlib.sha256(image).hexdigest()}],
    }


async def test_event_without_its_image_is_not_overtaken(desk: Desk, publisher: EventPublisher) -> None:
    """A damaged disk loses an image, and its event is sent all the same; other streams do not wait for it."""
    await publisher.event(1, data=listing(b"never"))
    await publisher.say(f"{BASE}/blob/01938f3e-7c1a-7b5e-9d55-000000000002/page_vi", b"two", 60)
    await publisher.event(2, data=listing(b"two"))
    await publisher.event(3)
    await publisher.event(4, stream="lane-1/reader/record")
    arrived = await next_events(desk, 4)
    assert [event.seq for event in arrived] == [4, 1, 2, 3]
    assert [event.images for event in arrived] == [{}, {}, {"page_vi": b"two"}, {}]


async def test_images_join_event_in_any_order(desk: Desk, publisher: EventPublisher) -> None:
    await publisher.say(f"{BASE}/blob/01938f3e-7c1a-7b5e-9d55-000000000001/page_vi", b"one", 60)
    await publisher.event(1, data=listing(b"one"))
    await publisher.event(2, data=listing(b"two"))
    await publisher.say(f"{BASE}/blob/01938f3e-7c1a-7b5e-9d55-000000000002/page_vi", b"two", 60)
    assert [event.images for event in await next_events(desk, 2)] == [
        {"page_vi": b"one"},
        {"page_vi": b"two"},
    ]
    await publisher.event(3, data=listing(b"never"))
    (incomplete,) = await next_events(desk, 1)
    assert incomplete.images == {}


async def test_unknown_fields_are_ignored(desk: Desk, publisher: EventPublisher) -> None:
    newer = {"fault": "chewed_by_goat", "size_bytes": 1, "attachments": [], "since_breakfast": True}
    await publisher.event(1, data=newer, newfield="x", provenance="dreamt")
    (received,) = await next_events(desk, 1)
    assert (received.data["fault"], received.envelope["provenance"]) == ("unknown", "unknown")
    assert received.is_simulated, "a word that is not known is no proof of a real device"
    assert "since_breakfast" not in received.data
    await publisher.event(2, type="bgw.document.folded.v1", data={"times": 3})
    await publisher.event(3, type="bgw.document.folded.v1", data=["twice"])
    assert [event.data for event in await next_events(desk, 2)] == [{"times": 3}, ["twice"]]


async def test_missing_fields_get_defaults(desk: Desk, publisher: EventPublisher) -> None:
    await publisher.event(1, data={"fault": "cut", "size_bytes": 1})
    (received,) = await next_events(desk, 1)
    assert received.data["attachments"] == []
    assert received.data["detail"] is None


async def test_unreadable_messages_are_counted(desk: Desk, publisher: EventPublisher) -> None:
    await publisher.say(f"{BASE}/evt/document-read", b"{")
    await publisher.say(f"{BASE}/state", b"[]", retain=True)
    await publisher.say("bgw/v1/uto-test/_gw/gw-1/state", b"\xff")
    await publisher.event(1, data={"fault": "cut", "size_bytes": "one"})
    await publisher.event(2, time="yesterday")
    await publisher.event(3)
    assert await numbers(desk, 1) == [3]
    assert (await desk.view()).discarded["unreadable"] == 5


async def test_large_image_arrives_whole(desk: Desk, publisher: EventPublisher) -> None:
    image = bytes(range(256)) * 32_000
    facts = {"role": "page_vi", "media_type": "image/bmp", "bytes": len(image), "sha256": "0" * 64}
    await publisher.say(f"{BASE}/blob/01938f3e-7c1a-7b5e-9d55-000000000001/page_vi", image, 60)
    await publisher.event(1, data={"fault": "cut", "size_bytes": 1, "attachments": [facts]})
    (received,) = await next_events(desk, 1)
    assert received.images == {"page_vi": image}


async def test_workstation_survives_broker_restarts(open_desk: OpenDesk, mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    desk = await open_desk()
    view = await until_shown(desk, lambda view: view.problem)
    assert view.problem is not None
    assert (
        f"No connection to the MQTT broker at 127.0.0.1:{mosquitto.ws_port or mosquitto.port}"
        in view.problem[0]
    )
    mosquitto.start()
    await until_shown(desk, lambda view: view.is_connected and view.problem is None)
    mosquitto.kill()
    await until_shown(desk, lambda view: not view.is_connected)
    mosquitto.start()
    await until_shown(desk, lambda view: view.is_connected)
