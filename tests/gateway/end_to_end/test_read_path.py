"""Files of the project that one read crosses, in worker and daemon, from the device's bytes to the event."""

import asyncio
from pathlib import Path

from support.brokers.mosquitto import Mosquitto
from support.call_trace import CallTrace
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture
from support.patience import PATIENCE_S

from gateway.client import Workstation
from simulators.links.serial_line import SerialLine
from simulators.specimens import ERIKSSON_LINES

READER = "lane-1/reader"
READS = range(1, 6)
MOST_FILES = 30
"""A developer who follows one read opens so many files at most."""


async def read(desk: Workstation, reader: SerialLine, zone: bytes) -> None:
    """Read one document, and wait until its event has come."""
    await reader.send(zone)
    async with asyncio.timeout(PATIENCE_S):
        async for _ in desk:
            return


async def test_read_crosses_few_files(tmp_path: Path) -> None:
    zone = FRAMES["text"](ERIKSSON_LINES["TD3"])
    with CallTrace(tmp_path / "trace") as trace, Mosquitto() as broker:
        gateway = GatewayFixture(tmp_path, broker, silent_s=PATIENCE_S)  # a traced process is slow
        gateway.path, gateway.environment, gateway.under = trace.path, trace.environment, ("env",)
        async with gateway.stack:
            reader = await gateway.wire(READER)
            gateway.describe(READER, "mrz-serial", 'framing = "text"')
            await gateway.start()
            gateway.stack.push_async_callback(gateway.stop)
            async with gateway.workstation(READER) as desk:
                await reader.wait_for_host()
                await read(desk, reader, zone)  # what a first read loads is not the path of the next ones
                for number in READS:
                    with trace.recording(number):
                        await read(desk, reader, zone)
        # What else a gateway does, such as publishing a state, may come during one read, not during each.
        calls = min((trace.calls(number) for number in READS), key=len)
    assert {"drivers/passport/mrz_serial.py", "gateway/delivery/mqtt/connection.py"} <= calls.keys()
    assert len(calls) <= MOST_FILES, "\n".join(sorted(calls))
