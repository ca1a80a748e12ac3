"""Order where nobody listens at first: a subscriber that comes back in the middle of a window."""

import json

from support.gateway.deliveries import ScriptedBroker, event, until

from gateway.delivery.settings import BrokerSettings, DestinationSettings


async def test_a_subscriber_who_comes_between_two_events_gets_them_in_order(deliver):
    """The first event met nobody; what was on its way behind it must not overtake it."""
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


async def test_streams_do_not_wait_for_each_other_to_be_heard(deliver):
    """Nobody listens to lane 1; lane 2 goes out all the same."""
    async with ScriptedBroker(
        lambda topic, _: 0x10 if "lane-1" in topic and "/evt/" in topic else 0
    ) as broker:
        delivery = await deliver(DestinationSettings.local(BrokerSettings(port=broker.port)))
        for n in range(50):
            delivery.submit(event(n))
            delivery.submit(event(100 + n, position="lane-2/reader"))
        await until(lambda: {n for n in broker.numbers if n >= 100} == set(range(100, 150)))
