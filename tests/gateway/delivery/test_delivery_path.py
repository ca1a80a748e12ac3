"""From submission to subscriber, through a real Mosquitto."""

import asyncio
import json
import sqlite3

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import ScriptedBroker, event, until

from drivers.observation import DataClass
from gateway.delivery.events import Blob
from gateway.delivery.outbox.database import DATABASE_FILE
from gateway.delivery.settings import BrokerSettings, DestinationSettings

TRAVELLER, RECORD = DataClass.TRAVELLER, DataClass.RECORD


def local(broker, **changes):
    return DestinationSettings.local(BrokerSettings(port=broker.port), **changes)


def hq(broker, **changes):
    return DestinationSettings.hq(BrokerSettings(port=broker.port), **changes)


async def test_events_arrive_in_order_with_properties(mosquitto, subscribe, deliver, fake_time):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), time_source=fake_time)
    for n in range(300):
        delivery.submit(event(n, TRAVELLER, f"lane-{n % 3}/reader"))
    await subscriber.has(300)

    for lane in range(3):
        assert subscriber.seqs(f"lane-{lane}/reader/traveller") == list(range(1, 101))
    first = subscriber.messages[0]
    assert first.topic == "bgw/v1/ke-busia/lane-0/reader/evt/test-said"
    assert first.properties.ContentType == "application/cloudevents+json"
    assert first.properties.MessageExpiryInterval == 60
    assert not first.retain
    for lane in range(3):
        ids = [body["id"] for body in subscriber.events if f"lane-{lane}" in body["stream"]]
        assert ids == sorted(ids)
    assert {body["epoch"] for body in subscriber.events} == {delivery.epoch}


async def test_event_is_on_disk_before_publish(outbox_directory, deliver):
    on_disk = []

    def look(topic, payload):
        if "/evt/" in topic:
            with sqlite3.connect(f"file:{outbox_directory / DATABASE_FILE}?mode=ro", uri=True) as reader:
                ids = {row[0] for row in reader.execute("SELECT id FROM event")}
            reader.close()
            on_disk.append(json.loads(payload)["id"] in ids)
        return  # It is never acknowledged, so never deleted.

    async with ScriptedBroker(look) as broker:
        delivery = await deliver(local(broker, no_subscriber_timeout_s=0))
        await until(lambda: delivery.destination_reports()[0].connected)
        for n in range(10):
            delivery.submit(event(n))
            await until(lambda n=n: len(on_disk) > n)
        assert on_disk == [True] * 10
        await delivery.stop(0)


async def test_acknowledged_events_leave_disk(mosquitto, subscribe, deliver, outbox_directory):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto))
    for n in range(50):
        delivery.submit(event(n, blobs=(Blob("page", "image/jpeg", b"j" * 100_000),) if n < 5 else ()))
    await subscriber.has(50)

    def rows():
        reader = sqlite3.connect(f"file:{outbox_directory / DATABASE_FILE}?mode=ro", uri=True)
        try:
            return reader.execute(
                "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM blob)"
            ).fetchone()[0]
        finally:
            reader.close()

    await until(lambda: rows() == 0)
    await until(lambda: not list((outbox_directory / "blobs").iterdir()))


async def test_broker_restart_delivers_all_in_order(mosquitto, subscribe, deliver):
    delivery = await deliver(local(mosquitto))
    await until(lambda: delivery.destination_reports()[0].connected)
    mosquitto.kill()
    await until(lambda: not delivery.destination_reports()[0].connected)
    for n in range(400):
        delivery.submit(event(n, RECORD, f"lane-{n % 2}/barrier"))
    await until(lambda: delivery.destination_reports()[0].queued == 400)
    assert [problem.cause for problem in delivery.problems() if problem.cause == "broker_unreachable"]
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await subscriber.has(400)

    assert subscriber.seqs("lane-0/barrier/record") == list(range(1, 201))
    assert subscriber.seqs("lane-1/barrier/record") == list(range(1, 201))
    assert len({body["id"] for body in subscriber.events}) == 400
    assert "broker_unreachable" not in {problem.cause for problem in delivery.problems()}


