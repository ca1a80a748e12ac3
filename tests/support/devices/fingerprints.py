"""Synthetic fingerprint images for measurements: ripples around a core, on white."""

import numpy as np

from drivers.fingerprint.raster import Raster

PERIOD_PX = 9
"""Ridge period at 500 ppi."""


def print_of(
    width: int = 256,
    height: int = 288,
    *,
    centre: tuple[float, float] = (0.5, 0.5),
    size: tuple[float, float] = (0.42, 0.44),
    dark: float = 60,
    light: float = 210,
    noise: float = 0,
    fingers: int = 1,
    resolution_ppi: int = 500,
    seed: int = 1,
) -> Raster:
    """A print; `centre` and `size` (half axes) in widths and heights, `dark` and `light` its grey values."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    picture = np.full((height, width), 250.0)
    for finger in range(fingers):
        at_x = width * (centre[0] if fingers == 1 else (finger + 0.5) / fingers)
        right, down = x - at_x, y - height * centre[1]
        inside = (right / (width * size[0] / fingers)) ** 2 + (down / (height * size[1])) ** 2 < 1
        waves = (1 + np.cos(2 * np.pi * np.hypot(right, down * 0.8) / PERIOD_PX)) / 2
        picture = np.where(inside, dark + (light - dark) * waves, picture)
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape) if noise else 0
    return Raster(np.clip(picture, 0, 255).astype(np.uint8), resolution_ppi)


BLANK = Raster(np.full((288, 256), 250, dtype=np.uint8), 500)
