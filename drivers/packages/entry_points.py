"""Entry points of installed packages, by group and name; names that two packages claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

DRIVERS = "borderpost.drivers"
VOCABULARIES = "borderpost.vocabularies"


@dataclass(frozen=True, slots=True)
class Offer:
    """Entry points of one name: more than one is a clash, unless one of them is ours."""

    name: str
    points: tuple[EntryPoint, ...]

    @property
    def point(self) -> EntryPoint:
        """The entry point that counts: ours, else the first."""
        return next((point for point in self.points if not is_foreign(point)), self.points[0])

    @property
    def clash(self) -> str | None:
        """The reason why no package may use the name, as a clause; None: one does, or it is ours."""
        if len(self.points) == 1 or not is_foreign(self.point):
            return None
        packages = [package_of(point) for point in self.points]
        if len(set(packages)) == 1:
            return f"{packages[0]} registers the name {self.name} twice"
        return f"two packages register the name {self.name}: {' and '.join(packages)}; uninstall one of them"


@cache
def offers(group: str) -> dict[str, Offer]:
    """Return what the installed packages offer, by name. The search takes 20 ms, so it is made once."""
    return search(group)


def search(group: str) -> dict[str, Offer]:
    """Search the installed packages, as `offers` does the first time."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, []).append(point)
    return {name: Offer(name, _in_order(points)) for name, points in sorted(found.items())}


def is_foreign(point: EntryPoint) -> bool:
    """Return True if an entry point is of another package than ours."""
    return point.module.partition(".")[0] != __name__.partition(".")[0]


def package_of(point: EntryPoint) -> str:
    """Return name and version of the package of an entry point."""
    return "no package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _in_order(points: Sequence[EntryPoint]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(points, key=package_of))
