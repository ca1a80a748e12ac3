"""A simulated USB device: transfers, its cable, and its faults."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable

import pytest
from usb_gadget import BELL, IN, OUT, Gadget

from simulators.usb.faults import ShortPacket, Silence, Slow, Stall, UnplugAt
from simulators.usb.host import Host


@pytest.fixture
async def gadget() -> AsyncIterator[Gadget]:
    gadget = Gadget()
    yield gadget
    gadget.close()


@pytest.fixture
def host(gadget: Gadget) -> Host:
    return Host(gadget)


async def errno_of(asking: Awaitable[object]) -> int | None:
    """Return the errno of a failing transfer; None if it succeeds."""
    try:
        await asking
    except OSError as error:
        return error.errno
    return None


async def fails(asking: Awaitable[object], number: int) -> None:
    assert await errno_of(asking) == number


def test_descriptors_identify_device(gadget: Gadget) -> None:
    device, configuration = gadget.descriptors[:18], gadget.descriptors[18:]
    assert device.hex() == "1201000200000040" + "0912" + "0100" + "2301" + "01020301"
    assert configuration.hex() == (
        "09022700010100804b"  # 150 mA
        "0904000003ff010200"
        "07058103080004" + "07050202400000" + "07058302400000"
    )


async def test_host_reads_and_writes(gadget: Gadget, host: Host) -> None:
    await host.control(0x40, 4, 7, 0, b"\x81")
    assert await host.control(0xC0, 4, 7, 0, 1) == b"\x81"
    assert await host.control(0x80, 6, 0x0302, 0x0409, 255) == b"\x0e\x03" + "Gädget".encode("utf-16-le")
    await fails(host.control(0xC0, 5, 7, 0, 1), errno.EPIPE)
    await host.write(OUT, b"x" * 300)
    assert await host.read(IN, 200) == b"x" * 200  # the rest waits for the next
    assert await host.read(IN, 200) == b"x" * 100


async def test_read_waits_beside_other_transfers(gadget: Gadget, host: Host) -> None:
    bell = asyncio.create_task(host.read(BELL, 8))
    await asyncio.sleep(0)
    await host.control(0x40, 4, 7, 0, b"\x01")
    assert gadget.is_in_requested(BELL)
    gadget.ring()
    assert await bell == b"\x01\x02"
    await fails(host.read(BELL, 8, timeout_s=0.01), errno.ETIMEDOUT)
    assert not gadget.is_in_requested(BELL)


async def test_discard_keeps_pending_reads(gadget: Gadget, host: Host) -> None:
    gadget.ring(b"old")
    gadget.discard_in(BELL)
    bell = asyncio.create_task(host.read(BELL, 8))
    await asyncio.sleep(0)
    gadget.discard_in(BELL)
    gadget.ring(b"new")
    assert await bell == b"new"


async def test_stalled_endpoint_waits_for_clear(gadget: Gadget, host: Host) -> None:
    gadget.inject(Stall(of="bulk"))
    await fails(host.read(IN, 8), errno.EPIPE)
    await fails(host.read(IN, 8), errno.EPIPE)
    await host.clear_halt(IN)
    await host.write(OUT, b"again")
    assert await host.read(IN, 8) == b"again"


async def test_stalled_request_ends_at_once(gadget: Gadget, host: Host) -> None:
    gadget.inject(Stall(of="control", transfers=2))
    for _ in range(2):
        await fails(host.control(0xC0, 4, 7, 0, 1), errno.EPIPE)
    assert await host.control(0xC0, 4, 7, 0, 1) == b"\xee"


@pytest.mark.parametrize("at", [0, 1, 64, 99])
async def test_short_packet_loses_rest(gadget: Gadget, host: Host, at: int) -> None:
    gadget.inject(ShortPacket(at=at))
    await host.write(OUT, b"y" * 100)
    assert await host.read(IN, 100) == b"y" * at
    await host.write(OUT, b"next")
    assert await host.read(IN, 100) == b"next"


async def test_slow_and_silent(gadget: Gadget, host: Host) -> None:
    loop = asyncio.get_running_loop()
    gadget.inject(Slow(delay_s=0.03))
    before = loop.time()
    await host.control(0xC0, 4, 7, 0, 1)
    assert loop.time() - before >= 0.03

    gadget.inject(Silence(for_s=0.05))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await host.control(0xC0, 4, 7, 0, 1)
    await asyncio.sleep(0.06)
    await host.control(0xC0, 4, 7, 0, 1)

    gadget.inject(Silence())
    waiting = asyncio.create_task(host.control(0xC0, 4, 7, 0, 1))
    await asyncio.sleep(0)
    gadget.unplug()
    await fails(waiting, errno.ESHUTDOWN)
    gadget.replug()
    await host.control(0xC0, 4, 7, 0, 1)


@pytest.mark.parametrize("transfer", range(1, 8))
async def test_cable_pulled_at_any_transfer(gadget: Gadget, host: Host, transfer: int) -> None:
    gadget.inject(UnplugAt(transfer=transfer, for_s=0.01))
    for number in range(1, transfer):
        await (host.control(0xC0, 4, 7, 0, 1) if number % 2 else host.write(OUT, b"z"))
    await fails(host.control(0xC0, 4, 7, 0, 1), errno.ESHUTDOWN)
    await fails(host.write(OUT, b"z"), errno.ENODEV)
    while not gadget.is_plugged:
        await asyncio.sleep(0.001)
    assert await host.control(0xC0, 4, 7, 0, 1) == b"\xee"


async def test_unplug_ends_all_pending_transfers(gadget: Gadget, host: Host) -> None:
    cable: list[bool] = []
    gadget.on_cable.append(cable.append)
    waiting = [asyncio.create_task(host.read(BELL, 8)), asyncio.create_task(host.read(IN, 8))]
    await asyncio.sleep(0)
    gadget.unplug()
    gadget.unplug()
    for task in waiting:
        await fails(task, errno.ESHUTDOWN)
    gadget.ring()  # no callback follows
    gadget.replug()
    gadget.replug()
    assert (cable, gadget.starts) == ([False, True], 1)
    await fails(host.read(BELL, 8, timeout_s=0.01), errno.ETIMEDOUT)


async def test_reset_ends_pending_transfers(gadget: Gadget, host: Host) -> None:
    waiting = asyncio.create_task(host.read(BELL, 8))
    await asyncio.sleep(0)
    await host.control(0x00, 9, 1, 0)  # SET_CONFIGURATION
    await fails(waiting, errno.ESHUTDOWN)
    waiting = asyncio.create_task(host.read(BELL, 8))
    await asyncio.sleep(0)
    gadget.reset()
    await fails(waiting, errno.ECONNRESET)
    assert gadget.starts == 1


async def test_1000_unplugs_leave_nothing(gadget: Gadget, host: Host) -> None:
    for number in range(1000):
        gadget.inject(UnplugAt(transfer=number % 3 + 1))
        while await errno_of(host.control(0xC0, 4, 7, 0, 1)) is None:
            pass
        gadget.replug()
    assert gadget.faults_pending == 0
    assert not gadget._pending
    assert not gadget._timers
