"""States, last values and answers at a workstation, with every client library: only what is certain."""

import asyncio
import json
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.clients.desks import READER, OpenDesk, next_events, until_shown
from support.clients.fixtures import library, mosquitto, open_desk
from support.vendors.published_events import BASE, EventPublisher, publisher

from gateway.client import CommandNotSent, CommandRejected, CommandUnanswered

__all__ = ["library", "mosquitto", "open_desk", "publisher"]

VALUE = "barrier.state"
LEANING = {
    "type": "bgw.barrier.leaning.v1",
    "dataschema": "urn:bgw:schema:barrier.leaning:v1",
    "time": "2026-11-23T08:15:30Z",
    "clock": "synced",
    "provenance": "live",
    "data": {"leaning": 3},
    "session": "one",
}


async def describe(publisher: EventPublisher) -> None:
    """Publish a gateway with one device."""
    await publisher.alive("one")
    await publisher.state("one")
    about = {"driver": "x", "family": "barrier", "events": [], "session": "one"}
    await publisher.say(f"{BASE}/desc", json.dumps(about).encode(), retain=True)


async def test_device_is_usable_only_with_gateway(open_desk: OpenDesk, publisher: EventPublisher) -> None:
    await publisher.state("one")
    desk = await open_desk()
    view = await until_shown(desk, lambda view: view.status.state == "online")
    assert not view.status.is_usable, "nothing is known of its gateway yet"
    await publisher.alive("one")
    await until_shown(desk, lambda view: view.status.is_usable)
    await publisher.alive("two")
    await until_shown(desk, lambda view: not view.status.is_usable)
    await publisher.state("two")
    await until_shown(desk, lambda view: view.status.is_usable)
    await publisher.alive("one", online=False)  # the late last will of the session before
    await publisher.event(1)
    await next_events(desk, 1)
    assert (await desk.view()).status.is_usable
    await publisher.alive("two", online=False)
    await until_shown(desk, lambda view: not view.status.is_usable)


@pytest.mark.thorough
async def test_silence_of_gateway_ends_its_states(open_desk: OpenDesk, publisher: EventPublisher) -> None:
    await describe(publisher)
    desk = await open_desk()
    view = await until_shown(desk, lambda view: view.status.is_usable)
    assert (view.devices, view.gateways) == ([READER], ["gw-1"])
    assert (await desk.next_status()).is_usable
    assert not (await desk.next_status()).is_usable, "reported after six seconds of silence"
    await publisher.token("one")
    assert (await desk.next_status()).is_usable


async def test_last_value_removed_while_away_is_gone(
    open_desk: OpenDesk, mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    await publisher.say(f"{BASE}/now/barrier-state", json.dumps(LEANING).encode(), retain=True)
    desk = await open_desk()
    await desk.connected()
    await publisher.event(1)
    await next_events(desk, 1)
    assert (await desk.view(value=VALUE)).last is None, "nothing is known of its gateway yet"
    await publisher.alive("one")
    view = await until_shown(desk, lambda view: view.last, value=VALUE)
    assert view.last == {"leaning": 3}
    mosquitto.kill()  # which loses all retained messages
    await until_shown(desk, lambda view: not view.is_connected)
    mosquitto.start()
    view = await until_shown(desk, lambda view: view.is_connected, value=VALUE)
    assert view.last is None


async def test_command_without_gateway_is_not_sent(open_desk: OpenDesk, publisher: EventPublisher) -> None:
    await describe(publisher)
    desk = await open_desk(station="counter-1")
    with pytest.raises(CommandNotSent, match="The gateway is not running"):
        await desk.command(READER, "look")


async def test_command_to_no_device_says_why(open_desk: OpenDesk) -> None:
    desk = await open_desk(station="counter-1")
    await desk.connected()
    with pytest.raises(CommandNotSent) as caught:
        await desk.command(READER, "look", expires_s=1)
    assert "knows no gateway of site uto-test" in caught.value.text
    assert "in training" in caught.value.how


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ({"state": "done", "result": {"seen": 3}}, None),
        ({"state": "done", "result": {"lease_s": "soon"}}, None),
        ({"state": "rejected", "reason": "bad_weather", "text": "It rains."}, CommandRejected),
        ({"state": "postponed"}, CommandUnanswered),
    ],
    ids=lambda each: each["state"] if isinstance(each, dict) else None,
)
async def test_answer_of_newer_gateway_is_read(
    open_desk: OpenDesk, publisher: EventPublisher, said: dict[str, Any], raised: type[Exception] | None
) -> None:
    await describe(publisher)
    await publisher.client.subscribe(f"{BASE}/cmd/+/+", qos=1)
    desk = await open_desk(station="counter-1")
    asking = asyncio.create_task(desk.command(READER, "look"))
    asked = json.loads((await anext(aiter(publisher.client.messages))).payload)
    answer = {"cmd_id": asked["cmd_id"], "since_breakfast": True} | said
    await publisher.say(f"{BASE}/rsp/counter-1", json.dumps(answer).encode(), 10)
    if raised is None:
        assert (await asking).result == said["result"]
    else:
        with pytest.raises(raised):
            await asking
