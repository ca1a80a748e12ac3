"""Pictures that tests publish in place of a device."""

import io
from functools import cache

import numpy as np
from PIL import Image

SIZE = (192, 240)


@cache
def print_png(seed: int) -> bytes:
    """Draw ridges that look like a print, for people who look at a picture of the page."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    across, down = columns - SIZE[0] / 2, rows - SIZE[1] / 2.2
    ridges = np.sin(np.hypot(across, down * 0.8) / 2.2 + 2.5 * np.arctan2(down, across) + seed)
    inside = (across / 80) ** 2 + (down / 110) ** 2 < 1
    pixels = np.where(inside, 150 + 90 * ridges, 250).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
