"""Commands, claims and signatures of every client library, at the real daemon and a real Mosquitto."""

import asyncio
import contextlib
from collections.abc import Mapping

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.clients.desks import Desk, OpenDesk, next_events, until_shown
from support.clients.fixtures import library, mosquitto, open_desk
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway
from support.gateway.signing_stations import SigningStation, p256_key
from support.gateway.station_roles import BARRIER, COMMAND_SETTINGS, ROLES, permit_commands
from support.patience import PATIENCE_S

from gateway.client import CommandFailed, CommandRejected
from gateway.pki.keys import make_signing_key
from simulators.links.serial_line import SerialLine
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway", "library", "mosquitto", "open_desk"]

READER = "lane-1/reader"


async def station(open_desk: OpenDesk, name: str = "counter-1", **more: object) -> Desk:
    desk = await open_desk(positions=(BARRIER,), station=name, **more)
    await until_shown(desk, lambda view: view.status.is_usable and view.status.is_described, BARRIER)
    return desk


@pytest.fixture
async def wire(gateway: GatewayFixture) -> SerialLine:
    """Return the line of a scripted barrier of a running gateway; it proves which commands were started."""
    permit_commands(gateway)
    wire = await gateway.wire(BARRIER)
    gateway.describe(BARRIER, "scripted")
    await gateway.start()
    return wire


async def test_command_is_done_or_refused_with_remedy(open_desk: OpenDesk, wire: SerialLine) -> None:
    desk, visitor = await station(open_desk), await station(open_desk, "visitor")
    asking = asyncio.create_task(desk.command(BARRIER, "open-up", {"width_cm": 30}, transaction="t-1"))
    await wire.wait_for_bytes(b"open-up counter-1 ")
    await wire.send(b"opened\n")
    done = await asking
    assert (done.result, done.transaction, done.is_verified) == ({"width_cm": 30}, "t-1", False)
    with pytest.raises(CommandRejected, match="A person is in the way") as refused:
        await desk.command(BARRIER, "refuse")
    assert (refused.value.reason, refused.value.how[:17]) == ("unsafe", "Clear the passage")
    with pytest.raises(CommandRejected, match="role file does not list this station"):
        await visitor.command(BARRIER, "stop")
    with pytest.raises(CommandRejected, match="wrong or missing: width_cm"):
        await desk.command(BARRIER, "open-up", {"width_cm": 0})


async def test_worker_that_ends_fails_the_command(
    open_desk: OpenDesk, wire: SerialLine, gateway: GatewayFixture
) -> None:
    desk = await station(open_desk)
    asking = asyncio.create_task(desk.command(BARRIER, "open-up", {"width_cm": 30}))
    await wire.wait_for_bytes(b"open-up counter-1 ")
    wire.unplug()
    with pytest.raises(CommandFailed):
        await asking


async def test_claim_excludes_others_until_it_is_stolen(open_desk: OpenDesk, wire: SerialLine) -> None:
    first, second, chief = (
        await station(open_desk, "counter-1"),
        await station(open_desk, "counter-2"),
        await station(open_desk, "chief"),
    )
    await first.claim(BARRIER)
    await until_shown(second, lambda view: view.status.holder == "counter-1", BARRIER)
    with pytest.raises(CommandRejected) as refused:
        await second.claim(BARRIER)
    assert refused.value.reason == "claimed"
    await first.end_claim()
    await until_shown(second, lambda view: view.status.holder is None, BARRIER)
    await second.claim(BARRIER)
    await chief.claim(BARRIER, steal="shift change")
    async with asyncio.timeout(PATIENCE_S):
        await second.claim_lost()
    await until_shown(first, lambda view: view.status.holder == "chief", BARRIER)


@pytest.mark.thorough
async def test_claim_is_renewed(open_desk: OpenDesk, wire: SerialLine) -> None:
    desk = await station(open_desk)
    await desk.claim(BARRIER, lease_s=5)
    for _ in range(7):
        await asyncio.sleep(1)
        assert (await desk.view(BARRIER)).status.holder == "counter-1"


