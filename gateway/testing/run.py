"""Runs all criteria for one driver, in their order."""

from collections.abc import AsyncIterator
from pathlib import Path

from gateway.testing.acceptance import AcceptanceOutcome, Criterion, DriverTrial, Result, judge
from gateway.testing.criteria import ADVISED, CRITERIA, FIRST
from gateway.testing.expectations import write_expected


async def judge_all(trial: DriverTrial) -> AsyncIterator[tuple[Criterion, Result]]:
    """Yield every criterion with its result; only the first, if the driver cannot be loaded."""
    for criterion in (*CRITERIA, *ADVISED):
        result = await judge(criterion, trial)
        yield criterion, result
        if criterion is FIRST and result.outcome is not AcceptanceOutcome.HELD:
            return


async def write_all_expected(trial: DriverTrial) -> list[Path]:
    """Write the events of each recording that the driver follows to its end; return the recordings."""
    written = []
    for one in await trial.played():
        if one.whole.unfollowed is None and one.whole.items and not one.whole.fault:
            write_expected(one.path, one.whole.events)
            written.append(one.path)
    return written
