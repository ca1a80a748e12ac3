"""Notifications of the daemon to systemd.

Ready, watchdog, reloading, stopping; none once a component is stuck.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway.gateways import GatewayFixture
from support.gateway.in_process import InProcessGateway, running_gateway
from support.patience import PATIENCE_S
from support.process.dumpable import reads_proc

from gateway.contract.topics import Position
from gateway.systemd import ServiceManager


class Manager:
    """The service manager's end of the notification socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    async def hears(self, word: str, within_s: float = PATIENCE_S) -> list[str]:
        """Return the next message with a line that begins so."""
        async with asyncio.timeout(within_s):
            while True:
                lines = (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode().split("\n")
                if any(line.startswith(word) for line in lines):
                    return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with contextlib.closing(Manager(tmp_path / "notify")) as manager:
        yield manager


ACTIVATE = """
import os, socket, sys
one = socket.socket(socket.AF_UNIX)
one.bind(sys.argv[1])
one.listen()
os.dup2(one.fileno(), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "console"}
os.set_inheritable(3, True)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Script that prepares the socket as systemd does before it starts a service with a socket unit."""


@reads_proc
async def test_daemon_notifies_and_takes_socket(gateway: GatewayFixture, manager: Manager) -> None:
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    await gateway.wire("lane-1/reader")
    gateway.environment |= {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "800000"}
    console = gateway.folder / "console.sock"
    gateway.under = (sys.executable, "-ISc", ACTIVATE, str(console))
    await gateway.start()

    assert any(line.startswith("STATUS=uto-test/gw-1: ") for line in await manager.hears("READY=1"))
    await manager.hears("WATCHDOG=1")
    await manager.hears("STATUS=uto-test/gw-1: 1 of 1 devices online")
    assert gateway.process is not None
    inner = gateway.folder / "state/console.sock"
    assert inner.readlink() == console
    passed = (Path("/proc") / str(gateway.process.pid) / "fd/3").readlink()
    others = list(descendants(gateway.process.pid))
    assert len(others) == 2  # the fork server, and the device's own process
    assert not any(passed in opened(pid) for pid in others)
    gateway.process.send_signal(signal.SIGHUP)
    told = await manager.hears("RELOADING=1")
    assert told[1].startswith("MONOTONIC_USEC=")
    await manager.hears("READY=1")
    stopping = asyncio.create_task(gateway.stop())
    await manager.hears("STOPPING=1")
    assert await stopping == 0


async def test_stuck_component_stops_watchdog_and_is_named(gateway: GatewayFixture, manager: Manager) -> None:
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    await gateway.wire("lane-1/reader")
    service = ServiceManager(str(manager.path), watchdog_s=0.8)
    async with running_gateway(gateway, "mrz-serial") as post:
        feeding = asyncio.create_task(
            service.run_watchdog(lambda _: post.gateway.find_stuck_part(1.5), post.gateway.status_line)
        )
        try:
            await manager.hears("WATCHDOG=1")
            with held_up_writer(post):
                await manager.hears("STATUS=Stuck: outbox writer.")
                with pytest.raises(TimeoutError):
                    await manager.hears("WATCHDOG=1", within_s=1)
            await manager.hears("WATCHDOG=1")
            device = post.gateway.devices.get(Position.parse("lane-1/reader"))
            assert device is not None
            assert device._task is not None
            device._task.cancel()
            await manager.hears("STATUS=Stuck: supervisor of lane-1/reader.")
            device._task = None
            await manager.hears("WATCHDOG=1")
            wire = post.gateway.delivery._destinations[0].connection
            assert wire._timer is not None
            wire._timer.cancel()
            await manager.hears("STATUS=Stuck: client of local.")
            wire._on_misc_timer()
            await manager.hears("WATCHDOG=1")
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


def descendants(pid: int) -> Iterator[int]:
    for child in (Path("/proc") / f"{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from descendants(int(child))


def opened(pid: int) -> set[Path]:
    return {each.readlink() for each in (Path("/proc") / f"{pid}/fd").iterdir()}


@contextlib.contextmanager
def held_up_writer(post: InProcessGateway) -> Iterator[None]:
    """Block the thread that writes to the disk."""
    go_on = threading.Event()
    writer = post.gateway.delivery._writer
    assert writer is not None
    held = writer.call(lambda _: go_on.wait(30))
    try:
        yield
    finally:
        go_on.set()
        del held
