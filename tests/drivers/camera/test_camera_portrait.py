"""Measurements of a photograph: scikit-image's sample portrait, by NASA and in the public domain, distorted.

It comes with `pip install --no-deps scikit-image`; `make test` runs without it: drawn portraits show the same
in `test_camera_hints.py`.
"""

import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from drivers.camera.commands import Subject
from drivers.camera.imaging.image_quality import measure_jpeg, quality_rank
from drivers.camera.observations import PictureHint, PictureMeasure
from drivers.observation import Outcome

Distort = Callable[[Image.Image], Image.Image]


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("needs the sample portrait: pip install --no-deps scikit-image")
    with Image.open(Path(spec.origin).parent / "data" / "astronaut.png") as image:
        # At twice its size, the eyes have the distance required for a portrait; it is 512 pixels wide.
        return image.convert("RGB").resize((1024, 1024), Image.Resampling.LANCZOS)


def hints_of(image: Image.Image) -> tuple[PictureHint, ...]:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=90)
    return measure_jpeg(written.getvalue(), Subject.PORTRAIT)


def failed(hints: tuple[PictureHint, ...]) -> set[PictureMeasure]:
    return {hint.measure for hint in hints if hint.outcome is Outcome.FAILED}


def faces(hints: tuple[PictureHint, ...]) -> float:
    return next(hint.value for hint in hints if hint.measure is PictureMeasure.FACES)


def two(image: Image.Image) -> Image.Image:
    both = Image.new("RGB", (2 * image.width, image.height))
    both.paste(image, (0, 0))
    both.paste(image, (image.width, 0))
    return both


def noise(image: Image.Image) -> Image.Image:
    grey = np.random.default_rng(1).integers(0, 256, (image.height, image.width), dtype=np.uint8)
    return Image.fromarray(grey).convert("RGB")


def test_sharp_portrait_passes(portrait: Image.Image) -> None:
    hints = hints_of(portrait)
    assert (faces(hints), failed(hints)) == (1, set())


@pytest.mark.parametrize(
    ("distort", "measure", "count"),
    [
        (lambda image: image.filter(ImageFilter.GaussianBlur(8)), PictureMeasure.SHARPNESS, 1),
        (lambda image: image.point(lambda value: value * 0.15), PictureMeasure.BRIGHTNESS, None),
        (
            lambda image: image.point(lambda value: min(255, value * 2 + 60)),
            PictureMeasure.BRIGHT_PERCENT,
            None,
        ),
        (two, PictureMeasure.FACES, 2),
        (lambda image: Image.new("RGB", image.size, (128, 128, 128)), PictureMeasure.FACES, 0),
        (noise, PictureMeasure.FACES, 0),
        (lambda image: image.crop((600, 0, 1024, 400)), PictureMeasure.FACES, 0),
    ],
    ids=["blurred", "dark", "bright", "two faces", "grey", "noise", "beside her"],
)
def test_each_distortion_fails(
    portrait: Image.Image, distort: Distort, measure: PictureMeasure, count: int | None
) -> None:
    hints = hints_of(distort(portrait))
    assert measure in failed(hints)
    assert count in (None, faces(hints))
    assert quality_rank(hints)[0] < quality_rank(hints_of(portrait))[0]
