"""Trials of drivers forked from the process that needs them: a post starts a Python for each.

A trial has a session, limits and descriptors of its own, as `drivers.probe` gives it.
"""

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
import warnings
from typing import Never

from drivers import probe

spawn_probe = probe._run
"""Run a trial as the product does, for tests of the trial itself."""
DESCRIPTORS = 4096
"""Those that a forked process closes."""


def fork_probes(cpu_limit_s: int = probe.CPU_LIMIT_S) -> None:
    """Make this process fork its trials; `cpu_limit_s`: processor time of one, in seconds."""
    probe._run = run_forked
    probe.CPU_LIMIT_S = cpu_limit_s


def run_forked(check: str, name: str, text: str, answer: int) -> int:
    """Do what `drivers.probe._run` does, in a forked process."""
    with warnings.catch_warnings():
        # The child uses nothing of the other threads: the pool that starts trials, and those of libraries.
        warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _become_probe(check, name, text, answer)
    ended = os.pidfd_open(pid)
    try:
        if not select.select([ended], [], [], probe.TIMEOUT_S)[0]:
            raise subprocess.TimeoutExpired(name, probe.TIMEOUT_S)
    finally:
        os.close(ended)
        for kill in (os.kill, os.killpg):  # it may have no session yet
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _become_probe(check: str, name: str, text: str, answer: int) -> Never:
    code: object = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for place in (0, 1, 2):
            os.dup2(nothing, place)
        os.closerange(3, answer)
        os.closerange(answer + 1, DESCRIPTORS)
        sys.stdin = io.StringIO(text)
        probe.main([str(answer), check, name, str(probe.CPU_LIMIT_S)])
    except SystemExit as end:
        code = end.code
    finally:
        os._exit(code if isinstance(code, int) else 1)
