"""Reactions to a broker: reason codes, disconnects, acknowledgements out of order; and expiry."""

import asyncio
import json

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import ScriptedBroker, event, until

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus
from gateway.delivery.events import Blob
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.settings import BrokerSettings, DestinationSettings

TRAVELLER, RECORD = DataClass.TRAVELLER, DataClass.RECORD
QUICK = {"retry_first_s": 0.02, "retry_max_s": 0.1, "halt_retry_s": 0.3}


def local(broker, **changes):
    return DestinationSettings.local(BrokerSettings(port=broker.port), **(QUICK | changes))


def hq(broker, **changes):
    return DestinationSettings.hq(BrokerSettings(port=broker.port), **(QUICK | changes))


def causes(delivery):
    return {problem.cause for problem in delivery.problems()}


async def test_events_wait_for_subscriber_after_broker_restart(mosquitto, subscribe, deliver):
    """The post's broker stores nothing, and the gateway may be back before the workstations."""
    delivery = await deliver(local(mosquitto))
    await until(lambda: delivery.destination_reports()[0].connected)
    mosquitto.stop()
    for n in range(10):
        delivery.submit(event(n, TRAVELLER))
    mosquitto.start()
    await until(lambda: "no_subscriber" in causes(delivery))
    workstation = await subscribe(mosquitto)
    await workstation.has(10)
    assert workstation.numbers == list(range(10))
    await until(
        lambda: delivery.destination_reports()[0].queued == 0 and "no_subscriber" not in causes(delivery)
    )


async def test_unsubscribed_event_ends_at_post_not_at_hq(mosquitto, subscribe, deliver):
    with Mosquitto() as far:
        delivery = await deliver(local(mosquitto, no_subscriber_timeout_s=0.2), hq(far))
        for n in range(10):
            delivery.submit(event(n))
        await until(lambda: "no_subscriber" in causes(delivery))
        await until(lambda: delivery.destination_reports()[0].queued == 0)
        await until(lambda: delivery.destination_reports()[1].queued == 10)
        late = await subscribe(far)
        await late.has(10)
        assert late.numbers == list(range(10))
        await until(
            lambda: delivery.destination_reports()[1].queued == 0 and "no_subscriber" not in causes(delivery)
        )


async def test_not_authorised_halts_one_destination(mosquitto, subscribe, deliver):
    with Mosquitto(acl="topic read #\n") as far:
        subscriber = await subscribe(mosquitto)
        delivery = await deliver(local(mosquitto), hq(far))
        for n in range(30):
            delivery.submit(event(n))
        await subscriber.has(30)
        await until(lambda: delivery.destination_reports()[1].halted_reason == "not_authorised")
        assert "publish_not_authorised" in causes(delivery)
        await until(lambda: delivery.destination_reports()[1].queued == 30)
        far.acl = "topic readwrite #\n"
        far.reload()
        await until(lambda: delivery.destination_reports()[1].halted_reason is None)
        at_hq = await subscribe(far)
        await at_hq.has(30)
        assert at_hq.numbers == list(range(30))
        await until(lambda: "publish_not_authorised" not in causes(delivery))


async def test_topic_of_earlier_name_stops_no_event(subscribe, deliver):
    """A renamed post may not be allowed to write its topics under the old name."""
    with Mosquitto(acl="topic readwrite bgw/v1/ke-busia/#\n") as mosquitto:
        subscriber = await subscribe(mosquitto)
        delivery = await deliver(local(mosquitto))
        delivery.publish_retained("bgw/v1/xx-unnamed/_gw/gw-1/state", None)
        for n in range(5):
            delivery.submit(event(n))
        await subscriber.has(5)
        await asyncio.sleep(2 * QUICK["halt_retry_s"])  # It has been sent again by now.
        delivery.submit(event(5))
        await subscriber.has(6)
        assert delivery.destination_reports()[0].halted_reason is None
        assert "publish_not_authorised" not in causes(delivery)


