"""Pictures made to exhaust a decoder's time or memory, and events with too many of them."""

import base64
import io
import json

import pytest
from PIL import Image

from drivers.camera.anpr.axis import AxisPlateCamera, AxisSettings
from drivers.camera.anpr.plate_camera import MAX_PICTURES
from drivers.camera.imaging.jpeg import MAX_SCANS, JpegInfo, parse_jpeg
from drivers.camera.observations import PlateRead
from drivers.links.factory import LinkFactory
from drivers.links.http.listener import PushedRequest


def picture(*, progressive: bool = True) -> bytes:
    written = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(written, "JPEG", progressive=progressive)
    return written.getvalue()


def with_scans(count: int) -> bytes:
    """Return a progressive picture with its last scan repeated; each costs a pass over all pixels."""
    whole = picture()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + b"\xff\xd9"


def with_size(width: int, height: int) -> bytes:
    """Return a picture whose frame header states another size."""
    whole = bytearray(picture(progressive=False))
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(whole)


@pytest.mark.parametrize("count", [MAX_SCANS + 1, 60_000])
def test_many_scans_are_not_decoded(count: int) -> None:
    assert parse_jpeg(with_scans(count)) == "too_many_scans"


@pytest.mark.parametrize("size", [(65_535, 65_535), (16_000, 16_000), (8_000, 5_001)])
def test_many_pixels_are_not_decoded(size: tuple[int, int]) -> None:
    assert parse_jpeg(with_size(*size)) == "too_many_pixels"


def test_usual_pictures_are_decoded() -> None:
    assert isinstance(parse_jpeg(picture()), JpegInfo)
    assert isinstance(parse_jpeg(with_scans(20)), JpegInfo)
    assert isinstance(parse_jpeg(with_size(8_000, 5_000)), JpegInfo)


def test_pictures_of_one_event_are_bounded() -> None:
    driver = AxisPlateCamera(
        AxisSettings(listen="127.0.0.1:1", allowed_sources=("127.0.0.1",)), LinkFactory()
    )
    driver._cars = {}
    image = {"ImageType": "plate", "BinaryImage": base64.b64encode(picture()).decode()}
    event = {"carState": "new", "carID": "7", "plateUTF8": "KAA001A", "ImageArray": [image] * 99}
    pushed = PushedRequest("/", "application/json", json.dumps(event).encode())

    (read,) = driver._take(pushed)
    assert isinstance(read, PlateRead)
    assert len(read.attachments) == MAX_PICTURES
