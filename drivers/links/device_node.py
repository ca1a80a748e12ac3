"""Device nodes: emulated or real, the programs that have them open, and errors of opening them.

Source: Linux, `Documentation/admin-guide/sysfs-rules.rst`; `/sys/dev/char` leads from a node to its place.
"""

import asyncio
import errno
import fcntl
import os
import stat
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.links.link import Action, Cause, LinkError

PTY_MAJORS = range(136, 144)
"""Major numbers of pty slaves (Linux, `Documentation/admin-guide/devices.txt`)."""
CHARACTER_DEVICES = Path("/sys/dev/char")
EMULATED_HOSTS = ("vhci_hcd", "dummy_hcd")
"""The kernel's host controllers for software devices: USB/IP, gadgets on this machine."""
VIRTUAL_PARENTS = ("/devices/virtual/tty/", "/devices/virtual/input/")
"""Lines and keyboards created by a program (tty0tty, uinput). Wireless devices have other parents."""


def device_major(node: str | int) -> int | None:
    """Return the major number of a character device, by path or descriptor; None for any other file."""
    found = os.stat(node)  # noqa: PTH116 - a path or a descriptor
    return os.major(found.st_rdev) if stat.S_ISCHR(found.st_mode) else None


def is_emulated(node: int) -> bool:
    """Return True if a character device, by its number (`st_rdev`), is certainly emulated."""
    place = os.path.realpath(CHARACTER_DEVICES / f"{os.major(node)}:{os.minor(node)}")
    return any(part in place for part in (*EMULATED_HOSTS, *VIRTUAL_PARENTS))


SIMULATED = "x-borderpost-simulated"
"""A service that sends this header over HTTP, with whatever value, is no real one."""
REPLAY_WINDOW_SIZE = b"replayed"
"""Rows, columns, width and height: a size that no real window has."""


