"""Check that every test leaves no task, thread, process or file descriptor behind."""
# Not by pathlib, which takes three times as long: this runs before and after each of thousands of tests.
# ruff: noqa: PTH115, PTH123, PTH208

import asyncio
import contextlib
import gc
import inspect
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import hypothesis
import pytest
from support.process.probes import fork_probes

# No deadline, because a machine may be busy; without one, Hypothesis gives its first examples 30 s.
# Examples are the same in every run, so that a failure can be repeated; `BORDERPOST_FUZZ` enables new ones.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    derandomize="BORDERPOST_FUZZ" not in os.environ,
    print_blob=True,
)
hypothesis.settings.load_profile("tests")

# A shell without job control starts background commands with SIGINT ignored, which programs would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A developer's settings must not hide the buffering that users have.
os.environ.pop("PYTHONUNBUFFERED", None)

fork_probes()

pytest_plugins = ["support.process.forking", "support.process.simulator_processes"]

GRACE_S = 30.0
"""Time for something that is ending to end, also on a busy machine, in seconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="run tests marked `thorough` as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out thorough tests; run the longest first, so that none of them runs alone at the end."""
    if not config.getoption("--thorough"):
        items[:] = [item for item in items if item.get_closest_marker("thorough") is None]

    def seconds(item: pytest.Item) -> float:
        mark = item.get_closest_marker("long")
        return mark.args[0] if mark else 0

    items.sort(key=seconds, reverse=True)


# Imported and collected objects live to the end: the garbage collector need not scan them, here or in a fork.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def no_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves threads, processes or descriptors."""
    before = {name: look() for name, look in LOOKS.items()}
    yield
    deadline = time.monotonic() + GRACE_S
    while left := {name: new for name, look in LOOKS.items() if (new := look() - before[name])}:
        if time.monotonic() > deadline:
            left["processes"] = {_command(pid) for pid in left.get("processes", ())}
            pytest.fail(f"left behind: {left}")
        gc.collect()
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def no_tasks(no_leftovers: None, request: pytest.FixtureRequest) -> None:
    """Fail a test that leaves asyncio tasks.

    The loop is begun after `no_leftovers` and so is closed before it looks: a transport that was closed in
    the loop's last round keeps its descriptor until then.
    """
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail a test that leaves asyncio tasks running."""
    before = asyncio.all_tasks()
    yield
    current = asyncio.current_task()
    deadline = time.monotonic() + GRACE_S
    while left := {task for task in asyncio.all_tasks() - before if task is not current and not task.done()}:
        if time.monotonic() > deadline:
            pytest.fail(f"tasks left: {left}")
        await asyncio.sleep(0.01)


def _threads() -> set[str]:
    # execnet's threads belong to xdist.
    return {f"{t.name} {t.ident}" for t in threading.enumerate() if not t.name.startswith("execnet")}


def _processes() -> set[str]:
    # Not through psutil: it reads every process of the machine, before and after each of thousands of tests.
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
