"""The driver with the simulated scale."""

import asyncio
from contextlib import aclosing

import pytest
from drivers.command import CommandRefusal, Invocation
from drivers.driver import BadFrame
from drivers.links.link import Cause, LinkError
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice
from sample_device.vocabulary import Tare, Weighed


async def test_load_is_reported(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("insert", {"mass_g": 23400})
        seen = await anext(observations)
    assert isinstance(seen, Weighed)
    assert seen.mass_g == 23400


async def test_cut_frame_costs_only_itself(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("fault", {"fault": "cut"})
        await device.handle_command("insert", {"mass_g": 1})
        await device.handle_command("insert", {"mass_g": 2})
        damaged, seen = await anext(observations), await anext(observations)
    assert isinstance(damaged, BadFrame)
    assert isinstance(seen, Weighed)
    assert seen.mass_g == 2


async def test_unplugged_scale_ends_watch(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("fault", {"fault": "unplug"})
        with pytest.raises(LinkError) as failure:
            await anext(observations)
    assert failure.value.cause is Cause.UNPLUGGED


async def test_tare(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("insert", {"mass_g": 1200})
        await anext(observations)
        reading = asyncio.create_task(anext(observations))
        assert (await driver.tare(Tare(), Invocation.local())).zero_g == 1200
        with pytest.raises(CommandRefusal):
            await driver.tare(Tare(limit_g=1000), Invocation.local())
        await device.handle_command("insert", {"mass_g": 1500})
        seen = await reading
    assert isinstance(seen, Weighed)
    assert seen.mass_g == 300