async def test_killed_broker_loses_and_reorders_nothing(mosquitto, deliver):
    async with ScriptedBroker() as hq_broker:  # This subscriber keeps its messages across connections.
        delivery = await deliver(local(mosquitto, no_subscriber_timeout_s=0), hq(hq_broker))
        sent = 0
        for _ in range(5):
            for _ in range(100):
                delivery.submit(event(sent))
                sent += 1
            await asyncio.sleep(0.01)
            hq_broker.hang_up()
            mosquitto.kill()
            mosquitto.start()
        await until(lambda: len(set(hq_broker.numbers)) == sent)
        await until(lambda: all(report.queued == 0 for report in delivery.destination_reports()))
        assert list(dict.fromkeys(hq_broker.numbers)) == list(range(sent))
        bodies = [json.loads(payload) for topic, payload in hq_broker.published if "/evt/" in topic]
        assert len({(b["epoch"], b["seq"]) for b in bodies}) == len({b["id"] for b in bodies}) == sent


async def test_restart_continues_where_last_run_stopped(mosquitto, subscribe, deliver, outbox_directory):
    mosquitto.kill()
    first = await deliver(local(mosquitto))
    for n in range(100):
        first.submit(event(n))
    await first.stop(0.1)
    second = await deliver(local(mosquitto))
    assert second.epoch == first.epoch
    for n in range(100, 120):
        second.submit(event(n))
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await subscriber.has(120)
    assert subscriber.numbers == list(range(120))
    assert subscriber.seqs("lane-1/reader/record") == list(range(1, 121))


async def test_orderly_restart_sends_nothing_twice(subscribe, deliver):
    async with ScriptedBroker() as broker:
        for n in range(3):
            delivery = await deliver(local(broker))
            delivery.submit(event(n))
            await until(lambda n=n: len(broker.numbers) > n)
            await until(lambda delivery=delivery: delivery.destination_reports()[0].queued == 0)
            await delivery.stop()
        assert broker.numbers == [0, 1, 2]


async def test_destinations_do_not_block_each_other(mosquitto, subscribe, deliver):
    subscriber = await subscribe(mosquitto)
    with Mosquitto() as far:
        far.kill()
        delivery = await deliver(local(mosquitto), hq(far))
        for n in range(60):
            delivery.submit(event(n, RECORD if n % 2 else TRAVELLER))
        await subscriber.has(60)
        await until(lambda: delivery.destination_reports()[0].queued == 0)
        away = delivery.destination_reports()[1]
        assert (away.connected, away.queued) == (False, 30)
        far.start()
        at_hq = await subscribe(far)
        await at_hq.has(30)
        assert at_hq.numbers == list(range(1, 60, 2))  # records only
        await until(lambda: delivery.destination_reports()[1].queued == 0)


async def test_images_are_published_before_their_event(mosquitto, subscribe, deliver, fake_time):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), time_source=fake_time)
    await until(lambda: delivery.destination_reports()[0].connected)
    images = tuple(Blob(f"page_{light}", "image/jpeg", light.encode() * 90_000) for light in ("ir", "uv"))
    small = Blob("face", "image/jp2", b"f" * 900)
    for n in range(30):
        delivery.submit(event(n, TRAVELLER, blobs=(*images, small)))
    await subscriber.has(30)
    topics = [message.topic for message in subscriber.messages]
    for body in subscriber.events:
        base = f"bgw/v1/ke-busia/lane-1/reader/blob/{body['id']}"
        at = topics.index(f"{base}/page_ir")
        assert topics[at : at + 4] == [
            f"{base}/page_ir",
            f"{base}/page_uv",
            f"{base}/face",
            "bgw/v1/ke-busia/lane-1/reader/evt/test-said",
        ]
    picture = subscriber.messages[0]
    assert bytes(picture.payload) == images[0].content
    assert picture.properties.ContentType == "image/jpeg"
    # The post's clock stands still, and the broker passes the first message on at once.
    assert picture.properties.MessageExpiryInterval == 60


async def test_images_survive_a_restart(mosquitto, subscribe, deliver, outbox_directory):
    mosquitto.kill()
    images = (Blob("page_ir", "image/jpeg", b"large" * 40_000), Blob("face", "image/jp2", b"small"))
    first = await deliver(local(mosquitto))
    first.submit(event(1, blobs=images))
    await first.stop(0)
    (outbox_directory / "blobs" / ("0" * 32)).write_bytes(b"what a crash left")
    assert len(list((outbox_directory / "blobs").iterdir())) == 2
    await deliver(local(mosquitto))
    assert len(list((outbox_directory / "blobs").iterdir())) == 1
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await subscriber.has(1)
    assert [bytes(message.payload) for message in subscriber.messages[:2]] == [b"large" * 40_000, b"small"]


