"""Registry of drivers: entry points of installed packages, imported by name."""

from collections.abc import Set as AbstractSet
from functools import cache
from importlib.metadata import EntryPoint

from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.packages.entry_points import DRIVERS, is_foreign, search
from drivers.unavailable import unavailable_driver

_found: dict[str, EntryPoint] = {}


class UnknownDriverError(LookupError):
    """No installed package offers a driver of that name."""


class DriverClashError(UnknownDriverError):
    """Two packages offer a driver of that name, so neither is used."""


def installed_drivers() -> dict[str, EntryPoint]:
    """Return the entry point of every installed driver, by the name used in a configuration."""
    return {name: offer.point for name, offer in search(DRIVERS).items()}


def find_drivers(needed: AbstractSet[str]) -> dict[str, EntryPoint]:
    """Return the entry points of installed drivers, as `installed_drivers` does.

    They are of the last search if it found all that are needed, and these are ours: a search takes 20 ms, and
    a process that was forked copies 2 MB of memory for it.
    """
    if not _found or any(name not in _found or is_foreign(_found[name]) for name in needed):
        _found.clear()
        _found.update(installed_drivers())
    return dict(_found)


@cache
def load_driver(name: str) -> type[Driver[Settings]]:
    """Import the driver of that name; raises UnknownDriverError, DriverClashError.

    The result is cached, and so is what a search finds: it takes 20 ms and a megabyte. Each driver of a post
    would search, and so would every worker process, forked from one that has searched already.

    A driver whose extra is not installed is replaced by one that fails to open and names the extra. A missing
    library of one device does not prevent the start of the others.
    """
    if name not in _found:
        find_drivers({name})
    if name not in _found:
        raise UnknownDriverError(f"no driver named {name!r}; installed: {', '.join(sorted(_found))}")
    point = _found[name]
    if is_foreign(point) and (clash := search(DRIVERS)[name].clash) is not None:
        raise DriverClashError(clash)
    try:
        driver: type[Driver[Settings]] = point.load()
    except ModuleNotFoundError as error:
        package = point.module.partition(".")[0]
        if point.dist is None or not point.extras or error.name is None or error.name.startswith(package):
            raise
        return unavailable_driver(name, error.name, point.dist.name, point.extras[0])
    return driver
