"""A stream that fails in every way, repeatedly: reported in time, back in time, without leaks.

    BORDERPOST_CAMERA_CYCLES=200 pytest -s tests/gateway/devices/test_camera_endurance.py

is the full run, and prints its figures; the default is a short one.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from support.gateway.workers import WorkerFixture, worker_fixture
from support.process.dumpable import reads_proc

from drivers.command import Invocation
from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.contract.commands import CommandState
from gateway.contract.states import DeviceState
from gateway.supervision.supervisor import WorkerLimits
from simulators.camera.rtsp.camera import RtspCamera
from simulators.registry import parse_settings

__all__ = ["worker_fixture"]

CYCLES = int(os.environ.get("BORDERPOST_CAMERA_CYCLES", "4"))
POSITION = "lane-1/camera"
USER = {"username": "watch", "password": "hAyst4ck n33dle"}
IN_TIME_S = 3.0
MORE_MB = 4.0
POOL = min(32, (os.cpu_count() or 1) + 4)
"""Upper bound on threads of the loop's default executor."""

pytestmark = [pytest.mark.timeout(120 + 12 * CYCLES), pytest.mark.no_cover]


@dataclass
class Size:
    """Resources of a process that can leak."""

    memory_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> "Size":
        memory_mb = process.memory_full_info().uss / 1e6
        return cls(round(memory_mb, 1), process.num_fds(), process.num_threads())


@dataclass
class Lane:
    """A camera, and its driver in a worker process of its own."""

    worker: WorkerFixture
    camera: RtspCamera
    tickets: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    said_s: dict[str, list[float]] = field(default_factory=dict)
    back_s: dict[str, list[float]] = field(default_factory=dict)
    states: list[DeviceState] = field(default_factory=list)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.worker.devices[POSITION]._process.pid)

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def inject_fault(self, fault: str, **arguments: Any) -> None:
        await self.camera.handle_command("fault", {"fault": fault, "args": arguments})

    async def told(self, condition: StateCode, cause: Cause | None = None) -> DeviceState:
        """Return the next state of that code and cause; those before it are kept for the end, too."""
        while True:
            await self.worker.notebook.until(lambda: bool(self.worker.notebook.states))
            _, state = self.worker.notebook.states.pop(0)
            self.states.append(state)
            if state.state is condition and cause in (None, state.cause):
                return state

    async def captured(self) -> tuple[int, int]:
        """Take a picture; return its size."""
        ticket = next(self.tickets)
        assert self.worker.devices[POSITION].send_command(ticket, "capture", Invocation.local(), b"{}")
        outcome = await self.worker.notebook.outcome(ticket)
        assert outcome.state is CommandState.DONE, outcome
        await self.worker.notebook.until(lambda: bool(self.worker.notebook.events))
        ((_, heard),) = self.worker.notebook.events
        self.worker.notebook.events.clear()
        data = json.loads(heard.partial_event + b"}")["data"]
        return data["width_px"], data["height_px"]

    def well_within(self, what: str, since_s: float, figures: dict[str, list[float]]) -> None:
        """Record a duration, and verify that it is short."""
        took_s = self.now_s - since_s
        figures.setdefault(what, []).append(took_s)
        assert took_s < IN_TIME_S, f"{what}: {took_s:.1f} s"

    async def back(self, what: str) -> None:
        """Wait until it is online, measured from now."""
        begun_s = self.now_s
        await self.told(StateCode.ONLINE)
        self.well_within(what, begun_s, self.back_s)


async def killed(lane: Lane, outage_s: float) -> None:
    begun_s = lane.now_s
    await lane.inject_fault("service-dies")
    state = await lane.told(StateCode.OFFLINE)
    lane.well_within("killed", begun_s, lane.said_s)
    assert state.cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE)
    assert state.action is Action.RESTART
    await asyncio.sleep(outage_s)
    lane.camera.server.stop_for(for_s=0.0)  # and is back at once
    await lane.back("killed")


async def stalled(lane: Lane, _outage_s: float) -> None:
    begun_s = lane.now_s
    await lane.inject_fault("stall")
    state = await lane.told(StateCode.OFFLINE, Cause.NO_RESPONSE)
    lane.well_within("stalled", begun_s, lane.said_s)
    assert state.action is Action.RESTART
    await lane.back("stalled")  # a new connection receives frames


