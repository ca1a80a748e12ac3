"""Stop of one door: repeated until the board has acknowledged it and the door is sensed at rest."""

from enum import Enum, auto

STOP_SETTLE_S = 0.6
"""Time after the acknowledgement of a stop within which a machine comes to rest, in seconds."""
STOP_ALARM_S = 0.5
"""Time without an acknowledgement after which an alarm is raised, in seconds."""
MAX_RESTARTS = 3
"""Number of repetitions of an acknowledged stop of a door that moves on."""


class _Phase(Enum):
    NONE = auto()
    PENDING = auto()
    """Not acknowledged yet."""
    SETTLING = auto()
    """Acknowledged; the machine may still brake."""
    PROVEN = auto()
    """Acknowledged by a stop contact, and no limit switch has changed since the machine had time to brake."""


class DoorStop:
    """Stop of one door. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._phase = _Phase.NONE
        self._since_s = 0.0
        self._restarts = 0
        self._was_at_end = False
        self._has_braked = False
        """True once a reading was taken after the machine has had the time to come to rest."""
        self._is_by_contact = True
        self.is_alarmed = False
        """True once the alarm for a missing acknowledgement was raised."""
        self.may_have_moved = False
        """True once something else may have moved the door since the board has acknowledged the stop."""

    def on_stop(self, now_s: float) -> None:
        """Begin a stop."""
        self._phase, self._since_s, self._restarts = _Phase.PENDING, now_s, 0
        self.is_alarmed = False

    def on_acknowledged(self, now_s: float, *, at_end: bool, by_contact: bool = True) -> None:
        """Note that the board has acknowledged the stop. `at_end`: the door is at an end now.

        `by_contact`: by its stop contact. A release alone proves nothing: a machine that moves after a short
        pulse moves on.
        """
        if self._phase is _Phase.PENDING:
            self._is_by_contact = by_contact
            self._phase, self._since_s, self._was_at_end = _Phase.SETTLING, now_s, at_end
            self._has_braked = self.may_have_moved = False

    def on_inputs(self, now_s: float, *, at_end: bool, may_be_moved: bool = False) -> None:
        """Process a reading of the limit switches. `may_be_moved`: something else may move the door now."""
        if self._phase in (_Phase.SETTLING, _Phase.PROVEN):
            self.may_have_moved = self.may_have_moved or may_be_moved
        if self._phase is not _Phase.SETTLING:
            return
        has_left = self._was_at_end and not at_end
        if has_left and not self._has_braked and self._restarts < MAX_RESTARTS:
            self._phase, self._since_s = _Phase.PENDING, now_s  # it has begun to move in spite of the stop
            self._restarts += 1
        elif now_s - self._since_s >= STOP_SETTLE_S:
            self._has_braked = True
            if self._is_by_contact:
                self._phase = _Phase.PROVEN
        self._was_at_end = at_end

    def end(self) -> None:
        """End the stop: the door was commanded to move."""
        self._phase = _Phase.NONE

    @property
    def is_pending(self) -> bool:
        """True until the board has acknowledged the stop."""
        return self._phase is _Phase.PENDING

    @property
    def is_in_effect(self) -> bool:
        """True from the stop until the next movement."""
        return self._phase is not _Phase.NONE

    @property
    def is_proven(self) -> bool:
        """True if the stop was acknowledged, and the machine has had the time to come to rest."""
        return self._phase is _Phase.PROVEN

    def is_overdue(self, now_s: float) -> bool:
        """Return True if the board has not acknowledged the stop in time."""
        return self.is_pending and now_s - self._since_s > STOP_ALARM_S
