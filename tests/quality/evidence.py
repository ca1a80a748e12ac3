"""Evidence for the quality of each driver: tests that reach it, recordings, declarations and sources."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drivers.compatibility_row import CompatibilityRow, CompatibilityVerdict
from drivers.driver import Driver
from drivers.links.recording.recording import Recording
from drivers.links.settings import Settings
from gateway.testing.driver_sources import DriverSource, DriverTree
from quality.references import Reached, SourceTree

_EXAMPLE = re.compile(r'^(?:driver = "|#.*`)([\w-]+)["`]', re.MULTILINE)
SPECIMENS = ("simulators.specimens", "simulators.travellers", "simulators.mrz")
"""Modules of simulators that make documents, and are no devices."""


@dataclass(frozen=True)
class ReachingTest:
    """A test, or a target of the fuzzer, and what it reaches."""

    tree: SourceTree
    path: Path
    name: str

    @property
    def title(self) -> str:
        """`folder/file.py::name`, below tests/."""
        return f"{self.path.relative_to(self.tree.tests)}::{self.name}"

    @property
    def is_property(self) -> bool:
        """True if hypothesis generates its input."""
        return "given" in self.tree.file(self.path).definitions[self.name].names

    @cached_property
    def reached(self) -> Reached:
        """Names that it reaches."""
        return self.tree.reach(self.path, self.name)

    def concerns(self, source: DriverSource) -> bool:
        """Return True if it reaches the driver: its class, its name, or a module of its own."""
        return source.name in self.reached.drivers or self.reaches(source.own)

    def reaches(self, modules: frozenset[str]) -> bool:
        """Return True if it reaches one of these modules, or a definition of it."""
        return any(one in modules or one.rpartition(".")[0] in modules for one in self.reached.symbols)

    @property
    def has_simulator(self) -> bool:
        """True if it reaches a simulated device."""
        return any(
            one.startswith("simulators.") and not one.startswith(SPECIMENS) for one in self.reached.symbols
        )


class Repository:
    """Evidence of the repository on all drivers. Each part is read when a rule uses it."""

    def __init__(
        self,
        root: Path,
        drivers: Mapping[str, type[Driver[Settings]]],
        rows: list[CompatibilityRow],
    ) -> None:
        self.root = root
        self.rows = rows
        self.tree = DriverTree(root)
        self.sources = self.tree.sources(drivers)
        self._tests = SourceTree(root / "tests", drivers)
        self._named: dict[str, list[ReachingTest]] = {}

    @cached_property
    def driver_tests(self) -> list[ReachingTest]:
        """Tests of drivers, each in a process of its own or of its worker."""
        return list(self._find("drivers", "test_"))

    def tests_named(self, pattern: str) -> list[ReachingTest]:
        """Return the tests of drivers whose name has a pattern in it."""
        if pattern not in self._named:
            named = re.compile(pattern)
            self._named[pattern] = [test for test in self.driver_tests if named.search(test.name)]
        return self._named[pattern]

    @cached_property
    def gateway_tests(self) -> list[ReachingTest]:
        """Tests of devices in a whole gateway."""
        return list(self._find("gateway/devices", "test_"))

    @cached_property
    def fuzz_targets(self) -> list[ReachingTest]:
        """Targets of the fuzzer; some are registered by a call, so every definition counts."""
        return list(self._find("fuzz/targets", ""))

    @cached_property
    def recordings(self) -> dict[Path, Recording]:
        """Recordings with expected events, by their path below tests/."""
        folder = self.root / "tests"
        return {
            path.relative_to(folder): Recording.from_text(path.read_text())
            for path in sorted((folder / "recordings").rglob("*.rec"))
            if path.with_suffix(".events.json").exists()
        }

    @cached_property
    def examples(self) -> dict[str, str]:
        """Example of each driver, by its name: a table, or the comment of one that names it as well."""
        found: dict[str, str] = {}
        for file in sorted((self.root / "config").glob("*.toml")):
            for name in _EXAMPLE.findall(file.read_text()):
                found.setdefault(name, f"config/{file.name}")
        return found

    def certified(self, driver: str) -> list[CompatibilityRow]:
        """Return the rows of real devices that were certified with a driver."""
        return [
            row for row in self.rows if row.driver == driver and row.verdict is CompatibilityVerdict.CERTIFIED
        ]

    def _find(self, folder: str, prefix: str) -> Iterator[ReachingTest]:
        for path in sorted((self._tests.tests / folder).rglob("*.py")):
            for name in self._tests.file(path).definitions:
                if name.startswith(prefix):
                    yield ReachingTest(self._tests, path, name)