async def test_image_too_large_is_dropped_event_kept(mosquitto, subscribe, deliver):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto), outbox={"max_blob_bytes": 2000, "max_blobs_bytes": 3000})
    delivery.submit(
        event(1, blobs=(Blob("huge", "image/jpeg", b"x" * 2001), Blob("fits", "image/jpeg", b"y" * 1999)))
    )
    delivery.submit(event(2, blobs=tuple(Blob(f"r{i}", "image/jpeg", b"z" * 1200) for i in range(3))))
    await subscriber.has(2)
    roles = [message.topic.rpartition("/")[2] for message in subscriber.messages]
    assert roles == ["fits", "test-said", "r0", "r1", "test-said"]
    assert delivery.images_dropped == 2
    assert "image_too_large" in {problem.cause for problem in delivery.problems()}


async def test_live_events_overtake_a_backlog(deliver):
    mine = []
    async with ScriptedBroker() as broker:
        port = broker.port
        silent = DestinationSettings.local(BrokerSettings(port=1), backlog_rate_per_s=50)
        first = await deliver(silent)
        for n in range(300):
            first.submit(event(n, RECORD, "lane-1/barrier"))
        await first.stop(0)
        delivery = await deliver(DestinationSettings.local(BrokerSettings(port=port), backlog_rate_per_s=50))
        await until(lambda: len(broker.numbers) >= 5)
        delivery.submit(event(9999, RECORD, "lane-2/barrier"))
        await until(lambda: 9999 in broker.numbers)
        mine = broker.numbers
        assert mine.index(9999) < 60
        assert [n for n in mine if n != 9999] == list(range(len(mine) - 1))
        await delivery.stop(0)


async def test_a_backlog_drains_at_its_rate(deliver):
    async with ScriptedBroker() as broker:
        first = await deliver(DestinationSettings.local(BrokerSettings(port=1)))
        for n in range(200):
            first.submit(event(n))
        await first.stop(0)
        loop = asyncio.get_running_loop()
        await deliver(DestinationSettings.local(BrokerSettings(port=broker.port), backlog_rate_per_s=200))
        await until(lambda: broker.numbers)
        began = loop.time()
        await until(lambda: len(broker.numbers) == 200)
        assert 0.7 < loop.time() - began < 4


@pytest.mark.parametrize("receive_maximum", [1, 2, 3, 4, 5])
async def test_broker_receive_maximum_is_respected(deliver, receive_maximum):
    async with ScriptedBroker(lambda topic, payload: None, receive_maximum=receive_maximum) as broker:
        delivery = await deliver(local(broker))
        delivery.publish_retained("bgw/v1/ke-busia/lane-1/reader/state", b"{}")
        for n in range(40):
            delivery.submit(event(n, blobs=(Blob("face", "image/jp2", b"f"),) if n % 5 == 0 else ()))

        def acknowledge_one():
            if broker.unanswered:
                broker.acknowledge(broker.unanswered.pop(0))
            return len(broker.numbers) == 40

        await until(acknowledge_one)
        assert receive_maximum / 2 <= broker.most_unanswered <= receive_maximum
        assert broker.numbers == list(range(40))
        await delivery.stop(0)


async def test_states_are_retained_resent_and_cleared(mosquitto, subscribe, deliver):
    topic = "bgw/v1/ke-busia/lane-1/reader/state"
    delivery = await deliver(local(mosquitto))
    delivery.publish_retained(topic, b'{"state":"starting"}')
    delivery.publish_retained(topic, b'{"state":"online"}')
    await until(lambda: delivery.destination_reports()[0].connected and not delivery._retained.due["local"])
    mosquitto.kill()
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    await until(lambda: subscriber.messages)
    assert subscriber.messages[-1].payload == b'{"state":"online"}'
    delivery.publish_retained(topic, None)
    await until(lambda: subscriber.messages[-1].payload == b"")
    late = await subscribe(mosquitto, topic)
    await until(lambda: not delivery.retained_topics())
    assert not late.messages


