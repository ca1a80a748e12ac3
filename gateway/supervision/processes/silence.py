"""Silence of a worker: distinguishes a hung process from one that gets too little processor time.

Measured by the CPU clock of the process, which any process may read (clock_getcpuclockid(3)): /proc/PID of a
process that cannot be dumped is hidden where the service's unit says so (ProtectProc=invisible). A process
that is stopped or blocked uses no CPU time, and one in an endless loop uses all that it gets: both are hung.
A process that works on a busy machine uses a little. One without a processor uses nothing either (seen beside
programs of a higher priority: 0.0 ms in most periods of 100 ms), but where /proc shows it, it is runnable.
"""

import time
from pathlib import Path

BLOCKED_SHARE = 0.01
"""Share of a processor below which a process counts as stopped or blocked."""
MAX_SLOWNESS = 10.0
"""Longest silence, as a multiple of the limit, whatever the machine does."""
MAX_PATIENCE = 8.0
"""Largest multiple of the limit after workers were ended for their silence."""
_CPUCLOCK_SCHED = 2
"""Kind of a process's CPU clock (Linux, include/linux/posix-timers.h)."""


def cpu_time_s(pid: int) -> float | None:
    """Return the CPU time of a process, all its threads together, in seconds; None if it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return None


def is_runnable(pid: int) -> bool:
    """Return whether a process runs or waits for a processor; False if the kernel does not show it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b") ")[2].startswith(b"R")


class WorkerSilence:
    """Time for which a worker has been silent although it could have worked, in seconds."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s`: silence after which a worker counts as hung."""
        self._limit_s = limit_s
        self._patience = 1.0
        self._pid = 0
        self._cpu_s = 0.0
        self._silent_s = 0.0
        self.elapsed_s = 0.0
        """Time without a heartbeat, in seconds, whatever the reason."""

    def watch(self, pid: int) -> None:
        """Watch a new process."""
        self._pid = pid
        self.reset()

    def reset(self) -> None:
        """Count from now on: a heartbeat has come, or its absence proves nothing."""
        self._cpu_s = cpu_time_s(self._pid) or 0.0
        self._silent_s = self.elapsed_s = 0.0

    def on_hung(self) -> None:
        """Double the limit for the next process: it may be too short for this machine."""
        self._patience = min(MAX_PATIENCE, 2 * self._patience)

    def on_stable(self) -> None:
        """Return to the configured limit."""
        self._patience = 1.0

    def add(self, elapsed_s: float) -> bool:
        """Add a period without a heartbeat; return True if the worker is hung."""
        cpu_s = cpu_time_s(self._pid)
        used_s = max(0.0, cpu_s - self._cpu_s) if cpu_s is not None else 0.0
        self._cpu_s += used_s
        # In its first period a worker may sleep: it owes no heartbeat yet, and its state is not read.
        is_starved = self.elapsed_s > 0 and is_runnable(self._pid)
        is_blocked = used_s < BLOCKED_SHARE * elapsed_s and not is_starved
        self._silent_s += elapsed_s if is_blocked else min(elapsed_s, used_s)
        self.elapsed_s += elapsed_s
        limit_s = self._limit_s * self._patience
        return self._silent_s > limit_s or self.elapsed_s > MAX_SLOWNESS * limit_s
