"""Interactive self-test of document readers: a specimen is presented and its read is checked.

Specimens are of the state UTO, Utopia, which issues nothing else (ICAO Doc 9303-3, section 5). Any other
document may be a traveller's: nothing about it is reported.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from drivers.observation import Outcome
from drivers.passport.observations import DocumentRead, ReadFailed
from drivers.self_test import SelfTestContext, SelfTestStep

SPECIMEN_ISSUER = "UTO"
TIMEOUT_S = 45.0
"""Time to fetch the specimen and present it, in seconds."""


async def specimen_steps(trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
    """Wait for a specimen and check its read."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not isinstance(read := await trial.next_observation(), DocumentRead | ReadFailed):
                pass
    except TimeoutError:
        yield _step(
            Outcome.FAILED,
            f"Nothing was read within {TIMEOUT_S:g} s.",
            action="clean",
            how="Present the specimen again, as an officer would; clean the glass or the slot.",
        )
        return
    if isinstance(read, ReadFailed):
        yield _step(
            Outcome.FAILED,
            "The reader sent bytes that gave no read.",
            action="clean",
            how="Present the specimen again, slowly; then clean the reader.",
        )
        return
    if read.mrz is None:
        texts = (check.text for check in read.checks if check.id == "mrz.check_digits")
        text = next(texts, None) or "No machine readable zone was found."
        yield _step(Outcome.FAILED, text, action="clean")
        return
    if read.mrz.issuer != SPECIMEN_ISSUER:
        yield _step(
            Outcome.ABORTED,
            "This document is not a specimen, so nothing about it is reported.",
            how="Present a specimen: its issuing state is UTO.",
        )
        return
    yield _step(Outcome.SUCCESSFUL, f"A specimen was read, of the format {read.mrz.format}.")
    for check in read.checks:
        if check.id == "mrz.check_digits":
            right = check.outcome is Outcome.SUCCESSFUL
            text = "All check digits are right." if right else f"Something was misread. {check.text}"
            yield _step(check.outcome, text, name="specimen.check_digits")
    for image in read.images:
        yield SelfTestStep(
            name=f"specimen.image.{image.light}.{image.area}",
            outcome=Outcome.SUCCESSFUL,
            text=f"An image was taken: {image.area}, {image.light}.",
            measured=float(image.size_bytes),
            unit="bytes",
        )
    if read.chip is not None:
        yield _step(Outcome.SUCCESSFUL, "The chip responded.", name="specimen.chip")


def _step(outcome: Outcome, text: str, *, name: str = "specimen.read", **more: Any) -> SelfTestStep:
    return SelfTestStep(name=name, outcome=outcome, text=text, **more)
