"""JPEG encoding of uncompressed frames of webcams.

YUYV is two pixels in four bytes: brightness, blue, brightness, red (Linux, `pixfmt-packed-yuv`). JPEG has the
same colours with half the horizontal resolution (JFIF 1.02), brightness from 0 to 255 where video has 16 to
235.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LEVELS = np.arange(256)
_LUMA = ((_LEVELS - 16) * 255 / 219).round().clip(0, 255).astype(np.uint8)
_CHROMA = ((_LEVELS - 128) * 255 / 224 + 128).round().clip(0, 255).astype(np.uint8)


def yuyv_to_jpeg(
    content: bytes, width_px: int, height_px: int, line_bytes: int, *, full_range: bool, quality: int
) -> bytes | None:
    """Encode a frame of that size as JPEG; None where bytes are missing. Takes some milliseconds."""
    line_bytes = max(line_bytes, 2 * width_px)
    if len(content) < line_bytes * height_px:
        return None
    lines = np.frombuffer(content, np.uint8, line_bytes * height_px).reshape(height_px, line_bytes)
    lines = lines[:, : 2 * width_px]
    planes = [lines[:, 0::2], *(np.repeat(lines[:, n::4], 2, axis=1) for n in (1, 3))]
    if not full_range:
        planes = [levels[plane] for levels, plane in zip((_LUMA, _CHROMA, _CHROMA), planes, strict=True)]
    written = io.BytesIO()
    _image(planes).save(written, "JPEG", quality=quality, subsampling="4:2:2")
    return written.getvalue()


def _image(planes: list[NDArray[np.uint8]]) -> Image.Image:
    return Image.merge("YCbCr", [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes])
