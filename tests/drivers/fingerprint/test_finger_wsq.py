"""WSQ images: an independent decoder reads the same picture."""

import io
from pathlib import Path

import numpy as np
import pytest
import wsq
from PIL import Image
from support.devices.fingerprints import print_of
from support.devices.wsq_decoder import decoded

from drivers.fingerprint.encoding import to_wsq
from drivers.fingerprint.raster import Raster

PRINTS = Path("/usr/share/installed-tests/libfprint-2/prints")


def rasters() -> list[Raster]:
    real = [
        Raster(np.asarray(Image.open(PRINTS / f"{name}.png").convert("RGBA").convert("L")), 500)
        for name in ("arch", "whorl")
    ]
    # Odd and even sizes: halves of the transform differ by a sample.
    return [*real, print_of(256, 180), print_of(191, 193)]


@pytest.mark.parametrize("raster", rasters(), ids=lambda raster: f"{raster.width_px}x{raster.height_px}")
def test_other_decoder_reads_the_same_image(raster: Raster) -> None:
    data = to_wsq(raster)

    ours, _ = decoded(data)
    with Image.open(io.BytesIO(data)) as image:
        theirs = np.asarray(image)
    differs = np.abs(ours.astype(int) - theirs)
    # They compute with single precision: now and then a value falls to the other side of a half.
    assert (differs.max(), (differs > 0).mean() < 0.001) in ((0, True), (1, True))
    error = float(((ours.astype(float) - raster.pixels) ** 2).mean())
    assert 10 * np.log10(255**2 / error) > 24, "it is the picture that was encoded"
    assert len(data) < raster.pixels.size / 8


@pytest.mark.parametrize("resolution_ppi", [500, 508, 1000])
def test_wsq_comment_has_the_resolution(resolution_ppi: int) -> None:
    _, comment = decoded(to_wsq(print_of(96, 96, resolution_ppi=resolution_ppi)))

    assert comment.startswith(b"NIST_COM")
    assert f"\nPPI {resolution_ppi}\n".encode() in comment
    assert wsq.__version__
