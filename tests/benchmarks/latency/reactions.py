"""Reaction times of a barrier: PYTHONPATH=tests python -m benchmarks.latency.reactions --trials 100 --busy 8.

By the frames of its simulated board, in real time: a stop from its call, the others from the change of the
signal to the last byte of the frame. The reopening includes the dead time between two contacts. A trial of
all four takes about 20 seconds, because a barrier moves at most every two seconds. A card reader has no
inputs and no command but a pulse: its time is measured from the call to the frame.
"""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from adversary.barrier.rig.gpio_site import GpioSite, run_again
from adversary.barrier.rig.osdp_post import OsdpPost
from adversary.barrier.rig.posts import BOARDS, PRELOADED, Post
from adversary.barrier.rig.sites import lane_sites

from drivers import clock
from drivers.access.osdp.driver import PulseOutput
from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier
from drivers.command import CommandArguments, CommandFailure, CommandRefusal, Invocation
from drivers.driver import Driver
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.registry import load_driver
from simulators.barrier.faults import EmergencyActive
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Frame, WireLog

REACTIONS = ("stop", "release", "reopening", "emergency")
OPEN, CLOSE, STOP = 0, 1, 2
"""Relays of the door."""
INTERVAL_S = 2.1
"""Minimum interval of two movements, and a margin."""
BARRIER = {"pulse_s": 1.0, "max_per_minute": 30}
BOOM = {"opening_s": 1.0, "closing_s": 3.0}


def post_of(kind: str) -> Post:
    """Return the lane under measurement."""
    return OsdpPost() if kind == "osdp" else Post(kind, boom=BOOM, barrier=BARRIER)


@contextlib.asynccontextmanager
async def driver_on(
    post: Post, site: BarrierSite, other: BarrierSite | None, scratch: Path
) -> AsyncIterator[Driver[Any]]:
    """Open and watch the driver."""
    if isinstance(site, GpioSite):
        site.prepare()
    kind, links = load_driver(post.driver), LinkFactory()
    driver = kind(kind.settings_model.model_validate(post.settings(scratch, site, other)), links)
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

    def __init__(self, site: BarrierSite, driver: Driver[Any], reactions: tuple[str, ...]) -> None:
        self.site, self.driver = site, driver
        self.times_s: dict[str, list[float]] = {name: [] for name in reactions}

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
        while len(self.site.log.actuations) == frames:  # refused while a busy machine reads too slowly
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        return closing

    def closes(self, relay: int) -> Callable[[Frame], bool]:
        """Return whether a frame closes this contact."""
        return lambda frame: any(
            contact.request == frame.number
            for contact in self.site.log.contacts
            if contact.closed and contact.relay == relay
        )

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
        self.site.wiring.override(["photocell"], True)
        began_s = self.site.timeline.now_s
        await self.first(began_s, lambda frame: not frame.is_actuation, "release")
        await self.first(began_s, self.closes(OPEN), "reopening")
        await closing
        await asyncio.sleep(INTERVAL_S)
        self.site.wiring.override(["photocell"], None)

    async def stop(self) -> None:
        """Measure a stop while the door closes."""
        closing = await self.closing()
        began_s = self.site.timeline.now_s
        await self.command("stop", CommandArguments())
        await self.first(began_s, self.closes(STOP), "stop")
        await closing
        await asyncio.sleep(INTERVAL_S)

    async def pulse(self) -> None:
        """Measure a pulse of a card reader's output."""
        began_s = self.site.timeline.now_s
        await self.command("pulse", PulseOutput(output=0, duration_s=0.5))
        await self.first(began_s, self.closes(OPEN), "pulse")
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


def row(kind: str, times_s: dict[str, list[float]]) -> str:
    """Return the number of trials, p50, p99 and maximum of each reaction, in milliseconds."""
    cells = [f"{kind:16}"]
    for name, values in times_s.items():
        ms = sorted(1000 * value for value in values)
        if not ms:
            cells.append(f"{name}  never")
            continue
        p50, p99 = ms[len(ms) // 2], ms[min(len(ms) - 1, len(ms) * 99 // 100)]
        cells.append(f"{name} {len(ms):4} {p50:5.0f} {p99:5.0f} {ms[-1]:5.0f}")
    return " | ".join(cells)


async def measure(kind: str, trials: int, minutes: float) -> dict[str, list[float]]:
    """Measure one kind of board for so many trials, or until the time is over."""
    ends_s, post = time.monotonic() + 60 * minutes, post_of(kind)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        log = lambda timeline, _board: WireLog(timeline)  # noqa: E731
        async with (
            lane_sites(post, scratch, RealClock(), log) as (site, other),
            driver_on(post, site, other, scratch) as driver,
        ):
            trial = Trial(site, driver, ("pulse",) if kind == "osdp" else REACTIONS)
            for _ in range(trials):
                if kind == "osdp":
                    await trial.pulse()
                else:
                    await trial.stop()
                    await trial.obstruct()
                    await trial.alarm()
                if time.monotonic() > ends_s:
                    break
    return trial.times_s


def main() -> int:
    """Measure, and print a table; return 1 if a reaction never came."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency.reactions", description=__doc__)
    parser.add_argument("--kind", action="append", choices=BOARDS, help="kind of board; all without it")
    parser.add_argument("--trials", type=int, default=100, help="number of trials of each kind")
    parser.add_argument("--minutes", type=float, default=60.0, help="time limit of each kind, in minutes")
    parser.add_argument("--busy", type=int, default=0, help="number of busy loops beside it")
    given = parser.parse_args()
    kinds = given.kind or BOARDS
    if any(kind in PRELOADED for kind in kinds):
        run_again("benchmarks.latency.reactions")
    print("number, p50, p99 and most of each reaction, in milliseconds")
    missing = False
    with busy_loops(given.busy):
        for kind in kinds:
            times_s = asyncio.run(measure(kind, given.trials, given.minutes))
            print(row(kind, times_s), flush=True)
            missing |= not all(times_s.values())
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
