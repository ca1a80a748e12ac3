"""Devices of two other vendors in a whole gateway: events and commands at workstations and the console."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.station_roles import permit_commands
from support.patience import PATIENCE_S
from support.vendors import NAMES, acme, kivu, write_packages

from drivers.command import CommandArguments, CommandOutput
from gateway.cli._render.event import event_json, event_line
from gateway.client import CommandNotSent, CommandRejected, ReceivedEvent, Workstation
from gateway.contract.envelope import Provenance

__all__ = ["gateway"]

WEIGHED = '{"grams": 23400, "at": "2026-11-23T08:15:30Z", "owner": "SPECIMEN"}'
DESK = {"station": "counter-1", "vocabularies": (acme.VOCABULARY, kivu.VOCABULARY)}


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def post(gateway: GatewayFixture) -> GatewayFixture:
    """Return a running gateway with a scale of each vendor."""
    site = gateway.folder / "site"
    write_packages(site)
    gateway.path = (site,)
    permit_commands(gateway)
    for name in NAMES:
        await gateway.wire(f"lane-1/{name}")
        gateway.describe(f"lane-1/{name}", f"{name}-scale")
    await gateway.start()
    return gateway


async def ready(post: GatewayFixture, desk: Workstation) -> None:
    await until(lambda: all(desk.status(f"lane-1/{name}").is_usable for name in NAMES))


async def events(desk: Workstation, *types: str) -> AsyncIterator[ReceivedEvent]:
    """Yield the events of these types, until each was received."""
    missing = {*types}
    async with asyncio.timeout(PATIENCE_S):
        async for event in desk:
            if event.envelope.type in types:
                yield event
                missing.discard(event.envelope.type)
                if not missing:
                    return


async def weigh(desk: Workstation, name: str, request: CommandArguments) -> CommandOutput:
    """Return the result of `weigh`; on a busy machine it may come too late, and is sent again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                done = await desk.command(
                    f"lane-1/{name}", "weigh", request, expires_s=5, timeout_s=PATIENCE_S
                )
            except CommandNotSent as no:
                if no.reason == "wrong_arguments":
                    raise
            except CommandRejected as no:
                if no.reason != "expired":
                    raise
            else:
                return done.result


async def test_two_vendors_side_by_side(post: GatewayFixture) -> None:
    types = "bgw.acme.weighed.v2", "bgw.acme.level.v2", "bgw.kivu.weighed.v1"
    async with post.workstation(**DESK) as desk, post.workstation(vocabularies=()) as other:
        await ready(post, desk)
        await ready(post, other)
        await post.wires["lane-1/acme"].send(f'Weighed {WEIGHED}\nLevel {{"is_level": true}}\n'.encode())
        await post.wires["lane-1/kivu"].send(b'Weighed {"kilograms": 23.4}\n')
        found = {event.envelope.type: event async for event in events(desk, *types)}
        raw = {event.envelope.type: event async for event in events(other, *types)}

        # Typed at the desk that has the packages, as JSON with the id of the schema at the other.
        assert found["bgw.acme.weighed.v2"].data == acme.Weighed.model_validate_json(WEIGHED)
        assert found["bgw.kivu.weighed.v1"].data == kivu.Weighed(kilograms=23.4)
        await until(lambda: desk.last_value("lane-1/acme", "acme.level") is not None)
        level = desk.last_value("lane-1/acme", "acme.level")
        assert level.data == acme.Level(is_level=True)
        assert {event.schema_id for event in raw.values()} == {
            "urn:bgw:schema:acme.weighed:v2", "urn:bgw:schema:acme.level:v2", "urn:bgw:schema:kivu.weighed:v1"
        }  # fmt: skip
        assert raw["bgw.acme.weighed.v2"].data == json.loads(WEIGHED) | {
            "unit": "g", "readings": [], "attachments": []
        }  # fmt: skip

        # `borderpost watch`: with the person for a simulated device, without for a live one.
        weighed = found["bgw.acme.weighed.v2"]
        assert "grams: 23400, unit: g" in event_line(weighed, reveal=False).plain
        live = weighed.envelope.model_copy(update={"provenance": Provenance.LIVE})
        hidden = ReceivedEvent(weighed.position, live, weighed.data, {}, None)
        assert "grams: 23400" in event_line(hidden, reveal=False).plain
        for shown in (event_line(hidden, reveal=False).plain, event_json(hidden, reveal=False)):
            assert "SPECIMEN" not in shown

        # One verb of two vendors: arguments and results of each.
        for name, request, answer, result in (
            ("acme", acme.Weigh(settle_s=0.5), b'={"grams": 7}\n', acme.WeighResult(grams=7)),
            ("kivu", kivu.Weigh(crate=7), b'={"kilograms": 7}\n', kivu.WeighResult(kilograms=7)),
        ):
            await post.wires[f"lane-1/{name}"].send(answer)
            assert await weigh(desk, name, request) == result
            await post.wires[f"lane-1/{name}"].wait_for_bytes(f"weigh {request.model_dump_json()}".encode())
        with pytest.raises(CommandNotSent, match=r"command\.kivu\.weigh:v1:args"):
            await weigh(desk, "kivu", acme.Weigh())


@pytest.mark.thorough
async def test_console_shows_unredacted_fields(post: GatewayFixture) -> None:
    socket = post.folder / "state" / "console.sock"
    async with post.workstation(**DESK) as desk:
        await ready(post, desk)
        await post.wires["lane-1/acme"].send(f"Weighed {WEIGHED}\n".encode())
        assert [event.data.grams async for event in events(desk, "bgw.acme.weighed.v2")] == [23400]
    async with httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(socket)), base_url="http://localhost", timeout=PATIENCE_S
    ) as client:
        page = (await client.get("/events")).text
    assert "grams: 23400, unit: g, at: 2026-11-23T08:15:30Z, owner: &lt;str len=8&gt;" in page
    assert "SPECIMEN" not in page
