"""The driver with the simulated camera."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from drivers.camera.commands import Subject, TakePicture
from drivers.camera.observations import FaceCaptured
from drivers.command import Invocation
from drivers.driver import BadFrame
from drivers.links.factory import LinkFactory
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice
from sample_device.driver import SampleDeviceSettings as DriverSettings
from sample_device.simulator import SampleDeviceSettings

PORTRAIT = TakePicture(subject=Subject.PORTRAIT)
Camera = tuple[SampleDevice, Simulator]


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    """Run the simulated camera, and open the driver."""
    login: Any = {"username": "gateway", "password": "two words"}
    device = SampleDeviceSettings(name="lane-1/device", kind="sample-device", port=0, **login).build()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(device.run(lambda _event, details: _set(ready, details)))
    links = LinkFactory()
    driver = SampleDevice(DriverSettings(url=await ready, auth="digest", **login), links)
    await driver.open()
    yield driver, device
    await driver.close()
    await links.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _set(ready: "asyncio.Future[str]", details: Mapping[str, Any]) -> None:
    if not ready.done():
        ready.set_result(details["url"])


async def test_identity(camera: Camera) -> None:
    driver, _ = camera
    assert (await driver.open()).model == "SAMPLE-1"


async def test_picture_is_taken(camera: Camera) -> None:
    driver, _ = camera
    async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
        reading = asyncio.ensure_future(anext(observations))
        taken = await driver.capture(PORTRAIT, Invocation.local())
        seen = await reading
    assert taken.frame_count == 1
    assert isinstance(seen, FaceCaptured)
    assert seen.attachments[0].content.startswith(b"\xff\xd8")


async def test_incomplete_picture_is_never_published(camera: Camera) -> None:
    driver, device = camera
    await device.handle_command("fault", {"fault": "half-picture"})
    seen = []
    async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
        taking = asyncio.create_task(driver.capture(PORTRAIT, Invocation.local()))
        async for item in observations:
            seen.append(item)
            if isinstance(item, FaceCaptured):
                break
        await taking
    assert any(isinstance(item, BadFrame) for item in seen)
