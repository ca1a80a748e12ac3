"""Self-tests of card readers: status, secure channel, and the read of a presented card."""

import asyncio
from collections.abc import Iterator

from drivers.access.observations import CardRead, ReaderStatus
from drivers.observation import Outcome
from drivers.self_test import SelfTestContext, SelfTestStep

CARD_S = 30.0
"""Time limit for presenting a card to the reader, in seconds."""


def reader_steps(status: ReaderStatus, *, secure: bool) -> Iterator[SelfTestStep]:
    """Yield the steps for the last status of the reader, and for its secure channel."""
    yield _of(
        "housing", status.tampered, "The housing is open, or it was torn off.", "The housing is closed."
    )
    yield _of("supply", status.power_failure, "Its power supply fails.", "Its power supply is good.")
    yield SelfTestStep(
        name="channel.secure",
        outcome=Outcome.SUCCESSFUL if secure else Outcome.FAILED,
        text="Its messages are encrypted." if secure else "Its channel is not secure (yet).",
        action="none" if secure else "configure",
        how="" if secure else 'Install a key once, then set security = "secure".',
    )


def _of(name: str, wrong: bool | None, text: str, well: str) -> SelfTestStep:
    if wrong is None:
        return SelfTestStep(name=name, outcome=Outcome.NOT_SUPPORTED, text="The reader has not reported it.")
    return SelfTestStep(
        name=name,
        outcome=Outcome.FAILED if wrong else Outcome.SUCCESSFUL,
        text=text if wrong else well,
        action="call_support" if wrong else "none",
    )


async def card_steps(trial: SelfTestContext) -> SelfTestStep:
    """Wait for a card and report only the number of its bits."""
    try:
        async with asyncio.timeout(CARD_S):
            while not isinstance(read := await trial.next_observation(), CardRead):
                pass
    except TimeoutError:
        return SelfTestStep(
            name="card.read",
            outcome=Outcome.FAILED,
            text=f"No card was read within {CARD_S:g} s.",
            how="Hold a card of the right kind flat to the middle of the reader.",
        )
    return SelfTestStep(
        name="card.read",
        outcome=Outcome.SUCCESSFUL,
        text=f"A card of {read.bits} bits was read.",
        measured=float(read.bits),
        unit="bits",
    )