async def test_retained_topic_remembered_until_cleared(mosquitto, deliver):
    with Mosquitto() as far:
        topic = "bgw/v1/ke-busia/lane-1/reader/desc"
        first = await deliver(local(mosquitto), hq(far))
        first.publish_retained(topic, b"{}")
        await until(lambda: all(report.connected for report in first.destination_reports()))
        await first.stop()
        far.kill()
        second = await deliver(local(mosquitto), hq(far))
        assert topic in second.retained_topics()
        second.publish_retained(topic, None)
        await until(lambda: second._retained._latest[topic].missing_at == {"hq"})
        assert topic in second.retained_topics()
        far.start()
        await until(lambda: topic not in second.retained_topics())
        await second.stop()
        third = await deliver(local(mosquitto), hq(far))
        assert topic not in third.retained_topics()


async def test_offline_state_published_on_death_and_stop(mosquitto, subscribe, deliver):
    subscriber = await subscribe(mosquitto, "bgw/v1/ke-busia/_gw/gw-1/state")
    delivery = await deliver(local(mosquitto))
    delivery.publish_retained("bgw/v1/ke-busia/_gw/gw-1/state", b'{"online":true,"session":"session-1"}')
    await until(lambda: subscriber.messages)
    await delivery.stop()
    await until(lambda: len(subscriber.messages) == 2)
    assert json.loads(subscriber.messages[1].payload) == {
        "online": False,
        "session": "session-1",
        "report": None,
    }


async def test_events_submitted_before_stop_are_delivered(mosquitto, subscribe, deliver):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(local(mosquitto))
    await until(lambda: delivery.destination_reports()[0].connected)
    for n in range(200):
        delivery.submit(event(n))
    await delivery.stop()
    await subscriber.has(200)
    assert subscriber.numbers == list(range(200))


async def test_stop_is_orderly_in_any_state(mosquitto, deliver, outbox_directory):
    mosquitto.pause()  # accepts TCP, sends nothing
    delivery = await deliver(local(mosquitto))
    delivery.submit(event(1))
    await delivery.stop(0.1)
    await delivery.stop(0.1)
    mosquitto.resume()
    delivery.submit(event(2))
    assert delivery.dropped == 1


async def test_frozen_broker_is_detected_and_reconnected(mosquitto, subscribe, deliver):
    delivery = await deliver(
        DestinationSettings.local(
            BrokerSettings(port=mosquitto.port, keepalive_s=2, connect_timeout_s=1), no_subscriber_timeout_s=0
        )
    )
    await until(lambda: delivery.destination_reports()[0].connected)
    mosquitto.pause()
    for n in range(10):
        delivery.submit(event(n))
    await until(lambda: not delivery.destination_reports()[0].connected)
    mosquitto.resume()
    await until(lambda: delivery.destination_reports()[0].connected)
    await until(lambda: delivery.destination_reports()[0].queued == 0)


async def test_user_name_and_password(subscribe, deliver):
    with Mosquitto(users={"gateway": "secret", "reader": "word"}) as broker:
        settings = BrokerSettings(port=broker.port, username="gateway", password="wrong")
        delivery = await deliver(DestinationSettings.local(settings))
        await until(delivery.problems)
        await until(lambda: any("0x87" in p.text for p in delivery.problems()))
        assert not any("wrong" in str(p) for p in delivery.problems())
        await delivery.stop(0)
        settings = BrokerSettings(port=broker.port, username="gateway", password="secret")
        delivery = await deliver(DestinationSettings.local(settings))
        await until(lambda: delivery.destination_reports()[0].connected)


async def test_changes_are_reported(mosquitto, deliver):
    changes = []
    delivery = await deliver(local(mosquitto), on_change=lambda: changes.append(1) or 1 / 0)
    await until(lambda: delivery.destination_reports()[0].connected)
    count = len(changes)
    mosquitto.kill()
    await until(lambda: len(changes) > count)


async def test_refused_submission_is_counted(mosquitto, subscribe, deliver):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(DestinationSettings.local(BrokerSettings(port=mosquitto.port), classes={RECORD}))
    delivery.submit(event(1, position="Not A Position"))
    delivery.submit(event(2, TRAVELLER))  # no destination has this class
    delivery.submit(event(3, size=200_000_000))
    delivery.submit(event(4))
    await subscriber.has(1)
    assert subscriber.seqs("lane-1/reader/record") == [1]
    assert delivery.dropped == 3
