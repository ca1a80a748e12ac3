"""Decoder of images from a service: files of the usual formats, with or without a resolution. Pure."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from drivers.fingerprint.raster import Raster
from drivers.fingerprint.wsbd.results import DictionaryItem

FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/jp2": "JPEG2000",
    "image/bmp": "BMP",
    "image/x-ms-bmp": "BMP",
    "image/tiff": "TIFF",
}
"""Formats of images, by media type.

Without WSQ: the only decoder for Python is NBIS's, which writes out of bounds on malformed bytes (1,500
mutated files crash it again and again), and these bytes come over a network.
"""
LARGEST_PX = 40_000_000
"""Upper bound on the pixels of an image; four fingers at 1000 ppi have half as many."""
_RESOLUTIONS = ("resolution", "imageresolution", "captureresolution", "scanresolution")
CM_PER_IN = 2.54


def content_type(metadata: Mapping[str, DictionaryItem]) -> str:
    """Return the media type of the sensor data, without its parameters; empty if the service names none."""
    return next(
        (item.text.partition(";")[0].strip().lower() for key, item in _named(metadata, "contenttype")), ""
    )


def decode_raster(
    data: bytes, media_type: str, metadata: Mapping[str, DictionaryItem], resolution_ppi: int
) -> Raster | None:
    """Decode the image of a capture; None if that fails. `resolution_ppi`: for an image without one."""
    try:
        with Image.open(io.BytesIO(data), formats=(FORMATS[media_type],)) as image:
            if image.width * image.height > LARGEST_PX:
                return None
            stated_ppi = _of_metadata(metadata) or _of_file(image)
            pixels = np.asarray(image.convert("L"))
    except Exception:  # noqa: BLE001 - readers of files raise whatever they stumble over
        return None
    return Raster(pixels, stated_ppi or resolution_ppi)


def _of_metadata(metadata: Mapping[str, DictionaryItem]) -> int | None:
    for _, item in _named(metadata, *_RESOLUTIONS):
        text = item.parts.get("width") or item.text
        try:
            value = float(text)
        except ValueError:
            continue
        unit = item.parts.get("unit", "").lower()
        value *= CM_PER_IN if unit in ("ppcm", "dpcm", "pixels/cm") else 1
        if 50 <= value <= 4000:
            return round(value)
    return None


def _of_file(image: Image.Image) -> int | None:
    stated_ppi = image.info.get("dpi")
    across = float(stated_ppi[0]) if isinstance(stated_ppi, tuple) else 0.0
    # Nearly every tool writes 72 or 96 if the resolution is unknown; no scanner has so little.
    return round(across) if 150 <= across <= 4000 else None


def _named(metadata: Mapping[str, DictionaryItem], *names: str) -> list[tuple[str, DictionaryItem]]:
    return [(key, item) for key, item in metadata.items() if key.lower() in names]
