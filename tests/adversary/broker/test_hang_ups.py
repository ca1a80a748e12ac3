"""A broker that hangs up without a reason: a mistake in its rights, or one event that it cannot take.

No correct event is parked; one poison event does not hold up the others.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from support.gateway.deliveries import ScriptedBroker, event, until

from gateway.contract.topics import SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import admin
from gateway.delivery.settings import BrokerSettings, DeliverySettings, DestinationSettings, OutboxSettings


@contextlib.asynccontextmanager
async def delivering(broker: ScriptedBroker, folder: Path) -> AsyncIterator[Delivery]:
    broker.hang_up_reason = None
    destination = DestinationSettings.local(
        BrokerSettings(port=broker.port),
        no_subscriber_timeout_s=0.0,
        retry_first_s=0.05,
        retry_max_s=0.1,
        halt_retry_s=0.2,
    )
    settings = DeliverySettings(
        outbox=OutboxSettings(directory=folder / "outbox"), destinations=(destination,)
    )
    delivery = Delivery(settings, SiteTopics("ke-busia", "gw-1"), "session-1")
    await delivery.start()
    try:
        yield delivery
    finally:
        await delivery.stop(0.2)


def delivered(broker: ScriptedBroker, lane: str) -> list[int]:
    """Return the numbers of a lane's accepted events, in order, without repetitions."""
    accepted = [
        json.loads(payload)["data"]["n"]
        for topic, payload in broker.published
        if f"/{lane}/" in topic and "/evt/" in topic and broker.answer(topic, payload) == 0
    ]
    return list(dict.fromkeys(accepted))


def causes(delivery: Delivery) -> set[str]:
    return {problem.cause for problem in delivery.problems()}


async def test_rights_mistake_parks_nothing(tmp_path: Path) -> None:
    denied = {"/lane-2/"}

    def answer(topic: str, payload: bytes) -> int | str:
        return "disconnect" if any(part in topic for part in denied) else 0

    async with ScriptedBroker(answer) as broker, delivering(broker, tmp_path) as delivery:
        for n in range(10):
            delivery.submit(event(n, position="lane-1/reader"))
            delivery.submit(event(n, position="lane-2/reader"))
        await until(lambda: "events_held" in causes(delivery))
        await until(lambda: delivered(broker, "lane-1") == list(range(10)))
        for n in range(10, 20):
            delivery.submit(event(n, position="lane-1/reader"))
        await until(lambda: delivered(broker, "lane-1") == list(range(20)))
        assert delivered(broker, "lane-2") == []
        assert delivery.destination_reports()[0].parked == 0
        assert list(admin.list_parked(tmp_path / "outbox")) == []

        denied.clear()
        await until(lambda: sorted(delivered(broker, "lane-2")) == list(range(10)))
        await until(lambda: delivery.destination_reports()[0].queued == 0)
        assert delivery.destination_reports()[0].parked == 0
        await until(lambda: "events_held" not in causes(delivery))


async def test_rights_mistake_without_later_event_parks_nothing(tmp_path: Path) -> None:
    denied = [True]

    def answer(topic: str, payload: bytes) -> int | str:
        return "disconnect" if denied and "/evt/" in topic else 0

    async with ScriptedBroker(answer) as broker, delivering(broker, tmp_path) as delivery:
        delivery.submit(event(0))
        await until(lambda: broker.connections >= 10)
        assert delivery.destination_reports()[0].parked == 0
        denied.clear()
        await until(lambda: delivery.destination_reports()[0].queued == 0)
        assert delivered(broker, "lane-1") == [0]


async def test_poison_event_is_parked_explained_and_sent_again(tmp_path: Path) -> None:
    poison = [b'"n": 4,']

    def answer(topic: str, payload: bytes) -> int | str:
        return "disconnect" if any(part in payload for part in poison) else 0

    folder = tmp_path / "outbox"
    async with ScriptedBroker(answer) as broker:
        async with delivering(broker, tmp_path) as delivery:
            for n in range(10):
                delivery.submit(event(n))
            await until(lambda: delivery.destination_reports()[0].parked == 1)
            await until(lambda: delivery.destination_reports()[0].queued == 0)
            assert sorted(delivered(broker, "lane-1")) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
            await until(lambda: len(list(admin.list_parked(folder))) == 1)
        (parked,) = admin.list_parked(folder)
        assert (parked.seq, parked.reason, parked.is_marked) == (5, 0x80, False)
        assert parked.text.startswith("The broker ends the connection on it without a reason")
        poison.clear()
        broker.published.clear()

        async with delivering(broker, tmp_path):
            await asyncio.sleep(0.3)
            assert delivered(broker, "lane-1") == [], "only on request"
        assert admin.mark_parked(folder, "hq") == 0
        assert admin.mark_parked(folder) == 1
        poison.append(b'"n": 4,')
        async with delivering(broker, tmp_path) as delivery:
            delivery.submit(event(10))
            await until(lambda: [each.is_marked for each in admin.list_parked(folder)] == [False])
            await until(lambda: delivered(broker, "lane-1") == [10])
        poison.clear()
        broker.published.clear()
        assert admin.mark_parked(folder) == 1
        async with delivering(broker, tmp_path):
            await until(lambda: delivered(broker, "lane-1") == [4])
            await until(lambda: list(admin.list_parked(folder)) == [])