@pytest.mark.parametrize("reason", [0x90, 0x95, 0x99])
async def test_poison_message_is_parked(deliver, outbox_directory, reason):
    async with ScriptedBroker(lambda _, payload: reason if b'"n": 3,' in payload else 0) as broker:
        delivery = await deliver(local(broker))
        for n in range(10):
            delivery.submit(event(n))
        await until(
            lambda: (
                delivery.destination_reports()[0].parked == 1
                and delivery.destination_reports()[0].queued == 0
            )
        )
        assert sorted(set(broker.numbers)) == list(range(10))
        assert "events_parked" in causes(delivery)
        await until(lambda: [p.seq for p in inspect.list_parked(outbox_directory)] == [4])
        (parked,) = inspect.list_parked(outbox_directory)
        assert (parked.reason, parked.destination) == (reason, "local")


async def test_parked_event_sent_again_is_forgotten(deliver, outbox_directory):
    async with ScriptedBroker(lambda topic, payload: 0x99) as broker:
        delivery = await deliver(local(broker))
        delivery.submit(event(1))
        await until(lambda: list(inspect.list_parked(outbox_directory)))
        await delivery.stop(0.2)
        assert inspect.mark_parked(outbox_directory, None) == 1
        broker.answer = lambda topic, payload: 0
        await deliver(local(broker))
        await until(lambda: not list(inspect.list_parked(outbox_directory)))


@pytest.mark.parametrize("reason", [0x80, 0x83, 0x97])
async def test_temporary_refusal_is_retried_in_order(deliver, reason):
    refusals = {2: 3, 7: 1}

    def answer(topic, payload):
        n = json.loads(payload)["data"]["n"]
        if refusals.get(n, 0):
            refusals[n] -= 1
            return reason
        return 0

    async with ScriptedBroker(answer) as broker:
        delivery = await deliver(local(broker, in_flight=1))
        for n in range(10):
            delivery.submit(event(n))
        await until(lambda: len(set(broker.numbers)) == 10 and delivery.destination_reports()[0].queued == 0)
        assert list(dict.fromkeys(broker.numbers)) == list(range(10))
        assert delivery.destination_reports()[0].parked == 0


async def test_cursor_moves_over_whole_prefix_only(deliver, outbox_directory):
    async with ScriptedBroker(lambda *_: None) as broker:
        delivery = await deliver(local(broker, no_subscriber_timeout_s=0))
        await until(lambda: delivery.destination_reports()[0].connected)
        for n in range(10):
            delivery.submit(event(n))
        await until(lambda: len(broker.unanswered) == 10)
        first, *rest = broker.unanswered
        for mid in reversed(rest):
            broker.acknowledge(mid)
        await until(lambda: delivery.destination_reports()[0].queued == 1)
        await asyncio.sleep(0.4)  # Time for a cursor that must not move.
        assert len(list(inspect.list_events(outbox_directory))) == 10
        broker.acknowledge(first)
        await until(lambda: not list(inspect.list_events(outbox_directory)))


async def test_only_unacknowledged_resent_after_disconnect(deliver):
    async with ScriptedBroker(lambda *_: None) as broker:
        delivery = await deliver(local(broker, no_subscriber_timeout_s=0))
        await until(lambda: delivery.destination_reports()[0].connected)
        for n in range(6):
            delivery.submit(event(n))
        await until(lambda: len(broker.unanswered) == 6)
        for at in (0, 1, 3, 4):
            broker.acknowledge(broker.unanswered[at])
        await until(lambda: delivery.destination_reports()[0].queued == 2)
        broker.answer = lambda *_: 0
        broker.hang_up()
        await until(lambda: delivery.destination_reports()[0].queued == 0)
        assert broker.numbers == [0, 1, 2, 3, 4, 5, 2, 5]


@pytest.mark.parametrize("reason", [0x95, 0x81, None])
async def test_message_that_ends_connections_is_parked(deliver, reason):
    def answer(topic, payload):
        return "disconnect" if b'"n": 4,' in payload else 0

    async with ScriptedBroker(answer) as broker:
        broker.hang_up_reason = reason
        delivery = await deliver(local(broker))
        for n in range(10):
            delivery.submit(event(n))
        await until(
            lambda: (
                delivery.destination_reports()[0].parked == 1
                and delivery.destination_reports()[0].queued == 0
            )
        )
        assert set(broker.numbers) == set(range(10))
        assert broker.connections < 12


