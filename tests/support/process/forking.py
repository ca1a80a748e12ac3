"""`--forks N`: runs tests in N processes forked from the one that collected them.

Tests are distributed in small batches: whole modules if a fixture has module scope, else a few tests; a long
one alone, or with the long ones of its module that share a fixture. A process has its own directory for
temporary files; if one dies, only the test that it ran fails.
"""

import contextlib
import itertools
import os
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import pytest

A_FEW = 8
"""Tests of a batch, at most, unless they share a fixture."""
Batch = list[int]
"""Indices in `session.items`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forks", type=int, default=0, help="how many processes run tests; 0: this one")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    option = session.config.option
    if not option.forks or option.collectonly or session.testsfailed:
        return None
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.showfspath = False  # in order of batches, not of files
    with contextlib.closing(Forks(session)) as forks:
        forks.run(option.forks)
    return True


def batches(items: list[pytest.Item]) -> Iterator[Batch]:
    """Yield the batches of tests."""
    batch: Batch = []
    for place, item in enumerate(items):
        if batch:
            last = items[batch[-1]]
            elsewhere = item.getparent(pytest.Module) is not last.getparent(pytest.Module)
            enough = len(batch) >= A_FEW and not shares(item)
            long = item.get_closest_marker("long") or last.get_closest_marker("long")
            if elsewhere or enough or (long and not (shares(item) and shares(last))):
                yield batch
                batch = []
        batch.append(place)
    if batch:
        yield batch


def riffled(batches: list[Batch], items: list[pytest.Item]) -> Iterator[Batch]:
    """Yield the longest batch, then alternately a long one and one of either half.

    Neighbours all wait, or all compute.
    """
    long = [batch for batch in batches if items[batch[0]].get_closest_marker("long")]
    short = batches[len(long) :]
    half = (len(short) + 1) // 2
    yield from long[:1]
    for turn in itertools.zip_longest(long[1:], short[:half], short[half:]):
        yield from filter(None, turn)


def shares(item: pytest.Item) -> bool:
    """Return True if it shares a fixture with other tests of its module."""
    info = getattr(item, "_fixtureinfo", None)
    named = info.name2fixturedefs.values() if info else ()
    return any(one.scope in ("class", "module", "package") for definitions in named for one in definitions)


class Fork:
    """A process that runs tests, as seen by the parent."""

    def __init__(self, pid: int, link: Connection) -> None:
        self.pid = pid
        self.link = link
        self.batch: deque[int] = deque()
        """Tests given and not done; the first one is running."""


class Forks:
    """All processes, and the batches that wait."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        self.hook = session.config.hook
        self.waiting = deque(riffled(list(batches(session.items)), session.items))
        self.running: dict[Connection, Fork] = {}
        self._started = 0

    def run(self, how_many: int) -> None:
        """Run all tests; raises as pytest's own loop does."""
        for _ in range(min(how_many, len(self.waiting))):
            self._start()
        while self.running:
            for link in wait(list(self.running)):
                assert isinstance(link, Connection)
                try:
                    what, said = link.recv()
                except (EOFError, OSError):
                    self._died(self.running[link])
                else:
                    self._heard(self.running[link], what, said)
            if self.session.shouldfail:
                raise self.session.Failed(self.session.shouldfail)
            if self.session.shouldstop:
                raise self.session.Interrupted(self.session.shouldstop)

    def close(self) -> None:
        """End processes that still run."""
        for fork in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(fork.pid, 9)
            os.waitpid(fork.pid, 0)
            fork.link.close()

    def _start(self) -> None:
        ours, theirs = Pipe()
        self._started += 1
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # The threads are numpy's, which starts them again in a fork.
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            for fork in self.running.values():
                fork.link.close()
            ours.close()
            become_fork(self.session, theirs, self._started)
        theirs.close()
        fork = Fork(pid, ours)
        self.running[ours] = fork
        self._give(fork)

    def _give(self, fork: Fork) -> None:
        fork.batch.extend(self.waiting.popleft() if self.waiting else ())
        with contextlib.suppress(OSError):  # it has died, which is handled elsewhere
            fork.link.send(list(fork.batch))

    def _heard(self, fork: Fork, what: str, said: Any) -> None:
        match what:
            case "report":
                report = self.hook.pytest_report_from_serializable(config=self.session.config, data=said)
                self.hook.pytest_runtest_logreport(report=report)
            case "warning":
                self.hook.pytest_warning_recorded.call_historic(kwargs=said)
            case "done":
                item = self.session.items[fork.batch.popleft()]
                self.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
                if not fork.batch:
                    self._give(fork)
            case "broken":
                whole = "a process that ran tests, after them"
                report = pytest.TestReport(whole, (whole, None, whole), {}, "failed", said, "teardown")
                self.hook.pytest_runtest_logreport(report=report)

    def _died(self, fork: Fork) -> None:
        del self.running[fork.link]
        fork.link.close()
        _, status = os.waitpid(fork.pid, 0)
        if not fork.batch:
            return
        item = self.session.items[fork.batch.popleft()]
        text = f"the process that ran it ended: {os.waitstatus_to_exitcode(status)}"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
        self.hook.pytest_runtest_logreport(report=report)
        if fork.batch:
            self.waiting.appendleft(list(fork.batch))
        if self.waiting:
            self._start()


def become_fork(session: pytest.Session, link: Connection, number: int) -> None:
    """Run batches until there are none; never returns."""
    code = 1
    try:
        _apart(session.config, number)
        session.config.pluginmanager.register(_Telling(session.config, link))
        while batch := link.recv():
            for place, following in zip(batch, [*batch[1:], None], strict=True):
                nextitem: Any = _Between(session) if following is None else session.items[following]
                session.config.hook.pytest_runtest_protocol(item=session.items[place], nextitem=nextitem)
                link.send(("done", None))
        session._setupstate.teardown_exact(None)
        session.config._ensure_unconfigure()
        code = 0
    except BaseException:
        with contextlib.suppress(OSError):
            link.send(("broken", traceback.format_exc()))
    finally:
        os._exit(code)


def _apart(config: pytest.Config, number: int) -> None:
    """Separate the files that every process writes."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    capture.stop_global_capturing()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.close(nothing)
    capture.start_global_capturing()
    capture.suspend_global_capture()
    temporary = config._tmp_path_factory
    temporary._basetemp = temporary.getbasetemp() / f"fork{number}"
    temporary._basetemp.mkdir(mode=0o700)


class _Between:
    """Between batches: module fixtures end, session fixtures stay."""

    def __init__(self, session: pytest.Session) -> None:
        self.listchain = lambda: [session]


class _Telling:
    """Reports of pytest, sent to the process that prints them."""

    def __init__(self, config: pytest.Config, link: Connection) -> None:
        self.config = config
        self.link = link

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.link.send(("report", data))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: Any
    ) -> None:
        told = warnings.WarningMessage(
            str(warning_message.message), UserWarning, warning_message.filename, warning_message.lineno
        )
        said = {"warning_message": told, "when": when, "nodeid": nodeid, "location": location}
        self.link.send(("warning", said))
