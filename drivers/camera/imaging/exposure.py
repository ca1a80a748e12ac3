"""Settling of a camera's automatic exposure after its stream has begun. Pure.

The first frames of many webcams are dark, or become brighter step by step; libuvc and others count on it.
"""

from collections import deque

import numpy as np

from drivers.camera.imaging.image_quality import decode_grey

SETTLING_S = 1.0
"""Longest time for which frames are withheld, in seconds."""
LEVEL_FRAMES, LEVEL_DIFFERENCE = 3, 4.0
"""Number of consecutive frames, and the difference of their brightness (0 to 255), that count as level."""
BLACK = 8.0
"""Brightness of a frame of a sensor that is not exposed yet."""


def brightness_of(content: bytes) -> float:
    """Return the mean of a JPEG, from 0 (black) to 255; raises UndecodableImageError."""
    return float(np.mean(decode_grey(content)[0]))


class ExposureSettling:
    """Judgement of the first frames of a stream that began at `begun_ns`, by CLOCK_BOOTTIME."""

    def __init__(self, begun_ns: int) -> None:
        self._end_ns = begun_ns + round(SETTLING_S * 1e9)
        self._last: deque[float] = deque(maxlen=LEVEL_FRAMES)
        self._is_level = False

    def is_over(self, made_ns: int) -> bool:
        """Return True if a frame made at that time needs no judgement."""
        return self._is_level or made_ns >= self._end_ns

    def is_settled(self, brightness: float) -> bool:
        """Take the brightness of the next frame; return True once the exposure is level."""
        self._last.append(brightness)
        difference = max(self._last) - min(self._last)
        self._is_level = (
            len(self._last) == LEVEL_FRAMES and difference <= LEVEL_DIFFERENCE and brightness > BLACK
        )
        return self._is_level
