"""Processes of a candidate: started, measured and ended as one group."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MIB = 1 << 20


class Running:
    """A process and its descendants."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.began_ns = time.monotonic_ns()
            self._process = subprocess.Popen(
                argv,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=folder,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Return whether the first process has ended."""
        return self._process.poll() is not None

    def _tree(self) -> list[int]:
        try:
            first = psutil.Process(self._process.pid)
            return [first.pid, *(child.pid for child in first.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    def pss_mib(self) -> list[float]:
        """Return the proportional set size of every process, the first one first."""
        sizes = []
        for pid in self._tree():
            with contextlib.suppress(OSError):
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
                sizes.append(int(line.split()[1]) * 1024 / MIB)
        return sizes

    def cpu_s(self) -> float:
        """Return the CPU time of the living threads, from the scheduler: clock ticks are 10 ms."""
        total = 0
        for pid in self._tree():
            for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(schedstat.read_text().split()[0])
        return total / 1e9

    def kill(self) -> None:
        """Kill everything, as in a power cut."""
        for pid in self._tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        """Terminate it; kill it after a while."""
        tree = self._tree()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(8)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
