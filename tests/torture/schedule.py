"""Schedule of faults, drawn from a seed, so that a run can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

LANES = ("lane-1/reader", "lane-2/reader", "lane-3/reader", "lane-4/reader")
CALM_EVERY_S, CALM_S = 60.0, 10.0
"""Calms: in the last ten seconds of every minute there is no fault, and nothing at all may be missing."""
FIRST_S, LAST_S = 3.0, 2.0

KILLS = {
    "kill-gateway": 30,
    "kill-worker": 34,
    "kill-forkserver": 12,
    "kill-local": 13,
    "stop-gateway": 4,
    "corrupt": 7,
}
OUTAGES = {
    "local-down": 25,
    "local-frozen": 15,
    "hq-down": 20,
    "hq-frozen": 10,
    "hq-cut": 12,
    "hq-stalled": 8,
    "both-down": 10,
}
DISK = {"disk-full": 3, "disk-error": 2}
REST = {
    "clock": 4,
    "unplug": 4,
    "reload-broken": 1,
    "reload-same": 1,
    "reload-device": 1,
    "reload-brokers": 1,
}
JUMPS_S = (-86_400, -3600, -30, -1, 1, 30, 3600, 86_400 * 400)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    at_s: float
    kind: str
    lasts_s: float = 0.0
    lane: str = ""
    draw: float = 0.0
    """A random number from 0 to 1 for the fault's own choice."""

    @property
    def kills(self) -> bool:
        return self.kind.startswith("kill-") or self.kind == "corrupt"

    @property
    def outage(self) -> bool:
        return self.kind in OUTAGES


def plan(seed: int, seconds: float) -> list[Fault]:
    """Return the faults of a run, in order of their start."""
    tracks = (
        (KILLS, (1.2, 3.6), (0.0, 0.0)),
        (OUTAGES, (2.0, 9.0), (1.0, 18.0)),
        (DISK, (10.0, 25.0), (2.0, 9.0)),
        (REST, (4.0, 10.0), (0.2, 4.0)),
    )
    faults: list[Fault] = []
    for number, (kinds, gaps, lengths) in enumerate(tracks):
        faults += _track(Random(f"{seed}/{number}"), kinds, gaps, lengths, seconds)
    return sorted(faults, key=lambda fault: fault.at_s)


def _track(
    chance: Random,
    kinds: dict[str, int],
    gaps: tuple[float, float],
    lengths: tuple[float, float],
    seconds: float,
) -> list[Fault]:
    """Yield one fault after another, none of them in a calm or reaching into one."""
    faults: list[Fault] = []
    at_s = FIRST_S
    while True:
        at_s += chance.uniform(*gaps)
        kind = chance.choices(list(kinds), list(kinds.values()))[0]
        lasts_s, lane, draw = chance.uniform(*lengths), chance.choice(LANES), chance.random()
        calm_s = next((start for start, _ in calms(seconds) if start > at_s), seconds - LAST_S)
        if any(start <= at_s < end for start, end in calms(seconds)) or at_s + 1 > calm_s:
            at_s = next((end for _, end in calms(seconds) if end > at_s), seconds)
            if at_s >= seconds - LAST_S:
                return faults
            continue
        if at_s >= seconds - LAST_S:
            return faults
        lasts_s = min(lasts_s, calm_s - at_s)
        faults.append(Fault(at_s, kind, lasts_s, lane, draw))
        at_s += lasts_s


def calms(seconds: float) -> Sequence[tuple[float, float]]:
    """Return the calms, from start to end."""
    found = []
    end_s = CALM_EVERY_S
    while end_s <= seconds:
        found.append((end_s - CALM_S, end_s))
        end_s += CALM_EVERY_S
    return found
