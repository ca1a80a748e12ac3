"""JPEG 2000 faces as JPEG, because browsers and most workstations show nothing else.

Needs Pillow with OpenJPEG (extra `chip`). The image comes out of a chip that anybody may have written, so it
is decoded only up to a size, in the worker process, and any failure gives nothing.
"""

import io

MOST_PIXELS = 16_000_000
"""No face of ISO/IEC 19794-5 is larger."""
QUALITY = 92


def jpeg2000_to_jpeg(image: bytes) -> bytes | None:
    """Decode and encode anew; None where that cannot be done."""
    try:
        from PIL import Image
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(image), formats=("JPEG2000",)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            jpeg = io.BytesIO()
            picture.convert("RGB").save(jpeg, "JPEG", quality=QUALITY)
    except Exception:  # noqa: BLE001 - Pillow's plugins raise whatever their format's bytes provoke
        return None
    return jpeg.getvalue()
