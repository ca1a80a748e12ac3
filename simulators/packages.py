"""Simulators of other packages: entry points of `borderpost.simulators`, a kind and its settings class."""

from collections.abc import Container, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from simulators.simulator import SimulatorSettings

SIMULATORS = "borderpost.simulators"


@cache
def simulator_points() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of each kind; more than one is a clash."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=SIMULATORS):
        found.setdefault(point.name, []).append(point)
    return {kind: tuple(sorted(points, key=package_of)) for kind, points in sorted(found.items())}


def package_of(point: EntryPoint) -> str:
    """Return name and version of the package of an entry point."""
    return "no package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def load_kind(kind: str, ours: Container[str]) -> tuple[type[SimulatorSettings] | None, tuple[str, ...]]:
    """Import the settings class of a kind; return it, or the faults for which it cannot be used."""
    points = simulator_points()[kind]
    if kind in ours:
        return None, (f"the kind {kind} belongs to the gateway's own simulators; choose another",)
    if len(points) > 1:
        packages = " and ".join(package_of(point) for point in points)
        return None, (f"two packages register the kind {kind}: {packages}; uninstall one of them",)
    try:
        found: Any = points[0].load()
        faults = tuple(_faults(found, kind))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of another package may fail in any way
        return None, (f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}",)
    return (None if faults else found), faults


def _faults(found: object, kind: str) -> Iterator[str]:
    if not (isinstance(found, type) and issubclass(found, SimulatorSettings)):
        yield "it is no subclass of simulators.simulator.SimulatorSettings"
        return
    if get_args(found.model_fields["kind"].annotation) != (kind,):
        yield f'its field kind is not declared as `kind: Literal["{kind}"]`, the name of its entry point'
    if found.build is SimulatorSettings.build:
        yield "it has no method build, which makes the simulator"
    if found.model_config.get("extra") != "forbid":
        yield "its settings accept unknown keys, so that a mistyped one is not found"
    for name, field in found.model_fields.items():
        if name not in SimulatorSettings.model_fields and not field.description:
            yield f"its setting {name} has no description"
    found.model_json_schema()
