"""Direction of a finger's ridges, by the zero-pole model of Sherlock and Monro (1993).

Every loop core is a zero and every delta a pole of a rational function of the plane; half its argument is the
direction of the ridges. An arch has neither and is drawn as a wave.
"""

import math
from enum import StrEnum
from random import Random

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Pattern(StrEnum):
    """The classes of Henry's system; loops are named by the side of their opening in the image."""

    LEFT_LOOP = "left-loop"
    RIGHT_LOOP = "right-loop"
    WHORL = "whorl"
    ARCH = "arch"
    TENTED_ARCH = "tented-arch"


PATTERN_FREQUENCIES = {
    Pattern.LEFT_LOOP: 33.8,
    Pattern.RIGHT_LOOP: 31.7,
    Pattern.WHORL: 27.9,
    Pattern.ARCH: 3.7,
    Pattern.TENTED_ARCH: 2.9,
}
"""Percent of fingers (Wilson, Candela and Watson, 1994)."""


def directions(pattern: Pattern, chance: Random, right_mm: Floats, up_mm: Floats) -> Floats:
    """Return the direction of the ridges at each point, in radians from rightwards to upwards, modulo pi.

    `right_mm`, `up_mm`: positions of the points from the middle of the fingertip, in millimetres.
    """

    def about(value: float, spread: float) -> float:
        return value + chance.uniform(-spread, spread)

    match pattern:
        case Pattern.ARCH:
            height = about(0.9, 0.25) * np.exp(-(((up_mm + about(4, 1)) / 7) ** 2))
            slope = -height * np.sin(np.clip(right_mm / 9, -1, 1) * math.pi)
            return np.arctan(slope).astype(np.float32)
        case Pattern.TENTED_ARCH:
            cores = [complex(about(0, 0.4), about(0.5, 1))]
            deltas = [complex(about(0, 0.4), about(-6, 1))]
        case Pattern.WHORL:
            half = complex(about(0, 0.8), about(1.2, 0.6))
            cores = [1j + half, 1j - half]
            deltas = [complex(about(side * 6.5, 1), about(-7, 1.5)) for side in (-1, 1)]
        case Pattern.LEFT_LOOP | Pattern.RIGHT_LOOP:
            side = 1 if pattern is Pattern.LEFT_LOOP else -1
            cores = [complex(about(0, 0.5), about(1, 0.8))]
            deltas = [complex(about(side * 5.5, 1), about(-6.5, 1.5))]
    where = right_mm + 1j * up_mm
    argument = sum(np.angle(where - core) for core in cores) - sum(
        np.angle(where - delta) for delta in deltas
    )
    return (np.asarray(argument) / 2).astype(np.float32)
