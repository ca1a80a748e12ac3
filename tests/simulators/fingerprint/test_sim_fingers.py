"""Invented fingers: the same for the same seed, recognizable when placed again."""

import io
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from simulators.fingerprint.fingers import (
    Finger,
    Pattern,
    Sensor,
    SkinCondition,
    Touch,
    fingers,
    render_touch,
)
from simulators.fingerprint.ridge_flow import PATTERN_FREQUENCIES
from simulators.fingerprint.zfm.templates import characters, similarity

FOUR_FIFTHS = Sensor(192, 192, 508)
FULL = Sensor(384, 290, 500)


def test_seed_determines_finger() -> None:
    first, again = render_touch(Finger(5).touch(1), FULL), render_touch(Finger(5).touch(1), FULL)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, render_touch(Finger(6).touch(1), FULL))
    assert list(islice(fingers(3), 4)) == list(islice(fingers(3), 4))
    assert len(set(islice(fingers(3), 100))) == 100


def test_image_size_and_read_only() -> None:
    for sensor in (FULL, FOUR_FIFTHS, Sensor(256, 180, 385), Sensor(40, 30, 250)):
        image = render_touch(Finger(5).touch(), sensor)
        assert (image.shape, image.dtype) == ((sensor.height, sensor.width), np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def test_pattern_frequencies_are_realistic() -> None:
    patterns = [Finger(seed).ridge_pattern for seed in range(2000)]
    for pattern, per_cent in PATTERN_FREQUENCIES.items():
        assert patterns.count(pattern) / 20 == pytest.approx(per_cent, abs=4)


def ridge_direction(image: NDArray[np.uint8], row: int, column: int) -> float:
    """Return the direction of the ridges around a point, in degrees from rightwards to upwards, 0 to 180."""
    patch = image[row - 20 : row + 20, column - 20 : column + 20].astype(float)
    down, right = np.gradient(patch)
    double = np.arctan2(2 * (right * -down).sum(), (right**2 - down**2).sum())
    return float(np.degrees(double / 2 + np.pi / 2) % 180)


def straight(pattern: Pattern) -> NDArray[np.uint8]:
    return render_touch(Touch(Finger(1, pattern)), Sensor(384, 480, 500))


def test_loops_open_to_their_named_side() -> None:
    # Below the core, off to the open side, ridges fall outwards.
    assert 15 < ridge_direction(straight(Pattern.LEFT_LOOP), 300, 110) < 80
    assert 100 < ridge_direction(straight(Pattern.RIGHT_LOOP), 300, 270) < 165


def test_ridges_of_whorl_and_arch() -> None:
    whorl = straight(Pattern.WHORL)
    assert abs(ridge_direction(whorl, 220, 110) - 90) < 30
    assert abs(ridge_direction(whorl, 220, 270) - 90) < 30
    arch = straight(Pattern.ARCH)
    assert 5 < ridge_direction(arch, 320, 110) < 70
    assert 110 < ridge_direction(arch, 320, 270) < 175


def test_touch_is_rotated_and_shifted() -> None:
    finger = Finger(1, Pattern.ARCH)
    level, turned = (render_touch(Touch(finger, rotation_deg=turn), FULL) for turn in (0.0, 20.0))
    difference = (ridge_direction(turned, 60, 192) - ridge_direction(level, 60, 192)) % 180
    assert difference == pytest.approx(20, abs=8)

    partial = Touch(finger, SkinCondition.PARTIAL)
    moved = Touch(finger, SkinCondition.PARTIAL, right_mm=-4, up_mm=-3)
    first, second = (np.argwhere(render_touch(touch, FULL) < 128).mean(axis=0) for touch in (partial, moved))
    assert second - first == pytest.approx([3 * 500 / 25.4, -4 * 500 / 25.4], abs=15)


@pytest.mark.parametrize("sensor", [FOUR_FIFTHS, Sensor(256, 288, 500)])
def test_same_finger_is_more_similar(sensor: Sensor) -> None:
    some = list(islice(fingers(7), 6))
    first, second = (
        [characters(render_touch(finger.touch(number), sensor) >> 4, sensor.ppi).file for finger in some]
        for number in (1, 2)
    )
    alike = np.array([[similarity(one, other) for other in second] for one in first])
    own = np.diag(alike)
    others = alike[~np.eye(len(some), dtype=bool)]
    assert own.min() > others.max()
    assert np.median(own) > 2 * np.median(others)


def test_empty_glass_is_white_and_dirt_stays() -> None:
    assert render_touch(None, FULL).min() > 220
    dirty = render_touch(None, FULL, dirty=True)
    assert (dirty < 128).mean() > 0.1
    assert np.array_equal(dirty, render_touch(None, FULL, dirty=True))
    through = render_touch(Finger(5).touch(), FULL, dirty=True)
    assert not np.array_equal(through, render_touch(Finger(5).touch(), FULL))


@pytest.fixture(scope="module")
def nfiq2() -> object:
    nbis = pytest.importorskip("nbis", reason="nbis-python, the extra `nfiq2`, is not installed")
    settings = nbis.NbisExtractorSettings(
        min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=True, ppi=500.0
    )
    return nbis.new_nbis_extractor(settings)


@pytest.mark.parametrize(("condition", "scores"), [
    (SkinCondition.CLEAN, range(35, 101)), (SkinCondition.DRY, range(25)),
    pytest.param(SkinCondition.NOISY, range(25), marks=pytest.mark.thorough),
    pytest.param(SkinCondition.WORN, range(25), marks=pytest.mark.thorough),
])  # fmt: skip
def test_nfiq2_scores_are_plausible(nfiq2: object, condition: SkinCondition, scores: range) -> None:
    for finger in islice(fingers(1), 4):
        file = io.BytesIO()
        Image.fromarray(render_touch(finger.touch(1, condition), FULL)).save(file, "PNG", dpi=(500, 500))
        score = nfiq2.extract_minutiae(file.getvalue()).quality().score  # type: ignore[attr-defined]  # it has no types
        assert int(score) in scores
