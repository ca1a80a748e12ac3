"""A barrier and a whole gateway: broker, daemon and worker are real, board and boom are on a real link."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil
import pytest
from support.brokers.mosquitto import Mosquitto
from support.brokers.stations import StationClient
from support.gateway.gateways import GatewayFixture, gateway, until

from drivers.barrier.commands import MoveResult, StopResult
from drivers.barrier.observations import BarrierPassage, BarrierState, MovementState, PassageDirection
from drivers.driver import StateCode
from gateway.audit.hash_chain import AUDIT_FILE
from gateway.client import CommandRejected, CommandResult, Workstation
from gateway.contract.commands import CommandState
from gateway.contract.events import CommandDecided
from gateway.contract.reason_codes import CommandReason
from simulators.barrier.faults import BoardsHung, EmergencyActive, SlowBus
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.barrier.modbus_site import ModbusSite

__all__ = ["gateway"]

BARRIER = "lane-1/barrier"
DEVICE = """
[device."{position}"]
driver = "modbus-barrier"
emergency = {{ input = 5, contact = "nc" }}
key_switch = {{ input = 6, contact = "nc" }}
controller_ok = {{ input = 7, contact = "no" }}
start_timeout_s = 10
open_timeout_s = 30
close_timeout_s = 30
[device."{position}".board]
model = "waveshare-8"
port = "tcp://{address}"
[[device."{position}".doors]]
open = 0
close = 1
stop = 2
open_limit = {{ input = 0, contact = "no" }}
closed_limit = {{ input = 1, contact = "no" }}
entry_side = {{ input = 2, contact = "no" }}
exit_side = {{ input = 3, contact = "no" }}
presence = {{ input = 4, contact = "nc" }}
"""
ROLES = """
authority = "UTO"
[role.barrier]
verbs = ["*"]
can_move = true
[station.counter-1]
roles = ["barrier"]
positions = ["*/*"]
"""
OPEN, STOP = 0x200, 0x202


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def site(gateway: GatewayFixture) -> AsyncIterator[ModbusSite]:
    """A barrier that a gateway has opened; its log is checked."""
    (gateway.folder / "roles.toml").write_text(ROLES)
    gateway.extra = (
        '[commands]\nroles_file = "roles.toml"\nmin_move_interval_s = 0.001\nmoves_per_min = 600\n'
    )
    async with ModbusSite.start() as site:
        gateway.devices[BARRIER] = DEVICE.format(position=BARRIER, address=site.address)
        gateway.write()
        await gateway.start()
        yield site
        assert await gateway.stop() == 0


@contextlib.asynccontextmanager
async def counter(gateway: GatewayFixture) -> AsyncIterator[Workstation]:
    async with gateway.workstation(BARRIER, station="counter-1") as desk:
        await until(lambda: desk.status(BARRIER).is_usable and desk.last_value(BARRIER, "barrier.state"))
        yield desk


async def as_soon_as_it_may(desk: Workstation, verb: str, **more: Any) -> CommandResult[Any]:
    """Send a command, and repeat it: after a start, movements are refused for two seconds."""
    for _ in range(100):
        with contextlib.suppress(CommandRejected):
            return await desk.command(BARRIER, verb, **more)
        await asyncio.sleep(0.1)
    raise AssertionError("it never may")


async def refusal(desk: Workstation, verb: str) -> CommandReason:
    with pytest.raises(CommandRejected) as rejected:
        await desk.command(BARRIER, verb)
    return rejected.value.reason


def problems(desk: Workstation) -> list[str]:
    """Return the causes of the gateway's problems."""
    return [one.cause for state in desk.gateways.values() if state.report for one in state.report.problems]


def worker_of(gateway: GatewayFixture) -> psutil.Process:
    assert gateway.process is not None
    (worker,) = (
        process
        for process in psutil.Process(gateway.process.pid).children(recursive=True)
        if process.name() == BARRIER
    )
    return worker


