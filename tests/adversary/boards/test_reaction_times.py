"""Reaction times of a barrier's driver, by the frames of its simulated board, quiet and on a busy machine.

Measured from the event to the last byte of the frame: a stop from its call, the others from the change of the
signal. The reopening includes the dead time between two contacts.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import clock
from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier
from drivers.barrier.driver import BarrierDriver
from drivers.command import CommandArguments, CommandFailure, CommandRefusal, Invocation
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.registry import load_driver
from simulators.barrier.boards.wirenboard import WirenBoard
from simulators.barrier.faults import BrokenWire, EmergencyActive
from simulators.barrier.modbus_site import USUAL_INPUTS, USUAL_OUTPUTS, ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Frame, WireLog

TRIALS = int(os.environ.get("BORDERPOST_REACTION_TRIALS", "6"))
BUSY_LOOPS = 2
INTERVAL_S = 2.1
"""Minimum interval of two movements, and a margin."""
BARRIER = {
    "doors": [{"open": 0, "close": 1, "stop": 2, "open_limit": 0, "closed_limit": 1, "presence": 4}],
    "emergency": 5,
    "pulse_s": 1.0,
}
KINDS = {
    "waveshare-tcp": ("modbus-barrier", {"model": "waveshare-8"}),
    "waveshare-9600": ("modbus-barrier", {"model": "waveshare-8"}),
    "wirenboard-9600": ("modbus-barrier", {"model": "wirenboard-6"}),
    "numato": (
        "serial-relay",
        {"model": "numato", "relays": 4, "inputs": 8, "time_relay_s": 1.0, "inputs_open_when_cut": True},
    ),
}
BOUNDS_S = {"stop": 0.5, "release": 0.8, "reopening": 1.5, "emergency": 0.8}
"""Upper bounds of the median on a quiet machine, generous: this machine runs other tests."""


@contextlib.asynccontextmanager
async def site_of(kind: str, path: Path) -> AsyncIterator[BarrierSite]:
    """Start the simulated barrier; on a serial line, frames take their time at 9600 bits per second."""
    wires = {"outputs": USUAL_OUTPUTS, "inputs": USUAL_INPUTS}
    boom = {"boom": {"opening_s": 1.0, "closing_s": 3.0}}
    if kind == "numato":
        timeline = RealClock()
        with WireLog(timeline) as log:
            given = {"path": path, "model": "numato", "gpios": 8, "mechanics": boom, **wires}
            serial = SerialSite(SerialSettings.model_validate(given), timeline, log)
            async with serial.connected():
                yield serial
        return
    model = str(KINDS[kind][1]["model"])
    wires["inputs"] = {name: at for name, at in USUAL_INPUTS.items() if at < 6}
    line = {} if kind.endswith("tcp") else {"path": path, "paced": True, "quiet_s": 0.01}
    settings = {"boards": [{"model": model, **wires}], "mechanics": boom, **line}
    async with ModbusSite.start(ModbusSettings.model_validate(settings)) as modbus:
        if isinstance(modbus.boards[0], WirenBoard):
            modbus.boards[0].set_up()
        yield modbus


@contextlib.asynccontextmanager
async def driver_on(site: BarrierSite, kind: str) -> AsyncIterator[BarrierDriver[Any]]:
    """Open and watch the driver."""
    name, board = KINDS[kind]
    driver_kind, links = load_driver(name), LinkFactory()
    port = f"tcp://{site.address}" if kind.endswith("tcp") else site.address
    settings = driver_kind.settings_model.model_validate({**BARRIER, "board": {**board, "port": port}})
    driver = driver_kind(settings, links)
    assert isinstance(driver, BarrierDriver)
    await driver.open()

    async def watch() -> None:
        async for _ in driver.watch():
            pass

    watching = asyncio.create_task(watch())
    try:
        yield driver
        assert not watching.done()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await driver.close()
        await links.close()


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep processors busy with loops of other processes."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Trial:
    """One barrier under measurement."""

    def __init__(self, site: BarrierSite, driver: BarrierDriver[Any]) -> None:
        self.site, self.driver = site, driver
        self.times_s: dict[str, list[float]] = {name: [] for name in BOUNDS_S}

    async def command(self, name: str, request: CommandArguments) -> None:
        """Send a command until it is accepted; its movement may be ended by the trial."""
        while True:
            call = Invocation("c1", "counter-1", "t1", clock.boot_ns() + 3_000_000_000)
            try:
                await getattr(self.driver, name)(request, call)
            except (CommandFailure, LinkError):
                return
            except CommandRefusal:
                await asyncio.sleep(0.2)  # too soon after the last movement, or not yet at its end
            else:
                return

    async def closing(self) -> "asyncio.Task[None]":
        """Open the barrier, and let it begin to close."""
        await self.command("open_barrier", OpenBarrier())
        await asyncio.sleep(INTERVAL_S)
        frames = len(self.site.log.actuations)
        closing = asyncio.create_task(self.command("close_barrier", CloseBarrier()))
        await self.site.log.until(lambda: len(self.site.log.actuations) > frames)
        await asyncio.sleep(0.3)
        return closing

    async def first(self, after_s: float, fits: Callable[[Frame], bool], name: str) -> None:
        """Note the time to the first such frame."""

        def found() -> Frame | None:
            writes = self.site.log.output_writes
            return next((frame for frame in writes if frame.at_s > after_s and fits(frame)), None)

        async with asyncio.timeout(5):
            await self.site.log.until(lambda: found() is not None)
        frame = found()
        assert frame is not None
        self.times_s[name].append(frame.at_s - after_s)

    async def obstruct(self) -> None:
        """Measure release and reopening when somebody is in the way of a closing door."""
        closing = await self.closing()
        self.site.inject(BrokenWire(signal="photocell", for_s=2.5))
        began_s = self.site.timeline.now_s
        await self.first(began_s, lambda frame: not frame.is_actuation, "release")
        await self.first(began_s, lambda frame: frame.is_actuation and " 0 on" in frame.meaning, "reopening")
        await closing
        await asyncio.sleep(INTERVAL_S)

    async def stop(self) -> None:
        """Measure a stop while the door closes."""
        closing = await self.closing()
        began_s = self.site.timeline.now_s
        await self.command("stop", CommandArguments())
        await self.first(began_s, lambda frame: frame.is_actuation and " 2 on" in frame.meaning, "stop")
        await closing
        await asyncio.sleep(INTERVAL_S)

    async def alarm(self) -> None:
        """Measure the release at an emergency while the contact that closes is energised."""
        closing = await self.closing()
        self.site.inject(EmergencyActive(for_s=1))
        began_s = self.site.timeline.now_s
        with contextlib.suppress(TimeoutError):
            await self.first(began_s, lambda frame: not frame.is_actuation, "emergency")
        await closing
        await asyncio.sleep(1.5)
        await self.command("acknowledge", AcknowledgeEmergency(reason="measurement"))


def row(kind: str, machine: str, times_s: dict[str, list[float]]) -> str:
    """Return p50, p99 and maximum of each reaction, in milliseconds."""
    cells = [f"{kind:16} {machine:6}"]
    for name, values in times_s.items():
        ms = sorted(1000 * value for value in values)
        figures = (
            f"{ms[len(ms) // 2]:4.0f} {ms[min(len(ms) - 1, len(ms) * 99 // 100)]:4.0f} {ms[-1]:4.0f}"
            if ms
            else "   never"
        )
        cells.append(f"{name} {figures}")
    return " | ".join(cells)


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("machine", ["quiet", "busy"])
@pytest.mark.parametrize("kind", KINDS)
async def test_reaction_times(kind: str, machine: str, tmp_path: Path) -> None:
    async with site_of(kind, tmp_path / "line") as site, driver_on(site, kind) as driver:
        trial = Trial(site, driver)
        with busy_loops(BUSY_LOOPS if machine == "busy" else 0):
            for _ in range(TRIALS):
                await trial.stop()
                await trial.obstruct()
                await trial.alarm()
    print(f"\n{row(kind, machine, trial.times_s)}  (p50 p99 max, ms)")
    for name in ("stop", "release", "reopening"):
        times_s = sorted(trial.times_s[name])
        assert len(times_s) == TRIALS
        if machine == "quiet":
            assert times_s[TRIALS // 2] < BOUNDS_S[name]
