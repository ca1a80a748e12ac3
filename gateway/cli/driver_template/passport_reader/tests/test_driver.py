"""The driver with the simulated reader."""

from contextlib import aclosing

import pytest
from drivers.links.link import Cause, LinkError
from drivers.passport.observations import DocumentRead, ReadFailed
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice

TRAVELLER = {"format": "TD3", "fields": {"surname": "Zorbane"}}


async def test_document_is_read(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("insert", TRAVELLER)
        read = await anext(observations)
    assert isinstance(read, DocumentRead)
    assert read.mrz is not None
    assert read.mrz.primary_identifier == "ZORBANE"


async def test_cut_frame_costs_only_itself(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("fault", {"fault": "cut"})
        await device.handle_command("insert", {})
        await device.handle_command("insert", TRAVELLER)
        damaged, read = await anext(observations), await anext(observations)
    assert isinstance(damaged, ReadFailed)
    assert isinstance(read, DocumentRead)


async def test_unplugged_reader_ends_watch(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:
        await device.handle_command("fault", {"fault": "unplug"})
        with pytest.raises(LinkError) as failure:
            await anext(observations)
    assert failure.value.cause is Cause.UNPLUGGED
