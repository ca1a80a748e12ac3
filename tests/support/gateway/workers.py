"""Worker processes under a real supervisor, with a pty as their device and a recording listener."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.gateway.recording_listener import RecordingListener
from support.patience import PATIENCE_S
from support.process import daemons

from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.supervision.supervisor import DeviceSupervisor, WorkerLimits
from gateway.worker.spec import WorkerSpec
from simulators.links.serial_line import SerialLine

PLUGINS = Path(__file__).parents[1] / "plugins"


@dataclass
class WorkerFixture:
    """A fork server, its devices, and their listener."""

    folder: Path
    notebook: RecordingListener
    forkserver: ForkServerClient
    devices: dict[str, DeviceSupervisor] = field(default_factory=dict)
    wires: dict[str, SerialLine] = field(default_factory=dict)
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def log(self) -> str:
        """Log of the workers."""
        path = self.folder / "workers.log"
        return path.read_text() if path.exists() else ""

    async def logged(self, text: str) -> None:
        """Wait until a text is in the log: the fork server relays it, after frames that were sent later."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.log:
                await asyncio.sleep(0.01)

    async def device(
        self, position: str, driver: str = "faulty", *, plugged: bool = True, **more: Any
    ) -> SerialLine:
        """Start a device; return the far end of its line."""
        port = self.folder / position.replace("/", "-")
        wire = SerialLine.open_at(port, look_s=0.002)
        if plugged:
            await self.stack.enter_async_context(wire)
        else:
            self.stack.push_async_callback(wire.close)
        self.wires[position] = wire
        self.start(position, driver, {"port": str(port), **more.pop("settings", {})}, **more)
        return wire

    def start(self, position: str, driver: str, settings: dict[str, Any], **more: Any) -> DeviceSupervisor:
        """Start a device that is not on a line of ours."""
        spec = WorkerSpec(
            site="uto-test",
            gateway="gw-1",
            position=position,
            driver=driver,
            settings=settings,
            **{
                "is_production": False,
                "heartbeat_interval_s": 0.1,
                "open_timeout_s": 5,
                "backoff_first_s": 0.05,
                "backoff_max_s": 0.5,
            }
            | {key: value for key, value in more.items() if key != "limits"},
        )
        limits = more.get("limits", WorkerLimits(heartbeat_timeout_s=0.6, stop_timeout_s=2))
        supervised = DeviceSupervisor(spec, limits, self.forkserver, self.notebook, "session-1")
        supervised.start()
        self.devices[position] = supervised
        return supervised


@pytest.fixture
async def worker_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerFixture]:
    """Return a fork server without devices."""
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    monkeypatch.setattr(sys, "path", [*sys.path, str(PLUGINS)])
    drivers = ["faulty", "scripted", "forging", "mrz-serial"]
    # Not the present standard error: pytest gives a test another one than its setup.
    forkserver = daemons.forkserver_client(drivers, "error", tmp_path / "workers.log")
    worker_fixture = WorkerFixture(tmp_path, RecordingListener(), forkserver)
    try:
        yield worker_fixture
    finally:
        await asyncio.gather(*(device.stop() for device in worker_fixture.devices.values()))
        await worker_fixture.forkserver.close()
        await worker_fixture.stack.aclose()
        print(worker_fixture.log, file=sys.stderr)
