"""Traces that go on in the next worker, from its first byte on."""

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
from gateway.ipc.rpc import RpcError
from simulators.passport.hid import HidFormat, HidReader
from simulators.specimens import ERIKSSON_LINES

__all__ = ["worker_fixture"]

OPENED, DESCRIBED, SWITCHED_ON, READ = "04 00 00 00", "0b 00 00 00", "0d 00 00 00", "0c 00 00 00"


async def next_items(pieces: Any, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [json.loads((await anext(pieces)).body) for _ in range(count)]


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item["hex"][:11] for item in items]


async def test_trace_has_every_opening_from_its_first_byte(worker_fixture: WorkerFixture) -> None:
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
