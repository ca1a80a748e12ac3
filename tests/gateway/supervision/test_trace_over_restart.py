"""Traces and counts that go on in the next worker: bytes from its first one, and refused passwords."""

import asyncio
import json
import os
import signal
from contextlib import aclosing
from typing import Any

import pytest
from support.gateway.workers import WorkerFixture, worker_fixture
from support.patience import PATIENCE_S

from drivers.driver import StateCode
from drivers.links.link import Cause
from gateway.ipc.rpc import RpcError
from gateway.supervision.supervisor import WorkerLimits
from simulators.passport.hid import HidFormat, HidReader
from simulators.specimens import ERIKSSON_LINES

__all__ = ["worker_fixture"]

OPENED, DESCRIBED, SWITCHED_ON, READ = "04 00 00 00", "0b 00 00 00", "0d 00 00 00", "0c 00 00 00"


async def next_items(pieces: Any, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [json.loads((await anext(pieces)).body) for _ in range(count)]


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item["hex"][:11] for item in items]


async def test_trace_has_every_opening_whole(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader", "mrz-hid", plugged=False)
    reader = HidReader(wire, HidFormat.ACCESSIS)
    device = worker_fixture.devices["lane-1/reader"]
    async with aclosing(device.stream("trace", reveal=True)) as pieces:
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(pieces)).body == b""
        wire.replug()
        items = await next_items(pieces, 3)
        assert kinds(items) == [OPENED, DESCRIBED, SWITCHED_ON]

        await worker_fixture.notebook.state(StateCode.ONLINE)
        assert device.pid is not None
        os.kill(device.pid, signal.SIGKILL)
        items += await next_items(pieces, 3)
        assert kinds(items[3:]) == [OPENED, DESCRIBED, SWITCHED_ON]

        await device.restart()
        items += await next_items(pieces, 3)
        await reader.present(ERIKSSON_LINES["TD3"])
        items += await next_items(pieces, 2)
        assert kinds(items[6:]) == [OPENED, DESCRIBED, SWITCHED_ON, READ, READ]
        assert [item["at_s"] for item in items] == sorted(item["at_s"] for item in items)

        await device.stop()
        with pytest.raises(RpcError):
            await next_items(pieces, 1)


async def test_refused_passwords_are_counted_on(worker_fixture: WorkerFixture) -> None:
    # An attempt that ends without a refusal, because the machine is busy, would not be counted.
    patient = WorkerLimits(heartbeat_timeout_s=PATIENCE_S, stop_timeout_s=PATIENCE_S)
    wire = await worker_fixture.device("lane-1/camera", limits=patient, open_timeout_s=PATIENCE_S)
    device = worker_fixture.devices["lane-1/camera"]
    async with asyncio.timeout(PATIENCE_S):
        for number in range(3):
            await wire.wait_for_host()
            await wire.send(b"refuse\n")
            await wire.wait_for_host_close()
            if number == 1:  # wherever it is restarted in between
                await device.restart()

    def waits() -> bool:
        state = worker_fixture.notebook.states[-1][1]
        return state.cause is Cause.NO_PERMISSION and "not opened yet" in state.text

    assert device.pid is not None
    os.kill(device.pid, signal.SIGKILL)
    await worker_fixture.notebook.until(waits)
    assert not wire.has_host
    # A person may have corrected the account in the device: one more attempt, and no other for an hour.
    await device.restart()
    async with asyncio.timeout(PATIENCE_S):
        await wire.wait_for_host()
        await wire.send(b"refuse\n")
        await wire.wait_for_host_close()
    await device.restart()
    await worker_fixture.notebook.until(waits)
    assert not wire.has_host
