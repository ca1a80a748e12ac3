"""Who else has a device node open: the first question when a port is held."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has something open."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def holding(path: str, proc: Path = PROC) -> Iterator[Holder]:
    """Find the other processes that have `path` open.

    Without privileges only processes of the same user can be looked into.
    """
    real = os.path.realpath(path)
    for process in proc.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(str(fd.readlink()) == real for fd in (process / "fd").iterdir()):
                yield Holder(int(process.name), (process / "comm").read_text().strip())
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else


def holders(path: str) -> str:
    """Name them, as `name (pid 712)`; empty when none can be seen."""
    return ", ".join(sorted(map(str, holding(path))))


def how_to_free(path: str, who: str, what: str) -> str:
    """What to do about them; where `who` is empty, only root can see who they are."""
    find_out = "" if who else f"Find out which: sudo fuser -v {path}. "
    return f"{find_out}Stop that program, or keep it from this {what}."
