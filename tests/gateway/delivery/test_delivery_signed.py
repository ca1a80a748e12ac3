"""Signatures of events: made once, stored with the event and sent again unchanged."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.gateway.deliveries import event

from gateway.delivery.settings import BrokerSettings, DestinationSettings
from gateway.pki.jws import Signer, Verifier


def signed(subscriber):
    """Return payload and signature of each event, in order."""
    return [
        (message.payload, dict(getattr(message.properties, "UserProperty", ())).get("jws"))
        for message in list(subscriber.messages)
        if "/evt/" in message.topic
    ]


async def test_stored_event_keeps_signature_with_new_key(deliver, mosquitto, subscribe):
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    to_the_post = DestinationSettings.local(
        BrokerSettings(port=mosquitto.port), retry_first_s=0.1, retry_max_s=0.1
    )
    mosquitto.stop()
    delivery = await deliver(to_the_post, sign=Signer(first).sign)
    for n in range(3):
        delivery.submit(event(n))
    await delivery.stop(0.2)
    mosquitto.start()
    subscriber = await subscribe(mosquitto)
    delivery = await deliver(to_the_post, sign=Signer(second).sign)
    delivery.submit(event(3))
    await subscriber.has(4)
    await delivery.stop(0.2)
    delivery = await deliver(to_the_post)
    delivery.submit(event(4))
    await subscriber.has(5)

    *stored, fresh, unsigned = signed(subscriber)
    assert unsigned[1] is None
    verifier = Verifier([first.public_key(), second.public_key()])
    assert {verifier.check(*each) for each in stored} == {Signer(first).kid}
    assert verifier.check(*fresh) == Signer(second).kid
    assert all(Signer(first).sign(payload) == jws for payload, jws in stored)


async def test_retained_message_is_signed_with_its_topic(deliver):
    signed = []
    nowhere = DestinationSettings.local(BrokerSettings(port=1))
    delivery = await deliver(nowhere, sign_retained=lambda *given: signed.append(given) or ())
    delivery.publish_retained("a/b", b"x")
    delivery.publish_retained("a/c", None)
    assert signed[-2:] == [("a/b", b"x"), ("a/c", b"")]
