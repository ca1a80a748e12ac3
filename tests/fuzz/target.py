"""Targets: what is done with bytes from outside, and the only errors that it may end in.

A module in `targets/` a family, a function a target: `documents.py` has `documents.accessis`.
"""

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
Attempt = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """One way in."""

    name: str
    attempt: Attempt
    allowed: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    """What the other side's language is made of."""
    longest: int
    """No input has more bytes."""

    def run(self, data: bytes) -> None:
        """Do it; raises whatever is not documented."""
        try:
            self.attempt(data)
        except self.allowed:
            return

    def corpus_inputs(self) -> list[bytes]:
        """The corpus in the repository: a line an input, as Python writes bytes."""
        file = CORPUS / f"{self.name}.txt"
        return [ast.literal_eval(line) for line in file.read_text().splitlines()] if file.exists() else []


_TARGETS: dict[str, Target] = {}


def target(
    *allowed: type[Exception],
    seeds: Iterable[bytes] = (),
    words: Iterable[bytes] = (),
    longest: int = 4096,
    name: str | None = None,
) -> Callable[[Attempt], Attempt]:
    """Make a function a target."""

    def make(attempt: Attempt) -> Attempt:
        family = attempt.__module__.rpartition(".")[2]
        full = f"{family}.{name or attempt.__name__}"
        assert full not in _TARGETS
        _TARGETS[full] = Target(full, attempt, allowed, tuple(seeds), tuple(filter(None, words)), longest)
        return attempt

    return make


held = ExitStack()
"""What targets keep open from one input to the next."""


def families() -> list[str]:
    """The modules, without loading them."""
    return [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "targets")])]


def targets_of(family: str) -> list[Target]:
    """Those of one module."""
    importlib.import_module(f"fuzz.targets.{family}")
    return [target for name, target in sorted(_TARGETS.items()) if name.startswith(f"{family}.")]


def chosen(beginning: str) -> list[Target]:
    """Those whose names begin so; no other family is loaded."""
    return [
        target
        for family in families()
        if family.startswith(beginning) or beginning.startswith(f"{family}.")
        for target in targets_of(family)
        if target.name.startswith(beginning)
    ]
