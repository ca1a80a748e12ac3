"""Import of a post's drivers before the fork server is forked, so that all processes share them.

The configuration has the password of every device, and neither this process nor one that is forked from it
may have them in its memory by then. So a child process reads the file, and only names of drivers leave it.
"""

import contextlib
import json
import os
from collections.abc import Set as AbstractSet
from pathlib import Path

from drivers.packages.entry_points import is_foreign
from drivers.registry import find_drivers, load_driver
from gateway.config.toml import parse, read_text


def preload_drivers(path: Path) -> None:
    """Import the drivers that a file names, if they are ours; without effect where the file is faulty.

    Drivers of other packages may end or block this process, and are tried in another one later. What fails
    here fails again when the file is loaded, and is reported then.
    """
    ours = {name for name, point in find_drivers(frozenset()).items() if not is_foreign(point)}
    for name in read_driver_names(path, ours):
        with contextlib.suppress(Exception):
            load_driver(name)


def read_driver_names(path: Path, known: AbstractSet[str]) -> list[str]:
    """Return those of the known drivers that a file names; the file is read by a child process."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(sending, "w") as pipe:
                json.dump(sorted(known & _driver_names(path)), pipe)
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        names = pipe.read()
    os.waitpid(child, 0)
    return list(json.loads(names)) if names else []


def _driver_names(path: Path) -> set[str]:
    """Return the values of `driver` in a file; raises ConfigError."""
    devices = parse(path, read_text(path)).get("device")
    tables = devices.values() if isinstance(devices, dict) else ()
    names = (table.get("driver") for table in tables if isinstance(table, dict))
    return {name for name in names if isinstance(name, str)}
