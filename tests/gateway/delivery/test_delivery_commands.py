"""Commands of stations through a real Mosquitto: received, answered, and refused from a flooding station."""

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import event, until

from gateway.delivery.settings import BrokerSettings, DestinationSettings

COMMAND = "bgw/v1/ke-busia/lane-1/reader/cmd/capture/officer"


def local(broker, **changes):
    return DestinationSettings.local(BrokerSettings(port=broker.port), **changes)


async def test_commands_are_received_and_answered(mosquitto, subscribe, deliver):
    came = []
    delivery = await deliver(
        local(mosquitto),
        stations=("officer",),
        on_message=lambda message, _: came.append(message),
    )
    subscriber = await subscribe(mosquitto, "bgw/v1/ke-busia/lane-1/barrier/rsp/officer")
    await until(lambda: delivery.destination_reports()[0].connected)

    def ask():
        subscriber._client.publish("bgw/v1/ke-busia/lane-1/barrier/cmd/raise/officer", b"{}", 1)
        return came

    await until(ask)
    delivery.publish_answer("bgw/v1/ke-busia/lane-1/barrier/rsp/officer", b'{"ok":1}', 10, correlation=b"abc")
    await until(lambda: subscriber.messages)
    assert subscriber.messages[0].properties.CorrelationData == b"abc"
    assert subscriber.messages[0].properties.MessageExpiryInterval == 10


@pytest.mark.parametrize(
    ("acl", "accepted"), [(None, False), ("topic readwrite bgw/v1/ke-busia/lane-1/#\n", True)]
)
async def test_command_needs_proved_access_list(acl, accepted, subscribe, deliver):
    """A command from an open broker has no verified sender; events are delivered there all the same."""
    came = []
    with Mosquitto(acl=acl) as broker:
        delivery = await deliver(
            local(broker, requires_acl=True),
            stations=("officer",),
            on_message=lambda message, _: came.append(message.topic),
        )
        subscriber = await subscribe(broker, "bgw/v1/ke-busia/lane-1/#")
        await until(lambda: delivery.destination_reports()[0].connected and subscriber._subscribed)

        def is_reported():
            return "broker_acl_missing" in [problem.cause for problem in delivery.problems()]

        def accepted_or_reported():
            subscriber._client.publish(COMMAND, b"{}", 1)
            return came or is_reported()

        await until(accepted_or_reported)
        for n in range(3):
            subscriber._client.publish(COMMAND, b"{}", 1)
            delivery.submit(event(n))
            await until(lambda wanted=n: wanted in subscriber.numbers)
        assert (bool(came), is_reported()) == (accepted, not accepted)


@pytest.mark.parametrize("is_listening", [True, False])
async def test_flooding_station_is_named(mosquitto, subscribe, deliver, is_listening):
    """A problem names it, and a listener learns it, which writes it to the audit log."""
    floods = []
    delivery = await deliver(
        local(mosquitto),
        stations=("officer",),
        on_message=lambda *_: None,
        on_flood=floods.append if is_listening else None,
    )
    station = await subscribe(mosquitto, "nothing")

    def causes_after_large_command():
        station._client.publish(COMMAND, bytes(30_000), 1)
        return {problem.cause for problem in delivery.problems()}

    await until(lambda: "station_flooding" in causes_after_large_command())
    assert set(floods) == ({"officer"} if is_listening else set())
