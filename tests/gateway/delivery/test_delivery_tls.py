"""TLS 1.3 with certificates on both sides, as between a post and headquarters."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.deliveries import event, until
from support.mosquitto import Mosquitto

from gateway.delivery.settings import BrokerSettings, DestinationSettings, TlsSettings


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    place = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)

    def issue(name, issuer=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
        )
        certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
        (place / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (place / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key

    authority = issue("ca")
    issue("broker", authority)
    issue("gateway", authority)
    issue("stranger")
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
    return DestinationSettings.local(BrokerSettings(port=broker.port, tls=tls), subscriber_wait_s=0)


async def test_events_pass_through_tls_and_large_ones_too(deliver, certificates):
    with Mosquitto(listener=listener(certificates)) as broker:
        delivery = await deliver(settings(broker, certificates))
        for n in range(200):
            delivery.submit(event(n, size=400_000 if n % 50 == 0 else 0))
        await until(lambda: delivery.reports()[0].connected)
        delivery.submit(event(200))
        await until(lambda: delivery.reports()[0].waiting == 0 and delivery._streams)
        await delivery.stop()
        assert broker.log.count("Received PUBLISH from bgw-ke-busia-gw-1-local") == 202  # and the farewell


async def test_a_broker_with_a_strange_certificate_is_refused_and_named(deliver, certificates):
    with Mosquitto(listener=listener(certificates)) as broker:
        delivery = await deliver(settings(broker, certificates, ca="stranger"))
        await until(lambda: any("certificate was refused" in p.text for p in delivery.problems()))
        assert not delivery.reports()[0].connected
