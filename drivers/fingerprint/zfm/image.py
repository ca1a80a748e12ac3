"""Image format of modules: 4 bits per pixel, the left pixel in the high half of a byte. Pure."""

import numpy as np

from drivers.fingerprint.raster import Raster

GREY_BITS = 4
STEP = 17
"""Factor from the range 0 to 15 to the range 0 to 255."""


def image_bytes(width_px: int, height_px: int) -> int:
    """Return the number of bytes of an image."""
    return width_px * height_px // 2


def unpack(data: bytes, width_px: int, height_px: int, resolution_ppi: int) -> Raster | None:
    """Unpack an image, rows from the top; None if the number of bytes differs from that of the image."""
    if len(data) != image_bytes(width_px, height_px):
        return None
    packed = np.frombuffer(data, dtype=np.uint8)
    pixels = np.empty((packed.size, 2), dtype=np.uint8)
    pixels[:, 0] = packed >> 4
    pixels[:, 1] = packed & 0x0F
    return Raster((pixels * STEP).reshape(height_px, width_px), resolution_ppi, GREY_BITS)
