"""Check of an installed package: every entry point of it is tried in a process of its own."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint

from drivers.packages.entry_points import DRIVERS, VOCABULARIES, is_foreign, package_of, search
from drivers.packages.vocabularies import PackageFault
from drivers.probe import DRIVER_CHECK, probe

CHECKS = {
    VOCABULARIES: ("vocabulary", "drivers.packages.driver_faults:vocabulary_faults_of"),
    DRIVERS: ("driver", DRIVER_CHECK),
}
"""Word for an entry point, and the function that finds its faults, by group."""


def check_package(
    package: str, more: Mapping[str, tuple[str, str]] | None = None
) -> tuple[PackageFault, ...]:
    """Return the faults of a package of that name; `more`: checks of other groups, as in `CHECKS`."""
    found = []
    for group, (word, check) in (CHECKS | dict(more or {})).items():
        for name, offer in search(group).items():
            for point in offer.points:
                if belongs_to(point, package) and is_foreign(point):
                    found += [
                        PackageFault(package_of(point), f"{word} {name}", text)
                        for text in faults_of_point(group, point, check)
                    ]
    return tuple(found)


def faults_of_point(group: str, point: EntryPoint, check: str) -> tuple[str, ...]:
    """Return the faults of one entry point: a name that is not its own, or what a trial finds."""
    offer = search(group)[point.name]
    if offer.clash is not None:
        return (offer.clash,)
    if is_foreign(point) and not is_foreign(offer.point):
        return (f"the name {point.name} belongs to the gateway, which uses its own; choose another",)
    return probe(check, point.name)


def belongs_to(point: EntryPoint, package: str) -> bool:
    """Return True if an entry point is of a package; its name may be spelled otherwise (PEP 503)."""
    return point.dist is not None and _normal(point.dist.name) == _normal(package)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
