"""Random trials of a lane: stations, people, vehicles, faults, sensors and deaths, all chosen from one seed.

A trial is about a minute of virtual time with one lane and one theme, which sets how often each kind of event
comes; the same board and seed give the same trial.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from adversary.barrier.judge.records import Record, Trouble, Truth, Violation
from adversary.barrier.judge.verdict import judge
from adversary.barrier.rig.lane import Lane
from adversary.barrier.rig.posts import Post, random_post

from simulators.barrier.bus import DirectConnection
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.barrier.modbus_site import ModbusSite
from simulators.errors import SimulatorError

TRIAL_S = 60.0
EXCHANGE_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lost-request", {}),
    ("lost-request", {"exchanges": 2}),
    ("lost-request", {"exchanges": 4}),
    ("lost-reply", {}),
    ("lost-reply", {"exchanges": 2}),
    ("lost-reply", {"exchanges": 4}),
    ("exception-reply", {"code": 6}),
    ("exception-reply", {"code": 4, "acts": True}),
    ("late-reply", {"delay_s": 0.3}),
    ("late-reply", {"delay_s": 0.15}),
    ("duplicated-reply", {}),
    ("wrong-crc", {}),
    ("foreign-reply", {}),
    ("hang-up", {"acts": True}),
    ("hang-up", {"acts": False}),
)
THEMES: dict[str, dict[str, float]] = {
    "calm": {"people": 1.0, "vehicles": 1.0},
    "people": {"people": 3.0},
    "flicker": {"people": 2.0, "flicker": 1.0},
    "lossy": {"people": 1.5, "exchanges": 1.0},
    "stops": {"people": 0.5, "stops": 1.0, "exchanges": 0.7},
    "outages": {"people": 0.5, "outages": 1.0, "exchanges": 0.3},
    "slow": {"people": 2.0, "slow": 1.0},
    "stalls": {"people": 1.0, "stalls": 1.0, "short": 1.0},
    "kills": {"people": 0.7, "lives": 1.0, "exchanges": 0.2},
    "sensors": {"people": 0.7, "vehicles": 0.3, "sensors": 1.0},
    "emergency": {"people": 0.3, "emergency": 1.0, "exchanges": 0.2},
    "leases": {"people": 0.3, "leases": 1.0, "lives": 0.2},
    "masters": {"people": 0.3, "masters": 1.0},
    "hands": {"hands": 1.0, "people": 0.3},
    "storm": {"people": 1.0, "vehicles": 0.5, "exchanges": 0.7, "outages": 0.3, "slow": 0.3, "stalls": 0.2,
              "lives": 0.4, "sensors": 0.5, "emergency": 0.4, "leases": 0.3, "hands": 0.3, "flicker": 0.3,
              "stops": 0.3},
}  # fmt: skip


@dataclass
class Trial:
    """One trial and its outcome."""

    board: str
    seed: int
    theme: str
    post: Post
    records: list[Record] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0
    lives: int = 0

    @property
    def name(self) -> str:
        """Name by which it is repeated."""
        return f"--board {self.board} --seed {self.seed} (theme {self.theme}, {self.post.layout})"


class Traffic:
    """Events of one trial."""

    def __init__(self, lane: Lane, chance: Random, rates: dict[str, float], seconds: float) -> None:
        self.lane = lane
        self.chance = chance
        self.rates = rates
        self.seconds = seconds
        self.doors = [door.name for door in lane.post.facts.doors]
        self.commanded = asyncio.Event()
        self.lease: str | None = None

    async def run(self) -> None:
        """Run the trial."""
        lane = self.lane
        lane.start_worker()
        await lane.ready(6.0)
        await asyncio.sleep(self.chance.uniform(0.1, 2.2))
        actors: dict[str, Callable[[], Awaitable[None]]] = {
            "people": self._people,
            "vehicles": self._vehicles,
            "flicker": self._flicker,
            "exchanges": self._exchanges,
            "outages": self._outages,
            "slow": self._slow,
            "stalls": self._stalls,
            "lives": self._lives,
            "sensors": self._sensors,
            "emergency": self._emergency,
            "leases": self._leases,
            "masters": self._masters,
            "hands": self._hands,
            "stops": self._stops,
        }
        tasks = [
            asyncio.create_task(self._station("counter-1")),
            asyncio.create_task(self._station("counter-2")),
        ]
        tasks += [asyncio.create_task(act()) for name, act in actors.items() if self.rates.get(name)]  # type: ignore[arg-type]
        await asyncio.sleep(self.seconds)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        lane.clear_faults()
        await asyncio.sleep(4.0)

    async def _pause(self, name: str, mean_s: float) -> None:
        await asyncio.sleep(min(6 * mean_s, self.chance.expovariate(self.rates[name] / mean_s)) + 0.01)

    def _door(self) -> str:
        return self.chance.choice(self.doors)

    # Stations.

    def _send(self, verb: str, issuer: str, within_s: float = 3.0, **arguments: Any) -> str:
        name = self.lane.send(verb, issuer, within_s, **arguments)
        self.commanded.set()
        return name

    async def _station(self, name: str) -> None:
        lane, chance = self.lane, self.chance
        mean_s = 2.0 if name == "counter-1" else 6.0
        while True:
            await asyncio.sleep(chance.expovariate(1 / mean_s) + 0.05)
            door = self._door()
            verb = "close" if lane.position(door) > 0.5 else "open"
            if chance.random() < 0.2:
                verb = chance.choice(["open", "close", "stop", "close"])
            within_s = chance.choice(
                [0.3, 0.5, 1.0, 1.0, 3.0] if self.rates.get("short") else [1.0, 3.0, 3.0]
            )
            arguments: dict[str, Any] = {"door": door} if door else {}
            if verb == "stop":
                arguments = chance.choice([{}, {}, {"door": ""}])
            if (
                self.rates.get("exchanges")
                and verb != "stop"
                and chance.random() < 0.3 * self.rates["exchanges"]
            ):
                self._disturb("writes")
            self._send(verb, name, within_s, **arguments)

    async def _stops(self) -> None:
        """Stops while a door moves, some of them disturbed."""
        while True:
            await self._pause("stops", 0.8)
            if any(abs(self.lane.moves(door)) > 0.05 for door in self.doors) and self.chance.random() < 0.3:
                if self.rates.get("exchanges") and self.chance.random() < 0.6:
                    self._disturb("writes")
                self._send("stop", "counter-2", 1.0, **self.chance.choice([{}, {}, {}, {"door": ""}]))
                await asyncio.sleep(self.chance.uniform(0.5, 3.0))

    # People and vehicles.

    async def _people(self) -> None:
        lane, chance = self.lane, self.chance
        while True:
            await asyncio.sleep(0.1)
            for door in self.doors:
                closing = lane.moves(door) < -0.02
                if chance.random() < (0.12 if closing else 0.006) * self.rates["people"]:
                    lane.person(True, door)
                    if closing and chance.random() < 0.5 * self.rates.get("exchanges", 0.0):
                        self._disturb("writes")  # the release, the stop or the reopening
                    await asyncio.sleep(chance.choice([0.3, 0.8, 1.5, 3.0, 6.0]) * chance.uniform(0.7, 1.3))
                    lane.person(False, door)

    async def _vehicles(self) -> None:
        while True:
            await self._pause("vehicles", 8.0)
            if not self.lane.site.barrier.lane.vehicles:
                manner = self.chance.choice(list(DriverBehaviour))
                number = 2 if self.chance.random() < 0.4 else 1
                for _ in range(number):
                    try:
                        self.lane.site.barrier.arrive(
                            manner,
                            wrong_way=self.chance.random() < 0.15,
                            speed_mps=self.chance.choice([2.5, 8.0]),
                            patience_s=15.0,
                        )
                    except SimulatorError:
                        break

    async def _flicker(self) -> None:
        """A limit that flickers just after a door has begun to move."""
        lane, chance = self.lane, self.chance
        while True:
            await self._pause("flicker", 1.0)
            door = self._door()
            signal = chance.choice(["closed-limit", "closed-limit", "open-limit"])
            name = f"{door}-{signal}" if door else signal
            truth = lane.site.barrier.signals[name]
            lane.site.wiring.override([name], not truth)
            lane.add(Trouble(lane.now_s, "flicker", lane.now_s + 0.3, {"signal": name}))
            await asyncio.sleep(chance.uniform(0.1, 0.45))
            lane.site.wiring.override([name], None)

    # Faults.

    def _disturb(self, of: str) -> None:
        name, arguments = self.chance.choice(EXCHANGE_FAULTS)
        self.lane.fault(name, quietly=True, of=of, **arguments)

    async def _exchanges(self) -> None:
        while True:
            await self._pause("exchanges", 3.0)
            self._disturb(self.chance.choice(["writes", "writes", "any"]))

    async def _outages(self) -> None:
        while True:
            await self._pause("outages", 9.0)
            name = self.chance.choice(["silence", "silence", "unplug", "power-cut", "noise"])
            for_s = self.chance.choice([0.3, 1.0, 3.0, 5.5])
            match name:
                case "noise":
                    self.lane.fault(name, data=self.chance.randbytes(6))
                case "power-cut":
                    self.lane.fault(
                        name, for_s=for_s, of=self.chance.choice(["all", "boards", "controllers"])
                    )
                case _:
                    self.lane.fault(name, for_s=for_s, on_inputs=self.chance.random() < 0.5)
            await asyncio.sleep(for_s)

    async def _slow(self) -> None:
        while True:
            await self._pause("slow", 4.0)
            for_s = self.chance.uniform(3, 12)
            self.lane.fault("slow-bus", delay_s=self.chance.choice([0.05, 0.12, 0.15, 0.18]), for_s=for_s)
            await asyncio.sleep(for_s)

    async def _stalls(self) -> None:
        while True:
            await self._pause("stalls", 3.0)
            if self.chance.random() < 0.7:
                self.commanded.clear()
                await self.commanded.wait()
                # A driver reads before it writes: the write comes some frames later.
                await asyncio.sleep(self.chance.choice([0.0, 0.02, 0.05, 0.1]) * self.chance.random())
            seconds = self.chance.choice([0.3, 0.5, 1.5, 4.0])
            self.lane.stall(seconds, discards=self.chance.random() < 0.5)
            await asyncio.sleep(seconds + 0.5)

    async def _sensors(self) -> None:
        lane, chance = self.lane, self.chance
        while True:
            await self._pause("sensors", 5.0)
            signal = chance.choice(list(lane.post.inputs))
            for_s = chance.uniform(0.5, 6.0)
            match chance.choice(["broken", "shorted", "chatter", "both", "stuck", "welded"]):
                case "broken":
                    lane.fault("broken-wire", signal=signal, for_s=for_s)
                case "shorted":
                    lane.fault("shorted-wire", signal=signal, for_s=for_s)
                case "chatter":
                    lane.fault("chatter", signal=signal, per_s=chance.choice([7.0, 11.0, 30.0]), for_s=for_s)
                case "both":
                    lane.fault("both-limits", door=self._door(), for_s=for_s)
                case "stuck":
                    at = chance.choice([None, None, 0.0, 0.3, 0.7, 1.0])
                    lane.fault("stuck-boom", door=self._door(), for_s=for_s, at=at)
                case "welded":
                    lane.fault("welded-relay", relay=chance.randrange(len(lane.post.outputs)), for_s=for_s)
            await asyncio.sleep(for_s * chance.random())

    async def _emergency(self) -> None:
        lane, chance = self.lane, self.chance
        while True:
            await self._pause("emergency", 10.0)
            if chance.random() < 0.5 and any(lane.moves(door) == 0 for door in self.doors):
                await lane.until(lambda: any(lane.moves(door) < -0.02 for door in self.doors), 6.0)
            for_s = chance.choice([1.0, 4.0, 15.0])
            lane.fault("fire", for_s=for_s)
            if chance.random() < 0.4:
                await asyncio.sleep(chance.uniform(0.3, for_s + 1))
                if chance.random() < 0.5:
                    lane.fault("silence", for_s=chance.choice([1.0, 3.5]))
                else:
                    await self._restart(kill=True)
            await asyncio.sleep(for_s + chance.uniform(0.2, 8.0))
            self._send("acknowledge", "supervisor", reason="hall checked")

    async def _leases(self) -> None:
        while True:
            await self._pause("leases", 10.0)
            self._send(
                "maintenance", "technician", duration_s=self.chance.choice([5.0, 20.0]), reason="a test"
            )
            await asyncio.sleep(self.chance.uniform(0.5, 4.0))
            if self.chance.random() < 0.4:
                self._send("maintenance", "counter-2", duration_s=0.0, reason="in my way")
            if self.chance.random() < 0.3:
                self.lane.fault("key-switch", for_s=self.chance.uniform(2, 8))
            if self.chance.random() < 0.3:
                self.lane.fault("silence", for_s=self.chance.choice([0.8, 3.5]))

    async def _hands(self) -> None:
        """Buttons, hands, and a fire alarm that only the machine sees."""
        lane, chance = self.lane, self.chance
        while True:
            await self._pause("hands", 7.0)
            door = self._door()
            match chance.choice(["lift", "button", "fire", "key", "acknowledge"]):
                case "lift":
                    lane.fault("lift", door=door, to=chance.choice([1.0, 0.4, 0.0]))
                case "acknowledge":
                    self._send("acknowledge", "supervisor", reason="hall checked")
                case "button":
                    lane.fault("button", door=door, button=chance.choice(["open", "close", "stop"]))
                case "fire":
                    lane.fault("fire", for_s=chance.uniform(2, 6))
                case "key":
                    lane.fault("key-switch", for_s=chance.uniform(2, 6))

    async def _masters(self) -> None:
        """Another master switches a relay for a moment."""
        lane, chance = self.lane, self.chance
        while True:
            await self._pause("masters", 12.0)
            if not isinstance(lane.site, ModbusSite):
                return
            relay = chance.choice(
                [one for door in lane.post.facts.doors for one in (door.open, door.close) if one is not None]
            )
            lane.add(Truth(lane.now_s, "foreign", "", {"relay": relay}))
            host = DirectConnection(lane.site.bus)
            host.request(1, bytes([5, 0, relay, 0xFF, 0]))
            await asyncio.sleep(1.2)
            host.request(1, bytes([5, 0, relay, 0, 0]))
            await asyncio.sleep(chance.uniform(4, 10))
            self._send("acknowledge", "supervisor", reason="cable removed")

    # Lives.

    async def _restart(self, *, kill: bool) -> None:
        lane, chance = self.lane, self.chance
        if kill:
            lane.kill_worker()
        else:
            await lane.stop_worker(daemon_killed=chance.random() < 0.4)
        await asyncio.sleep(chance.choice([0.05, 0.3, 1.5]))
        if lane.life is None:
            changed = {} if chance.random() < 0.7 else {"permit_s": 5.0}
            lane.start_worker(**changed)

    async def _lives(self) -> None:
        lane, chance = self.lane, self.chance
        while True:
            await self._pause("lives", 8.0)
            if chance.random() < 0.7:
                self.commanded.clear()
                await self.commanded.wait()
                await asyncio.sleep(chance.uniform(0.0, 0.9))
            match chance.choice(["kill", "kill", "stop", "freeze", "slow", "clock"]):
                case "kill":
                    await self._restart(kill=True)
                case "stop":
                    await self._restart(kill=False)
                case "freeze":
                    lane.freeze_worker(chance.choice([0.4, 1.2, 3.5]))
                    await asyncio.sleep(4.0)
                case "slow":
                    lane.slow_worker(lambda: chance.choice([0.0, 0.01, 0.08]))
                    await asyncio.sleep(chance.uniform(2, 6))
                    lane.slow_worker(None)
                case "clock":
                    lane.step_clock(chance.choice([-3600.0, 3600.0, 86_400.0]))


def run_trial(
    board: str, seed: int, *, seconds: float = TRIAL_S, theme: str | None = None, log: Any = None
) -> Trial:
    """Run one trial and judge it."""
    if board == "osdp":
        from adversary.barrier.reader_trials import run_reader_trial

        return run_reader_trial(seed, seconds=seconds, theme=theme, log=log)
    chance = Random(f"{board}/{seed}")
    post = random_post(board, chance)
    drawn = chance.choice(list(THEMES))  # also if it is given, so that the rest is the same
    chosen = theme or drawn
    trial = Trial(board, seed, chosen, post)
    with tempfile.TemporaryDirectory(prefix="lane-") as folder:
        lane = Lane(post, Path(folder), log, seed)
        traffic = None

        async def story(lane: Lane) -> None:
            nonlocal traffic
            traffic = Traffic(lane, chance, THEMES[chosen], seconds)
            await traffic.run()

        trial.records = lane.run(story)
        trial.seconds, trial.lives = seconds, lane.lives
    trial.violations = judge(post.facts, trial.records)
    return trial
