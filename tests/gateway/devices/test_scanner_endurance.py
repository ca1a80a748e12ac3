"""Endurance of scanners: many captures and unpluggings; online again every time, without leaks.

    BORDERPOST_CAPTURES=1000 BORDERPOST_UNPLUGS=300 pytest -s tests/gateway/devices/test_scanner_endurance.py

is the whole of it, and prints its figures; without, it is the same in small.
"""

import asyncio
import itertools
import json
import os
import random
import statistics
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psutil
import pytest
from support.devices.fingerprint_scanners import FINGER, driver_of, usb_scanner
from support.gateway.workers import WorkerFixture, worker_fixture
from support.patience import PATIENCE_S
from support.process.dumpable import reads_proc

from drivers.command import Invocation
from drivers.driver import StateCode
from drivers.fingerprint.observations import CaptureOutcome
from gateway.contract.commands import CommandOutcome, CommandState
from gateway.supervision.supervisor import WorkerLimits
from simulators.fingerprint.usb_scanner import UsbScanner
from simulators.usb.faults import UnplugAt
from simulators.usb.usbip_bus import UsbIpBus

__all__ = ["worker_fixture"]

CAPTURES = int(os.environ.get("BORDERPOST_CAPTURES", "6"))
UNPLUGS = int(os.environ.get("BORDERPOST_UNPLUGS", "3"))
POSITION = "lane-1/finger"
QUICK = {"4500": {"exposure_s": 0.005}, "nb1010": {"row_s": 0.0}}
REACH = {"4500": 60, "nb1010": 130}
"""Approximate number of transfers of two captures of one model, or one of the other."""
WARM = 5
"""Number of captures after which a process has loaded all its libraries."""
MORE_MB = 4.0
MANY = 50
"""Number of unpluggings from which memory is checked: the heap of a new thread alone is that large."""

pytestmark = [
    pytest.mark.parametrize("model", QUICK),
    pytest.mark.timeout(60 + 2 * CAPTURES + 5 * UNPLUGS),
]


@dataclass
class Size:
    """Resources of a process that can leak."""

    memory_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> "Size":
        memory_mb = process.memory_full_info().uss / 1e6
        return cls(round(memory_mb, 1), process.num_fds(), process.num_threads())


@dataclass
class Counter:
    """A scanner with a finger on it, in a worker process of its own."""

    worker_fixture: WorkerFixture
    scanner: UsbScanner
    opening: int
    """Number of transfers from plugging to online."""
    tickets: itertools.count = field(default_factory=lambda: itertools.count(1))
    pulled_s: float = 0.0
    told_after_s: list[float] = field(default_factory=list)
    """Times from unplugging to the end of the capture, in seconds."""

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.worker_fixture.devices[POSITION]._process.pid)

    async def capture(self) -> CommandOutcome:
        """Run one capture; its events are discarded."""
        ticket = next(self.tickets)
        call = Invocation.local()
        assert self.worker_fixture.devices[POSITION].send_command(
            ticket, "capture", call, b'{"timeout_s": 20}'
        )
        outcome = await self.worker_fixture.notebook.outcome(ticket)
        self.worker_fixture.notebook.events.clear()
        return outcome

    async def captured(self) -> None:
        outcome = await self.capture()
        assert outcome.state is CommandState.DONE, outcome
        assert json.loads(outcome.result)["outcome"] == CaptureOutcome.CAPTURED

    async def pull_at(self, transfer: int) -> None:
        """Capture until the plug has been pulled, at that transfer from now."""
        self.scanner.inject_scanner_fault(UnplugAt(transfer=transfer))
        while self.scanner.is_plugged:
            outcome = await self.capture()
        if outcome.state is CommandState.FAILED:
            self.told_after_s.append(asyncio.get_running_loop().time() - self.pulled_s)
        await self.worker_fixture.notebook.state(StateCode.NO_DEVICE)

    async def back(self) -> None:
        """Put the plug in, and capture as soon as that can be done."""
        self.scanner.replug()
        async with asyncio.timeout(PATIENCE_S):
            while (await self.capture()).state is not CommandState.DONE:
                await asyncio.sleep(0.01)
        self.worker_fixture.notebook.states.clear()

    def cable(self, plugged: bool) -> None:
        if not plugged:
            self.pulled_s = asyncio.get_running_loop().time()


@pytest.fixture
async def counter(worker_fixture: WorkerFixture, model: str) -> AsyncIterator[Counter]:
    scanner = usb_scanner(model, **QUICK[model])
    scanner.platen.place(FINGER.touch())
    async with UsbIpBus() as bus:
        bus.connect("1-1", scanner)
        settings = {"port": bus.url("1-1"), "quality": "ridge_clarity"}
        # The driver is loaded in the worker, which says nothing meanwhile; a gateway loads it before.
        patient = WorkerLimits(heartbeat_timeout_s=20, stop_timeout_s=5)
        await worker_fixture.device(POSITION, driver_of(model), settings=settings, limits=patient)
        await worker_fixture.notebook.state(StateCode.ONLINE)
        counter = Counter(worker_fixture, scanner, scanner.transfers)
        scanner.on_cable.append(counter.cable)
        yield counter
        await worker_fixture.devices[POSITION].stop()
        scanner.close()


def unchanged(before: Size, halfway: Size, after: Size, *, many: bool = True) -> bool:
    # Each new thread may be given a heap of its own, up to some number: the second half tells of leaks.
    return (
        (after.memory_mb - halfway.memory_mb < MORE_MB or not many)
        and after.descriptors <= before.descriptors
        and after.threads <= before.threads + 3
    )


@reads_proc
async def test_captures_in_a_row(counter: Counter, model: str) -> None:
    for _ in range(WARM):
        await counter.captured()
    process, before, ours = counter.process, Size.of(counter.process), Size.of(psutil.Process())
    for number in range(CAPTURES):
        if number == CAPTURES // 2:
            halfway = Size.of(process)
        await counter.captured()
    after = Size.of(process)
    print(
        f"\n{model}: {CAPTURES} captures: {before} -> {halfway} -> {after}; "
        f"the simulator {ours} -> {Size.of(psutil.Process())}"
    )
    assert counter.process == process, "the same process all along"
    assert unchanged(before, halfway, after)


@reads_proc
async def test_online_again_after_unplugging_at_any_transfer(counter: Counter, model: str) -> None:
    chance = random.Random(f"unplugs of a {model}")
    for _ in range(WARM):
        await counter.captured()
    process, before = counter.process, Size.of(counter.process)
    for number in range(UNPLUGS):
        if number == UNPLUGS // 2:
            halfway = Size.of(process)
        await counter.pull_at(chance.randint(1, REACH[model]))
        if chance.random() < 0.25:  # once more, while it is being opened
            counter.scanner.inject_scanner_fault(UnplugAt(transfer=chance.randint(1, counter.opening)))
            counter.scanner.replug()
            async with asyncio.timeout(PATIENCE_S):
                while counter.scanner.is_plugged:
                    await asyncio.sleep(0.005)
        await counter.back()
    after = Size.of(process)
    told = sorted(counter.told_after_s)
    print(
        f"\n{model}: {UNPLUGS} unplugs: {before} -> {halfway} -> {after}; "
        f"{len(told)} in a capture, told after p50 {1000 * statistics.median(told):.0f}, "
        f"max {1000 * told[-1]:.0f} ms"
    )
    assert counter.process == process, "the same process all along: nothing has crashed"
    assert unchanged(before, halfway, after, many=UNPLUGS >= MANY)
