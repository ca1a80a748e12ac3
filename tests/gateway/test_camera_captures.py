"""Pictures through the whole gateway at random moments, while cameras stall, tear, die and come back.

`BORDERPOST_CAMERA_CAPTURES`: how many of each kind of camera; an acceptance has 500, beside a machine that is
kept busy.
"""

import asyncio
import contextlib
import io
import itertools
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from PIL import Image
from support.gateways import House, house, until
from support.mosquitto import Mosquitto

from drivers.camera.observations import SceneCaptured
from gateway.client import CommandError, Received, Workstation
from simulators.camera.stamp import Stamp
from simulators.kinds import settings_of

__all__ = ["house"]

CAPTURES = int(os.environ.get("BORDERPOST_CAMERA_CAPTURES", "4"))
BUSY_FROM = 100
ROLES = """
authority = "UTO"
[role.officer]
verbs = ["*"]
[station.counter]
roles = ["officer"]
positions = ["*/*"]
"""
COMMANDS = """
[commands]
roles_file = "roles.toml"
others_per_min = 6000
"""
DEVICES = {
    "lane-1/camera": ("camera-snapshot", "http", 'path = "/snapshot.jpg"\ncheck_s = 1'),
    "lane-2/camera": ("camera-rtsp", "rtsp", "latency_s = 0.1\nsilence_s = 1\nopen_s = 5"),
}
DEVICE = """
[device."{position}"]
driver = "{kind}"
url = "{scheme}://127.0.0.1:{port}{path}"
{more}
"""
FAULTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "camera-snapshot": [
        ("half-picture", {"after": 0.4}),
        ("stall", {"after": 0.5, "hold_s": 0.3}),
        ("cut", {"after": 0.6}),
        ("garbage", {}),
        ("service-dies", {"for_s": 0.3}),
    ],
    "camera-rtsp": [
        ("stall", {"for_s": 0.4}),
        ("stall", {"for_s": 1.5}),
        ("packet-loss", {"times": 3}),
        ("service-dies", {"for_s": 0.3}),
    ],
}


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@contextlib.asynccontextmanager
async def simulated(position: str, kind: str) -> AsyncIterator[Any]:
    camera: Any = settings_of({"name": position, "kind": kind, "port": 0}).build()
    ready = asyncio.Event()
    running = asyncio.create_task(camera.run(lambda event, _: ready.set() if event == "ready" else None))
    await ready.wait()
    try:
        yield camera
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def a_busy_machine() -> AsyncIterator[None]:
    burning = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        for _ in range(2 if CAPTURES >= BUSY_FROM else 0)
    ]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            await process.wait()


class Counter:
    """Takes pictures and judges each."""

    def __init__(self, desk: Workstation) -> None:
        self._desk = desk
        self._names = itertools.count(1)
        self._awaited: dict[str, asyncio.Future[Received]] = {}
        self.failed = 0

    async def listen(self) -> None:
        async for received in self._desk:
            waiting = self._awaited.get(received.envelope.transaction or "")
            if isinstance(received.data, SceneCaptured) and waiting and not waiting.done():
                waiting.set_result(received)

    async def take(self, position: str, camera: Any, kind: str) -> None:
        chance = random.Random(position)
        taken, troubled = 0, False
        while taken < CAPTURES:
            await asyncio.sleep(chance.uniform(0, 0.2))
            if not troubled and chance.random() < 0.3:
                fault, arguments = chance.choice(FAULTS[kind])
                await camera.obey("fault", {"fault": fault, "args": arguments})
            troubled = True
            name = f"t-{next(self._names)}"
            event = self._awaited[name] = asyncio.get_running_loop().create_future()
            asked_ms = time.time_ns() // 1_000_000
            try:
                await self._desk.command(position, "capture", {"timeout_s": 5}, transaction=name)
            except CommandError:  # while it stalls or is away; what counts is what is given
                self.failed += 1
                continue
            async with asyncio.timeout(20):
                received = await event
            with Image.open(io.BytesIO(received.images["picture"])) as image:
                assert Stamp.read(image).at_ms >= asked_ms, "made after it was asked for, and whole"
            taken, troubled = taken + 1, False


@pytest.mark.timeout(120 + 4 * CAPTURES)
async def test_no_picture_is_old_or_torn_whatever_happens_to_the_cameras(house: House) -> None:
    (house.folder / "roles.toml").write_text(ROLES)
    house.extra = COMMANDS
    async with contextlib.AsyncExitStack() as stack:
        cameras = {}
        for position, (kind, scheme, more) in DEVICES.items():
            camera = cameras[position] = await stack.enter_async_context(simulated(position, kind))
            path = "/stream" if scheme == "rtsp" else ""
            house.devices[position] = DEVICE.format(
                position=position, kind=kind, scheme=scheme, port=camera.server.port, path=path, more=more
            )
        house.write()
        await house.start()
        desk = await stack.enter_async_context(house.workstation(*DEVICES, station="counter"))
        await until(lambda: all(desk.status(position).online for position in DEVICES), 40)
        counter = Counter(desk)
        listening = asyncio.create_task(counter.listen())
        try:
            async with a_busy_machine(), asyncio.TaskGroup() as taking:
                for position, (kind, _, _) in DEVICES.items():
                    taking.create_task(counter.take(position, cameras[position], kind))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        print(f"{CAPTURES} pictures of each camera, {counter.failed} captures failed")
        assert await house.stop() == 0
