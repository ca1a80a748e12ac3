"""Check that every test leaves no task, thread, process or file descriptor behind."""

import asyncio
import gc
import inspect
import os
import signal
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
from support.process.probes import fork_probes

from drivers.packages import entry_points, vocabularies
from gateway.testing.leaks import Leftovers, tasks_left

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
    leftovers = Leftovers()
    yield
    if left := leftovers.wait():
        pytest.fail(f"left behind: {left}")


@pytest.fixture(autouse=True)
def no_tasks(no_leftovers: None, request: pytest.FixtureRequest) -> None:
    """Fail a test that leaves asyncio tasks.

    The loop is begun after `no_leftovers` and so is closed before it looks: a transport that was closed in
    the loop's last round keeps its descriptor until then.
    """
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left")


@pytest.fixture(autouse=True)
def no_foreign_vocabulary() -> Iterator[None]:
    """Forget vocabularies of packages that only a test has installed: they are read once a process."""
    yield
    if vocabularies._read.cache_info().currsize and any(vocabularies._read()):
        vocabularies._read.cache_clear()
        entry_points.offers.cache_clear()


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail a test that leaves asyncio tasks running."""
    before = asyncio.all_tasks()
    yield
    if left := await tasks_left(before):
        pytest.fail(f"tasks left: {left}")
