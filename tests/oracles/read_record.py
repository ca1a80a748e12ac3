"""Reads a finger image record of ISO/IEC 19794-4:2011 with the package `iso19794`; prints JSON."""

import hashlib
import json
import sys

import iso19794  # registers the format with Pillow
import wsq  # noqa: F401 - reads the WSQ images inside
from PIL import Image

assert iso19794.__name__
# The package sets this attribute, which is read-only since Pillow 10.1.
Image.Image.mode = Image.Image.mode.setter(lambda image, mode: setattr(image, "_mode", mode))
images = []
with Image.open(sys.argv[1]) as record:
    for number in range(record.n_frames):
        record.seek(number)
        header = record.header
        record.load()
        images.append(
            {
                "size": record.size,
                "pixels": hashlib.sha256(record.convert("L").tobytes()).hexdigest(),
                "captured": header["capture_datetime"].isoformat(),
                "position": header["position"],
                "impression": header["impression_type"],
                "compression": header["image_compression_algo"],
                "units": header["scale_units"],
                "resolutions": [
                    header[f"{axis}_{what}_sampling_rate"]
                    for what in ("scan", "image")
                    for axis in ("horizontal", "vertical")
                ],
                "qualities": [
                    [one.score, one.algo_vendor_id.hex(), one.algo_id.hex()]
                    for one in header["quality_records"]
                ],
                "certificates": len(header["certification_records"]),
            }
        )
    json.dump(
        {"positions": record.info["nb_position"], "images": images},
        sys.stdout,
    )
