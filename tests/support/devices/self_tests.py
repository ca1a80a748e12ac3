"""Self-test of a driver, run as a worker does."""

import asyncio
from typing import Any

from support.patience import PATIENCE_S

from drivers.driver import Driver
from drivers.observation import Observation, Outcome
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep


async def run_self_test(
    driver: Driver[Any], level: SelfTestLevel, *heard: Observation
) -> dict[str, SelfTestStep]:
    """Return the steps by name; `heard` are the observations of the device meanwhile."""
    said: asyncio.Queue[Observation] = asyncio.Queue()
    for observation in heard:
        said.put_nowait(observation)
    async with asyncio.timeout(PATIENCE_S):
        return {step.name: step async for step in driver.self_test(SelfTestContext(level, said.get))}


def outcomes(steps: dict[str, SelfTestStep]) -> dict[str, Outcome]:
    return {name: step.outcome for name, step in steps.items()}