def key_of(gateway: GatewayFixture) -> Mapping[str, tuple[str, ...]]:
    """Make the gateway sign; returns its public key as workstations take it."""
    make_signing_key(gateway.folder)
    gateway.more = f'signing_key = "{gateway.folder}/signing.key"'
    return {"uto-test/gw-1": ((gateway.folder / "signing.pub").read_text(),)}


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
async def test_verified_claim_movement_and_release(
    open_desk: OpenDesk, gateway: GatewayFixture, kind: str
) -> None:
    """Nothing genuine is rejected: the end of a claim is an empty message, and signed too."""
    counter = SigningStation("counter-1") if kind == "ed25519" else SigningStation("counter-1", p256_key())
    keys = key_of(gateway)
    permit_commands(gateway, ROLES + counter.table(), f'{COMMAND_SETTINGS}signed = "required"\n')
    gateway.describe(BARRIER, "scripted")
    wire = await gateway.wire(BARRIER)
    await gateway.start()
    await wire.wait_for_host()
    desk = await station(open_desk, verify=keys, signing_pem=counter.pem)
    unsigned = await station(open_desk, "counter-2")
    await desk.claim(BARRIER)
    await until_shown(desk, lambda view: view.status.holder == "counter-1", BARRIER)
    asking = asyncio.create_task(desk.command(BARRIER, "open-up", {"width_cm": 30}))
    await wire.wait_for_bytes(b"open-up counter-1")
    await wire.send(b"opened\n")
    assert (await asking).is_verified
    await desk.end_claim()
    view = await until_shown(desk, lambda view: view.status.holder is None, BARRIER)
    assert view.status.is_verified
    assert (view.rejected, view.discarded["rejected"]) == ([], 0)
    with pytest.raises(CommandRejected) as refused:
        await unsigned.command(BARRIER, "open-up", {"width_cm": 30})
    assert refused.value.reason == "unsigned"
    assert (await unsigned.command(BARRIER, "stop")).result == {}


async def test_changed_events_are_rejected(open_desk: OpenDesk, gateway: GatewayFixture) -> None:
    keys = key_of(gateway)
    wire = await gateway.wire(READER)
    gateway.describe(READER, "mrz-serial", 'framing = "text"')
    desk = await open_desk(verify=keys)
    base = f"bgw/v1/uto-test/{READER}/evt"
    async with (
        aiomqtt.Client("127.0.0.1", gateway.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as forger,
        asyncio.timeout(PATIENCE_S),
    ):
        await desk.connected()
        await forger.subscribe(f"{base}/+", 1)
        await gateway.start()
        await wire.wait_for_host()
        await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
        (seen,) = await next_events(desk, 1)
        assert seen.data["mrz"]["document_number"] == "L898902C3"

        heard = await anext(aiter(forger.messages))
        payload, jws = bytes(heard.payload), dict(heard.properties.UserProperty)["jws"]
        other = str(heard.topic).replace("/reader/", "/scanner/")
        for altered, signature, topic in (
            (payload.replace(b"L898902C", b"L898902D"), jws, str(heard.topic)),
            (payload, None, str(heard.topic)),
            (payload, jws[:-8] + "AAAAAAAA", str(heard.topic)),
            (payload, jws, other),
            (payload, jws, str(heard.topic)),  # a repetition is no forgery
        ):
            properties = Properties(PacketTypes.PUBLISH)
            if signature is not None:
                properties.UserProperty = ("jws", signature)
            await forger.publish(topic, altered, qos=1, properties=properties)
        await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
        await next_events(desk, 1)
    view = await desk.view()
    event_id = seen.envelope["id"]
    assert view.rejected[:3] == [
        ("event", event_id, "it does not fit these bytes"),
        ("event", event_id, "it is not signed"),
        ("event", event_id, "it does not fit these bytes"),
    ]
    assert (view.discarded["duplicates"], view.discarded["rejected"]) == (1, 3), "the other topic is not read"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await desk.next_event()
            raise AssertionError("an event was delivered twice")
    assert await gateway.stop() == 0
