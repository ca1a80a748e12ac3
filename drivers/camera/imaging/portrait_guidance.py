"""What to tell whoever takes portraits, out of what is measured of each: one thing, and not all the time.

Pure: pictures and their times come in. What is said has been so for two pictures in a row, since one alone
may be a blink or a false finding.
"""

from drivers.camera.observations import Advice, FaceFeedback, Hint, Measure
from drivers.observation import Outcome

PICTURES = 2
"""In a row, before it is said."""
APART_NS = 500_000_000
"""Two a second at most."""
AGAIN_NS = 5_000_000_000
"""What goes on is said again after so long."""


class Adviser:
    """Of one camera; times are nanoseconds that only grow."""

    def __init__(self) -> None:
        self._seen: Advice | None = None
        self._times = 0
        self._said: Advice | None = None
        self._said_ns = -AGAIN_NS

    def of(self, hints: tuple[Hint, ...], now_ns: int) -> FaceFeedback | None:
        """Take the measures of a picture; what is to be said now, if anything."""
        found = _foremost(hints)
        if found is None:
            return None
        advice, hint = found
        self._times = self._times + 1 if advice is self._seen else 1
        self._seen = advice
        since_ns = now_ns - self._said_ns
        if self._times < PICTURES or since_ns < (AGAIN_NS if advice is self._said else APART_NS):
            return None
        if advice is self._said is Advice.GOOD:
            return None
        self._said, self._said_ns = advice, now_ns
        return FaceFeedback(advice=advice, hint=hint)


def _foremost(hints: tuple[Hint, ...]) -> tuple[Advice, Hint | None] | None:
    """What stands in the way of all else comes first: in the dark, no face is found either."""
    failed = {hint.measure: hint for hint in hints if hint.outcome is Outcome.FAILED}
    for measure, below, above in _ORDER:
        hint = failed.get(measure)
        if hint is not None:
            under = hint.at_least is not None and hint.value < hint.at_least
            advice = below if under else above
            if advice is not None:
                return advice, hint
    if failed or not any(hint.outcome is Outcome.SUCCESSFUL for hint in hints):
        return None
    return Advice.GOOD, None


_ORDER: tuple[tuple[Measure, Advice | None, Advice | None], ...] = (
    (Measure.FACES, None, Advice.SEVERAL_FACES),
    (Measure.BRIGHTNESS, Advice.TOO_DARK, Advice.TOO_BRIGHT),
    (Measure.DARK_PERCENT, None, Advice.TOO_DARK),
    (Measure.BRIGHT_PERCENT, None, Advice.TOO_BRIGHT),
    (Measure.FACES, Advice.NO_FACE, None),
    (Measure.EYE_DISTANCE_PX, Advice.MOVE_CLOSER, None),
    (Measure.SHARPNESS, Advice.HOLD_STILL, None),
    (Measure.ROLL_DEG, Advice.HEAD_UPRIGHT, Advice.HEAD_UPRIGHT),
    (Measure.ASYMMETRY, None, Advice.UNEVEN_LIGHT),
    (Measure.CONTRAST, Advice.LOW_CONTRAST, None),
)
"""Measures as they are looked at: what it means when one is too low, and too high."""
