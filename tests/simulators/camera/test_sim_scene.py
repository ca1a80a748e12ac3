"""Pictures of the simulated cameras and their stamps."""

import io
import time

import pytest
from PIL import Image, ImageFile

from simulators.camera.frame_stamp import FrameStamp, UnreadableError
from simulators.camera.scene import View, jpeg, picture
from simulators.camera.sensor import Sensor

SIZES = [(640, 360), (1280, 720), (1920, 1080)]


def reopened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", [View(), View("lane", plate="UT 482 KX", light="dark", blurred=True)])
def test_stamp_is_readable_in_any_scene(size: tuple[int, int], view: View) -> None:
    stamp = FrameStamp(number=2**32 - 2, at_ms=1_790_000_000_123, camera=201)
    for quality in (95, 60, 30):
        assert FrameStamp.read(reopened(jpeg(picture(view, size, stamp), quality))) == stamp


def test_torn_or_foreign_picture_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (picture(View(), SIZES[0], FrameStamp(number, 1_790_000_000_000)) for number in (7, 8))
    torn = one.copy()
    torn.paste(other.crop((0, 180, 640, 360)), (0, 180))
    with pytest.raises(UnreadableError, match="another picture"):
        FrameStamp.read(torn)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadableError):
        FrameStamp.read(reopened(jpeg(one)[:9000]))
    with pytest.raises(UnreadableError):
        FrameStamp.read(Image.new("RGB", SIZES[0], "black"))
    with pytest.raises(UnreadableError):
        FrameStamp.read(Image.effect_noise(SIZES[0], 100))


def test_sensor_counts_times_and_freezes() -> None:
    sensor = Sensor(View(), camera=300)
    before_ms = time.time_ns() // 1_000_000
    first, second = sensor.expose().stamp, sensor.expose().stamp
    assert (first.number, second.number, first.camera) == (0, 1, 300 & 0xFF)
    assert before_ms <= first.at_ms <= second.at_ms <= time.time_ns() // 1_000_000
    sensor.freeze(60)
    assert len({sensor.expose().stamp for _ in range(3)}) == 1
    assert sensor.exposure_count == 3


def mean(image: Image.Image) -> float:
    histogram = image.convert("L").histogram()
    return sum(shade * count for shade, count in enumerate(histogram)) / sum(histogram)


def seen(view: View) -> Image.Image:
    return picture(view, SIZES[0], FrameStamp(0, 0)).crop((0, 60, 640, 330))


def test_views_differ_in_what_they_show() -> None:
    assert mean(seen(View(light="dark"))) < mean(seen(View())) / 2 < mean(seen(View(light="bright"))) / 2
    views = [View(people=people, caption=number) for people in (0, 1, 2) for number in (0, 1)]
    views += [View("lane"), View("lane", plate="UT 482 KX"), View("lane", plate="UT 482 KY")]
    pictures = [seen(view).tobytes() for view in views]
    assert len(set(pictures)) == len(views) - 1  # without people, the camera's number makes no difference
    assert seen(View()).tobytes() == seen(View()).tobytes()
