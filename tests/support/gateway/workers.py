"""Worker processes under a real supervisor, with a pty as their device and a recording listener."""

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.patience import PATIENCE_S
from support.process import daemons

from drivers.driver import Identity, StateCode
from gateway.contract.commands import CommandOutcome
from gateway.contract.states import DeviceDescription, DeviceState
from gateway.supervision.forkserver_client import ForkServerClient
from gateway.supervision.listener import DeviceEvent
from gateway.supervision.supervisor import DeviceSupervisor, WorkerLimits
from gateway.worker.worker import WorkerSpec
from simulators.links.serial_line import SerialLine

PLUGINS = Path(__file__).parents[1] / "plugins"


@dataclass
class RecordingListener:
    """Records the callbacks of supervisors."""

    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    states: list[tuple[str, DeviceState]] = field(default_factory=list)
    descriptions: dict[str, DeviceDescription] = field(default_factory=dict)
    last_values: dict[tuple[str, str], bytes] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[int, CommandOutcome] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, position: str, event: DeviceEvent) -> None:
        self.events.append((position, event))
        self.news.set()

    def on_state(self, position: str, state: DeviceState) -> None:
        self.states.append((position, state))
        self.news.set()

    def on_description(self, position: str, description: DeviceDescription) -> None:
        self.descriptions[position] = description
        self.news.set()

    def on_identity(self, position: str, identity: Identity) -> None:
        self.identities[position] = identity

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        counted = self.counts.setdefault(position, {})
        for name, count in counts.items():
            counted[name] = counted.get(name, 0) + count
        self.news.set()

    def on_command_result(self, position: str, command_ref: int, outcome: CommandOutcome) -> None:
        assert command_ref not in self.outcomes, "each command has one result"
        self.outcomes[command_ref] = outcome
        self.news.set()

    async def outcome(self, command_ref: int) -> CommandOutcome:
        """Wait for the result of a command."""
        await self.until(lambda: command_ref in self.outcomes)
        return self.outcomes[command_ref]

    def on_last_value(self, position: str, event_type: str, last_value: bytes | None) -> None:
        if last_value is None:
            self.last_values.pop((position, event_type), None)
        else:
            self.last_values[position, event_type] = last_value
        self.news.set()

    async def until(self, true: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def state(self, condition: StateCode, position: str | None = None) -> DeviceState:
        """Wait for the next state with that code, counted from the last call, and return it."""
        found: list[DeviceState] = []
        skipped: list[str] = []

        def seen() -> bool:
            while self.states:
                where, state = self.states.pop(0)
                if state.state is condition and position in (None, where):
                    found.append(state)
                    return True
                skipped.append(f"{where} {state.state}: {state.cause}, {state.text}")
            return False

        try:
            await self.until(seen)
        except TimeoutError:
            others = [f"{line} ({len(list(same))} times)" for line, same in itertools.groupby(skipped)]
            raise AssertionError(f"not {condition} in time, but {others}") from None
        return found[0]

    def numbers(self, position: str) -> list[int]:
        return [
            json.loads(event.partial_event + b"}")["data"]["number"]
            for where, event in self.events
            if where == position
        ]


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
