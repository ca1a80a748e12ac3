"""Whether a device of the kernel has nothing but software behind it, by where sysfs says that it is.

Source: Linux, `Documentation/admin-guide/sysfs-rules.rst`; `/sys/dev/char` leads from a node to its place.
"""

import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHARACTER_DEVICES = Path("/sys/dev/char")
EMULATED_HOSTS = ("vhci_hcd", "dummy_hcd")
"""The kernel's host controllers with nothing but software behind them: USB/IP, gadgets on this machine."""
VIRTUAL_PARENTS = ("/devices/virtual/tty/", "/devices/virtual/input/")
"""Lines and keyboards that a program made (tty0tty, uinput). Wireless ones are under other parents."""


def is_emulated(node: int) -> bool:
    """Whether a character device, by its number (`st_rdev`), is certainly no real one."""
    place = os.path.realpath(CHARACTER_DEVICES / f"{os.major(node)}:{os.minor(node)}")
    return any(part in place for part in (*EMULATED_HOSTS, *VIRTUAL_PARENTS))


SIMULATED = "x-borderpost-simulated"
"""A service that sends this header over HTTP, with whatever value, is no real one."""
REPLAY_WINDOW_SIZE = b"replayed"
"""As rows, columns, width and height: a size that no window has."""


def is_replay(descriptor: int) -> bool:
    """Whether the other end of this terminal plays a recording."""
    size = struct.unpack("4H", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return struct.pack(">4H", *size) == REPLAY_WINDOW_SIZE


PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class OpeningProcess:
    """A process that has something open."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def processes_with_open(path: str, proc: Path = PROC) -> Iterator[OpeningProcess]:
    """Find the other processes that have `path` open.

    Without privileges only processes of the same user can be looked into.
    """
    real = os.path.realpath(path)
    for process in proc.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(str(fd.readlink()) == real for fd in (process / "fd").iterdir()):
                yield OpeningProcess(int(process.name), (process / "comm").read_text().strip())
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else


def who_has_open(path: str) -> str:
    """Name them, as `name (pid 712)`; empty when none can be seen."""
    return ", ".join(sorted(map(str, processes_with_open(path))))


def remedy_text(path: str, who: str, what: str) -> str:
    """What to do about them; where `who` is empty, only root can see who they are."""
    find_out = "" if who else f"Find out which: sudo fuser -v {path}. "
    return f"{find_out}Stop that program, or keep it from this {what}."
