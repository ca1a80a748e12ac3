"""Order of events when a subscriber arrives in the middle of a window."""

import json

from support.gateway.deliveries import ScriptedBroker, event, until

from gateway.delivery.settings import BrokerSettings, DestinationSettings


async def test_subscriber_between_two_events_gets_order(deliver):
    """The first event reached no subscriber; the messages in flight behind it must not overtake it."""
    taken = []
    answers = iter((0x10,))

    def answer(topic, payload):
        if "/evt/" not in topic:
            return 0
        reason = next(answers, 0)
        if reason == 0:
            taken.append(json.loads(payload)["data"]["n"])
        return reason

    async with ScriptedBroker(answer) as broker:
        settings = BrokerSettings(port=broker.port)
        delivery = await deliver(
            DestinationSettings.local(
                settings, no_subscriber_timeout_s=60.0, retry_first_s=0.1, retry_max_s=0.1
            )
        )
        for n in range(30):
            delivery.submit(event(n))
        await until(lambda: delivery.destination_reports()[0].queued == 0 and len(taken) >= 30)
        assert taken == list(range(30))


async def test_stream_without_subscriber_blocks_no_other(deliver):
    """Lane 1 has no subscriber; lane 2 is delivered."""
    async with ScriptedBroker(
        lambda topic, _: 0x10 if "lane-1" in topic and "/evt/" in topic else 0
    ) as broker:
        delivery = await deliver(DestinationSettings.local(BrokerSettings(port=broker.port)))
        for n in range(50):
            delivery.submit(event(n))
            delivery.submit(event(100 + n, position="lane-2/reader"))
        await until(lambda: {n for n in broker.numbers if n >= 100} == set(range(100, 150)))
