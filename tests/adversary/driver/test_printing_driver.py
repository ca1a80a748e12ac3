"""A driver that prints without end: the log keeps a bounded part, and the device goes on."""

import os

import pytest
from support.gateway.workers import WorkerFixture, worker_fixture

from drivers.driver import StateCode
from gateway.supervision.processes.output_relay import BURST_BYTES, MAX_LINE_BYTES, OutputRelay, output_pipe
from gateway.supervision.supervisor import WorkerLimits

__all__ = ["worker_fixture"]

PATIENT = WorkerLimits(heartbeat_timeout_s=15, stop_timeout_s=2)
READER, NEIGHBOUR = "lane-1/reader", "lane-2/reader"


@pytest.mark.parametrize("order", ["print 100000", "print endless 8000000"])
async def test_printed_megabytes_are_cut(worker_fixture: WorkerFixture, order: str) -> None:
    for position in (READER, NEIGHBOUR):
        await worker_fixture.device(position, limits=PATIENT)
        await worker_fixture.notebook.state(StateCode.ONLINE, position)
    await worker_fixture.wires[READER].send(f"{order}\nsay 1\n".encode())
    await worker_fixture.notebook.until(lambda: worker_fixture.notebook.numbers(READER) == [1])
    await worker_fixture.wires[NEIGHBOUR].send(b"say 2\nbug\n")
    await worker_fixture.notebook.until(lambda: worker_fixture.notebook.numbers(NEIGHBOUR) == [2])
    await worker_fixture.notebook.state(StateCode.FAULT, NEIGHBOUR)
    await worker_fixture.devices[READER].stop()
    await worker_fixture.notebook.until(lambda: "worker_output_dropped" in worker_fixture.log)
    assert len(worker_fixture.log) < 2 * BURST_BYTES
    assert "driver_error" in worker_fixture.log, "the neighbour's lines are not lost"
    assert worker_fixture.devices[READER].restarts == 0


def relayed(*pieces: bytes) -> bytes:
    """Return what is passed on of a worker's output."""
    ours, theirs = output_pipe()
    read, written = os.pipe2(os.O_NONBLOCK)
    relay = OutputRelay(ours, 0, written)
    for piece in pieces:
        os.write(theirs, piece)
        assert relay.relay()
    os.close(theirs)
    assert not relay.relay()
    found = os.read(read, 1 << 20)
    for descriptor in (ours, read, written):
        os.close(descriptor)
    return found


def test_lines_are_passed_on_whole() -> None:
    assert relayed(b"a\nb", b"c\n", b"without end") == b"a\nbc\nwithout end"


def test_long_line_is_dropped_alone() -> None:
    long = b"x" * (MAX_LINE_BYTES + 1)
    assert relayed(b"a\n", long, long + b"\nb\n") == b"a\nb\n"
