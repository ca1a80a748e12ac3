"""What can be measured of a picture, for whoever takes pictures: is it sharp, lit, and of one person.

These are hints: our own measures with our own limits, which tell good pictures from bad ones of one camera.
They are no quality scores of ISO/IEC 29794-5 and compare with nothing else.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drivers.camera.commands import Subject
from drivers.camera.observations import Area, Hint, Measure
from drivers.observation import Outcome

Grey = NDArray[np.uint8]
LIMITS: dict[Measure, tuple[float | None, float | None]] = {
    Measure.SHARPNESS: (60, None),
    Measure.BRIGHTNESS: (60, 200),
    Measure.DARK_PERCENT: (None, 40),
    Measure.BRIGHT_PERCENT: (None, 25),
    Measure.CONTRAST: (100, None),
    Measure.ASYMMETRY: (None, 45),
}
"""What a portrait should reach and not exceed. A lane at night may be as dark as it is."""
PIXELS_LIMIT = 64_000_000
DRAWN_PX = 256
DARK, BRIGHT = 16, 240


class UnreadableError(ValueError):
    """The picture cannot be decoded to its end."""


def examine(content: bytes, subject: Subject) -> tuple[Hint, ...]:
    """Decode a JPEG to its last line and measure it; raises UnreadableError. Takes some milliseconds."""
    grey = decoded(content)
    limits = LIMITS if subject is Subject.PORTRAIT else {}
    return tuple(hint(measure, Area.PICTURE, value, limits) for measure, value in measured(grey))


def decoded(content: bytes) -> Grey:
    """A JPEG in grey, at half its size where it is large."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            if image.width * image.height > PIXELS_LIMIT:
                raise UnreadableError("too large")
            image.draft("L", (640, 480))
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError("no whole picture") from error


def measured(area: Grey) -> Iterator[tuple[Measure, float]]:
    """Everything that light and lens decide; see `Measure` for what each value is."""
    drawn = np.asarray(
        Image.fromarray(area).resize((DRAWN_PX, max(3, round(DRAWN_PX * area.shape[0] / area.shape[1])))),
        dtype=np.float32,
    )
    yield Measure.SHARPNESS, float(_laplacian(drawn).var())
    yield Measure.BRIGHTNESS, float(drawn.mean())
    yield Measure.DARK_PERCENT, float((drawn < DARK).mean() * 100)
    yield Measure.BRIGHT_PERCENT, float((drawn > BRIGHT).mean() * 100)
    darkest, brightest = np.percentile(drawn, (1, 99))
    yield Measure.CONTRAST, float(brightest - darkest)
    half = drawn.shape[1] // 2
    yield Measure.ASYMMETRY, abs(float(drawn[:, :half].mean()) - float(drawn[:, half:].mean()))


def hint(
    measure: Measure,
    area: Area,
    value: float,
    limits: dict[Measure, tuple[float | None, float | None]] = LIMITS,
) -> Hint:
    """Say whether a value is within its limits, where there are some."""
    least, most = limits.get(measure, (None, None))
    outcome = Outcome.UNDETERMINED
    if (least, most) != (None, None):
        within = (least is None or value >= least) and (most is None or value <= most)
        outcome = Outcome.SUCCESSFUL if within else Outcome.FAILED
    return Hint(
        measure=measure, area=area, value=round(value, 2), at_least=least, at_most=most, outcome=outcome
    )


def suffices(hints: tuple[Hint, ...]) -> bool:
    """Whether something is asked of the picture, and it is all that."""
    outcomes = {each.outcome for each in hints}
    return Outcome.SUCCESSFUL in outcomes and Outcome.FAILED not in outcomes


def rank(hints: tuple[Hint, ...]) -> tuple[Any, ...]:
    """Of two pictures the higher one is better: fewer faults, then sharper."""
    faults = sum(each.outcome is Outcome.FAILED for each in hints)
    return -faults, max((each.value for each in hints if each.measure is Measure.SHARPNESS), default=0.0)


def _laplacian(drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    middle = drawn[1:-1, 1:-1]
    around = drawn[:-2, 1:-1] + drawn[2:, 1:-1] + drawn[1:-1, :-2] + drawn[1:-1, 2:]
    return np.asarray(around - 4 * middle, dtype=np.float32)
