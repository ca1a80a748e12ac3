"""Workstation client: events delivered once, fresh and complete; status only as far as it is known."""

import asyncio
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from support.vendors.published_events import BASE, EventPublisher, first, mosquitto, publisher, workstation_at

from drivers.observation import Observation
from gateway.client import (
    CommandNotSent,
    CommandRejected,
    CommandUnanswered,
    DeviceStatus,
    Workstation,
    site_view,
)
from simulators.specimens import ERIKSSON_LINES

__all__ = ["gateway", "mosquitto", "publisher"]

ROOT = Path(__file__).parents[3]


async def test_repeated_event_is_delivered_once(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        for number in (1, 1, 2, 1, 3):
            await publisher.event(number)
        assert [r.envelope.seq for r in await first(workstation, 3)] == [1, 2, 3]
        assert workstation.discarded.duplicates == 2


async def test_sequence_gaps_are_counted(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        for number in (1, 2, 6):
            await publisher.event(number)
        await first(workstation, 3)
        assert workstation.discarded.missing == 3


async def test_stale_event_is_dropped(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await publisher.event(1, lasts_s=1)
        await publisher.event(2, lasts_s=600)
        await until(lambda: len(workstation._queue._items) == 2)
        loop = asyncio.get_running_loop()
        expires = workstation._queue._items[0].deadline_s
        await until(lambda: loop.time() > expires)
        assert [r.envelope.seq for r in await first(workstation)] == [2]
        assert workstation.discarded.expired == 1


async def test_retained_event_is_dropped(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    await publisher.event(1, retain=True)
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await publisher.event(2)
        assert [r.envelope.seq for r in await first(workstation)] == [2]
        assert workstation.discarded.expired == 1


async def test_restarted_workstation_gets_missed_events(
    mosquitto: Mosquitto, publisher: EventPublisher
) -> None:
    async with workstation_at(mosquitto, client_id="counter-1") as workstation:
        await workstation.connected_event.wait()
    await publisher.event(1)
    async with workstation_at(mosquitto, client_id="counter-1") as workstation:
        assert [r.envelope.seq for r in await first(workstation)] == [1]


async def test_images_join_event_in_any_order(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    def listing(image: bytes) -> dict[str, Any]:
        facts = {"role": "page_vi", "media_type": "image/jpeg", "bytes": len(image)}
        return {
            "fault": "cut",
            "size_bytes": 1,
            "attachments": [facts | {"sha256": hashlib.sha256(image).hexdigest()}],
        }

    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await publisher.say(f"{BASE}/blob/01938f3e-7c1a-7b5e-9d55-000000000001/page_vi", b"one", 60)
        await publisher.event(1, data=listing(b"one"))
        await publisher.event(2, data=listing(b"two"))
        await publisher.say(f"{BASE}/blob/01938f3e-7c1a-7b5e-9d55-000000000002/page_vi", b"two", 60)
        received = await first(workstation, 2)
        assert [r.images for r in received] == [{"page_vi": b"one"}, {"page_vi": b"two"}]
        await publisher.event(3, data=listing(b"never"))
        (incomplete,) = await first(workstation)
        assert incomplete.images == {}


async def test_unknown_fields_are_ignored(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        newer = {"fault": "chewed_by_goat", "size_bytes": 1, "attachments": [], "since_breakfast": True}
        await publisher.event(1, data=newer, newfield="x", provenance="dreamt")
        (received,) = await first(workstation)
        assert isinstance(received.data, Observation)
        assert (received.data.fault, received.envelope.provenance) == ("unknown", "unknown")
        await publisher.event(2, type="bgw.document.folded.v1", data={"times": 3})
        (unknown,) = await first(workstation)
        assert unknown.data == {"times": 3}
        await publisher.event(3, type="bgw.document.folded.v1", data=["twice"])
        (unknown,) = await first(workstation)
        assert unknown.data == ["twice"]


async def test_unreadable_messages_are_counted(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await publisher.say(f"{BASE}/evt/document-read", b"{")
        await publisher.say(f"{BASE}/state", b"[]", retain=True)
        await publisher.say("bgw/v1/uto-test/_gw/gw-1/state", b"\xff")
        await publisher.event(1)
        assert len(await first(workstation)) == 1
        assert workstation.discarded.unreadable == 3


async def test_device_is_online_only_with_gateway(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    await publisher.state("one")
    async with workstation_at(mosquitto) as workstation:
        await until(lambda: workstation.status("lane-1/reader").state is not None)
        assert not workstation.status("lane-1/reader").is_usable, "nothing is known of its gateway yet"
        await publisher.alive("one")
        await until(lambda: workstation.status("lane-1/reader").is_usable)
        await publisher.alive("two")
        await until(lambda: not workstation.status("lane-1/reader").is_usable)
        await publisher.state("two")
        await until(lambda: workstation.status("lane-1/reader").is_usable)
        await publisher.alive("one", online=False)  # the late last will of the session before
        await publisher.event(1)
        await first(workstation)
        assert workstation.status("lane-1/reader").is_usable
        await publisher.alive("two", online=False)
        await until(lambda: not workstation.status("lane-1/reader").is_usable)


async def first_status(workstation: Workstation) -> DeviceStatus:
    async with asyncio.timeout(PATIENCE_S):
        async for item in workstation.events_and_status():
            if isinstance(item, DeviceStatus) and item.state is not None:
                return item
    raise AssertionError("the workstation has ended")


async def test_first_status_waits_for_gateway(
    mosquitto: Mosquitto, publisher: EventPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may send a device's state before that of its gateway: no device is first shown as down."""
    monkeypatch.setattr(site_view, "SILENCE_S", 0.5)
    async with workstation_at(mosquitto) as workstation:
        await workstation.connected_event.wait()
        await asyncio.sleep(0.7)  # the gateway starts long after this workstation
        await publisher.say(f"{BASE}/claim", b"", retain=True)
        await publisher.state("one")
        await until(lambda: workstation.status("lane-1/reader").state is not None)
        monkeypatch.undo()
        await publisher.alive("one")
        status = await first_status(workstation)
        assert status.is_usable


async def test_state_without_gateway_is_reported(
    mosquitto: Mosquitto, publisher: EventPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_view, "SILENCE_S", 0.2)
    await publisher.state("one")
    async with workstation_at(mosquitto) as workstation:
        status = await first_status(workstation)
        assert (status.gateway_online, status.state is not None) == (False, True)


async def test_command_without_gateway_is_not_sent(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    await publisher.alive("one")
    await publisher.state("one")
    about = {"driver": "x", "family": "barrier", "events": [], "session": "one"}
    await publisher.say(f"{BASE}/desc", json.dumps(about).encode(), retain=True)
    async with workstation_at(mosquitto, station="counter-1") as workstation:
        with pytest.raises(CommandNotSent, match="The gateway is not running"):
            await workstation.command("lane-1/reader", "look")


async def test_answer_of_newer_gateway_is_read(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    await publisher.alive("one")
    await publisher.state("one")
    about = {"driver": "x", "family": "barrier", "events": [], "session": "one"}
    await publisher.say(f"{BASE}/desc", json.dumps(about).encode(), retain=True)
    await publisher.client.subscribe(f"{BASE}/cmd/+/+", qos=1)

    async def answer(**more: Any) -> None:
        message = await anext(aiter(publisher.client.messages))
        asked = json.loads(message.payload)
        said = {"cmd_id": asked["cmd_id"], "since_breakfast": True} | more
        await publisher.say(f"{BASE}/rsp/counter-1", json.dumps(said).encode(), 10)

    async with workstation_at(mosquitto, station="counter-1") as workstation:
        for verb, said, kind in (
            ("look", {"state": "done", "result": {"seen": 3}}, None),
            ("claim", {"state": "done", "result": {"lease_s": "soon"}}, None),
            ("look", {"state": "rejected", "reason": "bad_weather", "text": "It rains."}, CommandRejected),
            ("look", {"state": "postponed"}, CommandUnanswered),
        ):
            answering = asyncio.create_task(answer(**said))
            if kind is None:
                assert (await workstation.command("lane-1/reader", verb)).result == said["result"]
            else:
                with pytest.raises(kind):
                    await workstation.command("lane-1/reader", verb)
            await answering


async def test_last_value_removed_while_away_is_gone(mosquitto: Mosquitto, publisher: EventPublisher) -> None:
    async def stands(payload: bytes) -> None:
        await publisher.say(f"{BASE}/now/barrier-state", payload, retain=True)

    body = {
        "type": "bgw.barrier.leaning.v1",
        "dataschema": "urn:bgw:schema:barrier.leaning:v1",
        "time": "2026-11-23T08:15:30Z",
        "clock": "synced",
        "provenance": "live",
        "data": {"leaning": 3},
        "session": "one",
    }
    await stands(json.dumps(body).encode())
    async with workstation_at(mosquitto) as workstation:
        await until(lambda: workstation._site_state._last_values)
        assert workstation.last_value("lane-1/reader", "barrier.state") is None, (
            "nothing is known of its gateway yet"
        )
        await publisher.alive("one")
        await until(lambda: workstation.last_value("lane-1/reader", "barrier.state") is not None)
        assert workstation.last_value("lane-1/reader", "barrier.state").data == {"leaning": 3}
        mosquitto.kill()  # which loses all retained messages
        await until(lambda: not workstation.connected_event.is_set())
        mosquitto.start()
        async with asyncio.timeout(PATIENCE_S):
            await workstation.connected_event.wait()
        assert workstation.last_value("lane-1/reader", "barrier.state") is None


async def test_workstation_survives_broker_restarts(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    async with workstation_at(mosquitto) as workstation:
        mosquitto.start()
        async with asyncio.timeout(PATIENCE_S):
            await workstation.connected_event.wait()
        mosquitto.kill()
        await until(lambda: not workstation.connected_event.is_set())
        mosquitto.start()
        async with asyncio.timeout(PATIENCE_S):
            await workstation.connected_event.wait()


def examples() -> dict[str, Any]:
    """Run the README's examples, at the site of the tests, which is not in training."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
    code = code.replace(", training=True", "")
    found: dict[str, Any] = {"__name__": "example"}
    exec(code.replace("ke-busia", "uto-test").replace('"open"', '"look"'), found)
    return found


async def test_the_example_of_the_readme_runs(
    gateway: GatewayFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    await gateway.start()
    await wire.wait_for_host()
    running = asyncio.create_task(examples()["counter"]("127.0.0.1", gateway.broker.port))
    shown = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "ERIKSSON" not in shown:
                await wire.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
                await asyncio.sleep(0.05)
                shown += capsys.readouterr().out
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "lane-1/reader UTO L898902C3 ERIKSSON" in shown


async def test_readme_command_runs(gateway: GatewayFixture, capsys: pytest.CaptureFixture[str]) -> None:
    wire = await gateway.wire("lane-1/barrier")
    gateway.describe("lane-1/barrier", "scripted")
    shutil.copy(ROOT / "config/mosquitto/roles.toml", gateway.folder)
    gateway.extra = '[commands]\nroles_file = "roles.toml"\n'
    gateway.write()
    await gateway.start()
    gate = examples()["gate"]
    async with gateway.workstation() as workstation:
        await until(lambda: workstation.status("lane-1/barrier").is_usable)
        async with asyncio.timeout(PATIENCE_S):
            while b"look lane-1 " not in wire.received_bytes:  # a busy machine may not connect in time
                await gate("127.0.0.1", gateway.broker.port)
    capsys.readouterr()
    assert await gateway.stop() == 0
    await gate("127.0.0.1", gateway.broker.port)
    assert "The gateway is not running. Start it" in capsys.readouterr().out


def test_workstation_loads_no_device_library() -> None:
    import subprocess
    import sys

    program = (
        "import sys, gateway.client; "
        "print([m for m in sys.modules if m.split('.')[0] in ('serial', 'usb', 'cryptography')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "[]"