async def test_counter_passes_one_vehicle_and_stops(gateway: GatewayFixture, site: ModbusSite) -> None:
    async with counter(gateway) as desk:
        site.barrier.arrive(DriverBehaviour.WAITS, speed_mps=6)
        done = await as_soon_as_it_may(desk, "open", transaction="traveller-7", done=MoveResult)
        assert done.result is not None
        assert done.result.state is MovementState.OPEN
        seen = []
        async for received in desk:
            seen.append(received)
            if isinstance(received.data, BarrierPassage):
                break
        assert received.envelope.transaction == "traveller-7"
        assert received.is_simulated
        assert (received.data.permitted, received.data.direction) == (True, PassageDirection.FORWARD)
        decided = [one.data for one in seen if isinstance(one.data, CommandDecided)]
        assert "open" in [one.verb for one in decided]
        stands = desk.last_value(BARRIER, "barrier.state")
        assert stands is not None
        assert isinstance(stands.data, BarrierState)
        assert stands.data.state is MovementState.OPEN
        (actuation,) = site.log.actuations
        assert actuation.address == OPEN

        site.inject(SlowBus(delay_s=0.05))
        times = []
        for _ in range(10):
            began_s = time.monotonic()
            done = await desk.command(BARRIER, "stop", done=StopResult)
            assert done.result == StopResult(by_stop_contact=True, state=MovementState.OPEN)
            times.append(site.log.actuations[-1].at_s - began_s)
        opening, *stops = [frame.address for frame in site.log.actuations]
        assert opening == OPEN
        assert set(stops) == {STOP}
        assert len(stops) >= len(times)  # one that a slow machine acknowledges late is repeated
        assert sorted(times)[len(times) // 2] < 0.1


async def test_movement_is_recorded_with_its_sensors(gateway: GatewayFixture, site: ModbusSite) -> None:
    async with counter(gateway) as desk:
        await as_soon_as_it_may(desk, "open", transaction="traveller-8", done=MoveResult)
        ended = lambda: [  # noqa: E731
            line
            for line in map(json.loads, (gateway.folder / "state" / AUDIT_FILE).read_text().splitlines())
            if line["type"] == "command.ended" and line["data"]["state"] == "done"
        ]
        await until(lambda: [line for line in ended() if line["data"]["verb"] == "open"])
    (line,) = [line for line in ended() if line["data"]["verb"] == "open"]
    recorded = line["data"]
    assert (recorded["station"], line["transaction"]) == ("counter-1", "traveller-8")
    assert recorded["result"]["state"] == "open"
    (write,) = recorded["result"]["writes"]
    assert (write["kind"], write["relay"], write["outcome"]) == ("open", 0, "acknowledged")
    before, after = (recorded[name]["barrier.state"] for name in ("sensed_before", "sensed_after"))
    assert (before["doors"][0]["closed_limit"], before["doors"][0]["presence"]) == (True, False)
    assert (after["state"], after["doors"][0]["open_limit"]) == ("open", True)


async def test_killed_worker_moves_nothing(gateway: GatewayFixture, site: ModbusSite) -> None:
    async with counter(gateway) as desk, StationClient(gateway.broker.port, "counter-1") as station:
        state = desk.status(BARRIER).state
        assert state is not None
        await asyncio.sleep(2)  # it may be moved from now on
        site.inject(BoardsHung())  # it senses before it writes, and gets no answer
        asked = station.send("open", state.session)
        await until(lambda: [one.state for one in station.answers_to(asked)] == [CommandState.ACCEPTED])
        worker_of(gateway).kill()
        ended = await station.end_of(asked)
        assert ended.reason in (CommandReason.WORKER_LOST, CommandReason.LINK_FAILED)
        site.clear_faults()
        await until(lambda: desk.status(BARRIER).is_usable)
        await asyncio.sleep(0.5)

    assert site.log.output_writes == []


async def test_emergency_is_acknowledged_through_the_gateway(
    gateway: GatewayFixture, site: ModbusSite
) -> None:
    async with counter(gateway) as desk:
        site.inject(EmergencyActive())
        await until(lambda: (now := desk.status(BARRIER).state) and now.state is StateCode.DEGRADED)
        with pytest.raises(CommandRejected) as rejected:
            await desk.command(BARRIER, "close")
        assert rejected.value.reason is CommandReason.UNSAFE
        site.clear_faults()
        await as_soon_as_it_may(desk, "acknowledge", request={"reason": "false alarm, hall checked"})
        await until(lambda: desk.status(BARRIER).is_usable)

    assert site.log.output_writes == []


@pytest.mark.parametrize("ends", ["worker", "gateway"])
async def test_unacknowledged_emergency_outlives(
    gateway: GatewayFixture, site: ModbusSite, ends: str
) -> None:
    async with counter(gateway) as desk:
        site.inject(EmergencyActive(for_s=0.5))
        await until(lambda: (now := desk.status(BARRIER).state) and "not acknowledged" in now.text)
        session = desk.status(BARRIER).state
        assert session is not None
        record = gateway.folder / "state" / "device-records" / f"{BARRIER}.json"
        assert '"emergency": true' in record.read_text()  # what is shown is on the disk
        if ends == "worker":
            worker = worker_of(gateway)
            worker.kill()
            await until(lambda: (now := desk.status(BARRIER).state) and now.since > session.since)
        else:
            await gateway.stop(signal.SIGKILL)
            await gateway.start()
            await until(
                lambda: (now := desk.status(BARRIER).state) is not None and now.session != session.session
            )
        await until(lambda: (now := desk.status(BARRIER).state) and now.state is StateCode.DEGRADED)
        now = desk.status(BARRIER).state
        assert now is not None
        assert "not acknowledged" in now.text
        while (reason := await refusal(desk, "close")) is CommandReason.NOT_ONLINE:
            await asyncio.sleep(0.1)  # the end of the worker is not noticed yet
        assert reason is CommandReason.UNSAFE
        await as_soon_as_it_may(desk, "acknowledge", request={"reason": "false alarm, hall checked"})
        await until(lambda: desk.status(BARRIER).is_usable)

    assert site.log.actuations == []


async def test_record_refused_by_the_disk_moves_nothing(gateway: GatewayFixture, site: ModbusSite) -> None:
    """The emergency is not on the disk when the gateway is killed."""
    async with counter(gateway) as desk:
        record = gateway.folder / "state" / "device-records" / f"{BARRIER}.json"
        await until(record.exists)
        record.unlink()
        record.mkdir()
        site.inject(EmergencyActive(for_s=0.5))
        await until(lambda: "device_record_not_written" in problems(desk))
        session = desk.status(BARRIER).state
        await gateway.stop(signal.SIGKILL)
        await gateway.start()
        await until(
            lambda: (now := desk.status(BARRIER).state) and session and now.session != session.session
        )
        await until(lambda: (now := desk.status(BARRIER).state) and "unreadable" in now.text)
        await asyncio.sleep(2)  # it would be moved from now on
        with pytest.raises(CommandRejected) as rejected:
            await desk.command(BARRIER, "open")
        assert rejected.value.reason is CommandReason.UNSAFE

    assert site.log.actuations == []


@contextlib.contextmanager
def stopped(gateway: GatewayFixture) -> Iterator[None]:
    """Stop the daemon's threads while the context is open."""
    assert gateway.process is not None
    daemon = psutil.Process(gateway.process.pid)
    daemon.suspend()
    try:
        while daemon.status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
        yield
    finally:
        daemon.resume()


async def test_unrecorded_closing_is_refused(gateway: GatewayFixture, site: ModbusSite) -> None:
    """The disk refuses the audit: opening and stopping work, closing does not until it is mended."""
    audit = gateway.folder / "state" / AUDIT_FILE
    saved = audit.with_name("saved")

    @contextlib.contextmanager
    def refusing() -> Iterator[None]:
        with stopped(gateway):  # between the two steps it would begin another file
            audit.rename(saved)
            audit.mkdir()
        yield
        with stopped(gateway):
            audit.rmdir()
            saved.rename(audit)

    async with counter(gateway) as desk:
        await until(audit.exists)
        with refusing():
            await as_soon_as_it_may(desk, "open")
            before = len(site.log.actuations)
            assert await refusal(desk, "close") is CommandReason.NOT_RECORDED
            assert len(site.log.actuations) == before
        await as_soon_as_it_may(desk, "close")
        decided = [json.loads(line)["data"] for line in audit.read_text().splitlines()]
        verbs = [one["verb"] for one in decided if "decision" in one]
        after_opening = verbs[len(verbs) - verbs[::-1].index("open") :]
        assert len(after_opening) >= 2  # the close that was not recorded, and one or more attempts after it
        assert {*after_opening} == {"close"}
        with refusing():
            await desk.command(BARRIER, "stop")
