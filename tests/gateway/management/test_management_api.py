"""Management API: views, updates and operations, without effect on the counters of a post."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, until
from support.gateway.in_process import (
    AMINA,
    TECHNICIAN,
    VIEWER,
    InProcessGateway,
    gateway_in,
    plugins,
    running_gateway,
)
from support.patience import PATIENCE_S

from drivers.self_test import SelfTestLevel
from gateway.api.models import DeviceView, LiveUpdate, TraceItem
from gateway.api.operations import (
    AcceptDevice,
    Maintenance,
    ResetCounters,
    Restart,
    RevealTrace,
    RevokeClaim,
)
from gateway.client import Workstation
from gateway.console.api.audit import newest
from gateway.contract.events import TechnicianOperationPerformed
from gateway.ipc.rpc import RpcError
from simulators.links.serial_line import SerialLine
from simulators.specimens import ERIKSSON_LINES

__all__ = ["plugins"]

READER = "lane-1/reader"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def gateway(tmp_path: Path, mosquitto: Mosquitto, plugins: None) -> AsyncIterator[GatewayFixture]:
    async with gateway_in(tmp_path, mosquitto) as gateway:
        await gateway.wire(READER)
        gateway.describe(READER, more='expected_firmware = "1.0"')
        yield gateway


@pytest.fixture
async def running(gateway: GatewayFixture) -> AsyncIterator[InProcessGateway]:
    async with running_gateway(gateway, "faulty") as running:
        await running.until_state(READER, "online")
        yield running


def wire(running: InProcessGateway) -> SerialLine:
    return running.fixture.wires[READER]


async def take(
    live: AsyncGenerator[LiveUpdate], news: list[LiveUpdate], wanted: Callable[[LiveUpdate], bool]
) -> None:
    """Collect updates until one meets the condition."""
    async for each in live:
        news.append(each)
        if wanted(each):
            return


async def test_view_and_updates_of_post(running: InProcessGateway) -> None:
    seen = await running.client.view()

    assert (seen.site, seen.gateway, seen.report.profile) == ("uto-test", "gw-1", "test")
    device = seen.devices[0]
    assert (device.position, device.driver, device.state.state) == (READER, "faulty", "online")
    assert (device.identity and device.identity.serial_number, device.accepted_serial_number) == (
        "FAULTY-1",
        "FAULTY-1",
    )
    assert device.address == str(running.fixture.port(READER))
    assert device.pid
    assert device.check_levels == ("internal",)

    news: list[LiveUpdate] = []
    async with (
        running.fixture.workstation() as counter,
        asyncio.TaskGroup() as tasks,
        aclosing(running.client.subscribe()) as live,
        asyncio.timeout(PATIENCE_S),
    ):
        await until(lambda: counter.status(READER).is_usable)  # otherwise events have no subscriber
        listening = tasks.create_task(take(live, news, lambda each: each.event is not None))
        while not listening.done():
            await wire(running).send(b"traveller 7\n")
            await asyncio.wait({listening}, timeout=0.2)
        await wire(running).send(b"noise\n")
        await take(live, news, lambda each: each.event is not None and each.event.type == "bad_frame")
        wire(running).unplug()
        await take(
            live, news, lambda each: each.device is not None and each.device.state.state == "no_device"
        )
    took = [each.event.latency_ms for each in news if each.event and each.event.type == "test.traveller"]
    assert any(ms is not None and 0 < ms < 5000 for ms in took)
    events = [each.event.model_copy(update={"latency_ms": None}) for each in news if each.event]
    assert events[0].model_dump(include={"position", "type", "data"}) == {
        "position": READER,
        "type": "test.traveller",
        "data": {"attachments": [], "number": "<int>"},
    }
    assert (events[-1].type, events[-1].data) == ("bad_frame", {"fault": "noise", "size": 5})
    assert (await running.client.last_events(READER))[-len(events) :] == events


async def test_invalid_requests_are_refused(running: InProcessGateway) -> None:
    for position in ("lane-9/reader", "nonsense"):
        with pytest.raises(RpcError) as refused:
            await running.client.last_events(position)
        assert refused.value.code == "unknown"
    with pytest.raises(RpcError) as refused:
        await running.client.check(READER, SelfTestLevel.INTERNAL, VIEWER)
    assert refused.value.code == "not_permitted"
    with pytest.raises(RpcError) as refused:
        await running.client.check(READER, SelfTestLevel.INTERACTIVE, AMINA)
    assert refused.value.code == "conflict"
    report = await running.client.check(READER, SelfTestLevel.INTERNAL, AMINA)
    assert [step.name for step in report.steps] == ["link.open", "identity.reported", "identity.firmware"]
    assert report.outcome == "successful"


class Officer:
    """Events that reach an officer, as JSON because the package is not installed there, and audit records."""

    def __init__(self, desk: Workstation) -> None:
        self._desk = desk
        self.acts: list[tuple[str, str, str]] = []
        self.numbers: list[int] = []

    async def heard(self, number: int) -> list[int]:
        """Return all numbers received up to that one."""
        async with asyncio.timeout(PATIENCE_S):
            while number not in self.numbers:
                await self._take()
        return self.numbers

    async def on_record(self, order: str) -> tuple[str, str, str]:
        """Return user, operation and detail of its record."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(act[1] == order for act in self.acts):
                await self._take()
        return next(act for act in self.acts if act[1] == order)

    async def _take(self) -> None:
        received = await anext(aiter(self._desk))
        match received.data:
            case TechnicianOperationPerformed(user=who, operation=order, detail=detail):
                self.acts.append((who, order, detail))
            case {"number": number}:
                self.numbers.append(number)


