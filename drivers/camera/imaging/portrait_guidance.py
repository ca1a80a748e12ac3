"""Advice for the photographer of portraits, from the measurements of each frame: one at a time.

Pure: frames and their times are inputs. Advice must hold for two frames in a row, because a single one may
show a blink or a false finding.
"""

from drivers.camera.observations import FaceFeedback, PictureHint, PictureMeasure, PortraitAdvice
from drivers.observation import Outcome

CONSECUTIVE_PICTURES = 2
"""Number of consecutive frames before advice is given."""
MIN_INTERVAL_NS = 500_000_000
"""At most two a second."""
REPEAT_AFTER_NS = 5_000_000_000
"""Interval after which the same advice is repeated."""


class PortraitGuide:
    """Guidance of one camera; times are increasing nanoseconds."""

    def __init__(self) -> None:
        self._seen: PortraitAdvice | None = None
        self._times = 0
        self._given: PortraitAdvice | None = None
        self._said_ns = -REPEAT_AFTER_NS

    def update(self, hints: tuple[PictureHint, ...], now_ns: int) -> FaceFeedback | None:
        """Take the measurements of a frame and return the advice to give now, if any."""
        found = _most_fundamental(hints)
        if found is None:
            return None
        advice, hint = found
        self._times = self._times + 1 if advice is self._seen else 1
        self._seen = advice
        since_ns = now_ns - self._said_ns
        if self._times < CONSECUTIVE_PICTURES or since_ns < (
            REPEAT_AFTER_NS if advice is self._given else MIN_INTERVAL_NS
        ):
            return None
        if advice is self._given is PortraitAdvice.GOOD:
            return None
        self._given, self._said_ns = advice, now_ns
        return FaceFeedback(advice=advice, measurement=hint)


def _most_fundamental(hints: tuple[PictureHint, ...]) -> tuple[PortraitAdvice, PictureHint | None] | None:
    """Return the most fundamental advice: in the dark, no face is found either."""
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
"""Measures in order of importance: advice for a value that is too low, and too high."""
