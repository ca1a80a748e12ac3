"""Rate limit of the movements of a barrier."""

from collections import deque

from drivers.barrier.wiring import BarrierSettings

MINUTE_S = 60.0


class ActuationLimiter:
    """Rate limit of commanded movements. Stops, releases and reopenings are not limited."""

    def __init__(self, settings: BarrierSettings, now_s: float) -> None:
        # The previous driver process may have moved it a moment ago.
        self._moved: deque[float] = deque([now_s], maxlen=settings.max_per_minute)
        self._settings = settings

    def is_rate_exceeded(self, now_s: float) -> bool:
        """Return True if one more movement exceeds the limit; nothing is queued for later."""
        full = len(self._moved) == self._settings.max_per_minute and now_s - self._moved[0] < MINUTE_S
        return full or now_s - self._moved[-1] < self._settings.min_interval_s

    def on_movement(self, now_s: float) -> None:
        """Note a movement."""
        self._moved.append(now_s)
