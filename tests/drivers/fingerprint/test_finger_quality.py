"""Quality measures: NFIQ 2 with NIST's own scores, ridge clarity with degraded pictures."""

import importlib.metadata
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scanner_fixture import open_scripted_scanner
from support.devices.fingerprints import BLANK, print_of

from drivers.fingerprint import quality
from drivers.fingerprint.assessment import TANGLED, CaptureRequirements, measure_quality, required_minimum
from drivers.fingerprint.image_analysis import analyse_image
from drivers.fingerprint.observations import CapturePurpose, FingerPosition, QualityMeasureName
from drivers.fingerprint.quality import NFIQ2_PPI, RidgeClarity, load_measure
from drivers.fingerprint.raster import Raster
from drivers.fingerprint.scanner import ScannerSettings, need_libraries
from drivers.links.link import NotInstalledError
from drivers.observation import Outcome
from simulators.fingerprint.fingers import Finger, Sensor, SkinCondition, render_touch

EXAMPLES = os.environ.get("BORDERPOST_NFIQ2_EXAMPLES")
"""A folder with the five images of NIST's NFIQ2 repository (examples/images), which are not ours to ship."""
NIST_SCORES = {1: 54, 2: 45, 3: 53, 4: 52, 5: 57}
PRINTS = Path("/usr/share/installed-tests/libfprint-2/prints")
"""Four inked prints in the public domain, from Debian's libfprint-2-tests."""
PRINT_SCORES = {"arch": 33, "loop-right": 35, "tented_arch": 35, "whorl": 24}
"""By the version of nbis-python that gives NIST's scores for NIST's examples."""


def picture(path: Path, resolution_ppi: int = NFIQ2_PPI) -> Raster:
    # By way of RGBA: Ubuntu's prints have palettes with transparency.
    return Raster(np.asarray(Image.open(path).convert("RGBA").convert("L")), resolution_ppi)


@pytest.mark.skipif(EXAMPLES is None, reason="BORDERPOST_NFIQ2_EXAMPLES names no folder with NIST's examples")
@pytest.mark.parametrize(("number", "score"), NIST_SCORES.items())
def test_nfiq2_scores_of_nist(number: int, score: int) -> None:
    assert EXAMPLES is not None
    assert load_measure("nfiq2").value(picture(Path(EXAMPLES) / f"SFinGe_Test{number:02}.pgm")) == score


@pytest.mark.parametrize(("name", "score"), PRINT_SCORES.items())
def test_nfiq2_of_real_prints(name: str, score: int) -> None:
    assert load_measure("nfiq2").value(picture(PRINTS / f"{name}.png")) == score


def test_nfiq2_at_its_own_resolution() -> None:
    whorl = picture(PRINTS / "whorl.png", resolution_ppi=250)
    doubled = Image.fromarray(whorl.pixels).resize((500, 468), Image.Resampling.LANCZOS)
    nfiq2 = load_measure("nfiq2")

    assert nfiq2.value(whorl) == nfiq2.value(Raster(np.asarray(doubled), 500))


# The last two: what a service tells of its resolution may be anything.
@pytest.mark.parametrize(
    "nothing",
    [
        BLANK,
        print_of(24, 24),
        Raster(np.zeros((288, 256), np.uint8), 500),
        Raster(np.zeros((2, 2), np.uint8), 4000),
        Raster(np.zeros((2000, 2000), np.uint8), 50),
    ],
)
def test_nfiq2_of_no_print_is_no_value(nothing: Raster) -> None:
    assert load_measure("nfiq2").value(nothing) is None


def test_quality_is_measured_in_time() -> None:
    nfiq2 = load_measure("nfiq2")
    arch = picture(PRINTS / "arch.png")

    # BSI TR-03121 allows 300 ms. By the processor's clock: this machine has other things to do.
    begun_s = time.thread_time()
    nfiq2.value(arch)
    assert time.thread_time() - begun_s < 0.3


def test_ridge_clarity_falls_with_degradation() -> None:
    clarity = RidgeClarity()
    good = clarity.value(print_of())

    assert good is not None
    for spoilt in (print_of(noise=60), print_of(size=(0.2, 0.2)), print_of(centre=(0.1, 0.5)), BLANK):
        worse = clarity.value(spoilt)
        assert worse is not None
        assert worse < 0.9 * good


@pytest.mark.parametrize("fingers", [1, 2, 4])
def test_prints_are_counted(fingers: int) -> None:
    assert analyse_image(print_of(400 * fingers, 500, fingers=fingers)).prints == fingers


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param((slice(130, 165), slice(None), 250), id="a crease"),
        pytest.param((slice(None), slice(110, 145), 40), id="a wet streak"),
        pytest.param((slice(70, None), slice(110, 145), 250), id="a scar from below"),
        pytest.param((slice(60, 230), slice(64, 190), 90), id="a blot"),
    ],
)
def test_divided_print_is_one_finger(spoil: tuple[slice, slice, int]) -> None:
    parted = print_of()
    rows, columns, grey = spoil
    parted.pixels[rows, columns] = np.where(parted.pixels[rows, columns] == 250, 250, grey)
    view = analyse_image(parted)

    assert (view.prints, view.dirt) == (1, 0)


