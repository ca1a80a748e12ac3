"""Random trials of a reader's outputs over OSDP: stations, faults of its line, and deaths of the worker."""

import asyncio
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from adversary.barrier.judge.pulse_rules import judge_pulses
from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.osdp_post import random_reader
from adversary.barrier.trials import TRIAL_S, Trial

THEMES = ("calm", "lossy", "outages", "stalls", "kills", "storm")


class ReaderTraffic:
    """Events of one trial."""

    def __init__(self, lane: Lane, chance: Random, theme: str, seconds: float) -> None:
        self.lane = lane
        self.chance = chance
        self.theme = theme
        self.seconds = seconds

    async def run(self) -> None:
        """Run the trial."""
        lane = self.lane
        lane.start_worker()
        await lane.until(lambda: lane.device == "online", 6.0)
        actors = {
            "lossy": self._lossy,
            "outages": self._outages,
            "stalls": self._stalls,
            "kills": self._kills,
        }
        tasks = [asyncio.create_task(self._station(name)) for name in ("counter-1", "counter-2")]
        tasks += [asyncio.create_task(act()) for name, act in actors.items() if self.theme in (name, "storm")]
        await asyncio.sleep(self.seconds)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        lane.clear_faults()
        await asyncio.sleep(4.0)

    async def _pause(self, mean_s: float) -> None:
        await asyncio.sleep(min(6 * mean_s, self.chance.expovariate(1 / mean_s)) + 0.01)

    async def _station(self, name: str) -> None:
        chance = self.chance
        while True:
            await self._pause(1.5)
            if self.theme in ("lossy", "storm") and chance.random() < 0.4:
                self._disturb("writes")
            output, duration_s = chance.choice([0, 0, 0, 1]), chance.choice([0.1, 0.5, 0.5, 1.0, 1.5, 3.0])
            within_s = chance.choice([0.05, 0.3, 1.0, 3.0])
            self.lane.send("pulse", name, within_s, output=output, duration_s=duration_s)

    def _disturb(self, of: str) -> None:
        fault = self.chance.choice(["lost-request", "lost-reply"])
        self.lane.fault(fault, quietly=True, of=of, exchanges=self.chance.choice([1, 1, 2, 4]))

    async def _lossy(self) -> None:
        while True:
            await self._pause(2.0)
            self._disturb(self.chance.choice(["writes", "any"]))

    async def _outages(self) -> None:
        while True:
            await self._pause(7.0)
            for_s = self.chance.choice([0.3, 1.0, 3.0, 6.0])
            match self.chance.choice(["silence", "silence", "unplug", "power-cut", "noise"]):
                case "noise":
                    self.lane.fault("noise", data=self.chance.randbytes(9))
                case "power-cut":
                    self.lane.fault("power-cut", for_s=for_s, of=self.chance.choice(["all", "boards"]))
                case name:
                    self.lane.fault(name, for_s=for_s)
            await asyncio.sleep(for_s)

    async def _stalls(self) -> None:
        while True:
            await self._pause(3.0)
            for_s = self.chance.choice([0.1, 0.3, 0.5, 1.5, 4.0])
            self.lane.stall(for_s, discards=self.chance.random() < 0.5)
            await asyncio.sleep(for_s + 0.5)

    async def _kills(self) -> None:
        lane, chance = self.lane, self.chance
        while True:
            await self._pause(6.0)
            match chance.choice(["kill", "kill", "stop", "freeze", "slow", "clock"]):
                case "kill":
                    lane.kill_worker()
                case "stop":
                    await lane.stop_worker(daemon_killed=chance.random() < 0.4)
                case "freeze":
                    lane.freeze_worker(chance.choice([0.4, 1.2, 3.5]))
                    await asyncio.sleep(4.0)
                case "slow":
                    lane.slow_worker(lambda: chance.choice([0.0, 0.01, 0.08]))
                    await asyncio.sleep(chance.uniform(2, 6))
                    lane.slow_worker(None)
                case "clock":
                    lane.step_clock(chance.choice([-3600.0, 3600.0]))
            await asyncio.sleep(chance.choice([0.05, 0.3, 1.5]))
            if lane.life is None:
                lane.start_worker()


def run_reader_trial(
    seed: int, *, seconds: float = TRIAL_S, theme: str | None = None, log: Any = None
) -> Trial:
    """Run one trial and judge it."""
    chance = Random(f"osdp/{seed}")
    post = random_reader(chance)
    drawn = chance.choice(THEMES)
    chosen = theme if theme in THEMES else drawn
    trial = Trial("osdp", seed, chosen, post)
    with tempfile.TemporaryDirectory(prefix="lane-") as folder:
        lane = Lane(post, Path(folder), log, seed)
        trial.records = lane.run(lambda lane: ReaderTraffic(lane, chance, chosen, seconds).run())
        trial.seconds, trial.lives = seconds, lane.lives
    trial.violations = judge_pulses(post.facts, trial.records)
    return trial
