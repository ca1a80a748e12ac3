"""The daemon on a full, read-only or failing disk: devices continue, live events are sent."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.numbered import number_of
from support.patience import PATIENCE_S
from torture.post import Disk, post_in
from torture.subscribers import readers

from drivers.passport.observations import DocumentRead
from gateway.client import Workstation
from gateway.contract.states import GatewayProblem
from gateway.delivery.outbox import admin as inspect
from simulators.mrz import Document
from simulators.travellers import TravellerGenerator

__all__ = ["gateway"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
def disk(gateway: GatewayFixture) -> Iterator[Disk]:
    """Mount the state directory as a file system of four megabytes."""
    disk = Disk(gateway.folder / "state", 4 << 20)
    if not disk.small:
        pytest.skip(f"a tmpfs cannot be mounted here: {disk.why_not}")
    try:
        yield disk
    finally:
        disk.close()


async def next_number(desk: Workstation) -> int:
    async with asyncio.timeout(PATIENCE_S):
        async for received in desk:
            return number_of(received.data)
    raise AssertionError


def problem(desk: Workstation, cause: str) -> GatewayProblem | None:
    state = desk.gateways.get("gw-1")
    problems = state.report.problems if state and state.report else ()
    return next((problem for problem in problems if problem.cause == cause), None)


async def started(gateway: GatewayFixture, desk: Workstation) -> None:
    await gateway.start()
    await until(lambda: desk.status("lane-1/reader").is_usable)
    await gateway.wires["lane-1/reader"].wait_for_host()


async def say_until(gateway: GatewayFixture, desk: Workstation, first: int, cause: str) -> int:
    """Send and receive events until the gateway's state has that problem; return the next number."""
    number = first
    while problem(desk, cause) is None:
        assert number < first + 400, f"{cause} was never reported"
        await gateway.wires["lane-1/reader"].send(b"say %d\n" % number)
        assert await next_number(desk) == number
        number += 1
    return number


async def say_until_over(gateway: GatewayFixture, desk: Workstation, first: int, cause: str) -> int:
    number = first
    while problem(desk, cause) is not None:
        assert number < first + 400, f"{cause} did not end"
        await gateway.wires["lane-1/reader"].send(b"say %d\n" % number)
        assert await next_number(desk) == number
        number += 1
        await asyncio.sleep(0.05)
    return number


async def test_disk_full_and_freed_again(gateway: GatewayFixture, disk: Disk) -> None:
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    async with gateway.workstation() as desk:
        await started(gateway, desk)
        disk.fill()
        number = await say_until(gateway, desk, 0, "disk_full")
        reported = problem(desk, "disk_full")
        assert reported is not None
        assert reported.action == "call_support"
        assert str(disk.place) in reported.text
        assert f"df -h {disk.place}" in reported.how
        # A worker that is killed meanwhile is replaced as usual; its unsent events are lost.
        before = desk.status("lane-1/reader").state
        await gateway.wires["lane-1/reader"].send(b"crash\n")
        await until(lambda: "worker_ended" in gateway.log)
        await until(
            lambda: desk.status("lane-1/reader").is_usable and desk.status("lane-1/reader").state != before
        )
        await gateway.wires["lane-1/reader"].wait_for_host()
        await gateway.wires["lane-1/reader"].send(b"say %d\n" % number)
        assert await next_number(desk) == number
        disk.free()
        await say_until_over(gateway, desk, number + 1, "disk_full")
        assert desk.discarded.duplicates == 0
    assert await gateway.stop() == 0
    assert "events_lost_at_stop" not in gateway.log


async def test_events_kept_in_memory_reach_freed_disk(gateway: GatewayFixture, disk: Disk) -> None:
    """Stop the broker as well: events in memory reach the disk, and survive a kill."""
    wire = await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    async with gateway.workstation() as desk:
        await started(gateway, desk)
        disk.fill()
        number = await say_until(gateway, desk, 0, "disk_full")
        gateway.broker.stop()
        for more in range(20):
            await wire.send(b"say %d\n" % (number + more))
        await wire.wait_drained()
        disk.free()
        await until(lambda: "outbox_recovered" in gateway.log)
        await until(lambda: _waiting(gateway) == 20)
        await gateway.stop(signal.SIGKILL)
        gateway.broker.start()
        await desk.connected_event.wait()
        await gateway.start()
        assert [await next_number(desk) for _ in range(20)] == list(range(number, number + 20))


def _waiting(gateway: GatewayFixture) -> int:
    return sum(count.events for count in inspect.stream_summaries(gateway.folder / "state/outbox"))


async def test_start_on_full_disk(gateway: GatewayFixture, disk: Disk) -> None:
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    async with gateway.workstation() as desk:
        await started(gateway, desk)
        assert await gateway.stop() == 0
        disk.fill()
        await until(lambda: not desk.status("lane-1/reader").gateway_online)
        await started(gateway, desk)
        number = await say_until(gateway, desk, 0, "disk_full")
        disk.free()
        await say_until_over(gateway, desk, number, "disk_full")


