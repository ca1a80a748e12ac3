"""What a scanner gives when it is told to take an image: the image, or why there is none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.fingerprint.observations import CaptureOutcome, Impression, UnreadableReason

Pixels = NDArray[np.uint8]
"""Height by width, 0 black to 255 white."""


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """One image, as an inked print on paper looks: ridges dark, background light, fingertip up, not mirrored.

    A driver turns, inverts and widens what its scanner sends, so that nobody else has to know how it lies.
    """

    pixels: Pixels
    resolution_ppi: int
    """In both directions: an image with two resolutions has to be resampled by its driver."""
    bits_per_pixel: int = 8
    """How many bits of each pixel the scanner really gives; pixels go from 0 to 255 all the same."""
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
    """A placement that gave no image, with the reason. The link stands: the next placement may be better."""

    outcome: CaptureOutcome
    """LIFTED_TOO_EARLY, WRONG_COUNT, SENSOR_DIRTY, UNREADABLE, TIMED_OUT or CANCELLED (by the scanner)."""
    reason: UnreadableReason | None = None
