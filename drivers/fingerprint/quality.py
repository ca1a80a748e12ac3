"""Quality measures of images. A value belongs to its measure: values of two measures are never compared."""

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
"""The only resolution of NFIQ 2, in pixels per inch; up to a fiftieth above or below counts as equal."""
MAX_PIXELS = 10_000_000
"""Upper bound on the pixels of an image; four fingers at that resolution have a third as many."""


class QualityMeasure(Protocol):
    """A quality measure. Its scale goes from 0 to 100, higher is better."""

    measure: ClassVar[QualityMeasureName]
    has_enrolment_minimum: ClassVar[bool]
    """True if BSI TR-03121 has minima of this measure for enrolment."""

    def value(self, raster: Raster) -> float | None:
        """Return the value; None if the measure gives none for the image. Called in a thread."""
        ...


class RidgeClarity:
    """Share of the picture with clear ridges, weighted by orientation certainty.

    100 would be a picture full of perfectly parallel lines. Only images of one scanner are comparable: a
    larger sensor has more margin around the finger. Minutiae are not considered.
    """

    measure: ClassVar[QualityMeasureName] = QualityMeasureName.RIDGE_CLARITY
    has_enrolment_minimum: ClassVar[bool] = False

    def value(self, raster: Raster) -> float | None:
        """Return 100 times `ImageAnalysis.clarity`, to one digit; some milliseconds."""
        return round(100 * analyse_image(raster).clarity, 1)


class Nfiq2:
    """NIST Fingerprint Image Quality 2, computed by `nbis-python`; 0.1 to 0.3 s for an image."""

    measure: ClassVar[QualityMeasureName] = QualityMeasureName.NFIQ2
    has_enrolment_minimum: ClassVar[bool] = True

    def __init__(self) -> None:
        """Load the model, which takes 0.3 s; raises ImportError or OSError if it is not installed."""
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
        """Return the unified quality score; None if NFIQ 2 refuses the image."""
        image = Image.fromarray(raster.pixels)
        if abs(raster.resolution_ppi - NFIQ2_PPI) > NFIQ2_PPI // 50:
            scale = NFIQ2_PPI / raster.resolution_ppi
            size = round(image.width * scale), round(image.height * scale)
            if (
                not 0 < size[0] * size[1] <= MAX_PIXELS
            ):  # a service may report any resolution with any picture
                return None
            image = image.resize(size, Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG", dpi=(NFIQ2_PPI, NFIQ2_PPI), compress_level=1)
        try:
            result = self._extractor.extract_minutiae(file.getvalue()).quality()
        except self._failure:
            return None
        # For an image without a finger, NFIQ 2 has no features, and a score of 0 that is not computed.
        return float(result.score) if result.features else None


def is_installed() -> bool:
    """Return True if NFIQ 2 is installed; finds the package without loading it."""
    return find_spec("nbis") is not None


def need_measure(name: MeasureName) -> None:
    """Raise LinkError if this measure is configured by name and is not installed."""
    if name == "nfiq2" and not is_installed():
        raise NotInstalledError("`quality` is nfiq2, and NFIQ 2 is not installed.", "nfiq2")


@cache
def load_measure(name: MeasureName) -> QualityMeasure:
    """Return the measure of that name, loaded once per process; `auto` is NFIQ 2 if it is installed.

    Raises LinkError if NFIQ 2 is configured and does not load.
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
