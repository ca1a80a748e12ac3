"""The driver with the simulated barrier."""

import asyncio
from contextlib import aclosing

import pytest
from drivers.barrier.commands import OpenBarrier
from drivers.barrier.observations import BarrierState, MovementState
from drivers.command import CommandRefusal, Invocation
from drivers.links.link import LinkError
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice


async def test_barrier_opens_and_closes(driver: SampleDevice) -> None:
    seen: list[MovementState] = []
    opening = asyncio.create_task(_open(driver))
    async with asyncio.timeout(30), aclosing(driver.watch()) as observations:  # type: ignore[type-var]
        async for item in observations:
            if isinstance(item, BarrierState):
                seen.append(item.doors[0].state)
                if MovementState.OPEN in seen and seen[-1] is MovementState.CLOSED:
                    break
        await opening
    assert MovementState.OPENING in seen


async def _open(driver: SampleDevice) -> None:
    """Open once; movements are refused in the first seconds after the start."""
    while True:
        try:
            await driver.open_barrier(OpenBarrier(), Invocation.local())
        except CommandRefusal:
            await asyncio.sleep(0.1)
        else:
            return


async def test_unplugged_board_ends_watch(driver: SampleDevice, device: Simulator) -> None:
    with pytest.raises(LinkError):
        async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
            await device.handle_command("fault", {"fault": "unplug"})
            async for _ in observations:
                pass
