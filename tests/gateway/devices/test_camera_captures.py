"""Pictures through the whole gateway at random moments, while cameras stall, tear, die and come back.

`BORDERPOST_CAMERA_CAPTURES`: number of captures for each kind of camera; an acceptance has 500, of a webcam
too, on a machine under load.
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
from typing import Any, Protocol

import pytest
from PIL import Image
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S

from drivers.camera.observations import SceneCaptured
from gateway.client import CommandError, ReceivedEvent, Workstation
from simulators.camera.faults import Flagged, Garbage, Stall, TruncatedPicture
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.webcam import Webcam
from simulators.registry import parse_settings

__all__ = ["gateway"]

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
max_other_commands_per_min = 6000
"""
DEVICES = {
    "lane-1/camera": ("camera-snapshot", 'path = "/snapshot.jpg"\npoll_s = 1'),
    # An acceptance uses a post's own latency: a busy machine delays the simulated lens, too.
    "lane-2/camera": (
        "camera-rtsp",
        f"latency_s = {0.1 if CAPTURES < BUSY_FROM else 0.3}\nno_frame_timeout_s = 1",
    ),
    "lane-3/camera": ("camera-onvif", ""),
}
DEVICE = """
[device."{position}"]
driver = "{kind}"
url = "{url}"
{more}
"""
WEBCAM = """
[device."lane-4/camera"]
driver = "camera-uvc"
port = "usb:046d:0825"
latency_s = 0.0
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
    "camera-onvif": [
        ("slow", {"delay_s": 0.3}),
        ("slow", {"delay_s": 4.0}),
        ("garbage", {}),
        ("not-found", {}),
        ("subscriptions-forgotten", {}),
        ("wrong-clock", {"ahead_s": 90.0}),
        ("wrong-clock", {"ahead_s": 0.0}),
        ("service-dies", {"for_s": 0.3}),
    ],
}


class Camera(Protocol):
    """A camera with its possible faults."""

    async def suffer(self, chance: random.Random) -> None: ...


class Simulated:
    """A camera on the network."""

    def __init__(self, kind: str, camera: Any) -> None:
        self.faults = FAULTS[kind]
        self.camera = camera

    async def suffer(self, chance: random.Random) -> None:
        fault, arguments = chance.choice(self.faults)
        await self.camera.handle_command("fault", {"fault": fault, "args": arguments})


class Plugged:
    """A camera on USB."""

    def __init__(self, camera: Webcam) -> None:
        self.camera = camera

    async def suffer(self, chance: random.Random) -> None:
        faults = (Flagged(), TruncatedPicture(after=0.4), Garbage(), Stall(for_s=0.4), Stall(for_s=4.0), None)
        if (fault := chance.choice(faults)) is not None:
            self.camera.inject_fault(fault)
            return
        self.camera.unplug()
        await asyncio.sleep(0.3)
        self.camera.plug()


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@contextlib.asynccontextmanager
async def simulated(position: str, kind: str) -> AsyncIterator[Any]:
    more = {"rtsp_port": 0, "discoverable": False} if kind == "camera-onvif" else {}
    camera: Any = parse_settings({"name": position, "kind": kind, "port": 0} | more).build()
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
    """Takes pictures and verifies each."""

    def __init__(self, desk: Workstation) -> None:
        self._desk = desk
        self._names = itertools.count(1)
        self._awaited: dict[str, asyncio.Future[ReceivedEvent]] = {}
        self.failed = 0

    async def listen(self) -> None:
        async for received in self._desk:
            waiting = self._awaited.get(received.envelope.transaction or "")
            if isinstance(received.data, SceneCaptured) and waiting and not waiting.done():
                waiting.set_result(received)

    async def take(self, position: str, camera: Camera) -> None:
        chance = random.Random(position)
        taken, troubled = 0, False
        while taken < CAPTURES:
            await asyncio.sleep(chance.uniform(0, 0.2))
            if not troubled and chance.random() < 0.3:
                await camera.suffer(chance)
            troubled = True
            name = f"t-{next(self._names)}"
            event = self._awaited[name] = asyncio.get_running_loop().create_future()
            asked_ms = time.time_ns() // 1_000_000
            try:
                await self._desk.command(position, "capture", {"timeout_s": 5}, transaction=name)
            except CommandError:  # while it stalls or is away; only delivered pictures count
                self.failed += 1
                continue
            async with asyncio.timeout(PATIENCE_S):
                received = await event
            with Image.open(io.BytesIO(received.images["picture"])) as image:
                assert FrameStamp.read(image).at_ms >= asked_ms, "made after its request, and whole"
            taken, troubled = taken + 1, False


@pytest.mark.timeout(120 + 4 * CAPTURES)
async def test_no_picture_is_old_or_torn_under_faults(gateway: GatewayFixture) -> None:
    (gateway.folder / "roles.toml").write_text(ROLES)
    gateway.extra = COMMANDS
    async with contextlib.AsyncExitStack() as stack:
        cameras: dict[str, Camera] = {}
        for position, (kind, more) in DEVICES.items():
            camera = await stack.enter_async_context(simulated(position, kind))
            cameras[position] = Simulated(kind, camera)
            gateway.devices[position] = DEVICE.format(position=position, kind=kind, url=camera.url, more=more)
        if CAPTURES >= BUSY_FROM:
            webcam = await stack.enter_async_context(Webcam(frames_per_s=10))
            cameras["lane-4/camera"] = Plugged(webcam)
            gateway.environment = webcam.environment
            gateway.devices["lane-4/camera"] = WEBCAM
        gateway.write()
        await gateway.start()
        desk = await stack.enter_async_context(gateway.workstation(*cameras, station="counter"))
        await until(lambda: all(desk.status(position).is_usable for position in cameras))
        counter = Counter(desk)
        listening = asyncio.create_task(counter.listen())
        try:
            async with a_busy_machine(), asyncio.TaskGroup() as taking:
                for position, camera in cameras.items():
                    taking.create_task(counter.take(position, camera))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        print(f"{CAPTURES} pictures of each of {', '.join(cameras)}: {counter.failed} captures failed")
        assert await gateway.stop() == 0
