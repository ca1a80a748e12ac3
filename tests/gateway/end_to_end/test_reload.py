"""What devices say while the gateway exchanges its delivery for another one."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import psutil
import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


async def test_a_worker_that_starts_during_an_exchange_loses_nothing(house: GatewayFixture) -> None:
    """The broker stands still, so that the old delivery takes its two seconds to say goodbye."""
    wire = await house.wire("lane-1/reader")
    house.describe("lane-1/reader")
    await house.start()
    async with house.workstation() as desk:
        await until(lambda: desk.status("lane-1/reader").is_online)
        await wire.wait_for_host()
        assert house.process is not None
        (worker,) = (
            process
            for process in psutil.Process(house.process.pid).children(recursive=True)
            if process.name() == "lane-1/reader"
        )
        worker.kill()  # the first death is answered at once, the second later: let this be the first
        house.broker.pause()
        house.config.write_text(house.config.read_text().replace("[broker]", "[broker]\nkeepalive_s = 30"))
        house.process.send_signal(signal.SIGHUP)
        await wire.wait_for_host_close()
        await wire.wait_for_host()
        for number in range(20):
            assert await wire.send(b"say %d\n" % number)
        await until(lambda: "config_reloaded" in house.log)
        house.broker.resume()
        found: list[int] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                async for received in desk:
                    found.append(received.data["number"])
                    if len(found) == 20:
                        break
        assert found == list(range(20)), house.log
        assert "event_refused" not in house.log
