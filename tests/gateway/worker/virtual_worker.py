"""A worker in virtual time, without a daemon: keeps what the worker sends."""

import asyncio
import contextlib
import math
from dataclasses import replace
from typing import Any

import pytest
from fuzz.virtual_clock import VirtualClockLoop

from drivers.driver import Driver
from drivers.links.settings import Settings
from gateway.ipc.frames import FrameType
from gateway.supervision.refused_attempts import RefusedAttempts
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


ACCOUNT = {"url": "http://192.0.2.1", "username": "gateway", "password": "secret", "gap_s": 1}


class Connection:
    """The daemon's end: keeps states, counters of the last heartbeat, and refused attempts."""

    is_writable = True

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self.counters: dict[str, Any] = {}
        self.refused = RefusedAttempts()

    def send(self, kind: FrameType, head: dict[str, Any] | None = None, _body: bytes = b"") -> None:
        if kind is FrameType.STATE:
            assert head is not None
            self.states.append(head)
        elif kind is FrameType.HEARTBEAT:
            assert head is not None
            self.counters = head
        elif kind is FrameType.REFUSED:
            assert head is not None
            self.refused.keep(SPEC.position, ACCOUNT, tuple(head["ages_s"]))

    async def wait_writable(self) -> None:
        return


class Jail:
    def is_outdated(self) -> bool:
        return False


def run_worker(driver: type[Driver[Settings]], hours: float, restart_every_s: float = math.inf) -> Connection:
    """Run a worker of this driver for virtual hours.

    With `restart_every_s` it is replaced again and again, and given what the one before had reported.
    """
    connection = Connection()
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        patch.setattr(worker_module, "load_driver", lambda _: driver)

        async def run() -> None:
            loop, refused = asyncio.get_running_loop(), connection.refused
            end_s = loop.time() + hours * 3600
            while loop.time() < end_s:
                spec = replace(SPEC, refused_ages_s=refused.ages_s(SPEC.position, ACCOUNT))
                worker = DeviceWorker(spec, Settings(), Jail(), connection)  # type: ignore[arg-type]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(min(end_s, loop.time() + restart_every_s)):
                        await worker.run()

        runner.run(run())
    return connection
