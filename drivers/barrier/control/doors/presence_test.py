"""Test of one door's presence detector before each closing, by its test input.

The test input switches the detector's transmitter off, so its output must report presence while the relay is
closed, and be clear again afterwards (EN 12453 and EN ISO 13849-1, category 2: a test before each closing).
"""

from enum import Enum, auto

REST_S = 1.0
"""Longest time from the end of the pulse until the detector is clear again, in seconds."""
VALID_S = 0.5
"""Time after a passed test within which the closing is decided, in seconds."""


class _Phase(Enum):
    IDLE = auto()
    ASKED = auto()
    """The relay is closed, and the detector has not responded yet."""
    RESPONDED = auto()
    """The detector has responded, and is not clear again yet."""
    PASSED = auto()


class PresenceTest:
    """Test of one detector. Times are seconds of one monotonic clock; `pulse_s`: duration of its pulse."""

    def __init__(self, pulse_s: float) -> None:
        self.is_failed = False
        """True from a failed test until one is passed."""
        self._pulse_s = pulse_s
        self._phase = _Phase.IDLE
        self._since_s = 0.0

    @property
    def is_running(self) -> bool:
        """True while the detector reports the test, and not people."""
        return self._phase in (_Phase.ASKED, _Phase.RESPONDED)

    def is_passed(self, now_s: float) -> bool:
        """Return True if a test was passed just now."""
        return self._phase is _Phase.PASSED and now_s - self._since_s <= VALID_S

    def begin(self, now_s: float) -> None:
        """Note that the board has acknowledged the pulse."""
        self._phase, self._since_s = _Phase.ASKED, now_s

    def end(self) -> None:
        """End the test: it holds for one closing."""
        self._phase = _Phase.IDLE

    def on_inputs(self, now_s: float, *, presence: bool) -> bool:
        """Process a reading; return True if the detector has failed with it."""
        after_s = now_s - self._since_s
        if self._phase is _Phase.ASKED and after_s > self._pulse_s:
            self._phase, self.is_failed = _Phase.IDLE, True
            return True
        if self._phase is _Phase.ASKED and presence:
            self._phase = _Phase.RESPONDED
        elif self._phase is _Phase.RESPONDED and not presence:
            self._phase, self._since_s, self.is_failed = _Phase.PASSED, now_s, False
        elif self._phase is _Phase.RESPONDED and after_s > self._pulse_s + REST_S:
            self._phase = _Phase.IDLE  # a person is in the way
        return False
