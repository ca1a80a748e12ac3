"""Simulator processes forked from one that has imported them: a post starts a Python for each."""

import contextlib
import os
import signal
import socket
import sys
from multiprocessing.context import ForkServerProcess

import pytest
from support.process.daemons import FORKS, expect_daemons

from simulators import process
from simulators import subprocesses as members


class ForkedSimulator:
    """A simulator process, with the part of `subprocess.Popen` that `simulators.subprocesses` uses."""

    def __init__(self, connection: socket.socket) -> None:
        self._process: ForkServerProcess = FORKS.Process(target=_become, args=(connection,), daemon=False)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended, and its parent has reaped it
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        self._process.close()
        return code


def _become(connection: socket.socket) -> None:
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1):
        os.dup2(nothing, place)
    os.close(nothing)
    # Its parent is the fork server, which ends with the test's own process.
    sys.argv = ["simulators.process", str(connection.fileno()), str(os.getppid())]
    sys.exit(process.main())


@pytest.fixture(scope="session")
def simulator_forkserver() -> None:
    """Start their fork server before a test counts processes."""
    expect_daemons()


@pytest.fixture
def forked_simulators(monkeypatch: pytest.MonkeyPatch, simulator_forkserver: None) -> None:
    """Make posts start their simulators that way."""
    monkeypatch.setattr(members, "_spawn", ForkedSimulator)
