"""Fixtures: the simulated barrier, and its driver at the other end of the line."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from drivers.links.factory import LinkFactory
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice
from sample_device.driver import SampleDeviceSettings as DriverSettings
from sample_device.simulator import SampleDeviceSettings

WIRING: dict[str, Any] = {
    "no_emergency_input": True,
    "doors": [
        {
            "open": 0,
            "open_limit": {"input": 0, "contact": "no"},
            "closed_limit": {"input": 1, "contact": "no"},
        }
    ],
}


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Simulator]:
    """Run the simulated barrier, which moves fast."""
    settings = SampleDeviceSettings(
        name="lane-1/device", kind="sample-device", path=tmp_path / "port", travel_s=0.3, stays_open_s=1
    )
    device = settings.build()
    ready = asyncio.Event()
    running = asyncio.create_task(device.run(lambda _event, _details: ready.set()))
    await ready.wait()
    yield device
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def driver(device: Simulator, tmp_path: Path) -> AsyncIterator[SampleDevice]:
    """Open the driver."""
    links = LinkFactory()
    settings = DriverSettings.model_validate({"board": {"port": str(tmp_path / "port")}, **WIRING})
    driver = SampleDevice(settings, links)
    await driver.open()
    yield driver
    await driver.close()
    await links.close()
