"""TLS 1.3 with certificates on both sides, as between a post and headquarters."""

import pytest
from support.brokers.certificates import Authority
from support.brokers.mosquitto import Mosquitto
from support.gateway.deliveries import event, until

from gateway.delivery.settings import BrokerSettings, DestinationSettings, TlsSettings


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    place = tmp_path_factory.mktemp("tls")
    authority = Authority(place)
    authority.issue("broker")
    authority.issue("gateway")
    Authority(place, "stranger")
    return place


def listener(certificates):
    return (
        f"cafile {certificates}/ca.crt",
        f"certfile {certificates}/broker.crt",
        f"keyfile {certificates}/broker.key",
        "require_certificate true",
        "tls_version tlsv1.3",
    )


def settings(broker, certificates, ca="ca"):
    tls = TlsSettings(
        ca=certificates / f"{ca}.crt", cert=certificates / "gateway.crt", key=certificates / "gateway.key"
    )
    return DestinationSettings.local(BrokerSettings(port=broker.port, tls=tls), no_subscriber_timeout_s=0)


async def test_small_and_large_events_pass_tls(deliver, certificates):
    with Mosquitto(listener=listener(certificates)) as broker:
        delivery = await deliver(settings(broker, certificates))
        for n in range(200):
            delivery.submit(event(n, size=400_000 if n % 50 == 0 else 0))
        await until(lambda: delivery.destination_reports()[0].connected)
        delivery.submit(event(200))
        await until(lambda: delivery.destination_reports()[0].queued == 0 and delivery._streams)
        await delivery.stop()
        assert broker.log.count("Received PUBLISH from bgw-") == 202  # and the offline state


async def test_unknown_certificate_is_refused_and_reported(deliver, certificates):
    with Mosquitto(listener=listener(certificates)) as broker:
        delivery = await deliver(settings(broker, certificates, ca="stranger"))
        await until(lambda: any("certificate was refused" in p.text for p in delivery.problems()))
        assert not delivery.destination_reports()[0].connected
