"""Checks of card readers: is it well and in force, and is a card read that somebody holds to it."""

import asyncio
from collections.abc import Iterator

from drivers.access.observations import CardRead, ReaderStatus
from drivers.observation import Outcome
from drivers.self_test import SelfTestContext, SelfTestStep

CARD_S = 30.0
"""How long somebody has to hold a card to the reader, in seconds."""


def reader_steps(status: ReaderStatus, *, secure: bool) -> Iterator[SelfTestStep]:
    """Judge what the reader said of itself last, and whether its channel is secure."""
    yield _of(
        "housing", status.tampered, "The housing is open, or it was torn off.", "The housing is closed."
    )
    yield _of("supply", status.power_failure, "Its supply fails.", "Its supply is well.")
    yield SelfTestStep(
        name="channel.secure",
        outcome=Outcome.SUCCESSFUL if secure else Outcome.FAILED,
        text="What it says is encrypted." if secure else "Its channel is not, or not yet, secure.",
        action="none" if secure else "configure",
        how="" if secure else 'Install a key once, then write security = "secure".',
    )


def _of(name: str, wrong: bool | None, text: str, well: str) -> SelfTestStep:
    if wrong is None:
        return SelfTestStep(name=name, outcome=Outcome.NOT_SUPPORTED, text="The reader has not said.")
    return SelfTestStep(
        name=name,
        outcome=Outcome.FAILED if wrong else Outcome.SUCCESSFUL,
        text=text if wrong else well,
        action="call_support" if wrong else "none",
    )


async def card_steps(trial: SelfTestContext) -> SelfTestStep:
    """Wait for a card. Of what is on it only how long it is."""
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
