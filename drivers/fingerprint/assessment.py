"""Assessment of one image: presence of a print, number of fingers, quality, and feedback for the person."""

import time
from dataclasses import dataclass

from drivers.fingerprint.image_analysis import ImageAnalysis, analyse_image
from drivers.fingerprint.observations import (
    CaptureOutcome,
    CapturePurpose,
    FeedbackCode,
    FingerPosition,
    ImageQuality,
    UnreadableReason,
)
from drivers.fingerprint.quality import QualityMeasure
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.observation import Outcome

THUMB_AND_INDEX, MIDDLE, RING_AND_LITTLE = 30, 20, 10
"""Minima of NFIQ 2 at plain enrolment (BSI TR-03121, thresholds for single fingers)."""
_ENROLMENT_NFIQ2 = {
    "thumb": THUMB_AND_INDEX,
    "index": THUMB_AND_INDEX,
    "middle": MIDDLE,
    "ring": RING_AND_LITTLE,
    "little": RING_AND_LITTLE,
}
TOO_LIGHT, TOO_DARK = 200.0, 80.0
"""Mean grey of a print that is too faint, and of one with filled valleys; 0 black, 255 white."""
SMALL = 0.12
"""Share of the picture below which only a part of the finger is on the platen."""
OFF_CENTRE = 0.18
"""Allowed distance of the print's centre from the picture's, in widths or heights of the picture."""
DIRTY = 0.08
"""Allowed share of the picture beside the print that is not background."""
TANGLED = 0.07
"""Allowed share of tangled blocks: prints of any skin have up to 0.04, grease has 0.1 and more."""
FINGER_WITHOUT_RIDGES = 0.25
"""Share without ridges from which it is not dirt, but a finger."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Result of the assessment of one image."""

    quality: ImageQuality | None
    """None where the image must not be used: no print, or a wrong number of fingers."""
    failure: CaptureFailure | None = None
    """End of the capture if no other image suffices."""
    feedback: tuple[FeedbackCode, ...] = ()
    """Feedback for the next placement, the most important first."""
    is_dirty: bool = False


@dataclass(frozen=True, slots=True)
class CaptureRequirements:
    """Requirements on the image."""

    position: FingerPosition
    purpose: CapturePurpose
    count: int
    minimum: float | None = None
    """Configured minimum of the quality value, whatever the purpose."""


def assess(raster: Raster, requirements: CaptureRequirements, measure: QualityMeasure) -> Assessment:
    """Assess an image. Takes as long as the measure: call it in a thread."""
    view = analyse_image(raster)
    if view.prints == 0:
        return _no_print(view)
    if view.prints != requirements.count:
        more = view.prints > requirements.count
        return Assessment(
            None,
            CaptureFailure(CaptureOutcome.WRONG_FINGER_COUNT),
            (FeedbackCode.TOO_MANY_FINGERS if more else FeedbackCode.TOO_FEW_FINGERS,),
        )
    dirty = view.dirt > DIRTY or view.tangle > TANGLED
    quality = measure_quality(raster, requirements, measure)
    if quality.outcome is not Outcome.FAILED:
        return Assessment(quality, is_dirty=dirty)
    if dirty:
        return Assessment(
            quality,
            CaptureFailure(CaptureOutcome.SENSOR_DIRTY, UnreadableReason.LOW_QUALITY),
            (FeedbackCode.SENSOR_DIRTY,),
            is_dirty=True,
        )
    reason, feedback = _why(view)
    return Assessment(quality, CaptureFailure(CaptureOutcome.UNREADABLE, reason), feedback)


def measure_quality(
    raster: Raster, requirements: CaptureRequirements, measure: QualityMeasure
) -> ImageQuality:
    """Measure the quality of an image and compare it with the required minimum."""
    begun_s = time.perf_counter()
    value = measure.value(raster)
    minimum = required_minimum(requirements, measure)
    if minimum is None:
        outcome = Outcome.UNDETERMINED
    else:
        outcome = Outcome.SUCCESSFUL if value is not None and value >= minimum else Outcome.FAILED
    return ImageQuality(
        measure=measure.measure,
        value=value,
        required_minimum=minimum,
        outcome=outcome,
        duration_ms=round((time.perf_counter() - begun_s) * 1000, 1),
    )


def required_minimum(requirements: CaptureRequirements, measure: QualityMeasure) -> float | None:
    """Return the required minimum: the configured one, else BSI's where it applies, else None."""
    if requirements.minimum is not None:
        return requirements.minimum
    if requirements.purpose is not CapturePurpose.ENROLMENT or not measure.has_enrolment_minimum:
        return None
    # Several fingers in one picture have one value: the requirement is the lowest of theirs.
    wanted = [_ENROLMENT_NFIQ2.get(finger.rpartition("_")[2]) for finger in requirements.position.fingers]
    return min((value for value in wanted if value is not None), default=THUMB_AND_INDEX)


def _no_print(view: ImageAnalysis) -> Assessment:
    """Assess an image without ridges: a wet finger, dirt, a finger that hardly touches, or none."""
    if view.dirt > FINGER_WITHOUT_RIDGES and view.grey < TOO_DARK:
        reason, feedback = UnreadableReason.TOO_DARK, FeedbackCode.PRESS_SOFTER
    elif DIRTY < view.dirt <= FINGER_WITHOUT_RIDGES:
        dirty = CaptureFailure(CaptureOutcome.SENSOR_DIRTY, UnreadableReason.NO_RIDGES)
        return Assessment(None, dirty, (FeedbackCode.SENSOR_DIRTY,), is_dirty=True)
    else:
        reason, feedback = UnreadableReason.NO_RIDGES, FeedbackCode.PRESS_HARDER
    return Assessment(None, CaptureFailure(CaptureOutcome.UNREADABLE, reason), (feedback,))


def _why(view: ImageAnalysis) -> tuple[UnreadableReason, tuple[FeedbackCode, ...]]:
    """Return the reason why a print does not suffice, and the feedback for it."""
    moves = _moves(view)
    if view.area < SMALL:
        return UnreadableReason.TOO_SMALL, moves or (FeedbackCode.PRESS_HARDER,)
    if view.grey > TOO_LIGHT:
        return UnreadableReason.TOO_LIGHT, (FeedbackCode.PRESS_HARDER, *moves)
    if view.grey < TOO_DARK:
        return UnreadableReason.TOO_DARK, (FeedbackCode.PRESS_SOFTER, *moves)
    return UnreadableReason.LOW_QUALITY, moves


def _moves(view: ImageAnalysis) -> tuple[FeedbackCode, ...]:
    """Return the direction in which a print at the edge must be moved."""
    found = []
    if abs(view.right_of_centre) > OFF_CENTRE:
        found.append(FeedbackCode.MOVE_LEFT if view.right_of_centre > 0 else FeedbackCode.MOVE_RIGHT)
    if abs(view.below_centre) > OFF_CENTRE:
        found.append(FeedbackCode.MOVE_FORWARD if view.below_centre > 0 else FeedbackCode.MOVE_BACKWARD)
    return tuple(found)
