"""The driver with the simulated scanner."""

import asyncio
from contextlib import aclosing

import pytest
from drivers.command import Invocation
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, FingerCaptured
from drivers.links.link import Cause, LinkError
from simulators.simulator import Simulator

from sample_device.driver import SampleDevice, parse_image


async def test_print_is_captured(driver: SampleDevice, device: Simulator) -> None:
    captured = []
    async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
        capturing = asyncio.create_task(driver.capture(CaptureFinger(), Invocation.local()))
        capturing.add_done_callback(lambda _: watching.cancel())

        async def watch() -> None:
            async for item in observations:
                if isinstance(item, FingerCaptured):
                    captured.append(item)

        watching = asyncio.create_task(watch())
        await device.handle_command("insert", {"finger": 3})
        result = await capturing
        await asyncio.gather(watching, return_exceptions=True)
    assert result.outcome is CaptureOutcome.CAPTURED
    assert len(captured) == 1


async def test_unplugged_scanner_ends_watch(driver: SampleDevice, device: Simulator) -> None:
    async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
        reading = asyncio.ensure_future(anext(observations))
        await device.handle_command("fault", {"fault": "unplug"})
        with pytest.raises(LinkError) as failure:
            await reading
    assert failure.value.cause is Cause.UNPLUGGED


@pytest.mark.parametrize("payload", [b"P", b"P2;2;00", b"P0;0;", b"P1;1;zz", b"P2;1;00FF00"])
def test_malformed_image_is_refused(payload: bytes) -> None:
    assert parse_image(payload) is None
