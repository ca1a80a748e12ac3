"""Log of fuzzing runs and findings: one line per run."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FuzzRun:
    """One run of one target."""

    target: str
    at: float
    seconds: float
    cpu_s: float
    inputs: int
    found: int
    """Number of new findings."""


def found(work: Path, name: str) -> set[str]:
    """Return the stored findings of a target."""
    return {file.name for file in (work / "findings" / name).glob("*.txt")}


def append(work: Path, turn: FuzzRun) -> None:
    """Append a run and print it."""
    with (work / "ledger.jsonl").open("a") as ledger:
        ledger.write(json.dumps(asdict(turn)) + "\n")
    new = f", {turn.found} NEW" if turn.found else ""
    print(f"{turn.target}: {turn.inputs} in {turn.cpu_s:.0f} of {turn.seconds:.0f} s{new}", flush=True)


def report(work: Path, beginning: str) -> int:
    """Report all runs so far; return the number of remaining findings."""
    by_target: dict[str, list[FuzzRun]] = defaultdict(list)
    for turn in _turns(work):
        if turn.target.startswith(beginning):
            by_target[turn.target].append(turn)
    remaining = 0
    print(f"{'target':34} {'inputs':>10} {'seconds':>8} {'found':>6} {'clean for':>10} {'left':>5}")
    for name, turns in sorted(by_target.items()):
        last = max((n for n, turn in enumerate(turns) if turn.found), default=-1)
        inputs, cpu_s, here = _inputs(turns), _cpu_s(turns), len(found(work, name))
        remaining += here
        new, clean_s = sum(turn.found for turn in turns), _cpu_s(turns[last + 1 :])
        print(f"{name:34} {inputs:>10} {cpu_s:>8.0f} {new:>6} {clean_s:>8.0f} s {here:>5}")
    everything = [turn for turns in by_target.values() for turn in turns]
    took_s = sum(turn.seconds for turn in everything)
    print(
        f"{_inputs(everything)} inputs in {_cpu_s(everything) / 60:.1f} min of CPU, {took_s / 60:.0f} of time"
    )
    return remaining


def _inputs(turns: list[FuzzRun]) -> int:
    return sum(turn.inputs for turn in turns)


def _cpu_s(turns: list[FuzzRun]) -> float:
    return sum(turn.cpu_s for turn in turns)


def _turns(work: Path) -> Iterator[FuzzRun]:
    file = work / "ledger.jsonl"
    for line in file.read_text().splitlines() if file.exists() else ():
        yield FuzzRun(**json.loads(line))
