"""Lifetime of an event: it begins when the event is received, not when it is committed."""

import dataclasses

from support.gateway.deliveries import event, until

from drivers.observation import DataClass
from gateway.delivery.settings import BrokerSettings, DestinationSettings


def said(n, fake_time, ago_s):
    received_boot_ns = fake_time.boot_ns() - int(ago_s * 1e9)
    return dataclasses.replace(event(n, DataClass.TRAVELLER), received_boot_ns=received_boot_ns)


async def test_wait_before_commit_counts_as_age(deliver, subscribe, mosquitto, fake_time):
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(
        DestinationSettings.local(BrokerSettings(port=mosquitto.port)), time_source=fake_time
    )
    delivery.submit(said(1, fake_time, 61))
    delivery.submit(said(2, fake_time, 50))
    await subscriber.has(1)
    assert subscriber.numbers == [2]
    assert subscriber.messages[-1].properties.MessageExpiryInterval == 10
    await until(lambda: delivery.destination_reports()[0].expired == 1)
    await until(lambda: delivery.destination_reports()[0].queued == 0)
