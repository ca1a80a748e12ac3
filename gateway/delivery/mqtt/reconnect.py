"""Wait before the next connection attempt."""

import random

from gateway.common.backoff import Backoff

FIRST_S = (0.05, 0.25)
"""Wait before the first attempt after a stable connection, in seconds: a restarted broker is soon back."""
REFUSED_S = (0.3, 0.5)
"""Wait after we have closed a connection because the broker sends too much, in seconds."""
STABLE_AFTER_S = 5.0
"""Lifetime after which a connection counts as stable, in seconds."""


class ReconnectWait:
    """Waits of one connection: short at first, then growing with jitter, and never zero.

    When a region's link returns, its posts must not connect all at once.
    """

    def __init__(self, first_s: float, max_s: float) -> None:
        """`first_s`: upper bound on the first growing wait; `max_s`: on all of them."""
        self._backoff = Backoff(first_s, max_s)
        self._is_first = True

    def next_s(self, lifetime_s: float, *, was_refused: bool) -> float:
        """Return the next wait in seconds; `lifetime_s`: of the last connection, 0 without one."""
        if lifetime_s > STABLE_AFTER_S:
            self._backoff.reset()
            self._is_first = True
        if was_refused:
            return random.uniform(*REFUSED_S)
        if self._is_first:
            self._is_first = False
            return random.uniform(*FIRST_S)
        return self._backoff.next_s()
