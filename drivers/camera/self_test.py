"""External self-test of cameras: a frame is taken and measured; only its measurements are kept."""

from collections.abc import Iterator

from drivers.camera.imaging.image_quality import LIMITS
from drivers.camera.imaging.jpeg import JpegInfo
from drivers.camera.observations import PictureHint, PictureMeasure
from drivers.observation import Outcome
from drivers.self_test import SelfTestStep

SLOW_MS = 2000.0
"""Longest acceptable wait of an officer for a picture, in milliseconds."""
REMEDIES = {
    PictureMeasure.SHARPNESS: ("clean", "Wipe the lens with a soft cloth, then focus it."),
    PictureMeasure.BRIGHTNESS: (
        "configure",
        "Change its light or its exposure; a lane at night may be dark.",
    ),
    PictureMeasure.DARK_PERCENT: ("configure", "Increase the light."),
    PictureMeasure.BRIGHT_PERCENT: (
        "configure",
        "Turn the camera away from the sun, or shorten its exposure.",
    ),
    PictureMeasure.CONTRAST: (
        "clean",
        "Wipe the lens.",
    ),
}


def picture_steps(jpeg: JpegInfo, hints: tuple[PictureHint, ...], waited_ms: float) -> Iterator[SelfTestStep]:
    """Yield the steps for a frame that arrived after `waited_ms` milliseconds."""
    yield SelfTestStep(
        name="picture.came",
        outcome=Outcome.SUCCESSFUL if waited_ms <= SLOW_MS else Outcome.FAILED,
        text=f"A frame of {jpeg.width_px} by {jpeg.height_px} pixels came after {waited_ms:.0f} ms.",
        measured=round(waited_ms, 1),
        unit="ms",
        at_most=SLOW_MS,
    )
    for each in hints:
        if (limits := LIMITS.get(each.measure)) is None or each.measure not in REMEDIES:
            continue
        least, most = limits
        within = (least is None or each.value >= least) and (most is None or each.value <= most)
        action, how = REMEDIES[each.measure]
        yield SelfTestStep(
            name=f"picture.{each.measure}",
            # A lane may lack features of a portrait: only a person can judge the result.
            outcome=Outcome.SUCCESSFUL if within else Outcome.UNDETERMINED,
            text=f"{each.measure} is {each.value:g}."
            if within
            else f"{each.measure} is {each.value:g}, outside its limits.",
            measured=each.value,
            at_least=least,
            at_most=most,
            action="none" if within else action,
            how="" if within else how,
        )


def damaged_step(tries: int) -> SelfTestStep:
    """Return the step for so many incomplete frames."""
    return SelfTestStep(
        name="picture.came",
        outcome=Outcome.FAILED,
        text=f"{tries} frames in a row were incomplete.",
        action="restart",
        how="Restart the camera; if that does not help, check its cable and the load of its network.",
    )
