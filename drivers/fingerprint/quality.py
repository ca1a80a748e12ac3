"""Measures of how good an image is. A value belongs to its measure: they are never compared or mixed."""

import io
from functools import cache
from importlib.util import find_spec
from typing import ClassVar, Literal, Protocol

from PIL import Image

from drivers.fingerprint.image_analysis import analyse_image
from drivers.fingerprint.observations import QualityMeasureName
from drivers.fingerprint.raster import Raster
from drivers.installation import how_to_mend
from drivers.links.link import Action, Cause, LinkError, NotInstalledError

MeasureName = Literal["auto", "nfiq2", "ridge_clarity"]
NFIQ2_PPI = 500
"""The only resolution NFIQ 2 knows; what is within a fiftieth of it counts as such."""
MAX_PIXELS = 10_000_000
"""At that resolution four fingers have a third as many."""


class QualityMeasure(Protocol):
    """One way to measure. Its scale goes from 0 to 100, higher being better."""

    measure: ClassVar[QualityMeasureName]
    has_enrolment_minimum: ClassVar[bool]
    """Whether BSI TR-03121 says what an enrolment needs of it."""

    def value(self, raster: Raster) -> float | None:
        """The value; None where it can make nothing of the image. Called in a thread."""
        ...


class RidgeClarity:
    """How much of the picture shows clear ridges: the share of ridges, weighted by orientation certainty.

    100 would be a picture full of perfectly parallel lines. It compares images of one scanner and nothing
    else: a larger sensor has more margin around the finger. It knows nothing of minutiae.
    """

    measure: ClassVar[QualityMeasureName] = QualityMeasureName.RIDGE_CLARITY
    has_enrolment_minimum: ClassVar[bool] = False

    def value(self, raster: Raster) -> float | None:
        """100 times `View.clarity`, to one digit; some milliseconds."""
        return round(100 * analyse_image(raster).clarity, 1)


class Nfiq2:
    """NIST Fingerprint Image Quality 2, as `nbis-python` computes it; 0.1 to 0.3 s an image."""

    measure: ClassVar[QualityMeasureName] = QualityMeasureName.NFIQ2
    has_enrolment_minimum: ClassVar[bool] = True

    def __init__(self) -> None:
        """Load the model, which takes 0.3 s; raises ImportError or OSError where it is not installed."""
        import nbis

        self._failure: type[Exception] = nbis.NbisError
        self._extractor = nbis.new_nbis_extractor(
            nbis.NbisExtractorSettings(
                min_quality=0.0,
                get_center=False,
                check_fingerprint=False,
                compute_nfiq2=True,
                ppi=float(NFIQ2_PPI),
            )
        )

    def value(self, raster: Raster) -> float | None:
        """The unified quality score; None where NFIQ 2 refuses the image."""
        image = Image.fromarray(raster.pixels)
        if abs(raster.resolution_ppi - NFIQ2_PPI) > NFIQ2_PPI // 50:
            scale = NFIQ2_PPI / raster.resolution_ppi
            size = round(image.width * scale), round(image.height * scale)
            if not 0 < size[0] * size[1] <= MAX_PIXELS:  # a service may tell any resolution with any picture
                return None
            image = image.resize(size, Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG", dpi=(NFIQ2_PPI, NFIQ2_PPI), compress_level=1)
        try:
            result = self._extractor.extract_minutiae(file.getvalue()).quality()
        except self._failure:
            return None
        # An image in which it finds no finger has no features, and a score of 0 that it did not compute.
        return float(result.score) if result.features else None


def is_installed() -> bool:
    """Whether NFIQ 2 is there; looks for the package without loading it."""
    return find_spec("nbis") is not None


def need_measure(name: MeasureName) -> None:
    """Raise LinkError where a measure is asked for by name and is not installed."""
    if name == "nfiq2" and not is_installed():
        raise NotInstalledError("NFIQ 2, which `quality` asks for, is not installed.", "nfiq2")


@cache
def load_measure(name: MeasureName) -> QualityMeasure:
    """The measure of that name, loaded once a process; `auto` is NFIQ 2 where it is installed.

    Raises LinkError where NFIQ 2 is asked for and does not load.
    """
    need_measure(name)
    if name == "ridge_clarity" or not is_installed():
        return RidgeClarity()
    try:
        return Nfiq2()
    except (ImportError, OSError) as error:
        if name == "auto":
            return RidgeClarity()
        raise LinkError(
            Cause.DRIVER_ERROR,
            f"NFIQ 2 is installed and does not load ({type(error).__name__}).",
            Action.CONFIGURE,
            f"Install it for this machine: {how_to_mend('nfiq2')}; or set `quality`.",
        ) from error
