"""A device that babbles: its excess is dropped, its state says so, and its neighbours are not affected."""

import asyncio
import time

from support.devices.serial_readers import FRAMES
from support.gateway.workers import WorkerFixture, worker_fixture

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.supervision.supervisor import WorkerLimits
from simulators.specimens import ERIKSSON_LINES

__all__ = ["worker_fixture"]

BABBLER, NEIGHBOUR = "lane-1/reader", "lane-2/reader"
PATIENT = WorkerLimits(heartbeat_timeout_s=15, stop_timeout_s=2)
TWO_BYTES = b"A\r"
"""A failed read of two bytes."""


async def both_online(workers: WorkerFixture, driver: str, **settings: str) -> None:
    for position in (BABBLER, NEIGHBOUR):
        wire = await workers.device(position, driver, settings=settings, limits=PATIENT)
        await workers.notebook.state(StateCode.ONLINE, position)
        await wire.wait_for_host()


def published(workers: WorkerFixture, position: str) -> int:
    return sum(where == position for where, _ in workers.notebook.events)


async def test_failed_reads_are_summed_up(worker_fixture: WorkerFixture) -> None:
    await both_online(worker_fixture, "mrz-serial", framing="text")
    babbler, neighbour = worker_fixture.wires[BABBLER], worker_fixture.wires[NEIGHBOUR]
    await babbler.send(TWO_BYTES * 20_000)
    babbling = await worker_fixture.notebook.state(StateCode.DEGRADED, BABBLER)
    assert (babbling.cause, babbling.action) == (Cause.BABBLING, Action.CALL_SUPPORT)
    assert "unplug" in babbling.how
    await neighbour.send(FRAMES["text"](ERIKSSON_LINES["TD3"]))
    await worker_fixture.notebook.until(lambda: published(worker_fixture, NEIGHBOUR) == 1)
    await babbler.wait_drained()
    assert published(worker_fixture, BABBLER) < 60
    assert worker_fixture.devices[BABBLER].restarts == worker_fixture.devices[NEIGHBOUR].restarts == 0
    assert len(worker_fixture.log.splitlines()) < 20


async def test_flood_of_events_is_cut(worker_fixture: WorkerFixture) -> None:
    await both_online(worker_fixture, "faulty")
    babbler, neighbour = worker_fixture.wires[BABBLER], worker_fixture.wires[NEIGHBOUR]
    flooding = asyncio.create_task(babbler.send(b"say 1\n" * 36_395))
    babbling = await worker_fixture.notebook.state(StateCode.DEGRADED, BABBLER)
    assert babbling.cause is Cause.BABBLING
    await neighbour.send(b"say 7\n")
    await worker_fixture.notebook.until(lambda: worker_fixture.notebook.numbers(NEIGHBOUR) == [7])
    began_s = time.monotonic()
    await flooding
    await babbler.wait_drained()
    assert published(worker_fixture, BABBLER) <= 1000 + 60 * (time.monotonic() - began_s + 5)
    assert worker_fixture.devices[BABBLER].restarts == 0


async def test_flapping_state_is_summed_up(worker_fixture: WorkerFixture) -> None:
    await both_online(worker_fixture, "faulty")
    babbler = worker_fixture.wires[BABBLER]
    worker_fixture.notebook.states.clear()
    await babbler.send(b"busy\nwell\n" * 3000 + b"busy\n")
    await babbler.wait_drained()
    await worker_fixture.notebook.until(
        lambda: (
            bool(worker_fixture.notebook.states)
            and worker_fixture.notebook.states[-1][1].state is StateCode.BUSY
        )
    )
    await asyncio.sleep(0.3)
    assert worker_fixture.notebook.states[-1][1].state is StateCode.BUSY, "the last one is reported"
    assert len(worker_fixture.notebook.states) < 600
