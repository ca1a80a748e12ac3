"""Conversion of JPEG 2000 faces to JPEG, because browsers and most workstations cannot show them.

Needs Pillow with OpenJPEG (extra `chip`). The image comes from an untrusted chip, so it is decoded only up to
a size, in the worker process, and any failure gives no image.
"""

import io

MAX_PIXELS = 16_000_000
"""Upper bound on the pixels of a face of ISO/IEC 19794-5."""
QUALITY = 92


def jpeg2000_to_jpeg(image: bytes) -> bytes | None:
    """Convert an image; None when it cannot be decoded."""
    try:
        from PIL import Image
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG2000",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            jpeg = io.BytesIO()
            picture.convert("RGB").save(jpeg, "JPEG", quality=QUALITY)
    except Exception:  # noqa: BLE001 - Pillow's plugins raise whatever their format's bytes provoke
        return None
    return jpeg.getvalue()