async def locked_out(lane: Lane) -> None:
    """Change the password and restart the camera for it."""
    begun_s = lane.now_s
    await lane.inject_fault("wrong-credentials")
    await lane.inject_fault("service-dies", for_s=0.05)
    state = await lane.told(StateCode.OFFLINE, Cause.NO_PERMISSION)
    lane.well_within("password", begun_s, lane.said_s)
    assert state.action is Action.CONFIGURE


async def locked_out_by_mistake(lane: Lane, outage_s: float) -> None:
    """Restore the password soon, without a restart."""
    await locked_out(lane)
    await asyncio.sleep(outage_s / 4)
    lane.camera.access.password = USER["password"]
    await lane.back("password")


async def locked_out_for_a_while(lane: Lane, outage_s: float) -> None:
    """Restore the password by another restart, before the third attempt, the last within an hour."""
    await locked_out(lane)
    await asyncio.sleep(outage_s / 4)
    lane.camera.access.password = USER["password"]
    await lane.inject_fault("service-dies", for_s=0.3)
    await asyncio.sleep(0.3)
    await lane.back("password by a restart")


async def another_size(lane: Lane, _outage_s: float) -> None:
    """Change the stream's format while it runs: no failure, and soon all frames have that size."""
    for size in ((1280, 720), (640, 360)):
        begun_s = lane.now_s
        await lane.inject_fault("format-changed", size=f"{size[0]}x{size[1]}")
        while await lane.captured() != size:
            pass
        lane.well_within("format", begun_s, lane.back_s)


@contextlib.asynccontextmanager
async def watching(
    worker_fixture: WorkerFixture, password: str = USER["password"], **waits: float
) -> AsyncIterator[Lane]:
    """Run the camera with that password, and its driver in a worker with that backoff."""
    settings = {"name": POSITION, "kind": "camera-rtsp", "port": 0, "key_every_s": 0.5}
    camera: Any = parse_settings(settings | USER).build()
    ready = asyncio.Event()
    running = asyncio.create_task(camera.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    camera.access.password = password
    # The driver is loaded in the worker, without a heartbeat meanwhile; a gateway loads it before.
    patient = WorkerLimits(heartbeat_timeout_s=20, stop_timeout_s=5)
    worker_fixture.start(POSITION, "camera-rtsp", {"url": camera.url} | USER, limits=patient, **waits)
    lane = Lane(worker_fixture, camera)
    try:
        yield lane
    finally:
        await worker_fixture.devices[POSITION].stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def lane(worker_fixture: WorkerFixture) -> AsyncIterator[Lane]:
    async with watching(worker_fixture, backoff_first_s=0.5, backoff_max_s=30.0) as lane:  # a gateway's own
        await lane.told(StateCode.ONLINE)
        yield lane


async def test_restarted_camera_is_retried_at_once(
    worker_fixture: WorkerFixture,
) -> None:
    async with watching(worker_fixture, password="another", backoff_first_s=60.0, backoff_max_s=60.0) as lane:
        await lane.told(StateCode.OFFLINE, Cause.NO_PERMISSION)
        lane.camera.access.password = USER["password"]
        await lane.inject_fault("service-dies", for_s=0.3)
        await asyncio.sleep(0.3)
        await lane.back("password")


@reads_proc
@pytest.mark.long(12)
async def test_every_stream_failure_is_short(lane: Lane, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random("failures of a stream")
    kinds = (killed, stalled, locked_out_by_mistake, locked_out_for_a_while, another_size)
    process = lane.process
    await lane.captured()
    sizes = [Size.of(process)]
    for _ in range(1 + CYCLES // len(kinds)):
        for befalls in kinds:
            await befalls(lane, chance.uniform(0, 1))
            await lane.captured()
        sizes.append(Size.of(process))
    before, halfway, after = sizes[0], sizes[len(sizes) // 2], sizes[-1]

    out, err = capfd.readouterr()
    said = [f"{state.text} {state.how}" for state in lane.states]
    for secret in USER["password"].split():
        assert secret not in "".join((out, err, lane.worker.log, *said))
    with capfd.disabled():
        print(f"\n{CYCLES} cycles: {before} -> {halfway} -> {after}")
        for what, figures in (("said", lane.said_s), ("back", lane.back_s)):
            for kind, took_s in figures.items():
                print(f"{kind} {what}: p50 {statistics.median(took_s):.2f}, max {max(took_s):.2f} s")
    assert lane.process == process, "the same process throughout"
    assert after.memory_mb - halfway.memory_mb < MORE_MB
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads + POOL