async def test_image_that_ends_connections_is_dropped(deliver):
    def answer(topic, payload):
        return "disconnect" if topic.endswith("/page_uv") else 0

    async with ScriptedBroker(answer) as broker:
        delivery = await deliver(local(broker))
        images = tuple(Blob(f"page_{light}", "image/jpeg", b"x" * 100) for light in ("ir", "uv"))
        delivery.submit(event(0, blobs=images))
        delivery.submit(event(1))
        await until(lambda: set(broker.numbers) == {0, 1} and delivery.destination_reports()[0].queued == 0)
        assert "images_refused" in causes(delivery)


async def test_refused_subscription_is_reported_until_granted(deliver):
    async with ScriptedBroker() as broker:
        broker.granted = 0x87
        delivery = await deliver(local(broker), on_message=lambda *_: None)
        await until(lambda: "command_subscription_refused" in causes(delivery))
        broker.granted = 1
        broker.hang_up()
        await until(lambda: "command_subscription_refused" not in causes(delivery))


async def test_message_above_packet_limit_is_not_sent(mosquitto, subscribe, deliver):
    with Mosquitto("max_packet_size 3000") as small:
        subscriber = await subscribe(small)
        delivery = await deliver(local(small))
        await until(lambda: delivery.destination_reports()[0].connected)
        delivery.submit(event(0))
        delivery.submit(event(1, size=5000))
        delivery.submit(
            event(2, blobs=(Blob("page", "image/jpeg", b"x" * 5000), Blob("face", "image/jpeg", b"y")))
        )
        delivery.submit(event(3))
        await subscriber.has(3)
        assert subscriber.numbers == [0, 2, 3]
        assert "/face" in subscriber.messages[1].topic
        assert delivery.destination_reports()[0].parked == 2
        assert "destination_disconnected" not in small.log
        assert "disconnected" not in small.log.split("New client connected", 2)[2]


async def test_payload_above_broker_limit_is_parked(subscribe, deliver):
    with Mosquitto("message_size_limit 2000") as broker:
        subscriber = await subscribe(broker)
        delivery = await deliver(local(broker))
        for n, size in enumerate((0, 4000, 0)):
            delivery.submit(event(n, size=size))
        await subscriber.has(2)
        assert subscriber.numbers == [0, 2]
        await until(lambda: delivery.destination_reports()[0].parked == 1)


# Expiry, which the wall clock does not influence


async def test_expired_events_are_counted_and_not_sent(deliver, fake_time, outbox_directory):
    async with ScriptedBroker() as near, ScriptedBroker() as far:
        first = await deliver(
            DestinationSettings.local(BrokerSettings(port=1)),
            DestinationSettings.hq(BrokerSettings(port=1)),
            time_source=fake_time,
        )
        for n in range(5):
            first.submit(event(n, TRAVELLER))
            first.submit(event(100 + n, RECORD))
        first.submit(event(50, TRAVELLER, expires_s=3600))
        await first.stop(0)
        fake_time.advance(61)
        delivery = await deliver(local(near), hq(far), time_source=fake_time)
        await until(lambda: all(report.queued == 0 for report in delivery.destination_reports()))
        assert sorted(near.numbers) == [50, 100, 101, 102, 103, 104]
        assert far.numbers == [100, 101, 102, 103, 104]
        assert [report.expired for report in delivery.destination_reports()] == [5, 0]
        await until(lambda: not list(inspect.list_events(outbox_directory)))


async def test_expired_events_leave_disk_without_broker(deliver, fake_time, outbox_directory):
    delivery = await deliver(DestinationSettings.local(BrokerSettings(port=1)), time_source=fake_time)
    image = Blob("page", "image/jpeg", b"x" * 100_000)
    delivery.submit(event(1, TRAVELLER, blobs=(image,)))
    delivery.submit(event(2, RECORD))
    await until(lambda: len(list(inspect.list_events(outbox_directory))) == 2)
    fake_time.advance(61)
    await until(lambda: [e.data_class for e in inspect.list_events(outbox_directory)] == ["record"])
    await until(lambda: not list((outbox_directory / "blobs").iterdir()))
    await until(lambda: delivery.destination_reports()[0].expired == 1)


