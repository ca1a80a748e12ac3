"""Measurements separate good portraits from blurred, dark and bright ones, and from none or two faces."""

import io
import tracemalloc
from typing import Any

import pytest
from PIL import Image

from drivers.camera.commands import Subject
from drivers.camera.imaging import faces
from drivers.camera.imaging.image_quality import (
    UndecodableImageError,
    decode_grey,
    is_sufficient,
    measure_jpeg,
    quality_rank,
)
from drivers.camera.observations import MeasuredArea, PictureHint, PictureMeasure
from drivers.observation import Outcome
from simulators.camera.frame_stamp import FrameStamp
from simulators.camera.scene import View, jpeg, picture

LARGE = (1920, 1080)


def hints_of(
    size: tuple[int, int] = LARGE, subject: Subject = Subject.PORTRAIT, **view: Any
) -> tuple[PictureHint, ...]:
    return measure_jpeg(jpeg(picture(View("counter", **view), size, FrameStamp(1, 1))), subject)


def failed(hints: tuple[PictureHint, ...]) -> set[PictureMeasure]:
    return {hint.measure for hint in hints if hint.outcome is Outcome.FAILED}


def value(hints: tuple[PictureHint, ...], measure: PictureMeasure) -> float:
    return next(hint.value for hint in hints if hint.measure is measure)


@pytest.mark.parametrize("who", [0, 1, 3, 4])
def test_good_portrait_is_within_limits(who: int) -> None:
    hints = hints_of(caption=who)
    assert failed(hints) == set()
    assert is_sufficient(hints)
    assert value(hints, PictureMeasure.FACES) == 1
    assert (
        90 < value(hints, PictureMeasure.EYE_DISTANCE_PX) < value(hints, PictureMeasure.FACE_WIDTH_PX) < 500
    )
    assert {hint.area for hint in hints if hint.measure is PictureMeasure.SHARPNESS} == {MeasuredArea.FACE}
    assert abs(value(hints, PictureMeasure.ROLL_DEG)) < 3


@pytest.mark.parametrize(
    ("view", "measure"),
    [
        ({"people": 0}, PictureMeasure.FACES),
        ({"people": 2}, PictureMeasure.FACES),
        ({"people": 3}, PictureMeasure.FACES),
        ({"blurred": True}, PictureMeasure.SHARPNESS),
        ({"light": "dark"}, PictureMeasure.BRIGHTNESS),
        ({"light": "bright"}, PictureMeasure.BRIGHT_PERCENT),
    ],
)
def test_bad_portrait_fails_one_measure(view: dict[str, Any], measure: PictureMeasure) -> None:
    hints = hints_of(**view)
    assert measure in failed(hints)
    assert not is_sufficient(hints)
    assert quality_rank(hints)[0] < quality_rank(hints_of())[0]


def test_faces_are_counted() -> None:
    assert [value(hints_of(people=people), PictureMeasure.FACES) for people in range(4)] == [0, 1, 2, 3]


def test_face_size_is_independent_of_resolution() -> None:
    small, large = (
        value(hints_of(size), PictureMeasure.FACE_WIDTH_PX) for size in ((640, 360), (1920, 1080))
    )
    assert large / small == pytest.approx(3, rel=0.15)


def test_scene_has_no_limits() -> None:
    hints = hints_of(subject=Subject.SCENE, light="dark")
    assert {hint.outcome for hint in hints} == {Outcome.UNDETERMINED}
    assert PictureMeasure.FACES not in {hint.measure for hint in hints}
    assert not is_sufficient(hints)


def test_without_opencv_whole_picture_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "is_installed", lambda: False)
    hints = hints_of()
    assert {hint.area for hint in hints} == {MeasuredArea.PICTURE}
    assert PictureMeasure.FACES not in {hint.measure for hint in hints}


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_extreme_shape_needs_no_more_memory(size: tuple[int, int]) -> None:
    written = io.BytesIO()
    Image.new("L", size, 128).save(written, "JPEG")
    tracemalloc.start()
    try:
        for subject in Subject.SCENE, Subject.PORTRAIT:
            assert measure_jpeg(written.getvalue(), subject)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_undecodable_picture_is_refused() -> None:
    whole = io.BytesIO()
    Image.new("L", (64, 64)).save(whole, "PNG")
    for content in (b"", b"\xff\xd8\xff\xd9", whole.getvalue()):
        with pytest.raises(UndecodableImageError):
            decode_grey(content)
