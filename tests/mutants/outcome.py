"""Outcome of a run over one area, read from the files of mutmut."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SAMPLED = "sampled.txt"
"""File with the names of the sampled mutants, one on each line."""
CONTROL = "_0"
"""Suffix of the name of a mutant that changes nothing; mutmut counts from 1."""
KILLED = {1, 3}
"""Exit codes of pytest for a killed mutant: a test failed, or pytest itself did."""
TIMED_OUT = {24, -24, 36, 152, 255, -9}
"""Exit codes of mutants that ran many times as long as their tests, or ended pytest. They count as killed."""


@dataclass(slots=True)
class Outcome:
    """Mutants of one area, by the module they are in."""

    killed: Counter[str] = field(default_factory=Counter)
    timed_out: Counter[str] = field(default_factory=Counter)
    """Those of `killed` that no test failed for, but that never ended."""
    survived: Counter[str] = field(default_factory=Counter)
    unreached: Counter[str] = field(default_factory=Counter)
    """Those of `survived` whose function no test calls in its own process."""
    survivors: list[tuple[str, str]] = field(default_factory=list)
    """The path of the file and the name of the mutant."""
    void: list[str] = field(default_factory=list)
    """Mutants that change nothing but were killed: tests fail by themselves."""

    @property
    def share(self) -> float:
        """Share of killed mutants, from 0 to 1."""
        tried = self.killed.total() + self.survived.total()
        return self.killed.total() / tried if tried else 0.0


def read(work: Path) -> Outcome:
    """Read the outcome of the sampled mutants from the folder that mutmut ran in."""
    names = set((work / SAMPLED).read_text().splitlines())
    outcome = Outcome()
    for meta in sorted((work / "mutants").rglob("*.py.meta")):
        path = str(meta.relative_to(work / "mutants"))[: -len(".meta")]
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            if name not in names:
                continue
            if name.endswith(CONTROL):
                outcome.void += [name] if code in KILLED | TIMED_OUT else []
            elif code in KILLED | TIMED_OUT:
                outcome.killed[path] += 1
                outcome.timed_out[path] += code in TIMED_OUT
            else:
                outcome.survived[path] += 1
                outcome.unreached[path] += code == 33
                outcome.survivors.append((path, name))
    return outcome