async def test_start_on_read_only_disk(gateway: GatewayFixture, disk: Disk) -> None:
    """Start on a disk with errors, mounted read-only at boot: the post must still work then.

    A change to read-only under a running gateway cannot be tested: Linux refuses to remount while a file is
    open for writing, and a real disk gives EIO then, which is the next test.
    """
    await gateway.wire("lane-1/reader")
    gateway.describe("lane-1/reader")
    async with gateway.workstation() as desk:
        await started(gateway, desk)
        assert await gateway.stop() == 0
        await until(lambda: not desk.status("lane-1/reader").gateway_online)
        done = disk.remount("ro")
        assert done.returncode == 0, done.stderr
        await started(gateway, desk)
        number = await say_until(gateway, desk, 0, "disk_read_only")
        reported = problem(desk, "disk_read_only")
        assert reported is not None
        assert reported.action == "call_support"
        assert "remount,rw" in reported.how
        assert disk.remount("rw").returncode == 0
        number = await say_until_over(gateway, desk, number, "disk_read_only")
        assert await gateway.stop() == 0
        assert "events_lost_at_stop" not in gateway.log


async def test_disk_fails_while_running(tmp_path: Path) -> None:
    """Make every write of the daemon fail (EFBIG, by a limit on file sizes, which spares its log: a pipe)."""
    async with post_in(tmp_path, faked_clock=False, lanes=("lane-1/reader",)) as post, readers(post) as ends:
        desk, headquarters = ends
        await post.start()
        wire = post.wires["lane-1/reader"]
        await wire.wait_for_host()
        await until(lambda: desk.workstation.status("lane-1/reader").is_usable)
        post.forbid_growth(0)
        said = 0
        while "disk_error" not in desk.told and said < 400:
            await wire.send(b"say %d\n" % said)
            said += 1
            await until(lambda count=said: len(desk.arrivals) == count)
        reported = problem(desk.workstation, "disk_error")
        assert reported is not None
        assert reported.action == "replace"
        assert "dmesg" in reported.how
        post.forbid_growth(None)
        await until(lambda: problem(desk.workstation, "disk_error") is None)
        await wire.send(b"say %d\n" % said)
        said += 1
        await until(lambda: len(desk.arrivals) == len(headquarters.arrivals) == said)
        assert [arrival.number for arrival in desk.arrivals] == list(range(said))
        assert [arrival.number for arrival in headquarters.arrivals] == list(range(said))
        assert not headquarters.arrivals[-2].durable
        assert headquarters.arrivals[-1].durable
        assert await post.end(signal.SIGTERM) == 0


SPOKEN = 150


@pytest.mark.timeout(120)
async def test_no_name_in_any_file(gateway: GatewayFixture) -> None:
    """Pass many travellers through outages, cut lines, a debug log and kills; then search every file.

    The master key is beside the data here, as at a post that configures none; values are encrypted anyway.
    """
    wire = await gateway.wire("lane-1/reader")
    gateway.extra = '[log]\nlevel = "debug"\n[delivery]\ntraveller_expires_s = 600\n'
    gateway.describe("lane-1/reader", "mrz-serial", 'framing = "text"')
    people = TravellerGenerator(20261124)
    documents = [next(people) for _ in range(SPOKEN)]
    numbers: set[str] = set()
    async with gateway.workstation() as desk, collected(desk, numbers):
        await started(gateway, desk)
        for count, document in enumerate(documents):
            frame = FRAMES["text"](document.lines)
            match count:
                case 40 | 110:
                    await until(lambda count=count: len(numbers) > count // 2)
                    gateway.broker.stop()
                case 70:
                    await until(lambda: _waiting(gateway) >= 20)
                    await gateway.stop(signal.SIGKILL)
                    gateway.broker.start()
                    await desk.connected_event.wait()
                    await started(gateway, desk)
            if count % 10 == 9:  # an incomplete frame, then a complete one
                await wire.send(frame[: len(frame) // 2])
            await wire.send(frame)
            await wire.wait_drained()
        await until(lambda: _waiting(gateway) >= 30)
        await gateway.stop(signal.SIGKILL)  # keeps the WAL as it is
    _assert_nowhere(gateway, documents)
    (gateway.folder / "planted").write_bytes(b"..." + documents[70].lines[-1].encode())
    with pytest.raises(AssertionError, match="planted"):  # the search finds a value that is there
        _assert_nowhere(gateway, documents)


@contextlib.asynccontextmanager
async def collected(desk: Workstation, numbers: set[str]) -> AsyncIterator[None]:
    """Add the document numbers that arrive to `numbers`."""

    async def collect() -> None:
        async for received in desk:
            if isinstance(received.data, DocumentRead) and received.data.mrz is not None:
                numbers.add(received.data.mrz.document_number)

    collecting = asyncio.create_task(collect())
    try:
        yield
    finally:
        collecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await collecting


def _assert_nowhere(gateway: GatewayFixture, documents: list[Document]) -> None:
    secrets = set()
    for document in documents:
        secrets |= {*document.lines, document.number, document.surname, document.given_names}
        # also as spelled in an MRZ
        secrets |= {word for line in document.lines for word in line.split("<") if len(word) >= 8}
    marks = {secret.encode() for secret in secrets if len(secret) >= 5}
    assert len(marks) > 3 * len(documents)
    searched = 0
    files = [file for file in gateway.folder.rglob("*") if file.is_file()]
    assert {"outbox.db", "outbox.db-wal", "gateway.log"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        searched += len(content)
        for text in (content, content.lower()):
            found = [mark for mark in marks if mark in text or mark.lower() in text]
            assert not found, (file, found[:3])
    assert searched > 100_000
    assert not any(mark.decode() in gateway.broker.log for mark in marks)
