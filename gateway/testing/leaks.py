"""Threads, processes, descriptors and tasks of this process: what is new in a later look was left behind."""
# Not by pathlib, which takes three times as long: tests look before and after each of thousands.
# ruff: noqa: PTH115, PTH123, PTH208

import asyncio
import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable

GRACE_S = 30.0
"""Time for something that is ending to end, also on a busy machine, in seconds."""
LOOK_S = 0.02


class Leftovers:
    """Threads, processes and descriptors that are there now, to compare with later."""

    def __init__(self) -> None:
        self._before = {name: look() for name, look in LOOKS.items()}

    def new(self) -> dict[str, set[str]]:
        """Return what is there and was not, by its kind."""
        return {name: more for name, look in LOOKS.items() if (more := look() - self._before[name])}

    def wait(self, grace_s: float = GRACE_S) -> dict[str, set[str]]:
        """Wait until nothing is left; return what still is after `grace_s` seconds."""
        deadline = time.monotonic() + grace_s
        while left := self.new():
            if time.monotonic() > deadline:
                return _named(left)
            gc.collect()
            time.sleep(LOOK_S)
        return {}

    async def wait_in_loop(self, grace_s: float = GRACE_S) -> dict[str, set[str]]:
        """Do what `wait` does, while the event loop runs."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while left := self.new():
            if loop.time() > deadline:
                return _named(left)
            gc.collect()
            await asyncio.sleep(LOOK_S)
        return {}


async def tasks_left(before: set["asyncio.Task[object]"], grace_s: float = GRACE_S) -> set[str]:
    """Wait until no task is running but those of `before` and the caller; return the names of the others."""
    current = asyncio.current_task()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace_s
    while left := {task for task in asyncio.all_tasks() - before if task is not current and not task.done()}:
        if loop.time() > deadline:
            return {repr(task) for task in left}
        await asyncio.sleep(0.01)
    return set()


def _named(left: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the same with the command lines of processes."""
    if "processes" in left:
        left["processes"] = {_command(pid) for pid in left["processes"]}
    return left


def _threads() -> set[str]:
    # execnet's threads belong to xdist.
    return {f"{t.name} {t.ident}" for t in threading.enumerate() if not t.name.startswith("execnet")}


def _processes() -> set[str]:
    # Not through psutil: it reads every process of the machine.
    found, parents = set(), [str(os.getpid())]
    while parents:
        tasks = f"/proc/{parents.pop()}/task"
        with contextlib.suppress(OSError):  # it ended meanwhile
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/children") as file:
                    children = file.read().split()
                found.update(children)
                parents += children
    return found


def _descriptors() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
        except OSError:
            continue  # the descriptor that lists the directory
    return {name for name in found if "/proc/" not in name and "hypothesis" not in name}


def _command(pid: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", errors="replace") as file:
        return f"{pid} {file.read(200)}".replace("\0", " ")
    return pid


LOOKS: dict[str, Callable[[], set[str]]] = {
    "threads": _threads,
    "processes": _processes,
    "descriptors": _descriptors,
}
