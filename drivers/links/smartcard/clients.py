"""Other programs that use the smart card service: those that have loaded its library."""

import os
from collections.abc import Iterator
from pathlib import Path

from drivers.links.device_node import PROC, OpeningProcess

LIBRARY = "libpcsclite.so"


def other_clients(proc: Path = PROC) -> Iterator[OpeningProcess]:
    """Find the other programs that have loaded pcsc-lite's library.

    Without privileges, only processes of the same user are visible; a confined worker sees none. Processes
    with the same parent are left out: workers of this gateway for other readers.
    """
    parent = os.getppid()
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if process.name == str(os.getpid()):
            continue
        try:
            if LIBRARY in (process / "maps").read_text() and _parent(process) != parent:
                yield OpeningProcess(int(process.name), (process / "comm").read_text().strip())
        except (OSError, ValueError):
            continue  # the process has ended, or belongs to another user


def _parent(process: Path) -> int:
    # proc(5): the name, in parentheses, may hold spaces and parentheses itself.
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])
