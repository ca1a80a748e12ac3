"""A worker in virtual time, without a daemon: keeps what the worker sends."""

import asyncio
import contextlib
from typing import Any

import pytest
from fuzz.virtual_clock import VirtualClockLoop

from drivers.driver import Driver
from drivers.links.settings import Settings
from gateway.ipc.frames import FrameType
from gateway.worker import worker as worker_module
from gateway.worker.spec import WorkerSpec
from gateway.worker.worker import DeviceWorker

SPEC = WorkerSpec(
    site="uto-test",
    gateway="gw-1",
    position="lane-1/device",
    driver="scripted",
    settings={},
    is_production=False,
    heartbeat_interval_s=60,
    open_timeout_s=15,
    backoff_first_s=0.5,
    backoff_max_s=30,
)


class Connection:
    """The daemon's end: keeps reported states, and the counters of the last heartbeat."""

    is_writable = True

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self.counters: dict[str, Any] = {}

    def send(self, kind: FrameType, head: dict[str, Any] | None = None, _body: bytes = b"") -> None:
        if kind is FrameType.STATE:
            assert head is not None
            self.states.append(head)
        elif kind is FrameType.HEARTBEAT:
            assert head is not None
            self.counters = head

    async def wait_writable(self) -> None:
        return


class Jail:
    def is_outdated(self) -> bool:
        return False


def run_worker(driver: type[Driver[Settings]], hours: float) -> Connection:
    """Run a worker of this driver for virtual hours."""
    connection = Connection()
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        patch.setattr(worker_module, "load_driver", lambda _: driver)

        async def run() -> None:
            worker = DeviceWorker(SPEC, Settings(), Jail(), connection)  # type: ignore[arg-type]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(hours * 3600):
                    await worker.run()

        runner.run(run())
    return connection