async def test_maintenance_survives_restarts(
    gateway: GatewayFixture,
) -> None:
    line = gateway.wires[READER]
    async with gateway.workstation(vocabularies=()) as desk:
        officer = Officer(desk)
        async with running_gateway(gateway, "faulty") as running:
            await running.until_state(READER, "online")
            await line.send(b"traveller 1\n")
            await officer.heard(1)

            await running.client.perform(READER, Maintenance(on=True, minutes=30, reason="cleaning"), AMINA)
            shown = await running.until_state(READER, "maintenance")
            assert shown.state.cause == "maintenance"
            assert "cleaning" in shown.state.text
            assert shown.actual_state
            assert shown.actual_state.state == "online"
            assert shown.maintenance_until
            await line.send(b"traveller 2\ntraveller 3\nsay 4\n")
            await officer.heard(4)
            await until(lambda: running.device_at(READER).state_filter.suppressed_events == 2)
            assert [event.type for event in await running.client.last_events(READER)][-2:] == [
                "test.traveller",
                "test.numbered",
            ]
            assert await officer.on_record("maintenance_on") == ("amina", "maintenance_on", "30 min")

            pid = shown.pid
            await running.client.perform(READER, Restart(), AMINA)
            await until(lambda: running.device_at(READER).state_filter.actual_state.state == "online")
            shown = await running.device(READER)
            assert (shown.state.state, shown.restarts) == ("maintenance", 1)
            assert shown.pid != pid
        async with running_gateway(gateway, "faulty") as running:
            await until(lambda: running.device_at(READER).state_filter.actual_state.state == "online")
            await line.send(b"traveller 5\nsay 6\n")
            await officer.heard(6)
            assert (await running.device(READER)).state.state == "maintenance"
            await running.client.perform(READER, Maintenance(on=False), AMINA)
            await running.until_state(READER, "online")
            await line.send(b"traveller 7\n")
            assert await officer.heard(7) == [1, 4, 6, 7]
            with pytest.raises(RpcError) as refused:
                await running.client.perform(READER, Maintenance(on=False), AMINA)
            assert refused.value.code == "conflict"
            await running.client.perform(READER, Maintenance(on=True, minutes=1), AMINA)
        register = gateway.folder / "state/devices.json"
        kept = json.loads(register.read_text())
        kept["positions"][READER]["maintenance"]["until_ns"] = 1
        register.write_text(json.dumps(kept))
        async with running_gateway(gateway, "faulty") as running:
            await running.until_state(READER, "online")