def is_replay(descriptor: int) -> bool:
    """Return True if the other end of this terminal plays a recording."""
    size = struct.unpack("4H", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return struct.pack(">4H", *size) == REPLAY_WINDOW_SIZE


PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class OpeningProcess:
    """A process that has a file open."""

    pid: int
    name: str
    parent: int | None = None
    """Its parent's pid; None where that is not visible."""

    @classmethod
    def of(cls, process: Path) -> "OpeningProcess":
        """Return a process by its folder in /proc; raises OSError once it has ended."""
        return cls(int(process.name), (process / "comm").read_text().strip(), parent_of(process))

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def parent_of(process: Path) -> int | None:
    """Return the parent's pid, by a process's folder in /proc; None where it is not visible."""
    try:
        # proc_pid_stat(5): the name, in parentheses, may hold spaces and parentheses itself.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def processes_with_open(path: str, proc: Path = PROC) -> Iterator[OpeningProcess]:
    """Find the other processes that have `path` open.

    Without privileges, only processes of the same user are visible.
    """
    real = os.path.realpath(path)
    for process in proc.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(str(fd.readlink()) == real for fd in (process / "fd").iterdir()):
                yield OpeningProcess.of(process)
        except OSError:
            continue  # the process has ended, or belongs to another user


@dataclass(frozen=True, slots=True)
class NodeHolders:
    """Visible processes that have a node open."""

    text: str
    """Each as `name (pid 712)` or `lane-1/reader of this gateway (pid 712)`; empty when none is visible."""
    are_workers: bool
    """True if all are workers of this gateway, for other positions."""


def who_has_open(path: str, proc: Path = PROC) -> NodeHolders:
    """Find the processes that have `path` open, from a worker: other workers have the same parent."""
    parent = os.getppid()
    found = sorted(processes_with_open(path, proc), key=lambda process: process.pid)
    names = [
        f"{process.name} of this gateway (pid {process.pid})" if process.parent == parent else str(process)
        for process in found
    ]
    return NodeHolders(", ".join(names), bool(found) and all(one.parent == parent for one in found))


def remedy_text(path: str, who: NodeHolders, what: str) -> str:
    """Return the remedy for a port in use; without a visible process, a command for root that finds it."""
    if who.are_workers:
        return f"Two positions have this {what}. Correct the address of one of them."
    find_out = "" if who.text else f"Find the program: sudo fuser -v {path}. "
    return f"{find_out}Stop that program, or exclude this {what} from it."


async def wait_ready(fd: int, *, writing: bool = False) -> None:
    """Wait until a descriptor can be read, or written; a pidfd can be read when its process has ended.

    The descriptor does not stay registered: epoll would spin on bytes that are not read yet.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(fd, _set_ready, ready)
    try:
        await ready
    finally:
        remove(fd)


def _set_ready(ready: "asyncio.Future[None]") -> None:
    if not ready.done():  # the loop may call again before the waiting task runs
        ready.set_result(None)


MAX_UNINTERRUPTED_S = 0.01
"""Longest time that reads without a wait keep the event loop from its other tasks, in seconds."""


class FairReads:
    """Reads of one link that leave time to other tasks, even if the device always has bytes.

    The heartbeat of the worker is such a task. A first read never waits here: with a time limit of zero it
    must still return the bytes that arrived.
    """

    def __init__(self) -> None:
        self._began_s: float | None = None
        """Time (monotonic) of the first read since the link waited, or of the mark; None before it."""
        self._is_marked = False
        """True: a callback is scheduled, which will show that other tasks ran."""

    async def let_others_run(self) -> None:
        """Yield if reads without a wait have kept other tasks from running for MAX_UNINTERRUPTED_S.

        The first half of that time costs no callback: most reads are followed by a wait.
        """
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s
        elif now_s - self._began_s > MAX_UNINTERRUPTED_S / 2:
            if self._is_marked:
                await asyncio.sleep(0)
            else:
                self._began_s, self._is_marked = now_s, True
                asyncio.get_running_loop().call_soon(self._on_others_ran)

    async def wait_readable(self, fd: int) -> None:
        """Wait until the link's descriptor can be read; other tasks run meanwhile."""
        await wait_ready(fd)
        self._began_s = None

    def _on_others_ran(self) -> None:
        self._began_s, self._is_marked = None, False


@dataclass(frozen=True, slots=True)
class NodeTexts:
    """Texts that differ between the kinds of device nodes."""

    noun: str
    """Noun for the node in the remedy of a port that is held."""
    held: Callable[[str, str], str]
    """Sentence for a node that is held, from its path and the programs that have it open, or ""."""
    permission_how: str
    """Remedy where the gateway may not open the node."""
    missing_how: str
    """Remedy where no device is plugged in."""


def open_error(path: str, error: Exception, texts: NodeTexts) -> LinkError:
    """Return the link error for a node that does not open or cannot be taken."""
    # pyserial's errors may have no errno, but have it as their first argument.
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    match number:
        case errno.EBUSY | errno.EAGAIN:
            who = who_has_open(path)
            return LinkError(
                Cause.PORT_HELD,
                texts.held(path, who.text),
                Action.RESTART,
                remedy_text(path, who, texts.noun),
            )
        case errno.EACCES | errno.EPERM:
            return LinkError(
                Cause.NO_PERMISSION,
                f"The gateway may not open {path}.",
                Action.CONFIGURE,
                texts.permission_how,
            )
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO:
            return LinkError(
                Cause.NO_DEVICE, f"Nothing is plugged in at {path}.", Action.REPLUG, texts.missing_how
            )
        case _:
            why = os.strerror(number) if isinstance(number, int) else type(error).__name__
            return LinkError(
                Cause.LINK_FAILED,
                f"{path} does not open: {why}.",
                Action.REPLUG,
                "Unplug the reader, wait five seconds, plug it in again.",
            )


def unplugged_error(address: str, error: OSError | None = None, noun: str = "device") -> LinkError:
    """Return the link error for a device that was disconnected while open."""
    why = "" if error is None or error.errno is None else f" ({os.strerror(error.errno)})"
    return LinkError(
        Cause.UNPLUGGED,
        f"The {noun} at {address} was disconnected{why}.",
        Action.REPLUG,
        "Check the cable; if this repeats, change it.",
    )
