"""States that nothing confirms any more: no client may show them as true."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiomqtt
import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until

from gateway.client import Workstation
from gateway.client.freshness import SILENCE_S

__all__ = ["gateway"]

READER = "lane-1/reader"
BASE = "bgw/v1/uto-test"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def desk(gateway: GatewayFixture) -> AsyncIterator[Workstation]:
    await gateway.wire(READER)
    gateway.describe(READER)
    async with gateway.workstation() as workstation:
        await gateway.start()
        await until(lambda: workstation.status(READER).is_usable)
        yield workstation
    assert await gateway.stop() == 0


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("part", ["gateway", "broker"])
async def test_silence_ends_a_state(gateway: GatewayFixture, desk: Workstation, part: str) -> None:
    """A gateway that hangs and a network that is cut look alike: no sign of life arrives."""
    loop = asyncio.get_running_loop()
    assert gateway.process is not None
    with stopped(gateway.process.pid if part == "gateway" else gateway.broker.pid):
        began_s = loop.time()
        await until(lambda: not desk.status(READER).is_usable)
        took_s = loop.time() - began_s
    assert took_s < SILENCE_S + 4, "later than 10 s"
    await until(lambda: desk.status(READER).is_usable)


async def test_states_of_a_dead_gateway_are_not_believed(mosquitto: Mosquitto) -> None:
    """A broker with persistence keeps them for ever; only the sign of life has expired."""
    state = {"state": "online", "since": "2026-11-23T08:15:30Z", "session": "one"}
    token = {"session": "one", "token": "t", "number": 1, "numbers": {}}
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish(
            f"{BASE}/_gw/gw-1/state", json.dumps({"online": True, "session": "one"}), 1, True
        )
        await client.publish(f"{BASE}/{READER}/state", json.dumps(state), 1, True)
        async with Workstation("127.0.0.1", mosquitto.port, site="uto-test", positions=[READER]) as desk:
            await until(lambda: desk.status(READER).state is not None and desk.gateways)
            assert not desk.status(READER).is_usable
            await client.publish(f"{BASE}/_gw/gw-1/fresh", json.dumps(token), 1, True)
            await until(lambda: desk.status(READER).is_usable)
