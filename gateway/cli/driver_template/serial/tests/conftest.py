"""Fixtures: the simulated device, and its driver at the other end of the line."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from drivers.links.factory import LinkFactory

from sample_device.driver import SampleDevice
from sample_device.driver import SampleDeviceSettings as DriverSettings
from sample_device.simulated_line import LineSimulator
from sample_device.simulator import SampleDeviceSettings


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[LineSimulator]:
    """Run the simulated device."""
    device = SampleDeviceSettings(name="lane-1/device", kind="sample-device", path=tmp_path / "port").build()
    assert isinstance(device, LineSimulator)
    ready = asyncio.Event()
    running = asyncio.create_task(device.run(lambda _event, _details: ready.set()))
    await ready.wait()
    yield device
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def driver(device: LineSimulator) -> AsyncIterator[SampleDevice]:
    """Open the driver."""
    links = LinkFactory()
    driver = SampleDevice(DriverSettings(port=device.line.address), links)
    await driver.open()
    yield driver
    await driver.close()
    await links.close()
