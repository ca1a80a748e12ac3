"""USB scanner in a worker: online while connected, online again when replugged, recognised as simulated."""

from collections.abc import Iterator

import psutil
import pytest
from support.devices.uru4000_fixture import uru_device
from support.devices.usb_fixture import UsbipServer
from support.gateway.workers import WorkerFixture, worker_fixture
from support.process.dumpable import reads_proc
from support.rounds import in_round

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.contract.envelope import Provenance
from gateway.supervision.supervisor import WorkerLimits

__all__ = ["worker_fixture"]

POSITION = "lane-1/finger"
LIMITS = WorkerLimits(heartbeat_timeout_s=20, stop_timeout_s=2)
"""The driver's libraries take longer to load on a busy machine than most tests allow for a heartbeat."""


@pytest.fixture
def scanner() -> Iterator[UsbipServer]:
    with UsbipServer(uru_device()[0]) as server:
        yield server


@reads_proc
async def test_scanner_survives_many_replugs(worker_fixture: WorkerFixture, scanner: UsbipServer) -> None:
    # NFIQ 2 opens files of its own at any time.
    await worker_fixture.device(
        POSITION,
        "uru4000",
        settings={"port": scanner.address, "quality": "ridge_clarity"},
        limits=LIMITS,
    )
    online = await worker_fixture.notebook.state(StateCode.ONLINE)
    assert online.provenance is Provenance.SIMULATED
    identity = worker_fixture.notebook.descriptions[POSITION].identity
    assert identity is not None
    assert (identity.serial_number, identity.firmware) == ("{TEST}", "0010/0115")
    process = psutil.Process(worker_fixture.devices[POSITION]._process.pid)
    descriptors: list[int] = []
    threads = process.num_threads()
    for number in range(20):
        with in_round(number, "unplugged"):
            scanner.unplug()
            gone = await worker_fixture.notebook.state(StateCode.NO_DEVICE)
            assert (gone.cause, gone.action) == (Cause.UNPLUGGED, Action.REPLUG), gone
        with in_round(number, "replugged"):
            scanner.plug()
            await worker_fixture.notebook.state(StateCode.ONLINE)
            assert process.is_running(), "the worker was replaced"
            descriptors.append(process.num_fds())
    assert descriptors[-1] == descriptors[0]
    # The event loop keeps some threads for blocking calls: fewer than one per replug.
    assert process.num_threads() < threads + 10


async def test_production_refuses_usbip_scanner(worker_fixture: WorkerFixture, scanner: UsbipServer) -> None:
    await worker_fixture.device(
        POSITION, "uru4000", is_production=True, settings={"port": scanner.address}, limits=LIMITS
    )
    assert (await worker_fixture.notebook.state(StateCode.FAULT)).cause is Cause.SIMULATED
