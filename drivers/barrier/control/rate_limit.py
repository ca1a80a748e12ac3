"""Rate limit of the movements of a barrier."""

from collections.abc import Sequence

from drivers.barrier.wiring import BarrierSettings

MINUTE_S = 60.0


class ActuationLimiter:
    """Rate limit of commanded movements. Stops, releases and reopenings are not limited.

    `moved_s`: times of the movements so far, which it continues; a driver that opens the board again passes
    those of the one before. `earlier_s`: those of an earlier process, the newest last.
    """

    def __init__(
        self,
        settings: BarrierSettings,
        now_s: float,
        moved_s: list[float] | None = None,
        earlier_s: Sequence[float] = (),
    ) -> None:
        self._moved_s = [] if moved_s is None else moved_s
        self._settings = settings
        if not self._moved_s:
            self._moved_s += earlier_s
            self._moved_s.append(now_s)  # the previous process may have moved it a moment ago

    def is_rate_exceeded(self, now_s: float) -> bool:
        """Return True if one more movement exceeds the limit; nothing is queued for later."""
        recent = [moved_s for moved_s in self._moved_s if now_s - moved_s < MINUTE_S]
        is_full = len(recent) >= self._settings.max_per_minute
        return is_full or now_s - self._moved_s[-1] < self._settings.min_interval_s

    def on_movement(self, now_s: float) -> None:
        """Note a movement."""
        self._moved_s.append(now_s)
        del self._moved_s[: -self._settings.max_per_minute]
