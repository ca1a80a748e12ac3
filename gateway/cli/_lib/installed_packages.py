"""Installed packages: drivers, vocabularies and simulators by package, with grade and faults.

An entry point of another package is tried in a process of its own, and imported here only if it has no fault.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from importlib.resources import files
from importlib.util import find_spec

from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.observation import DataClass
from drivers.packages.check import CHECKS, faults_of_point
from drivers.packages.entry_points import DRIVERS, VOCABULARIES, is_foreign, search
from drivers.registry import load_driver
from drivers.unavailable import MissingDriver
from drivers.vocabulary import Vocabulary

SIMULATORS = "borderpost.simulators"
SIMULATOR_CHECK = ("simulator", "simulators.registry:kind_faults")
NOT_GRADED = (
    "not graded: a grade is computed from a driver's tests, which are not installed with a package; "
    "`borderpost accept-driver` tries it"
)


@dataclass(frozen=True, slots=True)
class InstalledPart:
    """One entry point, and what can be told about it."""

    kind: str
    """driver, vocabulary or simulator."""
    name: str
    place: str
    """`module:object`."""
    facts: dict[str, object] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """Facts that are no faults: an extra that is not installed, a feature of good drivers that is missing."""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One distribution."""

    name: str
    version: str
    is_ours: bool
    parts: tuple[InstalledPart, ...]

    @property
    def has_faults(self) -> bool:
        """True if a part of it cannot be used."""
        return any(part.faults for part in self.parts)


def installed_packages() -> list[InstalledPackage]:
    """Return every package with an entry point, ours first."""
    parts: dict[tuple[bool, str, str], list[InstalledPart]] = {}
    for point, part in _parts():
        name, version = ("", "") if point.dist is None else (point.dist.name, point.dist.version)
        parts.setdefault((is_foreign_part(point, part.kind), name, version), []).append(part)
    return [
        InstalledPackage(name, version, not foreign, tuple(found))
        for (foreign, name, version), found in sorted(parts.items(), key=lambda one: one[0])
    ]


def is_foreign_part(point: EntryPoint, kind: str) -> bool:
    """Return True if a part is of another package than ours."""
    return kind != "driver" or is_foreign(point)


def _parts() -> Iterator[tuple[EntryPoint, InstalledPart]]:
    checks = dict(CHECKS)
    if find_spec("simulators") is not None:
        checks[SIMULATORS] = SIMULATOR_CHECK
    for group, (kind, check) in checks.items():
        for name, offer in search(group).items():
            for point in offer.points:
                faults = faults_of_point(group, point, check) if is_foreign(point) else ()
                facts, remarks = ({}, ()) if faults else _describe(group, point)
                yield point, InstalledPart(kind, name, point.value, facts, remarks, faults)


def _describe(group: str, point: EntryPoint) -> tuple[dict[str, object], tuple[str, ...]]:
    match group:
        case _ if group == DRIVERS:
            driver = load_driver(point.name)
            if issubclass(driver, MissingDriver):
                return {"family": "", "grade": grades().get(point.name)}, (driver.text,)
            return _driver_facts(point, driver), tuple(_remarks(driver)) if is_foreign(point) else ()
        case _ if group == VOCABULARIES:
            vocabulary: Vocabulary = point.load()
            return {
                "version": vocabulary.version,
                "events": [one.event_type for one in vocabulary.observations],
                "commands": [one.name for one in vocabulary.commands],
            }, ()
        case _:
            return {}, ()


def _driver_facts(point: EntryPoint, driver: type[Driver[Settings]]) -> dict[str, object]:
    grade = None if is_foreign(point) else grades().get(point.name)
    return {
        "family": f"{driver.family}",
        "grade": grade,
        "driver_api": driver.driver_api,
        "events": [one.event_type for one in driver.observation_types],
        "commands": [driver.command_name(verb) for verb in driver.commands],
        "about_persons": any(one.data_class is DataClass.TRAVELLER for one in driver.observation_types),
        "undescribed_settings": _undescribed_settings(driver),
        "self_tests": [f"{level}" for level in driver.self_test_levels],
        "can_anonymize": bool(driver.anonymizer),
    }


def _remarks(driver: type[Driver[Settings]]) -> Iterator[str]:
    """Yield what can be told of a package's quality without its tests."""
    if undescribed := _undescribed_settings(driver):
        yield f"its settings without a description, which errors quote: {', '.join(undescribed)}"
    if not driver.self_test_levels:
        yield "it does not test its device itself"
    if not driver.anonymizer:
        yield "its recordings cannot be anonymized"


def _undescribed_settings(driver: type[Driver[Settings]]) -> list[str]:
    return [name for name, field_ in driver.settings_model.model_fields.items() if not field_.description]


@cache
def grades() -> dict[str, str]:
    """Return the grades of our drivers, as `make quality` computed them for this version."""
    found: dict[str, str] = json.loads(files("drivers").joinpath("grades.json").read_text())
    return found
