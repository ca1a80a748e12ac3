"""Acceptance of events: classes, refusals, notifications of changes."""

import asyncio

import pytest
from support.gateway.deliveries import ScriptedBroker, event, until

from drivers.observation import DataClass
from gateway.contract.topics import SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.events import Blob
from gateway.delivery.outbox import admin
from gateway.delivery.settings import BrokerSettings, DeliverySettings, DestinationSettings, OutboxSettings

NOWHERE = DestinationSettings.local(BrokerSettings(port=1))
OTHERS = [one for one in DataClass if one not in (DataClass.RECORD, DataClass.TRAVELLER)]


@pytest.fixture
def idle(tmp_path):
    """Make a delivery that was not started."""

    def make(**more):
        outbox = OutboxSettings(directory=tmp_path / "outbox")
        destination = DestinationSettings.local(BrokerSettings(port=1))
        settings = DeliverySettings(outbox=outbox, destinations=(destination,))
        return Delivery(settings, SiteTopics("ke-busia", "gw-1"), "session-1", **more)

    return make


async def test_changes_of_one_iteration_notify_once(idle):
    notified = []
    delivery = idle(on_change=lambda: notified.append(1))
    for _ in range(3):
        delivery.submit(event(1))  # dropped: delivery does not run
    assert (notified, delivery.dropped) == ([], 3)
    await asyncio.sleep(0)
    assert notified == [1]
    delivery.submit(event(1))
    await asyncio.sleep(0)
    assert notified == [1, 1]


async def test_works_before_start_without_listener(idle):
    delivery = idle()
    delivery.submit(event(1))
    delivery.publish_retained("a/b", b"x")
    delivery.publish_answer("a/b", b"x", 1)
    delivery.send_preview("a/b", b"x", 1, media_type="image/jpeg")
    assert (delivery.dropped, delivery.destination_reports(), delivery.writer_silence_s) == (1, (), 0.0)
    assert delivery.find_stuck_part(1.0) is None
    assert delivery.retained_topics() == {"a/b"}
    await delivery.stop()


async def test_failing_listener_stops_nothing(idle):
    delivery = idle(on_change=lambda: 1 / 0)
    delivery.submit(event(1))
    await asyncio.sleep(0)
    delivery.submit(event(1))
    await asyncio.sleep(0)
    assert delivery.dropped == 2


@pytest.mark.parametrize("data_class", OTHERS)
async def test_other_classes_are_kept_briefly(deliver, data_class):
    """Events of other classes are handled like traveller events, and do not go to headquarters."""
    async with ScriptedBroker() as near, ScriptedBroker() as far:
        delivery = await deliver(
            DestinationSettings.local(BrokerSettings(port=near.port)),
            DestinationSettings.hq(BrokerSettings(port=far.port)),
        )
        delivery.submit(event(1, data_class))
        delivery.submit(event(2))
        await until(lambda: sorted(near.numbers) == [1, 2] and far.numbers == [2])
        bodies = [payload for topic, payload in near.published if b'"n": 1' in payload]
        assert b"lane-1/reader/traveller" in bodies[0]


async def test_preview_has_its_media_type(deliver):
    async with ScriptedBroker() as broker:
        delivery = await deliver(DestinationSettings.local(BrokerSettings(port=broker.port)))
        await until(lambda: delivery.destination_reports()[0].connected)
        seen = []
        delivery._destinations[0].connection.publish = lambda *given, **_: seen.append(given)
        delivery.send_preview("a/b", b"x", 258, media_type="image/png")
        assert seen == [("a/b", b"x", b"\x02\x00\x00\x01\x02\x03\x00\x09image/png")]
        delivery.publish_answer("c/d", b"y", 1, correlation=b"77", media_type="text/x")
        assert seen[1] == ("c/d", b"y", b"\x02\x00\x00\x00\x01\x03\x00\x06text/x\x09\x00\x0277")


async def test_images_too_large_are_left_out(deliver):
    async with ScriptedBroker() as broker:
        delivery = await deliver(
            DestinationSettings.local(BrokerSettings(port=broker.port)),
            outbox={"max_blob_bytes": 2000, "max_blobs_bytes": 3000},
        )
        sizes = (2001, 2000, 1001, 1000)
        images = tuple(Blob(f"i{size}", "image/jpeg", b"x" * size) for size in sizes)
        delivery.submit(event(1, blobs=images))
        await until(lambda: broker.numbers == [1])
        roles = [topic.rpartition("/")[2] for topic, _ in broker.published[:2]]
        assert (roles, delivery.images_dropped) == (["i2000", "i1000"], 2)
        assert [one.cause for one in delivery.problems() if one.cause == "image_too_large"]


@pytest.mark.parametrize("position", ["", "lane 1", "a//b", "#"])
async def test_malformed_position_is_refused(deliver, position):
    async with ScriptedBroker() as broker:
        delivery = await deliver(DestinationSettings.local(BrokerSettings(port=broker.port)))
        delivery.submit(event(1, position=position))
        assert delivery.dropped == 1


async def test_event_during_stop_is_refused(deliver, outbox_directory):
    delivery = await deliver(NOWHERE)
    delivery.submit(event(1))
    stopping = asyncio.create_task(delivery.stop(0.2))
    await asyncio.sleep(0)
    delivery.submit(event(2))
    await stopping
    assert delivery.dropped == 1
    assert len(list(admin.list_events(outbox_directory))) == 1


@pytest.mark.parametrize(("size", "dropped"), [(260_000, 0), (265_000, 1)])
async def test_event_has_four_times_the_memory(deliver, size, dropped):
    delivery = await deliver(NOWHERE, outbox={"memory_bytes": 65_536})
    delivery.submit(event(1, size=size))
    assert delivery.dropped == dropped