async def test_new_serial_number_awaits_acceptance(gateway: GatewayFixture) -> None:
    line, label = gateway.wires[READER], Path(f"{gateway.port(READER)}.label")
    other = await gateway.wire("lane-2/reader")
    gateway.describe("lane-2/reader")
    Path(f"{gateway.port('lane-2/reader')}.label").write_text("FAULTY-9")
    label.write_text("FAULTY-1")  # a confined worker reads files that were there at its start

    async def exchange(running: InProcessGateway, serial_number: str, state: str) -> DeviceView:
        line.unplug()
        await running.until_state(READER, "no_device")
        label.write_text(serial_number)
        line.replug()
        shown = await running.until_state(READER, state)
        await line.wait_for_host()
        return shown

    async with gateway.workstation(vocabularies=()) as desk, running_gateway(gateway, "faulty") as running:
        officer = Officer(desk)
        await running.until_state(READER, "online")
        await line.send(b"stand 10\nsay 1\n")
        await officer.heard(1)
        await until(lambda: desk.last_value(READER, "test.level") is not None)

        shown = await exchange(running, "FAULTY-2", "awaiting_acceptance")
        assert (shown.accepted_serial_number, shown.identity and shown.identity.serial_number) == (
            "FAULTY-1",
            "FAULTY-2",
        )
        assert "borderpost accept" in shown.state.how
        await line.send(b"stand 20\nsay 2\ntraveller 2\n")
        await until(lambda: running.device_at(READER).state_filter.suppressed_events == 3)
        for by, serial_number, code in (
            (AMINA, "FAULTY-3", "conflict"),
            (TECHNICIAN, "FAULTY-2", "not_permitted"),
        ):
            with pytest.raises(RpcError) as refused:
                await running.client.perform(READER, AcceptDevice(serial_number=serial_number), by)
            assert refused.value.code == code
        assert desk.last_value(READER, "test.level") is None
        await running.client.perform(READER, AcceptDevice(serial_number="FAULTY-2", reason="dropped"), AMINA)
        assert (await running.device(READER)).state.state == "online"
        assert await officer.on_record("accept") == ("amina", "accept", "FAULTY-2 for FAULTY-1")
        await line.send(b"say 3\n")
        assert [number for number in await officer.heard(3) if number < 10] == [1, 3]
        await until(lambda: desk.last_value(READER, "test.level") is not None)

        await exchange(running, "FAULTY-1", "awaiting_acceptance")
        await running.client.perform(
            READER, AcceptDevice(serial_number="FAULTY-1", reason="back again"), AMINA
        )
        shown = await running.until_state(READER, "online")
        assert shown.counters.lifetime.good_reads == 2, "the old device has its earlier counters"
        with pytest.raises(RpcError):
            await running.client.perform(READER, AcceptDevice(serial_number="FAULTY-1"), AMINA)

        line.unplug()
        other.unplug()
        Path(f"{gateway.port('lane-2/reader')}.label").write_text("FAULTY-2")
        await running.until_state("lane-2/reader", "no_device")
        other.replug()
        moved = await running.until_state("lane-2/reader", "awaiting_acceptance")
        assert moved.counters.lifetime.good_reads == 4, "counters move to the other lane"
        await running.client.perform("lane-2/reader", AcceptDevice(serial_number="FAULTY-2"), AMINA)
        await running.until_state("lane-2/reader", "online")


