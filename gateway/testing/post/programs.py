"""Programs of a simulated post, each of which ends completely."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_S = 6.0
"""Seconds for a program to end by itself after SIGTERM."""
KILLED_S = 5.0
"""Seconds for the kernel to end a killed program."""


@dataclass(frozen=True)
class Program:
    """A running program."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text("utf-8", "replace")[-2000:]


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str],
    folder: Path,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Run a program in a session of its own, out of reach of the terminal's Ctrl-C; end it afterwards.

    `environment`: variables in addition to those of this process.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=pass_fds,
            env=os.environ | dict(environment or {}),
        )
    try:
        yield Program(name, process, log)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        _end_session(process.pid)
        process.wait()


def _end_session(session: int) -> None:
    """Kill the remaining processes of a session: children of a program that was killed or ended early."""
    deadline = time.monotonic() + KILLED_S
    while (left := list(_members(session))) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _members(session: int) -> Iterator[int]:
    """List the processes of a session that have not ended."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text("utf-8", "replace")
        except OSError:
            continue
        state, _, _, of, *_ = stat.rpartition(")")[2].split()
        if int(of) == session and state not in "ZX":
            yield int(entry.name)
