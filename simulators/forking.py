"""Simulator processes forked from the post's own, which has loaded their modules to check the post's file.

A Python of its own for each simulator takes a quarter of a second of processor time. Forking is safe only in
a process without other threads, so a program that has some starts Pythons instead (`subprocesses`).
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from pathlib import Path


def keep_one_thread() -> None:
    """Keep numpy from starting threads, in a program that will fork; for use before it is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def can_fork() -> bool:
    """Return whether this process has no other thread, of Python or of a library."""
    return len(list(Path("/proc/self/task").iterdir())) == 1


class ForkedProcess:
    """A forked simulator, with the part of `subprocess.Popen` that a post uses."""

    def __init__(self, connection: socket.socket) -> None:
        """Fork; the child serves the other end of `connection`, and never returns."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            _become_simulator(connection, parent)

    def kill(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; return the exit code, or the signal as a negative number."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def _become_simulator(connection: socket.socket, parent: int) -> None:
    """Run a simulator in the forked child, and end the process without returning to the parent's code."""
    code = 1
    try:
        # Objects of the parent must stay as they are: if they were collected, they would close descriptors by
        # numbers that are others here.
        gc.freeze()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)
        kept = os.dup(connection.fileno())
        nothing = os.open(os.devnull, os.O_RDWR)
        for place in (0, 1):
            os.dup2(nothing, place)
        # Sockets of the post and of its other simulators, and the event loop's selector.
        os.closerange(3, kept)
        os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
        from simulators import process

        code = process.run(socket.socket(fileno=kept), parent)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception:  # noqa: BLE001 - nothing may return to the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)
