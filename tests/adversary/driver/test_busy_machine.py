"""A busy machine: workers that work slowly are left alone, and hung ones are still found."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.gateway.workers import WorkerFixture, worker_fixture

from drivers.driver import StateCode
from drivers.links.link import Cause
from gateway.supervision.supervisor import WorkerLimits

__all__ = ["worker_fixture"]

POSITION = "lane-1/reader"
LIMITS = WorkerLimits(heartbeat_timeout_s=1, stop_timeout_s=1)


@contextlib.contextmanager
def busy_processor(number: int, loops: int = 5) -> Iterator[None]:
    """Keep one processor busy with endless loops."""
    program = f"import os; os.sched_setaffinity(0, {{{number}}})\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(loops)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


async def worker(workers: WorkerFixture) -> int:
    wire = await workers.device(POSITION, limits=LIMITS)
    await workers.notebook.state(StateCode.ONLINE)
    await wire.wait_for_host()
    return workers.devices[POSITION]._process.pid


async def test_starved_worker_is_kept(worker_fixture: WorkerFixture) -> None:
    """0.2 s of work takes 1.2 s beside five busy loops, and was ended after 1 s."""
    pid = await worker(worker_fixture)
    processor = min(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {processor})
    with busy_processor(processor):
        await worker_fixture.wires[POSITION].send(b"compute 0.2\n")
        await worker_fixture.notebook.until(lambda: worker_fixture.notebook.numbers(POSITION) == [0], 60)
    assert worker_fixture.devices[POSITION].restarts == 0


@pytest.mark.parametrize("how", ["stopped", "blocked", "spinning"])
async def test_hung_worker_is_found(worker_fixture: WorkerFixture, how: str) -> None:
    pid = await worker(worker_fixture)
    processor = min(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {processor})
    with busy_processor(processor, loops=2):
        if how == "stopped":
            os.kill(pid, signal.SIGSTOP)
        else:
            await worker_fixture.wires[POSITION].send(b"hang\n" if how == "blocked" else b"spin\n")
        assert (await worker_fixture.notebook.state(StateCode.OFFLINE)).cause is Cause.HEARTBEAT_LOST
    await worker_fixture.notebook.state(StateCode.ONLINE)
