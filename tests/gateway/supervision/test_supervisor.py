"""Supervisor: workers are started, watched, replaced, stopped; one faulty device affects no other."""

import asyncio
import json
import os
import signal
from pathlib import Path

import psutil
import pytest
import structlog
from support.devices.serial_readers import FRAMES
from support.gateway.workers import WorkerFixture, worker_fixture
from support.patience import PATIENCE_S
from support.process.dumpable import reads_proc

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.contract.envelope import Provenance
from gateway.supervision import supervisor
from gateway.supervision.supervisor import WorkerLimits
from simulators.specimens import ERIKSSON_LINES

__all__ = ["worker_fixture"]


def pid_of(worker_fixture: WorkerFixture, position: str) -> int:
    return worker_fixture.devices[position]._process.pid


async def gone(*pids: int) -> None:
    """Wait until the processes have ended and the fork server has reaped them."""
    async with asyncio.timeout(PATIENCE_S):
        while any(psutil.pid_exists(pid) for pid in pids):
            await asyncio.sleep(0.01)


async def test_read_becomes_event(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader", "mrz-serial", settings={"framing": "accessis"})
    online = await worker_fixture.notebook.state(StateCode.ONLINE)
    assert online.provenance is Provenance.SIMULATED
    await wire.wait_for_host()
    await wire.send(FRAMES["accessis"](ERIKSSON_LINES["TD3"]))
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 1)
    _, heard = worker_fixture.notebook.events[0]
    event = json.loads(heard.partial_event + b"}")
    assert (heard.event_type, heard.data_class) == ("document.read", "traveller")
    assert event["source"] == "/bgw/uto-test/gw-1/lane-1/reader"
    assert event["provenance"] == "simulated"
    assert event["data"]["mrz"]["primary_identifier"] == "ERIKSSON"
    assert worker_fixture.notebook.descriptions["lane-1/reader"].identity is not None


async def test_images_precede_their_event(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader")
    await wire.wait_for_host()
    await wire.send(b"picture 7 200000\n")
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 1)
    _, heard = worker_fixture.notebook.events[0]
    assert [(i.role, i.media_type, len(i.content)) for i in heard.images] == [
        ("picture", "image/png", 200000)
    ]


