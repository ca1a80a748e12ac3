"""Latency of a barrier's command: from a workstation's call to the frame at its board.

The far end is a simulated board in a process of its own, whose log has the time of each frame's last byte, by
the clock of this process. A barrier moves at most every two seconds, so there are several. A stop has no
minimum interval, and is measured while its board, on a serial line at 9600 bits/s, is polled continuously.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.gateway.barriers import TABLE
from support.ports import free_port

from benchmarks.candidates import COMMANDS, POST, ROLES, ROOT, STATION, Candidate, Setting
from benchmarks.latency.command import Quiet
from benchmarks.measures import NotMeasuredError, prepare
from benchmarks.processes import Running
from gateway.client import CommandRejected

BARRIERS = 8
APART_S = 2.05
"""Minimum interval of a barrier between two movements, plus a margin."""
READY_S = ONLINE_S = 30.0
SIMULATOR = """
[[simulator]]
name = "{position}"
kind = "modbus-barrier"
{link}
wire_log = "{log}"
[simulator.mechanics.boom]
opening_s = 0.3
closing_s = 0.3
ramp_s = 0.05
[[simulator.boards]]
model = "waveshare-8"
outputs = {{ open = 0, close = 1, stop = 2 }}
inputs = {{ open-limit = 0, closed-limit = 1, approach = 2, exit = 3, photocell = 4, fire = 5, key = 6, \
controller-ok = 7 }}
"""


@dataclass
class BarrierTimes:
    """One kind of command, and the times of its frames, in milliseconds."""

    command: str
    wire_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class BarrierUnderTest:
    """One barrier: its position, the simulator's link, the driver's port and other settings."""

    position: str
    link: str
    port: str
    more: str = ""


def barriers(moves: int, stops: int) -> list[BarrierTimes]:
    """Move several barriers, each as often as allowed; then stop one whose bus has no pause."""
    moved, stopped = BarrierTimes("open or close, over TCP"), BarrierTimes("stop, its bus always busy")
    ports = [free_port() for _ in range(BARRIERS)]
    several = [
        BarrierUnderTest(f"lane-{number}/barrier", f"port = {port}", f"tcp://127.0.0.1:{port}")
        for number, port in enumerate(ports, 1)
    ]
    with _post(several) as (broker_port, logs):
        asyncio.run(_move_all(broker_port, logs, moves, moved))
    line = BarrierUnderTest(
        "lane-1/barrier", 'path = "{folder}/line"\npaced = true', "{folder}/line", "poll_s = 0.02"
    )
    with _post([line]) as (broker_port, logs):
        asyncio.run(_stop(broker_port, logs, stops, stopped))
    return [moved, stopped]


@contextlib.contextmanager
def _post(places: list[BarrierUnderTest]) -> Iterator[tuple[int, Mapping[str, Path]]]:
    """Run a gateway with these barriers; yield the broker's port and the barriers' logs."""

    def command(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
        folder = setting.folder
        (folder / "roles.toml").write_text(ROLES)
        post = POST.format(folder=folder, port=setting.broker_port) + COMMANDS
        for place in places:
            post += TABLE.format(
                position=place.position, port=place.port.format(folder=folder), more=place.more
            )
        (folder / "post.toml").write_text(post)
        return [sys.executable, "-m", "gateway", str(folder / "post.toml")], {"PYTHONPATH": str(ROOT)}

    candidate = Candidate("gateway", "with barriers", True, command)
    with prepare(candidate, devices=0, broker_options=("set_tcp_nodelay true",)) as setup:
        folder = setup.setting.folder
        logs = {place.position: folder / f"{place.position.replace('/', '-')}.jsonl" for place in places}
        simulated = "".join(
            SIMULATOR.format(
                position=place.position, link=place.link.format(folder=folder), log=logs[place.position]
            )
            for place in places
        )
        (folder / "simulated.toml").write_text(simulated)
        argv = [sys.executable, "-m", "simulators", str(folder / "simulated.toml"), "--run-dir", str(folder)]
        simulators = Running(argv, {"PYTHONPATH": str(ROOT)}, folder / "simulators.log", folder)
        try:
            until_ready(simulators, len(places))
            setup.launch()
            yield setup.broker.port, logs
        finally:
            simulators.stop()


def until_ready(simulators: Running, count: int) -> None:
    """Wait until this number of simulators is ready."""
    deadline = time.monotonic() + READY_S
    while simulators.log.read_text().count(" ready ") < count:
        if simulators.ended or time.monotonic() > deadline:
            raise NotMeasuredError("the simulators do not start")
        time.sleep(0.05)


async def _move_all(port: int, logs: Mapping[str, Path], moves: int, times: BarrierTimes) -> None:
    async with Quiet(
        "127.0.0.1", port, site="uto-bench", positions=list(logs), station=STATION
    ) as workstation:
        await _online(workstation, logs)
        await asyncio.sleep(APART_S)
        rounds = -(-moves // len(logs))

        async def move(position: str, first_s: float) -> None:
            called_s: list[float] = []
            await asyncio.sleep(first_s)
            while len(called_s) < rounds:
                began = time.monotonic()
                try:
                    await workstation.command(position, ("open", "close")[len(called_s) % 2], timeout_s=20)
                except CommandRejected:  # too soon after the last one, which a busy machine had delayed
                    await asyncio.sleep(APART_S / 10)
                    continue
                called_s.append(began)
                await asyncio.sleep(max(0.0, began + APART_S - time.monotonic()))
            times.wire_ms += _until_written(logs[position], called_s)

        # One after the other, never two at once: each must find the gateway idle.
        step_s = APART_S / len(logs)
        await asyncio.gather(*(move(position, turn * step_s) for turn, position in enumerate(logs)))


async def _stop(port: int, logs: Mapping[str, Path], stops: int, times: BarrierTimes) -> None:
    ((position, log),) = logs.items()
    async with Quiet(
        "127.0.0.1", port, site="uto-bench", positions=[position], station=STATION
    ) as workstation:
        await _online(workstation, logs)
        called_s: list[float] = []
        for turn in range(stops):
            await asyncio.sleep(0.05 + 0.0007 * (turn % 50))  # at every phase of the bus's cycle
            called_s.append(time.monotonic())
            await workstation.command(position, "stop", timeout_s=20)
        times.wire_ms += _until_written(log, called_s)


async def _online(workstation: Quiet, positions: Mapping[str, Path]) -> None:
    try:
        async with asyncio.timeout(ONLINE_S):
            while not all(workstation.status(position).is_usable for position in positions):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise NotMeasuredError("a barrier does not come online") from None


def _until_written(log: Path, calls_s: list[float]) -> list[float]:
    """Return the time from each call to its frame, in milliseconds; each call has exactly one frame."""
    with log.open() as lines:
        frames = [entry for line in lines if (entry := json.loads(line)).get("actuation")]
    if len(frames) != len(calls_s):
        raise NotMeasuredError(f"{len(calls_s)} commands made {len(frames)} frames")
    return [1000 * (frame["at_s"] - called_s) for frame, called_s in zip(frames, calls_s, strict=True)]
