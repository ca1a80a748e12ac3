"""A whole gateway: the real daemon in its own process, a real Mosquitto, readers on ptys, a workstation."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.workers import PLUGINS
from support.patience import PATIENCE_S
from support.process.daemons import ForkedProcess, fork_daemon

from drivers.probe import CPU_LIMIT_S
from gateway.client import Workstation
from simulators.links.serial_line import SerialLine

HEAD = """
[gateway]
site = "{site}"
name = "gw-1"
profile = "{profile}"
state_dir = "{folder}/state"
{more}
[broker]
host = "127.0.0.1"
port = {port}
embedded = {embedded}
{login}
[supervision]
heartbeat_interval_s = 0.2
heartbeat_timeout_s = {silent_s}
backoff_first_s = 0.1
backoff_max_s = 1
"""
DEVICE = """
[device."{position}"]
driver = "{driver}"
port = "{port}"
{more}
"""


@dataclass
class GatewayFixture:
    """One gateway, its broker, devices and configuration."""

    folder: Path
    broker: Mosquitto
    wires: dict[str, SerialLine] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    extra: str = ""
    site: str = "uto-test"
    more: str = ""
    """Further lines of [gateway]."""
    login: str = ""
    """Lines of [broker]: credentials of the gateway."""
    profile: str = "test"
    silent_s: float = 1
    """Heartbeat timeout of workers, in seconds."""
    probe_cpu_s: int = CPU_LIMIT_S
    """Processor time that the trial of a driver may take, in seconds."""
    path: tuple[Path, ...] = ()
    """Directories that come first in the daemon's PYTHONPATH."""
    environment: dict[str, str] = field(default_factory=dict)
    """Further environment variables of the daemon."""
    options: tuple[str, ...] = ()
    """Options of the daemon."""
    under: tuple[str, ...] = ()
    """Command that starts the daemon, such as `setpriv` with its options."""
    python: Path = Path(sys.executable)
    """Interpreter of the daemon; another one than the tests' has libraries of its own."""
    process: ForkedProcess | asyncio.subprocess.Process | None = None
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def config(self) -> Path:
        return self.folder / "post.toml"

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()

    async def wire(self, position: str) -> SerialLine:
        """Connect a reader at that position."""
        line = SerialLine.open_at(self.port(position), look_s=0.002)
        self.wires[position] = await self.stack.enter_async_context(line)
        return line

    def port(self, position: str) -> Path:
        return self.folder / position.replace("/", "-")

    def describe(self, position: str, driver: str = "faulty", more: str = "") -> None:
        """Add a device to the configuration."""
        self.devices[position] = DEVICE.format(
            position=position, driver=driver, port=self.port(position), more=more
        )
        self.write()

    def write(self) -> None:
        head = HEAD.format(
            profile=self.profile,
            folder=self.folder,
            port=self.broker.port,
            embedded=str(self.profile != "production" and not self.login).lower(),
            site=self.site,
            silent_s=self.silent_s,
            login=self.login,
            more=self.more,
        )
        self.config.write_text(head + self.extra + "".join(self.devices.values()))

    async def start(self) -> None:
        """Start the daemon; as a new Python if the environment must apply from its first instruction."""
        path = os.pathsep.join(map(str, (*self.path, Path.cwd(), PLUGINS)))
        environment = {**os.environ, **self.environment, "PYTHONPATH": path}
        same = self.python == Path(sys.executable)
        if "LD_PRELOAD" not in environment and not self.under and same:
            self.process = fork_daemon(
                self.config, self.folder / "gateway.log", environment, self.probe_cpu_s, self.options
            )
            return
        with (self.folder / "gateway.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*self.under, self.python, "-m", "gateway", str(self.config), *self.options),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def stop(self, number: int = signal.SIGTERM, within_s: float = PATIENCE_S) -> int:
        """Stop the daemon; returns its exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        async with asyncio.timeout(within_s):
            return await process.wait()

    def workstation(self, *positions: str, **more: object) -> Workstation:
        return Workstation("127.0.0.1", self.broker.port, site=self.site, positions=positions or None, **more)


async def until(true: object, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def gateway(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[GatewayFixture]:
    """Return a gateway that is not started yet."""
    fixture = GatewayFixture(tmp_path, mosquitto)
    try:
        yield fixture
    finally:
        if fixture.process is not None:
            process = fixture.process
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), PATIENCE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
                pytest.fail(f"the gateway did not stop:\n{fixture.log[-3000:]}")
        await fixture.stack.aclose()
