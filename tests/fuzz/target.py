"""Targets: functions that process bytes from outside, and the only errors they may raise.

One module per family in `targets/`, one function per target: `documents.py` has `documents.accessis`.
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
    """One entry point for bytes from outside."""

    name: str
    attempt: Attempt
    allowed: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    """Tokens of the protocol."""
    longest: int
    """Maximum number of bytes of an input."""

    def run(self, data: bytes) -> None:
        """Process an input; raise any error that is not documented."""
        try:
            self.attempt(data)
        except self.allowed:
            return

    def corpus_inputs(self) -> list[bytes]:
        """Return the corpus in the repository: one line per input, as a Python bytes literal."""
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
    """Register a function as a target."""

    def make(attempt: Attempt) -> Attempt:
        family = attempt.__module__.rpartition(".")[2]
        full = f"{family}.{name or attempt.__name__}"
        assert full not in _TARGETS
        _TARGETS[full] = Target(full, attempt, allowed, tuple(seeds), tuple(filter(None, words)), longest)
        return attempt

    return make


held = ExitStack()
"""Resources that targets keep open between inputs."""


def families() -> list[str]:
    """Return the modules, without loading them."""
    return [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "targets")])]


def targets_of(family: str) -> list[Target]:
    """Return the targets of one module."""
    importlib.import_module(f"fuzz.targets.{family}")
    return [target for name, target in sorted(_TARGETS.items()) if name.startswith(f"{family}.")]


def chosen(beginning: str) -> list[Target]:
    """Return the targets whose names begin with this; no other family is loaded."""
    return [
        target
        for family in families()
        if family.startswith(beginning) or beginning.startswith(f"{family}.")
        for target in targets_of(family)
        if target.name.startswith(beginning)
    ]
