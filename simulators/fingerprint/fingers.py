"""Invented fingers, and a sensor's image of a touch.

A finger is a seed. A touch is one placement of a finger, in some condition: two touches of one finger differ
in place, angle, stretch of the skin and noise. No real person's data is in any of it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from simulators.fingerprint.ridge_flow import PATTERN_FREQUENCIES, Floats, Pattern
from simulators.fingerprint.ridges import MASTER_PPI, grow_ridges
from simulators.fingerprint.skin import SKIN, SkinCondition, add_dirt, render_ink

__all__ = ["Finger", "Pattern", "Sensor", "SkinCondition", "Touch", "fingers", "render_touch"]

RESIDUAL_PRINT = (Pattern.ARCH, 5)
"""The residual print on a dirty sensor."""
Image = NDArray[np.uint8]
"""Rows by columns; 0 is the darkest ridge, 255 white."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """Size of a sensor in pixels, and its resolution in pixels per inch."""

    width: int
    height: int
    ppi: int


@dataclass(frozen=True, slots=True)
class Finger:
    """One invented finger. The seed determines everything that `pattern` leaves open."""

    seed: int
    pattern: Pattern | None = None

    @property
    def ridge_pattern(self) -> Pattern:
        """Pattern of the finger."""
        if self.pattern is not None:
            return self.pattern
        return Random(f"{self.seed}/pattern").choices(
            list(PATTERN_FREQUENCIES), list(PATTERN_FREQUENCIES.values())
        )[0]

    def touch(self, number: int = 0, condition: SkinCondition = SkinCondition.CLEAN) -> "Touch":
        """Return the touch of that number: somewhat off the middle, somewhat rotated, as in practice."""
        chance = Random(f"{self.seed}/{self.ridge_pattern}/{number}")
        return Touch(
            self,
            condition,
            rotation_deg=max(-20.0, min(20.0, chance.gauss(0, 6))),
            right_mm=max(-3.0, min(3.0, chance.gauss(0, 0.8))),
            up_mm=max(-3.0, min(3.0, chance.gauss(0, 0.8))),
            seed=chance.getrandbits(32),
        )


@dataclass(frozen=True, slots=True)
class Touch:
    """One placement of a finger on a sensor: rotated left by `rotation_deg`, its middle off the sensor's."""

    finger: Finger
    condition: SkinCondition = SkinCondition.CLEAN
    rotation_deg: float = 0.0
    right_mm: float = 0.0
    up_mm: float = 0.0
    seed: int = 0


def fingers(seed: int) -> Iterator[Finger]:
    """Yield fingers, the same ones for the same seed."""
    chance = Random(f"{seed}/fingers")
    for _ in itertools.count():
        yield Finger(chance.getrandbits(31))


@lru_cache(maxsize=16)
def render_touch(touch: Touch | None, sensor: Sensor, *, dirty: bool = False) -> Image:
    """Render the sensor's image, with or without a finger.

    `sensor.height` rows by `sensor.width` columns, read-only. `dirty`: there is grease on the glass, as in
    condition `DIRTY`.
    """
    shape = (sensor.height, sensor.width)
    mm = 25.4 / sensor.ppi
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    right_mm, up_mm = (x - (shape[1] - 1) / 2) * mm, ((shape[0] - 1) / 2 - y) * mm
    noise = np.random.default_rng(0 if touch is None else touch.seed)
    ink = np.zeros(shape, np.float32)
    grain = 2.0
    if touch is not None:
        grain = SKIN[touch.condition].grain
        right_mm, up_mm = _on_the_finger(touch, right_mm, up_mm)
        height = _sampled(grow_ridges(touch.finger.ridge_pattern, touch.finger.seed), right_mm, up_mm)
        ink = render_ink(SKIN[touch.condition], height, right_mm, up_mm, mm, noise, touch.finger.seed)
    if dirty or (touch is not None and touch.condition is SkinCondition.DIRTY):
        residual = _sampled(grow_ridges(*RESIDUAL_PRINT), x * mm - 6, 8 - y * mm)
        ink = add_dirt(ink, residual, mm)
    grey = 244 - 228 * ink + grain * noise.standard_normal(shape, np.float32)
    image: Image = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image


def _on_the_finger(touch: Touch, right_mm: Floats, up_mm: Floats) -> tuple[Floats, Floats]:
    """Return the point of the finger at each point of the sensor: rotated, shifted, with stretched skin."""
    chance = Random(touch.seed)
    right, up = right_mm - touch.right_mm, up_mm - touch.up_mm
    turn = np.float32(np.radians(touch.rotation_deg))
    right, up = right * np.cos(turn) + up * np.sin(turn), up * np.cos(turn) - right * np.sin(turn)
    waves = [(chance.uniform(0.02, 0.08), chance.uniform(14, 22), chance.uniform(0, 6.28)) for _ in range(4)]

    def stretch(along: Floats, across: Floats, first: int) -> Floats:
        total: NDArray[np.floating] = along
        for (size, length, phase), axis in zip(waves[first : first + 2], (along, across), strict=True):
            total = total + size * np.sin(2 * np.pi * axis / length + phase)
        return total.astype(np.float32)

    return stretch(right, up, 0), stretch(up, right, 2)


def _sampled(master: Floats, right_mm: Floats, up_mm: Floats) -> Floats:
    """Return the height of the skin at these points, bilinear; outside the grown area, the nearest."""
    rows, columns = master.shape
    x = np.clip(right_mm * (MASTER_PPI / 25.4) + columns / 2, 0, columns - 1.001)
    y = np.clip(rows / 2 - up_mm * (MASTER_PPI / 25.4), 0, rows - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    x, y = x - left, y - top
    flat, at = master.ravel(), top * columns + left
    above = flat[at] * (1 - x) + flat[at + 1] * x
    below = flat[at + columns] * (1 - x) + flat[at + columns + 1] * x
    return np.asarray(above * (1 - y) + below * y, np.float32)
