"""Rate limit and dead time of the contacts of a barrier."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.wiring import BarrierSettings

MINUTE_S = 60.0


class MotorContact(Enum):
    """Contact of the machine's controller."""

    OPEN = auto()
    CLOSE = auto()


@dataclass(slots=True)
class _Energised:
    contact: MotorContact
    until_s: float


class ActuationLimiter:
    """Rate limit of movements, and dead time between opposite contacts."""

    def __init__(self, settings: BarrierSettings, now_s: float) -> None:
        # The previous driver process may have moved it a moment ago.
        self._asked: deque[float] = deque([now_s], maxlen=settings.max_per_minute)
        self._settings = settings
        self._energised: dict[int, _Energised] = {}

    @property
    def is_new(self) -> bool:
        """True if no movement was requested yet."""
        return not self._energised

    def is_rate_exceeded(self, now_s: float) -> bool:
        """Return True if one more movement exceeds the limit; nothing is queued for later."""
        full = len(self._asked) == self._settings.max_per_minute and now_s - self._asked[0] < MINUTE_S
        return full or now_s - self._asked[-1] < self._settings.min_interval_s

    def on_requested(self, door: int, contact: MotorContact, now_s: float) -> None:
        """Note that a contact may be closed from now on, for the duration of a pulse."""
        self._asked.append(now_s)
        self._energised[door] = _Energised(contact, now_s + self._settings.pulse_s)

    def on_accepted(self, door: int, now_s: float) -> None:
        """Note that the board has accepted the pulse by now, not necessarily earlier."""
        if door in self._energised:
            self._energised[door].until_s = now_s + self._settings.pulse_s

    def on_rejected(self, door: int, now_s: float) -> None:
        """Note that the board has not closed the contact."""
        if door in self._energised:
            self._energised[door].until_s = now_s

    def on_released(self, now_s: float) -> None:
        """Note that every contact is open by now."""
        for energised in self._energised.values():
            energised.until_s = min(energised.until_s, now_s)

    def is_allowed(self, door: int, contact: MotorContact, now_s: float) -> bool:
        """Return True if the opposite contact has been open for the dead time."""
        found = self._energised.get(door)
        return (
            found is None or found.contact is contact or now_s >= found.until_s + self._settings.dead_time_s
        )