def test_two_tilted_fingers_are_two() -> None:
    upright = print_of(440, 400, fingers=2, size=(0.4, 0.44))
    leaning = Image.fromarray(upright.pixels).rotate(15, fillcolor=250)

    assert analyse_image(upright).prints == 2
    assert analyse_image(Raster(np.asarray(leaning), 500)).prints == 2


def test_noise_is_no_print_and_hides_none() -> None:
    assert analyse_image(print_of(noise=60)).prints == 1
    assert analyse_image(print_of(noise=60, dark=250, light=250)).prints == 0


@pytest.mark.parametrize("name", PRINT_SCORES)
def test_real_print_is_one_print_without_dirt(name: str) -> None:
    view = analyse_image(picture(PRINTS / f"{name}.png", resolution_ppi=250))  # by the width of their ridges

    assert (view.prints, view.dirt < 0.05) == (1, True)
    assert view.area > 0.8


@pytest.mark.parametrize(
    ("purpose", "position", "minimum"),
    [
        (CapturePurpose.ENROLMENT, FingerPosition.LEFT_THUMB, 30),
        (CapturePurpose.ENROLMENT, FingerPosition.RIGHT_INDEX, 30),
        (CapturePurpose.ENROLMENT, FingerPosition.RIGHT_MIDDLE, 20),
        (CapturePurpose.ENROLMENT, FingerPosition.LEFT_RING, 10),
        (CapturePurpose.ENROLMENT, FingerPosition.LEFT_LITTLE, 10),
        (CapturePurpose.ENROLMENT, FingerPosition.UNKNOWN, 30),
        (CapturePurpose.ENROLMENT, FingerPosition.RIGHT_FOUR, 10),
        (CapturePurpose.VERIFICATION, FingerPosition.RIGHT_INDEX, None),
    ],
)
def test_enrolment_asks_what_bsi_asks(
    purpose: CapturePurpose, position: FingerPosition, minimum: float | None
) -> None:
    asked = CaptureRequirements(position, purpose, count=1)

    assert required_minimum(asked, load_measure("nfiq2")) == minimum
    assert required_minimum(asked, RidgeClarity()) is None


def test_configured_minimum_decides() -> None:
    asked = CaptureRequirements(FingerPosition.RIGHT_INDEX, CapturePurpose.VERIFICATION, 1, minimum=34)
    nfiq2 = load_measure("nfiq2")
    arch, loop = (
        measure_quality(picture(PRINTS / f"{name}.png"), asked, nfiq2) for name in ("arch", "loop-right")
    )

    assert (arch.measure, arch.value, arch.outcome) == (QualityMeasureName.NFIQ2, 33, Outcome.FAILED)
    assert (loop.measure, loop.value, loop.outcome) == (QualityMeasureName.NFIQ2, 35, Outcome.SUCCESSFUL)


async def test_a_capture_names_its_measure() -> None:
    async with open_scripted_scanner(quality="nfiq2") as (scanner, desk):
        scanner.place(picture(PRINTS / "arch.png"))
        found = (await desk.ask(purpose="enrolment", position="right_index")).quality
        assert found is not None
        assert (found.measure, found.value, found.required_minimum) == (QualityMeasureName.NFIQ2, 33, 30)


def test_missing_nfiq2_is_refused_unless_auto(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality, "find_spec", lambda _name: None)
    load_measure.cache_clear()
    try:
        assert load_measure("auto").measure is QualityMeasureName.RIDGE_CLARITY
        with pytest.raises(NotInstalledError) as refused:
            need_libraries(ScannerSettings(quality="nfiq2"))
        assert "[nfiq2]" in refused.value.how
    finally:
        load_measure.cache_clear()
    assert ScannerSettings().quality == "auto"


def test_extra_installs_the_named_package() -> None:
    wanted = importlib.metadata.requires("borderpost-gateway") or []
    assert any(one.startswith("nbis-python") and 'extra == "nfiq2"' in one for one in wanted)


@pytest.mark.parametrize("sensor", [Sensor(384, 290, 500), Sensor(256, 180, 385), Sensor(192, 192, 508)])
@pytest.mark.parametrize("skin", [skin for skin in SkinCondition if skin is not SkinCondition.DIRTY])
def test_grease_differs_from_skin_and_noise(skin: SkinCondition, sensor: Sensor) -> None:
    tangles = {
        dirty: analyse_image(
            Raster(np.array(render_touch(Finger(5).touch(condition=skin), sensor, dirty=dirty)), sensor.ppi)
        ).tangle
        for dirty in (False, True)
    }
    assert tangles[False] <= TANGLED
    assert tangles[True] > TANGLED or skin is SkinCondition.NOISY, "noise hides what else there is"


def test_prints_of_ink_are_no_grease() -> None:
    assert max(analyse_image(picture(PRINTS / f"{name}.png")).tangle for name in PRINT_SCORES) < 0.03
