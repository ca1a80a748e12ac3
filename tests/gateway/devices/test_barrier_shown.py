"""Staleness of a barrier's shown state at workstations and on the command line, in five cases."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from support.brokers.cable import Cable
from support.brokers.mosquitto import Mosquitto
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.station_roles import BARRIER, worker_of

from gateway.client import Workstation

__all__ = ["gateway"]

UNKNOWN_WITHIN_S = 6.5
"""Six seconds, and the time of a busy machine."""
PATIENCE_S = 60.0


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with tempfile.TemporaryDirectory() as kept, Mosquitto(*_persistent(kept)) as broker:
        yield broker


def _persistent(folder: str) -> tuple[str, ...]:
    return ("persistence true", f"persistence_location {folder}/")


@pytest.fixture
async def barrier(gateway: GatewayFixture) -> AsyncIterator[GatewayFixture]:
    """A barrier of a gateway with the production's time limits."""
    async with site_at(gateway, BARRIER):
        text = gateway.config.read_text()
        text = text.replace("heartbeat_interval_s = 0.2", "heartbeat_interval_s = 1")
        gateway.config.write_text(text.replace("heartbeat_timeout_s = 1", "heartbeat_timeout_s = 5"))
        await gateway.start()
        yield gateway
        if gateway.process is not None:
            assert await gateway.stop() == 0


def is_believed(desk: Workstation) -> bool:
    """Return True while the state of the barrier is said as true."""
    return desk.status(BARRIER).is_usable or desk.last_value(BARRIER, "barrier.state") is not None


def is_sure(desk: Workstation) -> bool:
    shown = desk.last_value(BARRIER, "barrier.state")
    return desk.status(BARRIER).is_usable and shown is not None and shown.age_s is not None


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def believed_for(desk: Workstation, began_s: float) -> float:
    """Return how long the state is said as true, in seconds."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: not is_believed(desk), within_s=PATIENCE_S)
    return time.monotonic() - began_s


@contextlib.asynccontextmanager
async def watch(gateway: GatewayFixture) -> AsyncIterator[list[str]]:
    """Run `borderpost watch`, and yield the lines that it has printed."""
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("borderpost"), "watch", gateway.config),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.append(line.decode())

    reading = asyncio.create_task(read())
    try:
        await until(lambda: any("online" in line for line in lines))
        yield lines
    finally:
        process.kill()
        await process.wait()
        await reading


@pytest.mark.thorough
@pytest.mark.timeout(300)
async def test_unconfirmed_barrier_is_unknown(barrier: GatewayFixture) -> None:
    took: dict[str, float] = {}
    broker = barrier.broker
    cable = Cable(broker.port)
    assert barrier.process is not None
    daemon = barrier.process.pid
    async with cable.laid() as port, Workstation("127.0.0.1", port, site="uto-test") as desk:
        breaks: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
            "cable": cable.cut,
            "daemon hangs": lambda: stopped(daemon),
            "worker hangs": lambda: stopped(worker_of(barrier).pid),
            "worker hangs again": lambda: stopped(worker_of(barrier).pid),
            "worker hangs a third time": lambda: stopped(worker_of(barrier).pid),
        }
        for name, broken in breaks.items():
            await until(lambda: is_sure(desk))
            async with watch(barrier) as lines:
                with broken():
                    began_s, before = time.monotonic(), len(lines)
                    took[name] = await believed_for(desk, began_s)
                    if name != "cable":  # it is that of the workstation
                        await until(lambda: any("● online" not in line for line in lines[before:]))  # noqa: B023
                        took[f"{name}, watch"] = time.monotonic() - began_s
        await until(lambda: is_sure(desk))
        async with watch(barrier) as lines:
            began_s, before = time.monotonic(), len(lines)
            await barrier.stop(signal.SIGKILL)
            took["daemon killed"] = await believed_for(desk, began_s)
            await until(lambda: any("● online" not in line for line in lines[before:]))
            took["daemon killed, watch"] = time.monotonic() - began_s

        broker.stop()  # with its retained messages on the disk
        began_s = time.monotonic()
        broker.start()
        async with barrier.workstation() as other:
            await until(lambda: other.status(BARRIER).state is not None)
            await asyncio.sleep(1)
            assert not is_believed(other)
            took["persistent broker restarted, dead gateway"] = await believed_for(desk, began_s)
    print("said as true for (s):", {name: round(took_s, 1) for name, took_s in took.items()})
    assert max(took.values()) <= UNKNOWN_WITHIN_S, took