async def test_last_values_cleared_without_device(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/barrier")
    last_values = worker_fixture.notebook.last_values

    async def said(number: int) -> dict[str, object]:
        await wire.wait_for_host()
        await wire.send(b"stand %d\n" % number)
        await worker_fixture.notebook.until(lambda: f'"number":{number}' in str(last_values))
        return json.loads(last_values["lane-1/barrier", "test.level"])

    first = await said(1)
    assert (first["type"], first["session"]) == ("bgw.test.level.v1", "session-1")
    assert first["provenance"] == "simulated"
    assert (await said(2))["data"]["number"] == 2
    assert worker_fixture.notebook.numbers("lane-1/barrier") == [1, 2], "each is also an event"

    wire.unplug()
    await worker_fixture.notebook.state(StateCode.NO_DEVICE)
    assert last_values == {}
    wire.replug()
    await said(3)
    os.kill(pid_of(worker_fixture, "lane-1/barrier"), signal.SIGKILL)
    await worker_fixture.notebook.state(StateCode.OFFLINE)
    assert last_values == {}
    await said(4)
    await worker_fixture.devices["lane-1/barrier"].stop()
    assert last_values == {}


async def test_port_absent_at_start_is_found_later(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader", plugged=False)
    absent = await worker_fixture.notebook.state(StateCode.NO_DEVICE)
    assert (absent.cause, absent.action) == (Cause.NO_DEVICE, Action.REPLUG)
    async with asyncio.timeout(2):
        wire.replug()
        await worker_fixture.notebook.state(StateCode.ONLINE)


@reads_proc
async def test_two_hundred_replugs(worker_fixture: WorkerFixture) -> None:
    # Nothing hangs here: a worker that a busy machine stops for long must not be replaced.
    patient = WorkerLimits(heartbeat_timeout_s=PATIENCE_S, stop_timeout_s=2)
    wire = await worker_fixture.device("lane-1/reader", limits=patient)
    await worker_fixture.notebook.state(StateCode.ONLINE)
    process = psutil.Process(pid_of(worker_fixture, "lane-1/reader"))

    def holdings() -> tuple[int, int]:
        return process.num_fds(), process.num_threads()

    before, memory = holdings(), 0
    for number in range(200):
        wire.unplug()
        assert (await worker_fixture.notebook.state(StateCode.NO_DEVICE)).cause is Cause.UNPLUGGED
        wire.replug()
        await worker_fixture.notebook.state(StateCode.ONLINE)
        if number == 20:
            memory = process.memory_info().rss
    assert process.is_running(), "still the same process"
    assert holdings() == before
    assert process.memory_info().rss < memory * 1.05


async def test_killed_worker_leaves_neighbour_alone(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader")
    neighbour = await worker_fixture.device("lane-2/reader")
    for line in (wire, neighbour):
        await line.wait_for_host()
    talking = asyncio.create_task(_count(neighbour, 300))
    async with asyncio.timeout(1):
        os.kill(pid_of(worker_fixture, "lane-1/reader"), signal.SIGKILL)
        assert (await worker_fixture.notebook.state(StateCode.OFFLINE)).cause is Cause.WORKER_CRASHED
        await worker_fixture.notebook.state(StateCode.ONLINE, "lane-1/reader")
    await talking
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.numbers("lane-2/reader")) == 300)
    assert worker_fixture.notebook.numbers("lane-2/reader") == list(range(300))
    assert worker_fixture.devices["lane-2/reader"].restarts == 0


async def _count(wire: object, to: int) -> None:
    for number in range(to):
        await wire.send(b"say %d\n" % number)
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("order", [b"crash\n", b"hang\n"])
async def test_crash_or_hang_ends_only_its_worker(worker_fixture: WorkerFixture, order: bytes) -> None:
    wire = await worker_fixture.device("lane-1/reader")
    await wire.wait_for_host()
    await worker_fixture.notebook.state(StateCode.ONLINE)
    await wire.send(order)
    offline = await worker_fixture.notebook.state(StateCode.OFFLINE)
    assert offline.cause is (Cause.WORKER_CRASHED if order == b"crash\n" else Cause.HEARTBEAT_LOST)
    assert offline.action is Action.WAIT
    await worker_fixture.notebook.state(StateCode.ONLINE)


async def test_stopped_worker_exceeds_heartbeat_timeout(worker_fixture: WorkerFixture) -> None:
    await worker_fixture.device(
        "lane-1/reader", limits=WorkerLimits(heartbeat_timeout_s=0.5, stop_timeout_s=1)
    )
    await worker_fixture.notebook.state(StateCode.ONLINE)
    stopped = pid_of(worker_fixture, "lane-1/reader")
    loop = asyncio.get_running_loop()
    before = loop.time()
    os.kill(stopped, signal.SIGSTOP)
    assert (await worker_fixture.notebook.state(StateCode.OFFLINE)).cause is Cause.HEARTBEAT_LOST
    assert loop.time() - before < 5
    await worker_fixture.notebook.state(StateCode.ONLINE)
    await gone(stopped)


async def test_silent_worker_is_not_believed(
    worker_fixture: WorkerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before it is replaced, if that takes longer: it was hung before, or the machine is slow."""
    monkeypatch.setattr(supervisor, "UNCONFIRMED_S", 0.1)
    notebook = worker_fixture.notebook
    wire = await worker_fixture.device(
        "lane-1/barrier", limits=WorkerLimits(heartbeat_timeout_s=60, stop_timeout_s=1)
    )
    await notebook.state(StateCode.ONLINE)
    await wire.wait_for_host()
    await wire.send(b"stand 7\n")
    await notebook.until(lambda: notebook.last_values)
    pid, values = pid_of(worker_fixture, "lane-1/barrier"), dict(notebook.last_values)
    os.kill(pid, signal.SIGSTOP)
    silent = await notebook.state(StateCode.OFFLINE)
    assert (silent.cause, notebook.last_values) == (Cause.HEARTBEAT_LOST, {})
    os.kill(pid, signal.SIGCONT)
    await notebook.state(StateCode.ONLINE)
    await notebook.until(lambda: notebook.last_values == values)
    assert pid_of(worker_fixture, "lane-1/barrier") == pid


async def test_unexpected_firmware_degrades_device(
    worker_fixture: WorkerFixture,
) -> None:
    wire = await worker_fixture.device("lane-1/reader", expected_firmware="2.0")
    other = await worker_fixture.notebook.state(StateCode.DEGRADED)
    assert (other.cause, other.action) == (Cause.WRONG_FIRMWARE, Action.CALL_SUPPORT)
    assert "1.0, and 2.0 is expected" in other.text
    await wire.wait_for_host()
    await wire.send(b"well\nsay 1\n")
    await worker_fixture.notebook.until(lambda: worker_fixture.notebook.numbers("lane-1/reader") == [1])
    assert not worker_fixture.notebook.states, "an unchanged state is not sent again"


async def test_driver_bug_is_fault_and_retried(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader")
    await wire.wait_for_host()
    await worker_fixture.notebook.state(StateCode.ONLINE)
    worker = pid_of(worker_fixture, "lane-1/reader")
    await wire.send(b"bug\n")
    fault = await worker_fixture.notebook.state(StateCode.FAULT)
    assert (fault.cause, fault.action) == (Cause.DRIVER_ERROR, Action.CALL_SUPPORT)
    await worker_fixture.notebook.state(StateCode.ONLINE)
    assert pid_of(worker_fixture, "lane-1/reader") == worker
    await worker_fixture.logged("faulty_drivers.py")
    assert "WANJIKU" not in worker_fixture.log


async def test_driver_that_ends_is_reopened(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader")
    await wire.wait_for_host()
    await worker_fixture.notebook.state(StateCode.ONLINE)
    await wire.send(b"end\n")
    assert (await worker_fixture.notebook.state(StateCode.OFFLINE)).cause is Cause.LINK_FAILED
    await worker_fixture.notebook.state(StateCode.ONLINE)


async def test_silent_device_is_reopened(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device(
        "lane-1/reader", "mrz-serial", settings={"framing": "elyctis"}, open_timeout_s=0.3
    )
    await wire.wait_for_host()
    silent = await worker_fixture.notebook.state(StateCode.OFFLINE)
    assert silent.cause is Cause.NO_RESPONSE
    wire.discard_received()
    await wire.wait_for_bytes(b"\x00")  # the next attempt begins


async def test_production_refuses_simulator(worker_fixture: WorkerFixture) -> None:
    await worker_fixture.device("lane-1/reader", is_production=True)
    refused = await worker_fixture.notebook.state(StateCode.FAULT)
    assert (refused.cause, refused.action) == (Cause.SIMULATED, Action.CONFIGURE)
    assert worker_fixture.notebook.events == []


async def test_bad_frames_are_counted_only(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader")
    await wire.wait_for_host()
    await wire.send(b"noise\nnoise\nsay 1\n")
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 1)
    device = worker_fixture.devices["lane-1/reader"]
    async with asyncio.timeout(PATIENCE_S):
        while device.counters.get("bad_reads") != 2:
            await asyncio.sleep(0.02)
    assert device.counters["good_reads"] == 1


async def test_dead_fork_server_is_replaced(worker_fixture: WorkerFixture) -> None:
    await worker_fixture.device("lane-1/reader")
    await worker_fixture.notebook.state(StateCode.ONLINE)
    first = pid_of(worker_fixture, "lane-1/reader")
    assert worker_fixture.forkserver._process is not None
    worker_fixture.forkserver._process.kill()
    await worker_fixture.forkserver._process.wait()
    await worker_fixture.device("lane-2/reader")
    await worker_fixture.notebook.state(StateCode.ONLINE, "lane-2/reader")
    assert pid_of(worker_fixture, "lane-1/reader") == first
    os.kill(first, signal.SIGKILL)
    await worker_fixture.notebook.state(StateCode.ONLINE, "lane-1/reader")


async def test_end_of_fork_server_in_a_fork_logged(worker_fixture: WorkerFixture) -> None:
    await worker_fixture.device("lane-1/reader")
    await worker_fixture.notebook.state(StateCode.ONLINE)
    server = worker_fixture.forkserver._process
    assert server is not None
    os.kill(server.pid, signal.SIGSTOP)
    with structlog.testing.capture_logs() as entries:
        await worker_fixture.device("lane-2/reader")
        async with asyncio.timeout(PATIENCE_S):
            while not worker_fixture.forkserver._lock.locked():
                await asyncio.sleep(0.01)
        os.kill(server.pid, signal.SIGKILL)
        await worker_fixture.notebook.state(StateCode.ONLINE, "lane-2/reader")
    assert "forkserver_ended" in {entry["event"] for entry in entries}
    assert not any("exc_info" in entry for entry in entries)


async def test_stop_kills_worker_after_timeout(worker_fixture: WorkerFixture) -> None:
    for position in ("lane-1/reader", "lane-2/reader"):
        wire = await worker_fixture.device(
            position, limits=WorkerLimits(heartbeat_timeout_s=30, stop_timeout_s=0.5)
        )
        await wire.wait_for_host()
        await worker_fixture.notebook.state(StateCode.ONLINE, position)
    pids = [pid_of(worker_fixture, position) for position in worker_fixture.devices]
    await worker_fixture.wires["lane-2/reader"].send(b"hang\n")
    await worker_fixture.wires["lane-2/reader"].wait_drained()
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.gather(*(device.stop() for device in worker_fixture.devices.values()))
    assert loop.time() - before < 2
    await gone(*pids)


async def test_two_devices_of_one_model(worker_fixture: WorkerFixture, tmp_path: Path) -> None:
    for position in ("lane-1/reader", "lane-2/reader"):
        await worker_fixture.device(position)
        await worker_fixture.notebook.state(StateCode.ONLINE, position)
    await worker_fixture.wires["lane-1/reader"].send(b"say 1\n")
    await worker_fixture.wires["lane-2/reader"].send(b"say 2\n")
    await worker_fixture.notebook.until(lambda: len(worker_fixture.notebook.events) == 2)
    assert worker_fixture.notebook.numbers("lane-1/reader") == [1]
    assert worker_fixture.notebook.numbers("lane-2/reader") == [2]