@pytest.mark.parametrize("jump_s", [-86_400 * 365, 86_400 * 365])
async def test_wall_clock_jump_changes_no_expiry_or_order(deliver, fake_time, jump_s):
    async with ScriptedBroker() as broker:
        first = await deliver(DestinationSettings.local(BrokerSettings(port=1)), time_source=fake_time)
        first.submit(event(0, TRAVELLER))
        await first.stop(0)
        fake_time.jump(jump_s)
        fake_time.advance(30)
        delivery = await deliver(local(broker), time_source=fake_time)
        delivery.submit(event(1, TRAVELLER))
        await until(lambda: len(broker.numbers) == 2)
        assert broker.numbers == [0, 1]
        ids = [json.loads(payload)["id"] for _, payload in broker.published]
        assert ids == sorted(ids)
        assert [json.loads(payload)["seq"] for _, payload in broker.published] == [1, 2]


async def test_expiry_sent_to_broker_is_remaining_lifetime(subscribe, mosquitto, deliver, fake_time):
    first = await deliver(DestinationSettings.local(BrokerSettings(port=1)), time_source=fake_time)
    first.submit(event(0, TRAVELLER))
    await first.stop(0)
    fake_time.advance(40.5)
    subscriber = await subscribe(mosquitto)
    await deliver(local(mosquitto), time_source=fake_time)
    await subscriber.has(1)
    assert (
        subscriber.messages[0].properties.MessageExpiryInterval == 20
    )  # 19.5 s in whole seconds, rounded up


async def test_age_after_reboot_by_synced_clocks(deliver, fake_time):
    async with ScriptedBroker() as broker:
        first = await deliver(DestinationSettings.local(BrokerSettings(port=1)), time_source=fake_time)
        first.submit(event(0, TRAVELLER, expires_s=100))
        first.submit(event(1, TRAVELLER, expires_s=300))
        await first.stop(0)
        fake_time.reboot(off_s=200)
        delivery = await deliver(local(broker), time_source=fake_time)
        await until(lambda: broker.numbers == [1] and delivery.destination_reports()[0].queued == 0)
        assert delivery.destination_reports()[0].expired == 1
        assert delivery.epoch == first.epoch


async def test_unknown_age_waits_for_sync_without_blocking(deliver, fake_time):
    async with ScriptedBroker() as broker:
        first = await deliver(DestinationSettings.local(BrokerSettings(port=1)), time_source=fake_time)
        first.submit(event(0, TRAVELLER, expires_s=100))
        first.submit(event(1, TRAVELLER, expires_s=1000))
        first.submit(event(2, RECORD))
        await first.stop(0)
        fake_time.reboot(off_s=200, clock=ClockStatus.UNSYNCED)
        delivery = await deliver(local(broker), time_source=fake_time)
        delivery.submit(event(3, TRAVELLER))
        await until(lambda: set(broker.numbers) == {2, 3})
        assert delivery.epoch != first.epoch  # So that 3 does not wait behind 0 and 1.
        await until(lambda: delivery.destination_reports()[0].queued == 2)
        fake_time.clock = ClockStatus.SYNCED
        await until(lambda: delivery.destination_reports()[0].queued == 0)
        assert broker.numbers[-1] == 1
        assert delivery.destination_reports()[0].expired == 1


async def test_unknown_age_expires_a_lifetime_after_start(deliver, fake_time):
    async with ScriptedBroker() as broker:
        first = await deliver(DestinationSettings.local(BrokerSettings(port=1)), time_source=fake_time)
        first.submit(event(0, TRAVELLER, expires_s=100))
        await first.stop(0)
        fake_time.reboot(off_s=5, clock=ClockStatus.UNSYNCED)
        delivery = await deliver(local(broker), time_source=fake_time)
        await until(lambda: delivery.destination_reports()[0].queued == 1)
        fake_time.advance(101)
        await until(lambda: delivery.destination_reports()[0].expired == 1)
        fake_time.clock = ClockStatus.SYNCED
        delivery.submit(event(1))
        await until(lambda: broker.numbers == [1])
