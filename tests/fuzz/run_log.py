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


def append(work: Path, run: FuzzRun) -> None:
    """Append a run and print it."""
    with (work / "ledger.jsonl").open("a") as ledger:
        ledger.write(json.dumps(asdict(run)) + "\n")
    new = f", {run.found} NEW" if run.found else ""
    print(f"{run.target}: {run.inputs} in {run.cpu_s:.0f} of {run.seconds:.0f} s{new}", flush=True)


def report(work: Path, beginning: str) -> int:
    """Report all runs so far; return the number of remaining findings."""
    by_target: dict[str, list[FuzzRun]] = defaultdict(list)
    for run in _runs(work):
        if run.target.startswith(beginning):
            by_target[run.target].append(run)
    remaining = 0
    print(f"{'target':34} {'inputs':>10} {'seconds':>8} {'found':>6} {'clean for':>10} {'left':>5}")
    for name, runs in sorted(by_target.items()):
        last = max((n for n, run in enumerate(runs) if run.found), default=-1)
        inputs, cpu_s, here = _inputs(runs), _cpu_s(runs), len(found(work, name))
        remaining += here
        new, clean_s = sum(run.found for run in runs), _cpu_s(runs[last + 1 :])
        print(f"{name:34} {inputs:>10} {cpu_s:>8.0f} {new:>6} {clean_s:>8.0f} s {here:>5}")
    everything = [run for runs in by_target.values() for run in runs]
    took_s = sum(run.seconds for run in everything)
    print(
        f"{_inputs(everything)} inputs in {_cpu_s(everything) / 60:.1f} min of CPU, {took_s / 60:.0f} of time"
    )
    return remaining


def _inputs(runs: list[FuzzRun]) -> int:
    return sum(run.inputs for run in runs)


def _cpu_s(runs: list[FuzzRun]) -> float:
    return sum(run.cpu_s for run in runs)


def _runs(work: Path) -> Iterator[FuzzRun]:
    file = work / "ledger.jsonl"
    for line in file.read_text().splitlines() if file.exists() else ():
        yield FuzzRun(**json.loads(line))