async def test_counters_are_counted_and_kept(
    gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, register = gateway.wires[READER], gateway.folder / "state/devices.json"
    monkeypatch.setattr("gateway.management.admission.SAVE_S", 0.1)
    async with running_gateway(gateway, "faulty") as running:
        await running.until_state(READER, "online")
        await line.send(b"say 1\nsay 2\nnoise\n")
        line.call_soon(line.wait_drained())
        await until(lambda: running.counted(READER).good_reads == 2)
        line.unplug()
        await running.until_state(READER, "no_device")
        await until(lambda: running.counted(READER).disconnects == 1)
        line.replug()
        await running.until_state(READER, "online")
        await running.client.perform(READER, ResetCounters(), AMINA)
        await line.wait_for_host()
        await line.send(b"say 3\n")
        await until(lambda: running.counted(READER).good_reads == 3)
        # If killed now, it would lose only counts since the last write.
        await until(
            lambda: (
                json.loads(register.read_text())["devices"]["faulty FAULTY-1"]["lifetime"]["good_reads"] == 3
            )
        )
    async with running_gateway(gateway, "faulty") as running:
        tally = (await running.until_state(READER, "online")).counters
        assert (tally.lifetime.good_reads, tally.lifetime.bad_reads, tally.lifetime.disconnects) == (3, 1, 1)
        assert (tally.since_reset.good_reads, tally.since_reset.bad_reads) == (1, 0)
        assert tally.reset_at
        assert (await running.device(READER)).last_good_read_at, "of an earlier run"
        assert 0 < tally.since_reset.online_s < tally.lifetime.online_s < 60


async def test_trace_shows_bytes_only_when_revealed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sent = FRAMES["accessis"](ERIKSSON_LINES["TD3"])
    async with gateway_in(tmp_path, mosquitto) as gateway, gateway.workstation() as desk:
        line = await gateway.wire(READER)
        gateway.describe(READER, "mrz-serial", 'framing = "accessis"')
        async with running_gateway(gateway, "mrz-serial") as running:
            await running.until_state(READER, "online")
            with pytest.raises(RpcError, match="supervisor"):
                await anext(running.client.trace(READER, TECHNICIAN, RevealTrace(reason="curious")))
            with pytest.raises(RpcError, match="technician"):
                await anext(running.client.trace(READER, VIEWER))

            async def seen(trace: AsyncGenerator[TraceItem | None]) -> list[TraceItem]:
                """Return the trace of one frame, sent when the trace has started."""
                items: list[TraceItem] = []
                async with aclosing(trace), asyncio.timeout(PATIENCE_S):
                    assert await anext(trace) is None
                    await line.send(sent)
                    while sum(item.size for item in items) < len(sent):
                        item = await anext(trace)
                        assert item is not None
                        items.append(item)
                return items

            hidden = await seen(running.client.trace(READER, TECHNICIAN))
            assert {(item.direction, item.hex, item.dropped) for item in hidden} == {("in", None, 0)}
            assert all("ERIKSSON" not in item.model_dump_json() for item in hidden)
            assert any("text" in item.summary for item in hidden)
            assert not Officer(desk).acts
            shown = await seen(running.client.trace(READER, AMINA, RevealTrace(reason="vendor asks")))
            assert b"".join(bytes.fromhex(item.hex or "") for item in shown)[: len(sent)] == sent
            assert await Officer(desk).on_record("trace_reveal") == ("amina", "trace_reveal", "")
            assert "ERIKSSON" not in str(await running.client.last_events(READER))
            assert len(await running.client.last_events(READER)) >= 2

            checking = asyncio.create_task(
                running.client.check(READER, SelfTestLevel.INTERACTIVE, TECHNICIAN)
            )
            while not checking.done():  # the specimen is presented until it is read
                await line.send(sent)
                await asyncio.wait({checking}, timeout=0.2)
            report = await checking
            assert [step.name for step in report.steps] == ["specimen.read", "specimen.check_digits"]
            assert report.outcome == "successful"
            assert await Officer(desk).on_record("check") == ("otieno", "check", "interactive")


ROLES = """
authority = "UTO"
[role.officer]
verbs = ["*"]
[station.counter-1]
roles = ["officer"]
positions = ["*/*"]
"""


async def test_supervisor_revokes_claim(gateway: GatewayFixture) -> None:
    (gateway.folder / "roles.toml").write_text(ROLES)
    gateway.extra = '[commands]\nroles_file = "roles.toml"\n'
    gateway.write()
    async with (
        gateway.workstation(station="counter-1") as desk,
        running_gateway(gateway, "faulty") as running,
    ):
        await running.until_state(READER, "online")
        with pytest.raises(RpcError, match="not claimed"):
            await running.client.perform(READER, RevokeClaim(reason="workstation is dead"), AMINA)
        async with desk.claim(READER, lease_s=60):
            await until(lambda: desk.status(READER).claim is not None)
            claim = (await running.device(READER)).claim
            assert claim
            assert claim.station == "counter-1"
            with pytest.raises(RpcError, match="supervisor"):
                await running.client.perform(READER, RevokeClaim(reason="workstation is dead"), TECHNICIAN)
            await running.client.perform(READER, RevokeClaim(reason="workstation is dead"), AMINA)
            await until(lambda: desk.status(READER).claim is None)
        assert (await running.device(READER)).claim is None
        assert await Officer(desk).on_record("revoke_claim") == ("amina", "revoke_claim", "counter-1")
    kept = newest(gateway.folder / "state", 10)
    assert [entry.type for entry in kept if entry.type != "command.decided"] == [
        "gateway.stopped",
        "claim.changed",
        "technician.operation",
        "claim.changed",
        "gateway.started",
    ]
    assert kept[-2].data["change"] == "claimed"


async def test_reload_opens_failed_console(gateway: GatewayFixture) -> None:
    def closed(running: InProcessGateway) -> bool:
        return any(
            problem.cause == "console_listen_failed" for problem in running.gateway.to_report().problems
        )

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway.extra = f'[console]\nlisten = "127.0.0.1:{port}"\nusers_file = "users.toml"\n'
        gateway.write()
        async with running_gateway(gateway, "faulty") as running:
            assert closed(running)
            taken.close()
            await running.gateway.reload()
            assert not closed(running)
            with socket.create_connection(("127.0.0.1", port)):
                pass
            await running.until_state(READER, "online")
