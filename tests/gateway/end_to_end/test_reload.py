"""Events of devices while a reload replaces delivery."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import psutil
import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.numbered import number_of
from support.patience import PATIENCE_S

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


async def test_worker_started_during_reload_loses_nothing(gateway: GatewayFixture) -> None:
    """Stop the broker process, so that the old delivery takes its two seconds to disconnect."""
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: desk.status("lane-1/reader").is_usable)
        await wire.wait_for_host()
        assert gateway.process is not None
        (worker,) = (
            process
            for process in psutil.Process(gateway.process.pid).children(recursive=True)
            if process.name() == "lane-1/reader"
        )
        worker.kill()  # the first failure is restarted at once, the second later: this must be the first
        gateway.broker.pause()
        gateway.config.write_text(
            gateway.config.read_text().replace("[broker]", "[broker]\nkeepalive_s = 30")
        )
        gateway.process.send_signal(signal.SIGHUP)
        await wire.wait_for_host_close()
        await wire.wait_for_host()
        for number in range(20):
            assert await wire.send(b"say %d\n" % number)
        await until(lambda: "config_reloaded" in gateway.log)
        gateway.broker.resume()
        found: list[int] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                async for received in desk:
                    found.append(number_of(received.data))
                    if len(found) == 20:
                        break
        assert found == list(range(20)), gateway.log
        assert "event_refused" not in gateway.log
