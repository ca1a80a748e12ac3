"""Signed gateway: a changed event is detected, and the audit is verified to the end."""

import asyncio
from collections.abc import Iterator

import aiomqtt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.signing_stations import SigningStation
from support.gateway.station_roles import BARRIER, COMMAND_SETTINGS, ROLES, permit_commands, station_at
from support.patience import PATIENCE_S

from gateway.audit.breach_report import build_report
from gateway.audit.hash_chain import AUDIT_FILE, CHAIN_HEAD_FILE, ChainHead, parse_line, read_lines
from gateway.audit.verify import verify
from gateway.cli.watch import _watch
from gateway.client import CommandNotSent, CommandRejected, ReceivedEvent, RejectedMessage
from gateway.config import load
from gateway.contract.envelope import Event
from gateway.contract.events import AuditCheckpoint
from gateway.pki.jws import Verifier
from gateway.pki.keys import load_public_key, make_signing_key
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway"]
READER = "lane-1/reader"
BASE = f"bgw/v1/uto-test/{READER}/evt"


@pytest.fixture
def mosquitto(request: pytest.FixtureRequest) -> Iterator[Mosquitto]:
    with Mosquitto(acl=getattr(request, "param", None)) as broker:
        yield broker


async def test_signed_events_and_audit(gateway: GatewayFixture, capsys: pytest.CaptureFixture[str]) -> None:
    make_signing_key(gateway.folder)
    public = load_public_key(gateway.folder / "signing.pub")
    gateway.more = f'signing_key = "{gateway.folder}/signing.key"'
    wire = await gateway.wire(READER)
    gateway.describe(READER, "mrz-serial", 'framing = "text"')
    refused: list[RejectedMessage] = []
    async with (
        gateway.workstation(
            READER, verify={"uto-test/gw-1": [public]}, on_rejected=refused.append, station="lane-1"
        ) as desk,
        aiomqtt.Client("127.0.0.1", gateway.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as forger,
        asyncio.timeout(PATIENCE_S),
    ):
        await desk.connected_event.wait()
        watching = asyncio.create_task(
            _watch(load(gateway.config), None, {"uto-test/gw-1": [public]}, as_json=True, reveal=True)
        )
        await forger.subscribe([(f"{BASE}/+", 1), ("bgw/v1/uto-test/_gw/gw-1/evt/+", 1)])
        await gateway.start()
        await wire.wait_for_host()
        await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
        events = aiter(desk)
        seen = await anext(events)
        assert isinstance(seen, ReceivedEvent)

        heard = await anext(aiter(forger.messages))
        payload, jws = bytes(heard.payload), dict(heard.properties.UserProperty)["jws"]
        for altered, signature, topic in (
            (payload.replace(b"L898902C", b"L898902D"), jws, str(heard.topic)),
            (payload, None, str(heard.topic)),
            (payload, jws, str(heard.topic)),  # a repetition is no forgery
        ):
            properties = Properties(PacketTypes.PUBLISH)
            if signature is not None:
                properties.UserProperty = ("jws", signature)
            await forger.publish(topic, altered, qos=1, properties=properties)
        await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
        await anext(events)
        assert [(each.event_id, each.text) for each in refused] == [
            (seen.envelope.id, "it does not fit these bytes"),
            (seen.envelope.id, "it is not signed"),
        ]
        assert (desk.discarded.rejected, desk.discarded.duplicates) == (2, 1)
        out = err = ""
        while "it is not signed" not in err or out.count('"id"') < 2:
            shown = capsys.readouterr()
            out, err = out + shown.out, err + shown.err
            await asyncio.sleep(0.01)
        assert f"REFUSED {READER}: event {seen.envelope.id}: it is not signed" in err
        assert out.count(seen.envelope.id) == 1
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        with pytest.raises(CommandRejected):
            await desk.command(READER, "look")
        assert await gateway.stop() == 0
        async for message in forger.messages:
            if str(message.topic).endswith("audit-checkpoint"):
                break

    state, verifier = gateway.folder / "state", Verifier([public])
    verifier.check(bytes(message.payload), dict(message.properties.UserProperty)["jws"])
    sealed = Event[AuditCheckpoint].model_validate_json(message.payload).data
    verdict = verify(state, verifier, [ChainHead(sealed.line, sealed.sha256)])
    assert (verdict.tampering, verdict.first_unverified) == (None, None)
    report = build_report(
        (line for row in read_lines(state / AUDIT_FILE) if (line := parse_line(row.raw))), "2026", "9"
    )
    assert [run["profile"] for run in report.runs] == ["test"]
    assert report.reads == {"passport_reader": {READER: 2}}
    assert report.actors["station", "lane-1"].operations == {"None refused": 1}
    assert report.incomplete == ["the audit begins at " + verdict.first.at + ", later than the window"]
    audit = (state / AUDIT_FILE).read_bytes()
    assert b"ERIKSSON" not in audit
    assert b'"command.decided"' in audit
    (state / AUDIT_FILE).write_bytes(audit.splitlines(keepends=True)[0])
    (state / CHAIN_HEAD_FILE).unlink()
    assert verify(state, verifier).tampering is None  # the post's files alone cannot prove it
    cut = verify(state, verifier, [ChainHead(sealed.line, sealed.sha256)]).tampering
    assert cut is not None
    assert cut.kind == "cut_off"
    (state / AUDIT_FILE).write_bytes(audit.replace(b'"station":"lane-1"', b'"station":"lane-2"', 1))
    wrong = verify(state, verifier).tampering
    assert wrong is not None
    assert wrong.kind == "changed"


NO_TOKENS = "".join(
    f"topic readwrite bgw/v1/uto-test/+/+/{kind}\n"
    for kind in ("state", "desc", "claim", "now/+", "evt/+", "rsp/+", "cmd/+/+")
)
"""Access list that denies the gateway's tokens."""


def describe_signed_barrier(gateway: GatewayFixture, signing: SigningStation) -> Ed25519PublicKey:
    """Describe a barrier whose commands must all be signed; returns the gateway's public key."""
    make_signing_key(gateway.folder)
    gateway.more = f'signing_key = "{gateway.folder}/signing.key"'
    permit_commands(gateway, ROLES + signing.table(), f'{COMMAND_SETTINGS}signed = "required"\n')
    gateway.describe(BARRIER, "scripted")
    return load_public_key(gateway.folder / "signing.pub")


async def test_verified_claim_movement_and_release(gateway: GatewayFixture) -> None:
    """Check that nothing genuine is rejected: the end of a claim is an empty message, and signed too."""
    counter, rejected = SigningStation("counter-1"), list[RejectedMessage]()
    public = describe_signed_barrier(gateway, counter)
    wire = await gateway.wire(BARRIER)
    await gateway.start()
    await wire.wait_for_host()
    keys = {"uto-test/gw-1": [public]}
    more = {"verify": keys, "signing_key": counter.signer, "on_rejected": rejected.append}
    async with station_at(gateway, **more) as desk:
        async with desk.claim(BARRIER):
            await until(lambda: (claim := desk.status(BARRIER).claim) and claim.holder == "counter-1")
            asking = asyncio.create_task(desk.command(BARRIER, "open-up", {"width_cm": 30}))
            await wire.wait_for_bytes(b"open-up counter-1")
            await wire.send(b"opened\n")
            assert (await asking).is_verified
        await until(lambda: desk.status(BARRIER).claim is None)
        assert desk.status(BARRIER).is_verified
    assert rejected == []


@pytest.mark.parametrize("mosquitto", [NO_TOKENS], indirect=True)
async def test_stop_is_sent_without_tokens(gateway: GatewayFixture) -> None:
    """A broker that hides the tokens: nothing is certain, movements are not sent, a stop is."""
    counter = SigningStation("counter-1")
    public = describe_signed_barrier(gateway, counter)
    wire = await gateway.wire(BARRIER)
    await gateway.start()
    await wire.wait_for_host()
    keys = {"verify": {"uto-test/gw-1": [public]}, "signing_key": counter.signer}
    async with gateway.workstation(BARRIER, station="counter-1", **keys) as desk:
        await until(lambda: desk.status(BARRIER).state and desk.status(BARRIER).description)
        assert not desk.status(BARRIER).is_usable
        began_s = asyncio.get_running_loop().time()
        stopped = await desk.command(BARRIER, "stop")
        assert (stopped.result, stopped.is_verified) == ({}, True)
        assert asyncio.get_running_loop().time() - began_s < 2
        with pytest.raises(CommandNotSent):
            await desk.command(BARRIER, "open-up", {"width_cm": 30}, expires_s=1)


async def test_unusable_signing_key_prevents_start(gateway: GatewayFixture) -> None:
    (gateway.folder / "signing.key").touch(mode=0o600)
    (gateway.folder / "signing.key").write_text("no key")
    gateway.more = f'signing_key = "{gateway.folder}/signing.key"'
    gateway.describe(READER, "mrz-serial", 'framing = "text"')
    await gateway.start()
    assert gateway.process is not None
    assert await gateway.process.wait() == 78
    assert "signing.key holds no private key" in gateway.log
    gateway.process = None
