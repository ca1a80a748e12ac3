"""Measurements of a picture for the photographer: sharpness, light, and number of people.

Own measures with own limits, which separate good pictures from bad ones of one camera. They are not quality
scores of ISO/IEC 29794-5 and are not comparable with others.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drivers.camera.commands import Subject
from drivers.camera.imaging import faces
from drivers.camera.observations import MeasuredArea, PictureHint, PictureMeasure
from drivers.observation import Outcome

Grey = NDArray[np.uint8]
LIMITS: dict[PictureMeasure, tuple[float | None, float | None]] = {
    PictureMeasure.FACES: (1, 1),
    PictureMeasure.EYE_DISTANCE_PX: (90, None),  # minimum for a portrait in Doc 9303-3
    PictureMeasure.ROLL_DEG: (-8, 8),
    PictureMeasure.SHARPNESS: (8, None),  # a photograph of a face: 21 to 28; blurred over four pixels: 1.4
    PictureMeasure.BRIGHTNESS: (60, 200),
    PictureMeasure.DARK_PERCENT: (None, 40),
    PictureMeasure.BRIGHT_PERCENT: (None, 25),
    PictureMeasure.CONTRAST: (100, None),
    PictureMeasure.ASYMMETRY: (None, 45),
}
"""Lower and upper limits for a portrait. A lane at night may be dark."""
DRAWN_PX, DRAWN_MOST_PX = 256, 2048
DARK, BRIGHT = 16, 240


class UndecodableImageError(ValueError):
    """The picture cannot be decoded to its end."""


def measure_jpeg(content: bytes, subject: Subject) -> tuple[PictureHint, ...]:
    """Decode a JPEG to its last line and measure it; raises UndecodableImageError.

    Light and sharpness are those of the face where OpenCV is installed and finds exactly one in a portrait.
    Takes some milliseconds, with faces some tens.
    """
    grey, scale = decode_grey(content)
    if subject is not Subject.PORTRAIT:
        return tuple(
            make_hint(measure, MeasuredArea.PICTURE, value, {}) for measure, value in measure_area(grey)
        )
    hints, face = _of_faces(grey, scale) if faces.is_installed() else ([], None)
    area, seen = (MeasuredArea.PICTURE, grey) if face is None else (MeasuredArea.FACE, face)
    return (*hints, *(make_hint(measure, area, value) for measure, value in measure_area(seen)))


def _of_faces(grey: Grey, scale: float) -> tuple[list[PictureHint], Grey | None]:
    """Measure the faces, and return the only face, if there is one."""
    found = faces.detect_faces(grey)
    hints = [make_hint(PictureMeasure.FACES, MeasuredArea.PICTURE, len(found))]
    if len(found) != 1:
        return hints, None
    (face,) = found
    hints.append(make_hint(PictureMeasure.FACE_WIDTH_PX, MeasuredArea.FACE, face.width * scale))
    if face.eye_distance is not None and face.roll_deg is not None:
        hints.append(make_hint(PictureMeasure.EYE_DISTANCE_PX, MeasuredArea.FACE, face.eye_distance * scale))
        hints.append(make_hint(PictureMeasure.ROLL_DEG, MeasuredArea.FACE, face.roll_deg))
    return hints, grey[face.top : face.top + face.width, face.left : face.left + face.width]


def decode_grey(content: bytes) -> tuple[Grey, float]:
    """Decode a JPEG that `parse_jpeg` has accepted, in grey and scaled down; return the scale too."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            width = image.width
            image.draft("L", (640, 480))
            grey = np.asarray(image.convert("L"))
            return grey, width / grey.shape[1]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UndecodableImageError("not a whole picture") from error


def measure_area(area: Grey) -> Iterator[tuple[PictureMeasure, float]]:
    """Yield all measurements of light and sharpness; see `PictureMeasure` for their units."""
    height = round(DRAWN_PX * area.shape[0] / area.shape[1])
    # A picture one pixel wide would be enlarged beyond the memory.
    size = DRAWN_PX, min(max(3, height), DRAWN_MOST_PX)
    drawn = np.asarray(Image.fromarray(area).resize(size), dtype=np.float32)
    yield PictureMeasure.SHARPNESS, float(_laplacian(drawn).var())
    yield PictureMeasure.BRIGHTNESS, float(drawn.mean())
    yield PictureMeasure.DARK_PERCENT, float((drawn < DARK).mean() * 100)
    yield PictureMeasure.BRIGHT_PERCENT, float((drawn > BRIGHT).mean() * 100)
    darkest, brightest = np.percentile(drawn, (1, 99))
    yield PictureMeasure.CONTRAST, float(brightest - darkest)
    half = drawn.shape[1] // 2
    yield PictureMeasure.ASYMMETRY, abs(float(drawn[:, :half].mean()) - float(drawn[:, half:].mean()))


def make_hint(
    measure: PictureMeasure,
    area: MeasuredArea,
    value: float,
    limits: dict[PictureMeasure, tuple[float | None, float | None]] = LIMITS,
) -> PictureHint:
    """Compare a value with its limits, if there are any."""
    least, most = limits.get(measure, (None, None))
    outcome = Outcome.UNDETERMINED
    if (least, most) != (None, None):
        within = (least is None or value >= least) and (most is None or value <= most)
        outcome = Outcome.SUCCESSFUL if within else Outcome.FAILED
    return PictureHint(
        measure=measure, area=area, value=round(value, 2), at_least=least, at_most=most, outcome=outcome
    )


def is_sufficient(hints: tuple[PictureHint, ...]) -> bool:
    """Return True if the picture has limits and is within all of them."""
    outcomes = {each.outcome for each in hints}
    return Outcome.SUCCESSFUL in outcomes and Outcome.FAILED not in outcomes


def quality_rank(hints: tuple[PictureHint, ...]) -> tuple[Any, ...]:
    """Return the rank of a picture; a higher one has fewer faults, then is sharper."""
    faults = sum(each.outcome is Outcome.FAILED for each in hints)
    return -faults, max(
        (each.value for each in hints if each.measure is PictureMeasure.SHARPNESS), default=0.0
    )


def _laplacian(drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    middle = drawn[1:-1, 1:-1]
    around = drawn[:-2, 1:-1] + drawn[2:, 1:-1] + drawn[1:-1, :-2] + drawn[1:-1, 2:]
    return np.asarray(around - 4 * middle, dtype=np.float32)
