"""Start of a simulated post of four families: its devices alone, then as a gateway's workstation sees them.

Of every start, the time until the simulated devices can be opened, and until a workstation sees all of them
as usable; the gateway starts when they can be opened, at a broker that runs. The first start fills the page
cache and is not counted.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from support.ports import free_port

from benchmarks.candidates import COMMANDS, POST, ROLES, ROOT, STATION, Candidate, Setting
from benchmarks.measures import NotMeasuredError, prepare
from benchmarks.processes import Running
from gateway.client import Workstation

READY_S = 60.0
POLL_S = 0.01
POSITIONS = ("lane-1/reader", "lane-1/camera", "lane-1/finger", "lane-1/barrier")
SIMULATED = """
[[simulator]]
name = "lane-1/reader"
kind = "document-bridge"
port = {reader}
chip = {{ port = {chip}, trust = "{folder}/trust" }}
[[simulator]]
name = "lane-1/camera"
kind = "camera-snapshot"
port = {camera}
[[simulator]]
name = "lane-1/finger"
kind = "uru4000"
port = {finger}
[[simulator]]
name = "lane-1/barrier"
kind = "modbus-barrier"
path = "{folder}/barrier"
baud = 115200
[[simulator.boards]]
model = "waveshare-8"
outputs = {{ open = 0, close = 1, stop = 2 }}
inputs = {{ open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5 }}
"""
DEVICES = """
[device."lane-1/reader"]
driver = "document-bridge"
url = "http://127.0.0.1:{reader}"
[device."lane-1/reader".chip]
reader = "vpcd://127.0.0.1:{chip}"
trust = ["{folder}/trust"]
[device."lane-1/camera"]
driver = "camera-snapshot"
url = "http://127.0.0.1:{camera}"
path = "/snapshot.jpg"
[device."lane-1/finger"]
driver = "uru4000"
port = "usbip://127.0.0.1:{finger}/1-1"
quality = "ridge_clarity"
[device."lane-1/barrier"]
driver = "modbus-barrier"
emergency = {{ input = 5, contact = "nc" }}
[device."lane-1/barrier".board]
model = "waveshare-8"
port = "{folder}/barrier"
baud = 115200
[[device."lane-1/barrier".doors]]
open = 0
close = 1
stop = 2
open_limit = {{ input = 0, contact = "no" }}
closed_limit = {{ input = 1, contact = "no" }}
entry_side = {{ input = 2, contact = "no" }}
exit_side = {{ input = 3, contact = "no" }}
presence = {{ input = 4, contact = "nc" }}
"""


@dataclass
class PostTimes:
    """Starts of one post, each from the start of its first program, in seconds."""

    devices_s: list[float] = field(default_factory=list)
    """Until every simulated device can be opened."""
    usable_s: dict[str, list[float]] = field(default_factory=dict)
    """Until a workstation sees the device of a position as usable."""
    post_s: list[float] = field(default_factory=list)
    """Until it sees all of them."""
    cpu_s: list[float] = field(default_factory=list)
    """CPU time of the simulated devices until they can be opened."""


def posts(starts: int) -> PostTimes:
    """Start a post several times, and once before, which is not counted."""
    times = PostTimes()
    for number in range(-1, starts):
        _start(times if number >= 0 else PostTimes())
    return times


def _start(times: PostTimes) -> None:
    ports = {name: free_port() for name in ("reader", "chip", "camera", "finger")}

    def command(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
        folder = setting.folder
        (folder / "roles.toml").write_text(ROLES)
        post = POST.format(folder=folder, port=setting.broker_port) + COMMANDS
        (folder / "post.toml").write_text(post + DEVICES.format(folder=folder, **ports))
        return [sys.executable, "-m", "gateway", str(folder / "post.toml")], {"PYTHONPATH": str(ROOT)}

    candidate = Candidate("gateway", "with a whole post", True, command)
    with prepare(candidate, devices=0, broker_options=("set_tcp_nodelay true",)) as setup:
        folder = setup.setting.folder
        (folder / "simulated.toml").write_text(SIMULATED.format(folder=folder, **ports))
        argv = [sys.executable, "-m", "simulators", str(folder / "simulated.toml"), "--run-dir", str(folder)]
        began_s = time.monotonic()
        simulators = Running(argv, {"PYTHONPATH": str(ROOT)}, folder / "simulators.log", folder)
        try:
            _until_ready(simulators)
            times.devices_s.append(time.monotonic() - began_s)
            times.cpu_s.append(simulators.cpu_s())
            setup.launch()
            asyncio.run(_until_usable(setup.broker.port, times, began_s))
        finally:
            simulators.stop()


def _until_ready(simulators: Running) -> None:
    deadline = time.monotonic() + READY_S
    while simulators.log.read_text().count(" ready ") < len(POSITIONS):
        if simulators.ended or time.monotonic() > deadline:
            raise NotMeasuredError(f"the simulators do not start: {simulators.log.read_text()[-500:]}")
        time.sleep(POLL_S)


async def _until_usable(port: int, times: PostTimes, began_s: float) -> None:
    found: dict[str, float] = {}
    async with Workstation(
        "127.0.0.1",
        port,
        site="uto-bench",
        positions=POSITIONS,
        station=STATION,
        on_problem=lambda _: None,  # a gateway that has not started yet is none
    ) as workstation:
        while len(found) < len(POSITIONS):
            now_s = time.monotonic() - began_s
            if now_s > READY_S:
                raise NotMeasuredError(f"not usable: {', '.join(sorted(set(POSITIONS) - found.keys()))}")
            for position in POSITIONS:
                if position not in found and workstation.status(position).is_usable:
                    found[position] = now_s
            await asyncio.sleep(POLL_S)
    for position, taken_s in found.items():
        times.usable_s.setdefault(position, []).append(taken_s)
    times.post_s.append(max(found.values()))
