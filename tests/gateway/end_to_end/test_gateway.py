"""Events end to end: bytes on a pty, the real daemon, a real Mosquitto, a workstation."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import jsonschema
import psutil
import pytest
from cloudevents.v1.conversion import from_json
from cloudevents.v1.http import CloudEvent
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.numbered import number_of
from support.patience import PATIENCE_S
from support.process.wall_clock import WallClock, clock_fault

from drivers.driver import StateCode
from drivers.passport.observations import DocumentRead
from gateway.client import DeviceStatus, ReceivedEvent, Workstation
from gateway.contract.envelope import MEDIA_TYPE, Provenance
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

__all__ = ["gateway"]

PASSPORT = ERIKSSON_LINES["TD3"]
SCHEMAS = Path(__file__).parents[3] / "config/contract/schemas"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


async def event(desk: Workstation) -> ReceivedEvent:
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            return received
    raise AssertionError


async def events(desk: Workstation, count: int) -> list[ReceivedEvent]:
    found: list[ReceivedEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            found.append(received)
            if len(found) == count:
                break
    return found


async def online(desk: Workstation, position: str) -> DeviceStatus:
    return await condition(desk, position, StateCode.ONLINE)


async def condition(desk: Workstation, position: str, wanted: StateCode) -> DeviceStatus:
    async with asyncio.timeout(PATIENCE_S):
        async for item in desk.events_and_status():
            if (
                isinstance(item, DeviceStatus)
                and str(item.position) == position
                and item.gateway_online
                and item.state
                and item.state.state is wanted
            ):
                return item
    raise AssertionError


def numbers(received: list[ReceivedEvent]) -> list[int]:
    return [number_of(r.data) for r in received]


async def test_document_reaches_workstation(gateway: GatewayFixture) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "accessis"')
    await gateway.start()
    async with gateway.workstation("lane-1/reader") as desk:
        await online(desk, "lane-1/reader")
        await wire.wait_for_host()
        await wire.send(FRAMES["accessis"](PASSPORT))
        received = await event(desk)
        assert isinstance(received.data, DocumentRead)
        assert received.data.mrz is not None
        assert received.data.mrz.primary_identifier == "ERIKSSON"
        assert received.envelope.provenance is Provenance.SIMULATED
        assert (received.envelope.stream, received.envelope.seq) == ("lane-1/reader/traveller", 1)
        status = desk.status("lane-1/reader")
        assert status.description is not None
        assert {offer.type for offer in status.description.events} >= {
            "document.read",
            "document.read_failed",
        }
    before = time.monotonic()
    assert await gateway.stop() == 0
    assert time.monotonic() - before < 5


async def test_outside_subscriber(gateway: GatewayFixture) -> None:
    """Check our messages with mosquitto_sub, the CloudEvents SDK and jsonschema."""
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    watching = await asyncio.create_subprocess_exec(
        *("mosquitto_sub", "-V", "5", "-p", str(gateway.broker.port), "-t", "bgw/v1/#"),
        *("-F", "%r %C %t %J"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await gateway.start()
        async with gateway.workstation() as desk:
            await online(desk, "lane-1/reader")
        await wire.wait_for_host()
        await wire.send(FRAMES["text"](PASSPORT))
        seen: dict[str, list[str]] = {}
        async with asyncio.timeout(PATIENCE_S):
            while not any("/evt/" in topic for topic in seen):
                assert watching.stdout is not None
                retained, media_type, topic, rest = (await watching.stdout.readline()).decode().split(" ", 3)
                seen[topic] = [retained, media_type, rest]
        late = await asyncio.create_subprocess_exec(
            *("mosquitto_sub", "-V", "5", "-p", str(gateway.broker.port), "-t", "bgw/v1/#"),
            *("-F", "%r %C %t", "-W", "1"),
            stdout=asyncio.subprocess.PIPE,
        )
        retained_now = (await late.communicate())[0].decode().splitlines()
    finally:
        watching.terminate()
        await watching.wait()
    base = "bgw/v1/uto-test/lane-1/reader"
    assert sorted(retained_now) == [
        "1 application/json bgw/v1/uto-test/_gw/gw-1/fresh",
        "1 application/json bgw/v1/uto-test/_gw/gw-1/state",
        f"1 application/json {base}/desc",
        f"1 application/json {base}/state",
    ]
    retained, media_type, rest = seen[f"{base}/evt/document-read"]
    assert (retained, media_type) == ("0", MEDIA_TYPE)
    message = json.loads(rest)
    assert message["properties"]["message-expiry-interval"] <= 60
    payload = message["payload"]
    parsed = from_json(CloudEvent, json.dumps(payload))
    assert parsed["type"] == "bgw.document.read.v1"
    schema = json.loads((SCHEMAS / "document.read.v1.event.json").read_text())
    jsonschema.validate(payload, schema)


async def test_broker_restart(gateway: GatewayFixture) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation("lane-1/reader") as desk:
        await online(desk, "lane-1/reader")
        await wire.wait_for_host()
        gateway.broker.stop()
        for number in range(20):
            await wire.send(b"say %d\n" % number)
        await wire.wait_drained()
        gateway.broker.start()
        assert numbers(await events(desk, 20)) == list(range(20))
        await until(lambda: desk.status("lane-1/reader").is_usable)
        await wire.send(b"say 20\n")
        assert numbers(await events(desk, 1)) == [20]


async def test_gateway_killed_during_outage_loses_nothing(gateway: GatewayFixture) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.extra = "[delivery]\ntraveller_expires_s = 600\n"
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation("lane-1/reader") as desk:
        await online(desk, "lane-1/reader")
        await wire.wait_for_host()
        gateway.broker.kill()
        for number in range(100):
            await wire.send(b"traveller %d\n" % number)
        await wire.wait_drained()
        await until(lambda: _committed(gateway) == 100)
        await gateway.stop(signal.SIGKILL)
        gateway.broker.start()
        await desk.connected_event.wait()
        await gateway.start()
        received = await events(desk, 100)
        assert numbers(received) == list(range(100))
        assert [r.envelope.seq for r in received] == list(range(1, 101))


def _committed(gateway: GatewayFixture) -> int:
    from gateway.delivery.outbox.admin import stream_summaries

    return sum(count.events for count in stream_summaries(gateway.folder / "state" / "outbox"))


async def test_killed_worker_back_within_a_second(gateway: GatewayFixture) -> None:
    wires = [await gateway.wire(f"lane-{lane}/reader") for lane in (1, 2)]
    for lane in (1, 2):
        gateway.describe(f"lane-{lane}/reader")
    await gateway.start()
    async with gateway.workstation() as desk, gateway.workstation("lane-2/reader") as neighbour:
        await neighbour.connected_event.wait()
        await until(lambda: all(desk.status(f"lane-{lane}/reader").is_usable for lane in (1, 2)))
        for wire in wires:
            await wire.wait_for_host()
        assert gateway.process is not None
        (worker,) = (
            process
            for process in psutil.Process(gateway.process.pid).children(recursive=True)
            if process.name() == "lane-1/reader"
        )
        speaking = asyncio.create_task(_say(wires[1], 200))
        worker.kill()
        before = time.monotonic()
        await condition(desk, "lane-1/reader", StateCode.OFFLINE)
        await online(desk, "lane-1/reader")
        assert time.monotonic() - before < 1
        await speaking
        assert [r.envelope.seq for r in await events(neighbour, 200)] == list(range(1, 201))


async def _say(wire: object, count: int) -> None:
    for number in range(count):
        await wire.send(b"say %d\n" % number)
        await asyncio.sleep(0.002)


async def test_reload_changes_only_differences(gateway: GatewayFixture) -> None:
    for lane in (1, 2, 3):
        await gateway.wire(f"lane-{lane}/reader")
    gateway.describe("lane-1/reader")
    gateway.describe("lane-2/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: all(desk.status(f"lane-{lane}/reader").is_usable for lane in (1, 2)))
        assert gateway.process is not None
        parent = psutil.Process(gateway.process.pid)

        def workers() -> dict[str, int]:
            return {p.name(): p.pid for p in parent.children(recursive=True) if "/" in p.name()}

        before = workers()
        gateway.devices.pop("lane-2/reader")
        gateway.describe("lane-3/reader")
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: desk.status("lane-3/reader").is_usable)
        await until(lambda: desk.status("lane-2/reader").state is None)
        assert workers()["lane-1/reader"] == before["lane-1/reader"]
        assert "lane-2/reader" not in workers()
        # An invalid file changes nothing, and is reported.
        gateway.config.write_text("[gateway\n")
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: "config_invalid" in _problems(desk))
        assert desk.status("lane-1/reader").is_usable
        # The broker's keep alive concerns delivery only: devices stay as they are.
        gateway.write()
        gateway.config.write_text(
            gateway.config.read_text().replace("[broker]", "[broker]\nkeepalive_s = 30")
        )
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: "config_invalid" not in _problems(desk))
        await until(lambda: desk.status("lane-1/reader").is_usable)
        assert workers()["lane-1/reader"] == before["lane-1/reader"]
        await gateway.wires["lane-1/reader"].send(b"say 5\n")
        assert numbers(await events(desk, 1)) == [5]


def _problems(desk: Workstation) -> set[str]:
    state = desk.gateways.get("gw-1")
    return {problem.cause for problem in state.report.problems} if state and state.report else set()


async def test_device_removed_while_stopped_is_cleared(gateway: GatewayFixture) -> None:
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    gateway.describe("lane-2/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: len(desk.devices) == 2)
        await until(lambda: desk.status("lane-1/reader").is_usable)
        assert await gateway.stop() == 0
        await until(lambda: not desk.status("lane-1/reader").gateway_online)
        gateway.devices.pop("lane-2/reader")
        gateway.write()
        await gateway.start()
        await until(lambda: desk.status("lane-1/reader").is_usable)
        await until(lambda: desk.status("lane-2/reader").state is None)


async def test_last_values_for_late_subscriber(
    gateway: GatewayFixture,
) -> None:
    wire = await gateway.wire("lane-1/barrier")
    gateway.describe("lane-1/barrier")
    await gateway.start()
    await wire.wait_for_host()
    async with gateway.workstation() as desk:
        await online(desk, "lane-1/barrier")
        await wire.send(b"stand 1\nstand 2\n")
        assert numbers(await events(desk, 2)) == [1, 2]

    def number_at(desk: Workstation) -> int | None:
        now = desk.last_value("lane-1/barrier", "test.level")
        return None if now is None else number_of(now.data)

    async with gateway.workstation() as late:
        await until(lambda: number_at(late) == 2)
        assert late.last_value("lane-1/barrier", "test.level").is_simulated
        gateway.broker.stop()
        gateway.broker.start()
        await late.connected_event.wait()
        await until(lambda: number_at(late) == 2)
        wire.unplug()
        await until(lambda: number_at(late) is None)
        wire.replug()
        await wire.wait_for_host()
        await wire.send(b"stand 3\n")
        await until(lambda: number_at(late) == 3)
        await gateway.stop(signal.SIGKILL)
        await until(lambda: number_at(late) is None)
        wire.unplug()
        await gateway.start()
        await until(lambda: str(late.devices[0]) == "lane-1/barrier" and not late._site_state._last_values)


async def test_will_declares_killed_gateway_offline(gateway: GatewayFixture) -> None:
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: desk.status("lane-1/reader").is_usable)
        await gateway.stop(signal.SIGKILL)
        await until(lambda: not desk.status("lane-1/reader").gateway_online)
        assert not desk.status("lane-1/reader").is_usable


async def test_killed_gateway_leaves_no_worker(gateway: GatewayFixture) -> None:
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    await gateway.start()
    await wire.wait_for_host()
    assert gateway.process is not None
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    await wire.send(b"hang\n")
    await gateway.stop(signal.SIGKILL)
    await until(lambda: not any(child.is_running() for child in children))


async def test_state_directory_is_exclusive(gateway: GatewayFixture) -> None:
    gateway.describe("lane-1/reader")
    await gateway.start()
    await until(lambda: "gateway_started" in gateway.log)
    first = gateway.process
    await gateway.start()
    assert gateway.process is not None
    async with asyncio.timeout(PATIENCE_S):
        assert await gateway.process.wait() == 75
    assert "Another gateway runs" in gateway.log
    gateway.process = first


async def test_production_refuses_simulated_reader(gateway: GatewayFixture) -> None:
    gateway.profile = "production"
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await condition(desk, "lane-1/reader", StateCode.NO_DEVICE)
        await gateway.wire("lane-1/reader")
        status = await condition(desk, "lane-1/reader", StateCode.FAULT)
        assert status.state is not None
        assert status.state.cause == "simulated"


async def test_production_refuses_simulator_port(gateway: GatewayFixture) -> None:
    await gateway.wire("lane-1/reader")
    gateway.profile = "production"
    gateway.describe("lane-1/reader")
    await gateway.start()
    assert gateway.process is not None
    async with asyncio.timeout(PATIENCE_S):
        assert await gateway.process.wait() == 78
    assert "a production post refuses a simulated device" in gateway.log
    assert not (gateway.folder / "state").exists()


async def test_personal_data_only_in_events(gateway: GatewayFixture) -> None:
    """Pass marked travellers; then search the marks in every file, log and topic."""
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    gateway.extra = '[log]\nlevel = "debug"\n'
    gateway.write()
    await gateway.start()
    marked = TravellerGenerator(3).document_with(surname="Leakmarker", number="ZZLEAK999")
    async with gateway.workstation() as desk:
        await online(desk, "lane-1/reader")
        await wire.wait_for_host()
        await wire.send(FRAMES["text"](marked.lines))
        assert "LEAKMARKER" in (await event(desk)).envelope.model_dump_json()
        gateway.broker.stop()
        await wire.send(FRAMES["text"](marked.lines))
        await wire.send(FRAMES["text"](marked.lines)[:60])
        await wire.send(b"LEAKMARKER ZZLEAK999\r")
        await wire.wait_drained()
        await until(lambda: _committed(gateway) >= 2)
        assert await gateway.stop() == 0
    for file in gateway.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"LEAKMARKER" not in content, file
            assert b"ZZLEAK999" not in content, file
    assert "LEAKMARKER" not in gateway.broker.log


@pytest.mark.long(12)
async def test_clock_step_keeps_order_and_expiry(
    gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set the wall clock back by a day while events flow; only the wall clock, as settimeofday(2) does."""
    if fault := clock_fault():
        pytest.skip(fault)
    wall = WallClock(gateway.folder / "wall-clock")
    for name, value in (wall.environment() | {"FAKETIME_NO_CACHE": "1"}).items():
        monkeypatch.setenv(name, value)
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    await gateway.start()
    monkeypatch.delenv("LD_PRELOAD")
    stepped = "bgw/v1/uto-test/_gw/gw-1/evt/clock-stepped"
    async with (
        gateway.workstation("lane-1/reader") as desk,
        aiomqtt.Client("127.0.0.1", gateway.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as plain,
    ):
        await plain.subscribe(stepped, qos=1)
        await online(desk, "lane-1/reader")
        await wire.wait_for_host()
        await wire.send(b"traveller 1\n")
        (before,) = await events(desk, 1)
        wall.set("-1d")
        await wire.send(b"traveller 2\n")
        (after,) = await events(desk, 1)
        assert (after.envelope.time - before.envelope.time).total_seconds() < -86000
        assert after.envelope.seq == before.envelope.seq + 1
        assert after.envelope.id > before.envelope.id
        assert int(after.envelope.monons) > int(before.envelope.monons)
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(aiter(plain.messages))
        record = json.loads(message.payload)
        assert abs(record["data"]["step_ms"] + 86_400_000) < 60_000
        jsonschema.validate(record, json.loads((SCHEMAS / "clock.stepped.v1.event.json").read_text()))
