"""Measured age of the inputs: too slow a board cannot protect a person in the way of a closing door."""

from collections import deque

SENSING_LIMIT_S = 0.35
"""Longest time from one reading's request to the next reading's answer, in seconds.

A change of an input is unknown for at most this time. Polls every 0.2 s are within it if a cycle of requests
takes less than 0.15 s.
"""
SLOW_READINGS = 2
"""Number of slow readings in a row after which the board is too slow: one may be a short stall."""
QUICK_READINGS = 5
"""Number of quick readings in a row after which it is quick enough again."""


class SensingPace:
    """Judge of the measured pace of readings."""

    def __init__(self) -> None:
        self.is_slow = False
        """True while a change of an input may be unknown for too long."""
        self.is_last_slow = False
        """True if the last reading was slow: it may be the first of many."""
        self._asked_s: float | None = None
        self._recent: deque[bool] = deque(maxlen=QUICK_READINGS)

    def on_reading(self, asked_s: float, answered_s: float) -> None:
        """Take the times of a reading: its request, and its answer."""
        if self._asked_s is not None:
            self.is_last_slow = answered_s - self._asked_s > SENSING_LIMIT_S
            self._recent.append(self.is_last_slow)
        self._asked_s = asked_s
        if list(self._recent)[-SLOW_READINGS:] == [True] * SLOW_READINGS:
            self.is_slow = True
        elif not any(self._recent):
            self.is_slow = False
