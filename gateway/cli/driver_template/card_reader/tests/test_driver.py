"""The driver with the simulated card reader."""

from contextlib import aclosing

import pytest
from drivers.access.observations import CardRead
from drivers.driver import BadFrame
from drivers.links.link import Cause, LinkError
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice

CARD = {"facility": 12, "number": 3456}


async def test_card_is_read(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("insert", CARD)
        read = await anext(observations)
    assert isinstance(read, CardRead)
    assert read.bits == 26
    assert int(read.data, 16) >> 7 & 0xFFFF == 3456


async def test_cut_frame_costs_only_itself(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("fault", {"fault": "cut"})
        await device.handle_command("insert", {})
        await device.handle_command("insert", CARD)
        damaged, read = await anext(observations), await anext(observations)
    assert isinstance(damaged, BadFrame)
    assert isinstance(read, CardRead)


async def test_unplugged_reader_ends_watch(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("fault", {"fault": "unplug"})
        with pytest.raises(LinkError) as failure:
            await anext(observations)
    assert failure.value.cause is Cause.UNPLUGGED
