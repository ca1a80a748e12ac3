"""What to tell whoever takes portraits, out of what is measured of each: one thing, and not all the time.

Pure: pictures and their times come in. What is said has been so for two pictures in a row, since one alone
may be a blink or a false finding.
"""

from drivers.camera.observations import FaceFeedback, PictureHint, PictureMeasure, PortraitAdvice
from drivers.observation import Outcome

CONSECUTIVE_PICTURES = 2
"""In a row, before it is said."""
MIN_INTERVAL_NS = 500_000_000
"""Two a second at most."""
REPEAT_AFTER_NS = 5_000_000_000
"""What goes on is said again after so long."""


class PortraitGuide:
    """Of one camera; times are nanoseconds that only grow."""

    def __init__(self) -> None:
        self._seen: PortraitAdvice | None = None
        self._times = 0
        self._said: PortraitAdvice | None = None
        self._said_ns = -REPEAT_AFTER_NS

    def update(self, hints: tuple[PictureHint, ...], now_ns: int) -> FaceFeedback | None:
        """Take the measures of a picture; what is to be said now, if anything."""
        found = _foremost(hints)
        if found is None:
            return None
        advice, hint = found
        self._times = self._times + 1 if advice is self._seen else 1
        self._seen = advice
        since_ns = now_ns - self._said_ns
        if self._times < CONSECUTIVE_PICTURES or since_ns < (
            REPEAT_AFTER_NS if advice is self._said else MIN_INTERVAL_NS
        ):
            return None
        if advice is self._said is PortraitAdvice.GOOD:
            return None
        self._said, self._said_ns = advice, now_ns
        return FaceFeedback(advice=advice, measurement=hint)


def _foremost(hints: tuple[PictureHint, ...]) -> tuple[PortraitAdvice, PictureHint | None] | None:
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
    return PortraitAdvice.GOOD, None


_ORDER: tuple[tuple[PictureMeasure, PortraitAdvice | None, PortraitAdvice | None], ...] = (
    (PictureMeasure.FACES, None, PortraitAdvice.SEVERAL_FACES),
    (PictureMeasure.BRIGHTNESS, PortraitAdvice.TOO_DARK, PortraitAdvice.TOO_BRIGHT),
    (PictureMeasure.DARK_PERCENT, None, PortraitAdvice.TOO_DARK),
    (PictureMeasure.BRIGHT_PERCENT, None, PortraitAdvice.TOO_BRIGHT),
    (PictureMeasure.FACES, PortraitAdvice.NO_FACE, None),
    (PictureMeasure.EYE_DISTANCE_PX, PortraitAdvice.MOVE_CLOSER, None),
    (PictureMeasure.SHARPNESS, PortraitAdvice.HOLD_STILL, None),
    (PictureMeasure.ROLL_DEG, PortraitAdvice.HEAD_UPRIGHT, PortraitAdvice.HEAD_UPRIGHT),
    (PictureMeasure.ASYMMETRY, None, PortraitAdvice.UNEVEN_LIGHT),
    (PictureMeasure.CONTRAST, PortraitAdvice.LOW_CONTRAST, None),
)
"""Measures as they are looked at: what it means when one is too low, and too high."""
