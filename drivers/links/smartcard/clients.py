"""Other programs that use the smart card service: those that have loaded its library."""

import os
from collections.abc import Iterator
from pathlib import Path

from drivers.links.device_node import PROC, OpeningProcess, parent_of

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
            if LIBRARY in (process / "maps").read_text() and parent_of(process) != parent:
                yield OpeningProcess.of(process)
        except OSError:
            continue  # the process has ended, or belongs to another user
