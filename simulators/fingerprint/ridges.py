"""Ridges, grown from noise by repeated filtering along their direction.

The filter is Gabor's: one spatial frequency, one orientation. After each pass the result is pushed towards
ridge or valley; where growing ridges do not meet, a minutia stays (as in Cappelli's SFinGe). It is done for a
fixed number of orientations at once, in the frequency domain, at half the resolution of sensors: a finger
takes some 0.15 s.
"""

import math
from functools import lru_cache
from random import Random

import numpy as np

from simulators.fingerprint.ridge_flow import Floats, Pattern, directions

GROWN_PPI = 250
GROWN_SHAPE = (288, 224)
"""Rows and columns while growing: 29 mm by 23 mm, the part of the last joint that can touch a sensor."""
MASTER_PPI = 2 * GROWN_PPI
RIDGE_PERIOD_MM = 0.47
"""Ridge to ridge; adults have 0.4 to 0.6."""
ORIENTATIONS = 24
ROUNDS = 12
_BANDWIDTH = 0.22
"""Bandwidth of the filter, as a share of the ridges' frequency: one standard deviation."""
_SPREAD = math.radians(14)


@lru_cache(maxsize=32)
def grow_ridges(pattern: Pattern, seed: int) -> Floats:
    """Grow the skin: heights, mean 0, deviation 1, ridges positive; 500 pixels per inch.

    Rows and columns are twice `GROWN_SHAPE`. The same seed and pattern give the same finger.
    """
    rows, columns = GROWN_SHAPE
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    mm = 25.4 / GROWN_PPI
    flow = directions(pattern, Random(seed), (x - columns / 2) * mm, (rows / 2 - y) * mm)
    nearest = np.rint(np.mod(flow, math.pi) * ORIENTATIONS / math.pi).astype(np.intp) % ORIENTATIONS
    skin = np.random.default_rng(seed).standard_normal(GROWN_SHAPE).astype(np.float32)
    filters = _filters()
    for _ in range(ROUNDS):
        skin = np.tanh(3 * skin / skin.std())
        along_each = np.fft.irfft2(np.fft.rfft2(skin)[None] * filters, s=GROWN_SHAPE, axes=(1, 2))
        skin = np.take_along_axis(along_each, nearest[None], axis=0)[0]
    master = _twice_as_fine(skin / skin.std())
    master.flags.writeable = False
    return master


@lru_cache(maxsize=1)
def _filters() -> Floats:
    """Return a filter for each orientation, over the frequencies of a real transform."""
    rows, columns = GROWN_SHAPE
    down, right = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    frequency = 25.4 / (GROWN_PPI * RIDGE_PERIOD_MM)
    ring = np.exp(-(((np.hypot(right, down) - frequency) / (_BANDWIDTH * frequency)) ** 2) / 2)
    across = np.arctan2(-down, right)
    filters = []
    for step in range(ORIENTATIONS):
        ridge_normal = step * math.pi / ORIENTATIONS + math.pi / 2
        off = np.angle(np.exp(2j * (across - ridge_normal))) / 2
        filters.append(ring * np.exp(-((off / _SPREAD) ** 2) / 2))
    return np.array(filters, np.float32)


def _twice_as_fine(skin: Floats) -> Floats:
    """Return the same surface with twice the rows and columns, without additional frequencies."""
    rows, columns = skin.shape
    coarse = np.fft.rfft2(skin)
    fine = np.zeros((2 * rows, columns + 1), coarse.dtype)
    fine[: rows // 2, : columns // 2 + 1] = coarse[: rows // 2]
    fine[-rows // 2 :, : columns // 2 + 1] = coarse[rows // 2 :]
    return np.fft.irfft2(fine * 4, s=(2 * rows, 2 * columns)).astype(np.float32)
