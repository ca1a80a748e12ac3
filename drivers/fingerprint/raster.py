"""Result of one placement: an image, or the reason why there is none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.fingerprint.observations import CaptureOutcome, Impression, UnreadableReason

Pixels = NDArray[np.uint8]
"""Height by width, 0 black to 255 white."""


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """One image like an inked print on paper: ridges dark, background light, fingertip up, not mirrored.

    A driver rotates, inverts and widens the image of its scanner, so that orientation and depth are uniform.
    """

    pixels: Pixels
    resolution_ppi: int
    """In both directions: a driver resamples an image with two resolutions."""
    bits_per_pixel: int = 8
    """Number of significant bits of each pixel; pixel values go from 0 to 255 in every case."""
    impression: Impression = Impression.LIVE_PLAIN

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class CaptureFailure:
    """A placement without an image, with its reason. The link works: the next placement may succeed."""

    outcome: CaptureOutcome
    """LIFTED_TOO_EARLY, WRONG_FINGER_COUNT, SENSOR_DIRTY, UNREADABLE, TIMED_OUT or CANCELLED."""
    reason: UnreadableReason | None = None
