"""Wait before a worker is started again, by how long it ran and why it ended."""

from drivers.links.link import Cause
from gateway.common.backoff import Backoff

STABLE_AFTER_S = 60.0
"""A worker that ran this long is stable: its next start does not wait."""


class RestartDelay:
    """Waits of one position: none after a stable run, growing ones in a series of failures."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._backoff = Backoff(first_s, max_s)

    def next_s(self, cause: Cause, ran_s: float, *, is_first: bool) -> float:
        """Return the wait in seconds after a worker that ran for `ran_s` seconds.

        The first failure, and one after a stable run, is repaired at once, because travellers wait; except
        after a violation.
        """
        if is_stable(ran_s):
            self._backoff.reset()
        at_once = (is_stable(ran_s) or is_first) and cause is not Cause.WORKER_VIOLATION
        return 0.0 if at_once else self._backoff.next_s()


def is_stable(ran_s: float) -> bool:
    """Return True if a worker that ran for `ran_s` seconds counts as stable."""
    return ran_s >= STABLE_AFTER_S
