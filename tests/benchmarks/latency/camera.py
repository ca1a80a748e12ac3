"""Latency of a picture, from a workstation's call to the event with it; and the cost of cameras.

The simulated cameras are in a process of their own, which draws and encodes and so uses part of the machine;
its CPU time is not the gateway's. A picture of RTSP that comes within `latency_s` after its call, 0.3 s by
default, was taken before it and does not count: that is part of the times.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.ports import free_port

from benchmarks.candidates import COMMANDS, POST, ROLES, ROOT, STATION, Candidate, Setting
from benchmarks.latency.barrier import until_ready
from benchmarks.measures import NotMeasuredError, Setup, prepare
from benchmarks.processes import Running
from drivers.camera.observations import PictureCaptured
from gateway.client import Workstation

ONLINE_S, PATIENCE_S = 40.0, 20.0
SIMULATOR = """
[[simulator]]
name = "{position}"
kind = "camera-{kind}"
port = {port}
size = "{size}"
{more}
"""
DEVICE = """
[device."{position}"]
driver = "camera-{kind}"
{more}
"""
DEVICES = {
    "snapshot": 'url = "http://127.0.0.1:{port}"\npath = "/snapshot.jpg"',
    "rtsp": 'url = "rtsp://127.0.0.1:{port}/stream"',
    "onvif": 'url = "http://127.0.0.1:{port}"',
    "uvc": 'port = "usb:046d:0825"',
}
"""Lines of the configuration, by kind."""
ALONE = {"onvif": "rtsp_port = 0\ndiscoverable = false"}


@dataclass
class CameraTimes:
    """The cameras of one post."""

    kinds: tuple[str, ...]
    size: str
    taken_ms: dict[str, list[float]] = field(default_factory=dict)
    """Times by kind."""
    idle_cpu_percent: float = 0.0
    """CPU time of all processes of the gateway without requests, in percent of a core."""
    pss_mib: float = 0.0
    """Memory of all of them after the pictures."""


def cameras(count: int, idle_s: float) -> Iterator[CameraTimes]:
    """Measure one camera of each kind and size, then ten at once, each time in a gateway of its own."""
    sets = [
        *(CameraTimes((kind,), size) for kind in DEVICES for size in ("640x360", "1920x1080")),
        CameraTimes(("snapshot", "rtsp") * 5, "640x360"),
    ]
    for times in sets:
        with _post(times) as (setup, positions):
            asyncio.run(_take(setup, positions, times, count, idle_s))
        yield times


@contextlib.contextmanager
def _post(times: CameraTimes) -> Iterator[tuple[Setup, list[str]]]:
    cameras = [(f"lane-{number}/camera", kind, free_port()) for number, kind in enumerate(times.kinds, 1)]

    environment = {"PYTHONPATH": str(ROOT)}

    def command(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
        folder = setting.folder
        (folder / "roles.toml").write_text(ROLES)
        post = POST.format(folder=folder, port=setting.broker_port)
        post += COMMANDS + "max_other_commands_per_min = 6000\n"
        for position, kind, port in cameras:
            post += DEVICE.format(position=position, kind=kind, more=DEVICES[kind].format(port=port))
        (folder / "post.toml").write_text(post)
        return [sys.executable, "-m", "gateway", str(folder / "post.toml")], environment

    candidate = Candidate("gateway", "with cameras", True, command)
    with prepare(candidate, devices=0, broker_options=("set_tcp_nodelay true",)) as setup:
        folder = setup.setting.folder
        with _simulated(folder, times, cameras, environment):
            setup.launch()
            yield setup, [position for position, _, _ in cameras]


@contextlib.contextmanager
def _simulated(
    folder: Path, times: CameraTimes, cameras: list[tuple[str, str, int]], environment: dict[str, str]
) -> Iterator[None]:
    """Run the cameras in a process of their own; add the gateway's variables to its environment."""
    webcam, post = folder / "webcam.json", folder / "simulated.toml"
    if times.kinds == ("uvc",):
        argv = ["benchmarks.webcam", times.size, str(webcam)]
    else:
        argv = ["simulators", str(post), "--run-dir", str(folder)]
        post.write_text(
            "".join(
                SIMULATOR.format(
                    position=position, kind=kind, port=port, size=times.size, more=ALONE.get(kind, "")
                )
                for position, kind, port in cameras
            )
        )
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    running = Running([sys.executable, "-m", *argv], {"PYTHONPATH": path}, folder / "simulators.log", folder)
    try:
        if times.kinds == ("uvc",):
            environment |= _environment_of(running, webcam)
        else:
            until_ready(running, len(cameras))
        yield
    finally:
        running.stop()


def _environment_of(webcam: Running, file: Path) -> dict[str, str]:
    """Return the environment in which a program sees it."""
    until_s = time.monotonic() + ONLINE_S
    while not file.exists():
        if webcam.ended or time.monotonic() > until_s:
            raise NotMeasuredError("the simulated webcam does not start")
        time.sleep(0.05)
    return dict(json.loads(file.read_text()))


async def _take(setup: Setup, positions: list[str], times: CameraTimes, count: int, idle_s: float) -> None:
    async with Workstation(
        "127.0.0.1", setup.broker.port, site="uto-bench", positions=positions, station=STATION
    ) as workstation:
        try:
            async with asyncio.timeout(ONLINE_S):
                while not all(workstation.status(position).is_usable for position in positions):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise NotMeasuredError("a camera does not come online") from None
        events = aiter(workstation)
        for turn in range(-len(positions), count):
            position = positions[turn % len(positions)]
            began_ns = time.monotonic_ns()
            call = asyncio.create_task(workstation.command(position, "capture", timeout_s=PATIENCE_S))
            async with asyncio.timeout(PATIENCE_S):
                while not isinstance((received := await anext(events)).data, PictureCaptured):
                    pass
            took_ms = (time.monotonic_ns() - began_ns) / 1e6
            assert received.images, "with its picture"
            await call
            if turn >= 0:  # the first ones load modules that the others find loaded
                times.taken_ms.setdefault(times.kinds[turn % len(positions)], []).append(took_ms)
            await asyncio.sleep(0.007 * (turn % 20))  # at every phase of the camera's cycle
        times.pss_mib = sum(setup.process.pss_mib())
        cpu_s, began_s = setup.process.cpu_s(), time.monotonic()
        await asyncio.sleep(idle_s)
        times.idle_cpu_percent = 100 * (setup.process.cpu_s() - cpu_s) / (time.monotonic() - began_s)
