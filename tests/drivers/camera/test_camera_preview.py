"""Previews: small, limited in rate, for one station, and ended in time; and advice for portraits."""

import asyncio
import io
import time
from itertools import pairwise
from typing import Any

import pytest
from camera_fixture import (
    CameraFixture,
    ReceivedRequest,
    ScriptedHttpServer,
    jpeg,
    number_in,
    open_camera,
    part,
)
from PIL import Image

from drivers.camera.commands import ShowPreview, Subject
from drivers.camera.imaging.image_quality import UndecodableImageError, make_hint
from drivers.camera.imaging.portrait_guidance import MIN_INTERVAL_NS, REPEAT_AFTER_NS, PortraitGuide
from drivers.camera.observations import (
    FaceFeedback,
    MeasuredArea,
    PictureHint,
    PictureMeasure,
    PortraitAdvice,
    SceneCaptured,
)
from drivers.camera.preview import downscale_jpeg
from drivers.camera.snapshot import HttpSnapshotCamera
from drivers.clock import boot_ns
from drivers.command import Invocation
from drivers.driver import BadFrame, PreviewFrame


class Camera(ScriptedHttpServer):
    """Serves pictures one by one, or at `/stream` as a stream; each has a number and its time."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.made: list[float] = []
        self.light = 255
        self.torn = False
        self.waiting = 0.0

    def picture(self) -> bytes:
        self.made.append(time.monotonic())
        whole = jpeg(len(self.made), light=self.light, noise=20)
        return whole[:-200] if self.torn else whole

    async def _answer(self, asked: ReceivedRequest) -> None:
        if asked.path == "/stream":
            await asked.stream()
            while True:
                await asked.say(part(self.picture()))
                await asyncio.sleep(0.01)
        await asyncio.sleep(self.waiting)
        await asked.answer(self.picture())


def watching(camera: Camera, path: str = "/one") -> Any:
    return open_camera(HttpSnapshotCamera, url=camera.url, path=path)


async def preview(opened: CameraFixture, station: str = "lane-1", **wanted: Any) -> None:
    call = Invocation("c-1", station, "t-1", boot_ns() + 3_000_000_000)
    await opened.driver.preview(ShowPreview(**{"subject": Subject.SCENE, **wanted}), call)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/one", "/stream"])
async def test_preview_is_small_fresh_and_ends_in_time(path: str) -> None:
    async with Camera().running() as camera, watching(camera, path) as opened:
        begun_s = time.monotonic()
        await preview(opened, frames_per_s=8, width_px=160, duration_s=1)
        seen = []
        while (glimpse := await opened.next(PreviewFrame)).content:
            assert glimpse.station == "lane-1"
            with Image.open(io.BytesIO(glimpse.content)) as image:
                assert image.size == (160, 120)
            age_s = time.monotonic() - camera.made[number_in(glimpse.content) - 1]
            seen.append(age_s)
        assert time.monotonic() - begun_s < 3
        assert 2 <= len(seen) <= 9, "eight a second, for a second"
        assert max(seen) < 0.9, "also from a stream, a frame of this moment"
        assert "content" not in repr(glimpse)


async def test_preview_ends_by_command_or_other_claim() -> None:
    async with Camera().running() as camera, watching(camera) as opened:
        await preview(opened)
        assert (await opened.next(PreviewFrame)).content
        await preview(opened, enabled=False)
        while (await opened.next(PreviewFrame)).content:
            pass
        await preview(opened)
        assert (await opened.next(PreviewFrame)).content
        opened.driver.on_claim_changed("lane-1")
        assert (await opened.next(PreviewFrame)).content, "nothing has changed"
        opened.driver.on_claim_changed(None)
        while (await opened.next(PreviewFrame)).content:
            pass
        asked = len(camera.asked)
        await preview(opened, "lane-2")
        assert (await opened.next(PreviewFrame)).station == "lane-2"
        assert len(camera.asked) >= asked


async def test_capture_precedes_preview() -> None:
    async with Camera().running() as camera, watching(camera) as opened:
        await preview(opened, frames_per_s=8)
        assert (await opened.next(PreviewFrame)).content
        camera.waiting = 0.1
        await opened.capture(best_of=2)
        await opened.next(SceneCaptured)
        assert (await opened.next(PreviewFrame)).content


async def test_torn_frame_is_not_previewed() -> None:
    async with Camera().running() as camera, watching(camera) as opened:
        await preview(opened, frames_per_s=8)
        assert (await opened.next(PreviewFrame)).content
        camera.torn = True
        assert (await opened.next(BadFrame)).fault == "cut"
        while not opened.said.empty():
            opened.said.get_nowait()
        torn_from = len(camera.made)
        assert (await opened.next(BadFrame)).fault == "cut"
        camera.torn = False
        shown = await opened.next(PreviewFrame)
        assert number_in(shown.content) > torn_from


async def test_dark_portrait_gets_advice_in_preview() -> None:
    async with Camera().running() as camera, watching(camera) as opened:
        camera.light = 30
        await preview(opened, frames_per_s=8, subject=Subject.PORTRAIT)
        said = await opened.next(FaceFeedback)
        assert (said.advice, said.transaction) == (PortraitAdvice.TOO_DARK, "t-1")
        assert said.measurement is not None
        assert said.measurement.value < said.measurement.at_least


def test_undecodable_picture_is_not_scaled() -> None:
    with pytest.raises(UndecodableImageError):
        downscale_jpeg(jpeg(1)[:300], 64)


# Advice, by numbers.


def hints(**values: float) -> tuple[PictureHint, ...]:
    good = {"faces": 1, "brightness": 120, "sharpness": 20, "eye_distance_px": 120}
    return tuple(
        make_hint(PictureMeasure(name), MeasuredArea.PICTURE, value)
        for name, value in (good | values).items()
    )


@pytest.mark.parametrize(
    ("values", "advice", "measure"),
    [
        ({"faces": 2, "brightness": 10}, PortraitAdvice.SEVERAL_FACES, PictureMeasure.FACES),
        ({"faces": 0, "brightness": 10}, PortraitAdvice.TOO_DARK, PictureMeasure.BRIGHTNESS),
        ({"brightness": 230}, PortraitAdvice.TOO_BRIGHT, PictureMeasure.BRIGHTNESS),
        ({"faces": 0}, PortraitAdvice.NO_FACE, PictureMeasure.FACES),
        ({"eye_distance_px": 40, "sharpness": 1}, PortraitAdvice.MOVE_CLOSER, PictureMeasure.EYE_DISTANCE_PX),
        ({"sharpness": 1}, PortraitAdvice.HOLD_STILL, PictureMeasure.SHARPNESS),
        ({"roll_deg": -20}, PortraitAdvice.HEAD_UPRIGHT, PictureMeasure.ROLL_DEG),
    ],
)
def test_most_fundamental_advice_is_first(
    values: Any, advice: PortraitAdvice, measure: PictureMeasure
) -> None:
    adviser = PortraitGuide()
    assert adviser.update(hints(**values), 0) is None, "one frame may show a blink"
    said = adviser.update(hints(**values), 1)
    assert said is not None
    assert said.measurement is not None
    assert (said.advice, said.measurement.measure) == (advice, measure)


def test_advice_is_repeated_at_intervals() -> None:
    adviser = PortraitGuide()
    dark, near = hints(brightness=10), hints(eye_distance_px=40)
    said = [(n, adviser.update(dark, n * 100_000_000)) for n in range(120)]
    told = [n * 100_000_000 for n, feedback in said if feedback is not None]
    assert len(told) == 3
    assert all(later - sooner >= REPEAT_AFTER_NS for sooner, later in pairwise(told))

    adviser = PortraitGuide()
    times = []
    for n in range(200):  # another advice every second frame
        now_ns = n * 50_000_000
        if adviser.update(dark if n // 2 % 2 else near, now_ns) is not None:
            times.append(now_ns)
    assert len(times) > 3
    assert min(later - sooner for sooner, later in pairwise(times)) >= MIN_INTERVAL_NS

    adviser = PortraitGuide()
    for n in range(200):
        assert adviser.update(dark if n % 2 else near, n * 50_000_000) is None, "neither lasts"


def test_good_advice_is_given_once() -> None:
    adviser = PortraitGuide()
    said = [adviser.update(hints(), n * 1_000_000_000) for n in range(20)]
    assert [feedback.advice for feedback in said if feedback is not None] == [PortraitAdvice.GOOD]
    unasked = (make_hint(PictureMeasure.SHARPNESS, MeasuredArea.PICTURE, 1, {}),)
    assert adviser.update(unasked, 10**12) is None
