"""Images as modules send them: 4 bits a pixel, the high half of a byte being the left one. Pure."""

import numpy as np

from drivers.fingerprint.raster import Raster

GREY_BITS = 4
STEP = 17
"""From 0 to 15 to 0 to 255."""


def image_bytes(width_px: int, height_px: int) -> int:
    """How many bytes an image has."""
    return width_px * height_px // 2


def unpack(data: bytes, width_px: int, height_px: int, resolution_ppi: int) -> Raster | None:
    """The image of such bytes, rows from the top; None if they are not as many as it has."""
    if len(data) != image_bytes(width_px, height_px):
        return None
    packed = np.frombuffer(data, dtype=np.uint8)
    pixels = np.empty((packed.size, 2), dtype=np.uint8)
    pixels[:, 0] = packed >> 4
    pixels[:, 1] = packed & 0x0F
    return Raster((pixels * STEP).reshape(height_px, width_px), resolution_ppi, GREY_BITS)
