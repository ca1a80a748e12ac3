"""USB links over USB/IP: one owner, concurrent transfers, errors with causes, nothing left open."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import ValidationError
from support.devices.usb_fixture import UsbipServer, UsbTestDevice, plugged_usb_device, usb_test_device

from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.link import UsbLink, UsbSettings
from drivers.links.usb.opening import InterfaceClass
from drivers.links.usb.transfers import TransferStalled, TransferTimedOut

VENDOR_REQUEST = 4


@contextlib.asynccontextmanager
async def opened(server: UsbipServer, links: LinkFactory | None = None) -> AsyncIterator[UsbLink]:
    links = links or LinkFactory()
    try:
        yield await links.usb(UsbSettings(port=server.address))
    finally:
        await links.close()


@pytest.fixture
def plugged() -> Iterator[tuple[UsbipServer, UsbTestDevice]]:
    with plugged_usb_device() as both:
        yield both


async def test_usbip_device_is_identified_as_simulated(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    links = LinkFactory()
    async with opened(plugged[0], links) as link:
        said = link.identity
        assert (said.vendor_id, said.product_id) == (0x1209, 0x0001)
        assert (said.manufacturer, said.product, said.serial_number) == ("Tests", "Test", "TEST-1")
        assert links.is_simulated


async def test_control_transfers_write_and_read(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    server, device = plugged
    async with opened(server) as link:
        await link.control_out(VENDOR_REQUEST, 0x33, 0, b"\x01\x02\x03")
        assert device.registers == {0x33: b"\x01\x02\x03"}
        assert await link.control_in(VENDOR_REQUEST, 0x33, 0, 16) == b"\x01\x02\x03"
    setup = device.asked[-1]
    assert (setup.bmRequestType, setup.bRequest, setup.wValue, setup.wLength) == (0xC0, 4, 0x33, 16)


async def test_large_read_is_complete(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    server, device = plugged
    picture = bytes(range(256)) * 430
    async with opened(server) as link:
        reading = await link.start_read(0x82, len(picture) + 1)
        device.bulk_in.write(picture)
        assert await reading == picture


async def test_written_bytes_arrive(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    server, device = plugged
    async with opened(server) as link:
        await link.write(0x03, b"8038010008000000")
        assert device.bulk_out.read() == b"8038010008000000"


async def test_interrupt_read_does_not_block_others(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, device = plugged
    async with opened(server) as link:
        said = link.listen(0x81, 64)
        reading = await link.start_read(0x82, 64)
        async with asyncio.timeout(2):
            for number in range(20):
                await link.control_out(VENDOR_REQUEST, number, 0, b"x")
        device.said.write(b"finger on")
        device.said.write(b"finger off")
        assert [await said.next(), await said.next()] == [b"finger on", b"finger off"]
        device.bulk_in.write(b"late")
        assert await reading == b"late"


async def test_timed_out_read_does_not_affect_next(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, device = plugged
    async with opened(server) as link:
        with pytest.raises(TransferTimedOut) as late:
            await link.read(0x82, 64, timeout_s=0.05)
        assert late.value.cause is Cause.NO_RESPONSE
        device.bulk_in.write(b"now")
        assert await link.read(0x82, 64) == b"now"


async def test_stall_and_timeout_differ(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    server, device = plugged
    async with opened(server) as link:
        with pytest.raises(TransferStalled):
            await link.control_in(VENDOR_REQUEST, UsbTestDevice.STALLS, 0, 1)
        device.bulk_in.stall()
        with pytest.raises(TransferStalled):
            await link.read(0x82, 64)
        device.bulk_in.write(b"again")
        assert await link.read(0x82, 64) == b"again", "the endpoint was cleared"


async def test_single_stall_continues_permanent_ends(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, device = plugged
    async with opened(server) as link:
        said = link.listen(0x81, 64)
        device.said.stall()
        device.said.write(b"still here")
        assert await said.next() == b"still here"
        device.said.clear_halt = lambda: None  # it stalls after every clear
        device.said.stall()
        with pytest.raises(TransferStalled):
            await said.next()


@pytest.mark.parametrize("waiting", ["listening", "reading", "asking", "idle"])
async def test_unplug_ends_all_waits(waiting: str, plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    server, _ = plugged
    async with opened(server) as link:
        match waiting:
            case "listening":
                ends = link.listen(0x81, 64).next()
            case "reading":
                ends = await link.start_read(0x82, 64, timeout_s=30)
            case "idle":
                ends = link.wait_until_unplugged()
            case _:
                ends = _ask_for_ever(link)
        server.unplug()
        async with asyncio.timeout(2):
            with pytest.raises(LinkError) as gone:
                await ends
        assert (gone.value.cause, gone.value.action) == (Cause.UNPLUGGED, Action.REPLUG)


async def _ask_for_ever(link: UsbLink) -> None:
    while True:
        await link.control_in(VENDOR_REQUEST, 7, 0, 1)


async def test_failed_listener_raises_at_every_call(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, _ = plugged
    async with opened(server) as link:
        said = link.listen(0x81, 64)
        server.unplug()
        for _ in range(3):
            with pytest.raises(LinkError):
                await said.next()
            said.clear()


async def test_many_plugs_leave_nothing(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    server, _ = plugged
    for _ in range(50):
        async with opened(server) as link:
            said = link.listen(0x81, 64)
            server.unplug()
            with pytest.raises(LinkError):
                await said.next()
        with pytest.raises(LinkError) as nothing:
            async with opened(server):
                pass
        assert nothing.value.cause is Cause.NO_DEVICE
        server.plug()


async def test_close_does_not_wait_for_readers(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    server, _ = plugged
    before = time.monotonic()
    async with opened(server) as link:
        link.listen(0x81, 64)
        reading = await link.start_read(0x82, 64, timeout_s=30)
    assert time.monotonic() - before < 5
    with pytest.raises(TransferTimedOut):
        await reading


async def test_cancelled_read_takes_no_data_of_next(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, device = plugged
    async with opened(server) as link:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await link.read(0x82, 64, timeout_s=0.2)
        following = await link.start_read(0x82, 64)  # begins when the first has timed out
        device.bulk_in.write(b"for the second")
        assert await following == b"for the second"


async def test_scanner_has_one_owner(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, _ = plugged
    async with opened(server):
        with pytest.raises(LinkError) as refused:
            async with opened(server):
                pass
        assert (refused.value.cause, refused.value.action) == (Cause.PORT_HELD, Action.CONFIGURE)
        assert server.imports == 1, "no byte was exchanged"
    async with opened(server):
        pass


async def test_missing_interface_is_wrong_device(
    plugged: tuple[UsbipServer, UsbTestDevice],
) -> None:
    server, _ = plugged
    links = LinkFactory()
    with pytest.raises(LinkError) as refused:
        await links.usb(UsbSettings(port=server.address), InterfaceClass(8, 6, 80))
    assert refused.value.cause is Cause.WRONG_DEVICE
    await links.close()


async def test_missing_strings_are_no_error() -> None:
    device, _ = usb_test_device(serial=None)
    device.iProduct = 9  # announced, and refused when read
    with UsbipServer(device) as server:
        async with opened(server) as link:
            assert (link.identity.product, link.identity.serial_number) == (None, None)
            assert link.identity.manufacturer == "Tests"


@pytest.mark.parametrize("busid", ["1-2", "9-9.9"])
async def test_device_not_exported_is_absent(busid: str, plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    address = plugged[0].address.replace("1-1", busid)
    with pytest.raises(LinkError) as refused:
        await LinkFactory().usb(UsbSettings(port=address))
    assert (refused.value.cause, refused.value.action) == (Cause.NO_DEVICE, Action.REPLUG)


async def test_payloads_are_tapped(plugged: tuple[UsbipServer, UsbTestDevice]) -> None:
    seen: list[tuple[str, bytes]] = []
    async with opened(
        plugged[0], LinkFactory(lambda direction, chunk: seen.append((direction, chunk)))
    ) as link:
        await link.control_out(VENDOR_REQUEST, 1, 0, b"out")
        await link.control_in(VENDOR_REQUEST, 1, 0, 3)
    assert seen == [("out", b"out"), ("in", b"out")]


@pytest.mark.parametrize(
    "port",
    [
        "usb:05ba:000a",
        "usb:05BA:000A:{FB0B9071-2E08-7742}",
        "usb:05ba:000a@1-10.2",
        "usbip://10.0.0.1:3240/1-1",
    ],
)
def test_valid_address_is_accepted(port: str) -> None:
    assert UsbSettings(port=port).port == port


@pytest.mark.parametrize(
    "port",
    [
        "",
        "usb:05ba",
        "usb:05ba:00g0",
        "usb:05ba:000a@front",
        "/dev/bus/usb/001/002",
        "usbip://host/1-1",
        "usbip://:1/1",
    ],
)
def test_invalid_address_is_refused(port: str) -> None:
    with pytest.raises(ValidationError):
        UsbSettings(port=port)
