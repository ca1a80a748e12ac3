"""Processor time of a worker process: its total, and a sustained use of a whole processor.

The kernel shares the processors fairly, so one such worker does not stop the others. But commands of other
devices get slower, and its driver is faulty or its device sends what is expensive to read.
"""

from typing import Any

from drivers.links.link import Action, Cause
from gateway.supervision.processes.silence import cpu_time_s

EXCESSIVE_SHARE = 0.9
"""Share of one processor from which a period counts as excessive."""
PERIODS = 4
"""Number of periods in a row with which the use begins to be excessive, or ends to be."""
PERIOD_S = 30.0
CPU_EXCEEDED: dict[str, Any] = {
    "cause": Cause.CPU_EXCEEDED,
    "text": "The worker process of the device has used a whole processor for minutes. The device works, and "
    "other devices get slower.",
    "action": Action.CALL_SUPPORT,
    "how": "Unplug the device and plug it in again. If it goes on, look at its bytes with "
    "`borderpost trace`, and send a diagnostics bundle to support: the driver is faulty, or the device "
    "attacks it.",
}
"""Fields of the state of a device whose worker uses a whole processor."""


class CpuUsage:
    """Processor time of the workers of one position, one after the other. Times are of the loop's clock."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        """`period_s`: length of the periods whose use is judged, in seconds."""
        self.total_s = 0.0
        """CPU time of all workers so far, in seconds."""
        self.is_excessive = False
        """True if the worker has used a whole processor for PERIODS periods, until it has not for as many."""
        self._period_s = period_s
        self._pid = 0
        self._counted_s = 0.0
        self._began_s = 0.0
        self._used_s = 0.0
        self._contrary_periods = 0

    def watch(self, pid: int, now_s: float) -> None:
        """Watch a new process."""
        self._pid, self._counted_s = pid, 0.0
        self._began_s, self._used_s = now_s, 0.0
        self._contrary_periods = 0
        self.is_excessive = False

    def update(self, now_s: float) -> bool:
        """Count the time until now; return True if `is_excessive` has changed."""
        cpu_s = cpu_time_s(self._pid)
        if cpu_s is not None:
            used_s = max(0.0, cpu_s - self._counted_s)
            self._counted_s += used_s
            self._used_s += used_s
            self.total_s += used_s
        elapsed_s = now_s - self._began_s
        if elapsed_s < self._period_s:
            return False
        is_period_excessive = self._used_s > EXCESSIVE_SHARE * elapsed_s
        self._began_s, self._used_s = now_s, 0.0
        if is_period_excessive is self.is_excessive:
            self._contrary_periods = 0
            return False
        self._contrary_periods += 1
        if self._contrary_periods < PERIODS:
            return False
        self.is_excessive, self._contrary_periods = is_period_excessive, 0
        return True
