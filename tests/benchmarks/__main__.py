"""`make bench`: measure, print, write JSON and a plot."""

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import measures, report
from benchmarks.candidates import BARE, DURABLE, GATEWAY, ROOT, Candidate
from benchmarks.installs import PEERS, NotInstallableError, peer
from benchmarks.latency.barrier import barriers
from benchmarks.latency.camera import cameras
from benchmarks.latency.command import commands
from benchmarks.latency.console import consoles
from benchmarks.latency.finger import fingers
from benchmarks.latency.posts import posts

MEASURES = [
    "lives",
    "pages",
    "devices",
    "drain",
    "cut",
    "chips",
    "commands",
    "fingers",
    "barriers",
    "cameras",
    "consoles",
    "posts",
]
CACHE = ROOT / ".cache" / "bench"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=measures.__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round: minutes become one; p99 is rough"
    )
    parser.add_argument("--full", action="store_true", help="a backlog of 100,000 instead of 20,000")
    parser.add_argument("--rounds", type=int, help="starts of every candidate (3)")
    parser.add_argument("--lines", type=int, help="steady lines per round (200)")
    parser.add_argument("--burst", type=int, default=2000, help="lines of a burst (2,000)")
    parser.add_argument(
        "--peers", default="", help=f"peers to install and measure: all, or some of {','.join(PEERS)}"
    )
    parser.add_argument("--only", default="", help="some of " + ",".join(MEASURES))
    parser.add_argument("--json", type=Path, default=CACHE / "results.json")
    parser.add_argument("--plot", type=Path, default=CACHE / "latency.png")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.lines = chosen.lines or (100 if chosen.quick else 200)
    return chosen


def main() -> int:
    """Run every measure; report a candidate that fails and skip it."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 190)
    results = report.Results()
    candidates = [GATEWAY, DURABLE, BARE]
    names = list(PEERS) if options.peers == "all" else [name for name in options.peers.split(",") if name]
    for name in names:
        console.print(f"looking for {name}, installing it if necessary ...")
        try:
            candidates.append(peer(name, CACHE))
        except (NotInstallableError, KeyError) as error:
            results.skipped[name] = str(error)
    selected = options.only.split(",") if options.only else MEASURES

    def attempt(what: str, candidate: Candidate, measure: Callable[[], None]) -> None:
        console.print(f"{what}: {candidate.name}", style="dim")
        try:
            measure()
        except (measures.NotMeasuredError, TimeoutError, OSError) as error:
            results.skipped[f"{what}, {candidate.name}"] = str(error)

    if "lives" in selected:
        _lives(candidates, options, results, attempt)
    durable = [candidate for candidate in candidates if candidate.durable]
    if "pages" in selected:
        count = 5 if options.quick else 15
        for candidate in (GATEWAY, DURABLE):
            attempt(
                "pages",
                candidate,
                lambda c=candidate: results.pages.update({c.name: measures.pages(c, count)}),
            )
    if "devices" in selected:
        for count in (1, 8) if options.quick else (1, 8, 32):
            idle_s = 20 if count == 8 and not options.quick else 8
            attempt(
                f"{count} devices",
                GATEWAY,
                lambda n=count, s=idle_s: results.devices.append(measures.devices(GATEWAY, n, s)),
            )
    if "drain" in selected:
        events = 100_000 if options.full else 3000 if options.quick else 20_000
        for candidate in (GATEWAY, DURABLE):
            attempt(
                f"backlog of {events:,}",
                candidate,
                lambda c=candidate: results.drains.update({c.name: measures.drain(c, events)}),
            )
    if "cut" in selected:
        for candidate in candidates if not options.quick else durable:
            attempt("cut", candidate, lambda c=candidate: results.cuts.update({c.name: measures.cut(c, 100)}))
    if "chips" in selected:
        rounds = 2 if options.quick else 5
        attempt("chips", GATEWAY, lambda: results.chips.extend(measures.chips(rounds)))
    if "commands" in selected:
        count = 60 if options.quick else 250
        attempt("commands", GATEWAY, lambda: results.commands.extend(commands(count)))
    if "fingers" in selected:
        count, waiting_s = (20, 5.0) if options.quick else (100, 15.0)
        attempt("fingers", GATEWAY, lambda: results.fingers.extend(fingers(count, waiting_s)))
    if "barriers" in selected:
        moves, stops = (32, 60) if options.quick else (200, 300)
        attempt("barriers", GATEWAY, lambda: results.barriers.extend(barriers(moves, stops)))
    if "cameras" in selected:
        count, idle_s = (20, 4) if options.quick else (200, 15)
        attempt("cameras", GATEWAY, lambda: results.cameras.extend(cameras(count, idle_s)))
    if "consoles" in selected:
        attempt("consoles", GATEWAY, lambda: results.consoles.extend(consoles(options.lines)))
    if "posts" in selected:
        attempt("posts", GATEWAY, lambda: results.posts.append(posts(3 if options.quick else 10)))
    report.show(console, results)
    chosen = {name: str(value) for name, value in vars(options).items()}
    report.write(options.json, results, chosen)
    console.print(f"all figures: {options.json}")
    if results.lives:
        try:
            report.plot(options.plot, results)
            console.print(f"latencies: {options.plot}")
        except ImportError:
            console.print("no plot: matplotlib is not installed")
    return 0 if GATEWAY.name in results.lives or "lives" not in selected else 1


def _lives(
    candidates: list[Candidate],
    options: argparse.Namespace,
    results: report.Results,
    attempt: Callable[[str, Candidate, Callable[[], None]], None],
) -> None:
    """Run rounds, each in another order, so that disturbances do not always hit the same candidate."""
    order = random.Random(1)
    for turn in range(1, options.rounds + 1):
        for candidate in order.sample(candidates, len(candidates)):

            def measure(candidate: Candidate = candidate) -> None:
                measured = measures.life(candidate, options.lines, options.burst)
                results.lives.setdefault(candidate.name, []).append(measured)

            attempt(f"round {turn} of {options.rounds}", candidate, measure)


if __name__ == "__main__":
    sys.exit(main())
