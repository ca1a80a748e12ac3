"""Hook that takes one picture of a fingerprint scanner as the gateway does, without a judge of the image."""

from typing import Any

from drivers.fingerprint.assessment import Assessment
from drivers.fingerprint.capture import CaptureTransaction
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, ImageQuality, QualityMeasureName
from drivers.fingerprint.raster import Pixels, Raster
from drivers.observation import Attachment, Outcome


async def capture(driver: Any) -> Pixels:
    """Return the pixels of one capture."""
    taken: list[Pixels] = []

    async def keep(raster: Raster) -> Assessment:
        taken.append(raster.pixels)
        return Assessment(
            ImageQuality(measure=QualityMeasureName.UNKNOWN, value=None, outcome=Outcome.SUCCESSFUL)
        )

    async def bare(*_image: object) -> tuple[Attachment, ...]:
        return ()

    transaction = CaptureTransaction(driver, CaptureFinger(), "t-1", lambda said: None, keep, bare)
    await transaction.run()
    done = await transaction.conclude()
    await driver.end_capture()
    assert done.outcome is CaptureOutcome.CAPTURED
    return taken[0]
