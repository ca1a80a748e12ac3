"""Measures of how good an image is. A value belongs to its measure: they are never compared or mixed."""

from typing import ClassVar, Protocol

from drivers.fingerprint.examination import examine
from drivers.fingerprint.observations import Measure
from drivers.fingerprint.raster import Raster


class QualityMeasure(Protocol):
    """One way to measure. Its scale goes from 0 to 100, higher being better."""

    measure: ClassVar[Measure]
    has_enrolment_minimum: ClassVar[bool]
    """Whether BSI TR-03121 says what an enrolment needs of it."""

    def value(self, raster: Raster) -> float | None:
        """The value; None where it can make nothing of the image. Called in a thread."""
        ...


class RidgeClarity:
    """How much of the picture shows clear ridges: the share of ridges, weighted by orientation certainty.

    100 would be a picture full of perfectly parallel lines. It compares images of one scanner and nothing
    else: a larger sensor has more margin around the finger.
    """

    measure: ClassVar[Measure] = Measure.RIDGE_CLARITY
    has_enrolment_minimum: ClassVar[bool] = False

    def value(self, raster: Raster) -> float | None:
        """100 times `View.clarity`, to one digit."""
        return round(100 * examine(raster).clarity, 1)
