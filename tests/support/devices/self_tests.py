"""A driver that is tried, as a worker tries it."""

import asyncio
from typing import Any

from drivers.driver import Driver
from drivers.observation import Observation, Outcome
from drivers.self_test import CheckLevel, CheckStep, Trial


async def tried(driver: Driver[Any], level: CheckLevel, *heard: Observation) -> dict[str, CheckStep]:
    """Its steps by name; `heard` is what the device says meanwhile."""
    said: asyncio.Queue[Observation] = asyncio.Queue()
    for observation in heard:
        said.put_nowait(observation)
    async with asyncio.timeout(60):
        return {step.name: step async for step in driver.check(Trial(level, said.get))}


def outcomes(steps: dict[str, CheckStep]) -> dict[str, Outcome]:
    return {name: step.outcome for name, step in steps.items()}
