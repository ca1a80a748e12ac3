"""Registry of drivers: entry points of installed packages, imported by name."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.unavailable import unavailable_driver

ENTRY_POINTS = "borderpost.drivers"
_found: dict[str, EntryPoint] = {}


class UnknownDriverError(LookupError):
    """No installed package offers a driver of that name."""


def installed_drivers() -> dict[str, EntryPoint]:
    """Return the entry point of every installed driver, by the name used in a configuration."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


@cache
def load_driver(name: str) -> type[Driver[Settings]]:
    """Import the driver of that name; raises UnknownDriverError.

    The result is cached, and so is what a search finds: it takes 20 ms and a megabyte. Each driver of a post
    would search, and so would every worker process, forked from one that has searched already.

    A driver whose extra is not installed is replaced by one that fails to open and names the extra. A missing
    library of one device does not prevent the start of the others.
    """
    if name not in _found:
        _found.clear()
        _found.update(installed_drivers())
    if name not in _found:
        raise UnknownDriverError(f"no driver named {name!r}; installed: {', '.join(sorted(_found))}")
    point = _found[name]
    try:
        driver: type[Driver[Settings]] = point.load()
    except ModuleNotFoundError as error:
        package = point.module.partition(".")[0]
        if point.dist is None or not point.extras or error.name is None or error.name.startswith(package):
            raise
        return unavailable_driver(name, error.name, point.dist.name, point.extras[0])
    return driver
