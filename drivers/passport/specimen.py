"""The interactive check of document readers: a specimen is presented, and seen to be read well.

Specimens are of the state UTO, Utopia, which issues nothing else (ICAO Doc 9303-3, section 5). Whatever else
is presented is some traveller's: nothing is said of it.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from drivers.observation import Outcome
from drivers.passport.observations import DocumentRead, ReadFailed
from drivers.self_test import SelfTestContext, SelfTestStep

SPECIMEN_ISSUER = "UTO"
TIMEOUT_S = 45.0
"""How long somebody has to fetch the specimen and present it, in seconds."""


async def specimen_steps(trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
    """Wait for a specimen, and judge how it was read."""
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
            "The reader sent something that gave no read.",
            action="clean",
            how="Present the specimen again, slowly; then clean the reader.",
        )
        return
    if read.mrz is None:
        yield _step(Outcome.FAILED, "No machine readable zone was found.", action="clean")
        return
    if read.mrz.issuer != SPECIMEN_ISSUER:
        yield _step(
            Outcome.ABORTED,
            "That is no specimen, so nothing is said of it.",
            how="Present a specimen: its issuing state is UTO.",
        )
        return
    yield _step(Outcome.SUCCESSFUL, f"A specimen was read, of the format {read.mrz.format}.")
    for check in read.checks:
        if check.id == "mrz.check_digits":
            right = check.outcome is Outcome.SUCCESSFUL
            text = (
                "All check digits are right." if right else "A check digit is wrong: something was misread."
            )
            yield _step(check.outcome, text, name="specimen.check_digits")
    for image in read.images:
        yield SelfTestStep(
            name=f"specimen.image.{image.light}.{image.area}",
            outcome=Outcome.SUCCESSFUL,
            text=f"An image came: {image.area}, {image.light}.",
            measured=float(image.size_bytes),
            unit="bytes",
        )
    if read.chip is not None:
        yield _step(Outcome.SUCCESSFUL, "Its chip answered.", name="specimen.chip")


def _step(outcome: Outcome, text: str, *, name: str = "specimen.read", **more: Any) -> SelfTestStep:
    return SelfTestStep(name=name, outcome=outcome, text=text, **more)
