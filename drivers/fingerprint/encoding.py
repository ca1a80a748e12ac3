"""Encodings of images: one attachment each, with the name of the encoding as its role."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from PIL import Image

from drivers.fingerprint.observations import (
    FingerPosition,
    ImageEncoding,
    ImageQuality,
    Impression,
    QualityMeasureName,
)
from drivers.fingerprint.raster import Raster
from drivers.fingerprint.records import (
    Compression,
    QualityBlock,
    Record2005,
    Record2011,
    Representation,
    View,
)
from drivers.fingerprint.records.fir2005 import UNDEFINED_QUALITY
from drivers.observation import Attachment

RecordImage = Literal["wsq", "png", "none"]
RECORD = "application/octet-stream"
"""Media type of finger image records, for which none is registered."""
NFIQ2_VENDOR, NFIQ2_ALGORITHM = 0x0101, 0x39
"""Registered owner and identifier of NFIQ 2 (ISO/IEC JTC 1/SC 37), version 2.3: NIST's `nfiq2_cbeff.cpp`."""
WSQ_START_AND_COMMENT = b"\xff\xa0\xff\xa8"
_IMPRESSIONS_2005 = {
    Impression.LIVE_PLAIN: 0,
    Impression.LIVE_ROLLED: 1,
    Impression.NONLIVE_PLAIN: 2,
    Impression.NONLIVE_ROLLED: 3,
    Impression.LATENT: 7,
    Impression.SWIPE: 8,
    Impression.CONTACTLESS: 9,
}
_IMPRESSIONS_2011 = _IMPRESSIONS_2005 | {Impression.LATENT: 4, Impression.CONTACTLESS: 24}
_OTHER_IMPRESSION_2011 = 28


@dataclass(frozen=True, slots=True)
class FingerImage:
    """An image with the metadata of its records."""

    raster: Raster
    position: FingerPosition
    quality: ImageQuality
    captured_at: datetime


def encode_attachments(
    found: FingerImage, encodings: Iterable[ImageEncoding], record_image: RecordImage
) -> tuple[Attachment, ...]:
    """Encode the image in each of the encodings, once each; tens of milliseconds: call it in a thread."""
    return tuple(_attachment(found, encoding, record_image) for encoding in dict.fromkeys(encodings))


def _attachment(found: FingerImage, encoding: ImageEncoding, record_image: RecordImage) -> Attachment:
    match encoding:
        case ImageEncoding.WSQ:
            media_type, content = "image/x-wsq", to_wsq(found.raster)
        case ImageEncoding.FIR_2005:
            media_type, content = RECORD, to_record_2005(found, record_image)
        case ImageEncoding.FIR_2011:
            media_type, content = RECORD, to_record_2011(found, record_image)
        case _:
            media_type, content = "image/png", to_png(found.raster)
    return Attachment.from_bytes(str(encoding), media_type, content)


def to_png(raster: Raster) -> bytes:
    """Encode as 8-bit grey PNG, with the resolution in its pHYs chunk."""
    return _saved(raster, "PNG", dpi=(raster.resolution_ppi, raster.resolution_ppi))


def to_wsq(raster: Raster) -> bytes:
    """Encode as WSQ at the library's one bit rate.

    About one byte for ten pixels. Its comment has the resolution. WSQ is made for 500 ppi; it works nearby,
    and the library writes 500 whatever the resolution.
    """
    import wsq  # noqa: F401 - registers the format with Pillow

    data = _saved(raster, "WSQ")
    start = len(WSQ_START_AND_COMMENT)
    end = start + int.from_bytes(data[start : start + 2], "big")
    if not data.startswith(WSQ_START_AND_COMMENT):
        return data
    comment = data[start + 2 : end].replace(b"\nPPI 500\n", b"\nPPI %d\n" % raster.resolution_ppi)
    return WSQ_START_AND_COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + data[end:]


def to_record_2005(found: FingerImage, record_image: RecordImage) -> bytes:
    """Encode a record of one view; its quality is NFIQ 2 or undefined: other measures cannot be named."""
    raster = found.raster
    compression, data = _compressed(raster, record_image)
    resolution = (raster.resolution_ppi, raster.resolution_ppi)
    view = View(
        position=found.position.code,
        width_px=raster.width_px,
        height_px=raster.height_px,
        data=data,
        impression=_IMPRESSIONS_2005.get(raster.impression, 0),
        quality=UNDEFINED_QUALITY if (score := _nfiq2(found.quality)) is None else score,
    )
    return Record2005(
        (view,), compression, resolution, resolution, acquisition_level=acquisition_level(raster)
    ).encode()


def to_record_2011(found: FingerImage, record_image: RecordImage) -> bytes:
    """Encode a record of one representation; only NFIQ 2 has a registered name, so only that is written."""
    raster = found.raster
    compression, data = _compressed(raster, record_image)
    resolution = (raster.resolution_ppi, raster.resolution_ppi)
    score = _nfiq2(found.quality)
    return Record2011(
        (
            Representation(
                position=found.position.code,
                width_px=raster.width_px,
                height_px=raster.height_px,
                compression=compression,
                data=data,
                image_resolution=resolution,
                scan_resolution=resolution,
                impression=_IMPRESSIONS_2011.get(raster.impression, _OTHER_IMPRESSION_2011),
                captured_at=found.captured_at,
                qualities=() if score is None else (QualityBlock(score, NFIQ2_VENDOR, NFIQ2_ALGORITHM),),
            ),
        )
    ).encode()


def acquisition_level(raster: Raster) -> int:
    """Return the image acquisition settings level (ISO/IEC 19794-4:2005, clause 7) by resolution and depth.

    Never 31 or 41: those mean a certified scanner.
    """
    for level, resolution_ppi, bits_per_pixel in ((40, 990, 8), (35, 740, 8), (30, 490, 8), (20, 245, 3)):
        if raster.resolution_ppi >= resolution_ppi and raster.bits_per_pixel >= bits_per_pixel:
            return level
    return 10


def _compressed(raster: Raster, record_image: RecordImage) -> tuple[Compression, bytes]:
    match record_image:
        case "wsq":
            return Compression.WSQ, to_wsq(raster)
        case "png":
            return Compression.PNG, to_png(raster)
        case "none":
            return Compression.NONE, raster.pixels.tobytes()


def _nfiq2(quality: ImageQuality) -> int | None:
    if quality.measure is not QualityMeasureName.NFIQ2 or quality.value is None:
        return None
    return round(quality.value)


def _saved(raster: Raster, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(raster.pixels).save(file, name, **options)
    return file.getvalue()
