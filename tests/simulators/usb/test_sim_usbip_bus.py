"""Simulated USB devices over USB/IP: with PyPI's client, and with a client of the raw protocol."""

import asyncio
import errno
import struct
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
import usbip
from support.patience import PATIENCE_S
from usb_gadget import BELL, IN, OUT, Gadget
from usbip.protocol import client_devlist

from simulators.errors import SimulatorError
from simulators.usb.usbip_bus import UsbIpBus


@pytest.fixture
async def gadget() -> AsyncIterator[Gadget]:
    gadget = Gadget()
    yield gadget
    gadget.close()


@pytest.fixture
async def bus(gadget: Gadget) -> AsyncIterator[UsbIpBus]:
    bus = UsbIpBus()
    bus.connect("1-1", gadget)
    async with bus:
        yield bus


class Client:
    """Client of a device; several transfers at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status = -1

    @classmethod
    async def of(cls, bus: UsbIpBus, busid: str = "1-1") -> Self:
        client = cls(*await asyncio.open_connection("127.0.0.1", bus.port))
        client.writer.write(struct.pack(">HHI32s", 0x0111, 0x8003, 0, busid.encode()))
        _, code, client.status = struct.unpack(">HHI", await client.reader.readexactly(8))
        assert code == 3
        if client.status == 0:
            assert len(await client.reader.readexactly(312)) == 312
        return client

    def submit(
        self, number: int, endpoint: int, length: int, data: bytes = b"", setup: bytes = bytes(8)
    ) -> None:
        head = struct.pack(">IIIII", 1, number, 0x10002, endpoint >> 7, endpoint & 0xF)
        self.writer.write(head + struct.pack(">Iiiii", 0, length, 0, -1, 0) + setup + data)

    def unlink(self, number: int, unlinked: int) -> None:
        self.writer.write(struct.pack(">IIIIII24x", 2, number, 0x10002, 0, 0, unlinked))

    async def answer(self, *, sends: bool = False) -> tuple[int, int, int, bytes]:
        """Return kind of answer, number of its request, status, data."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(48)
            kind, number, _, direction, _, status, length = struct.unpack(">IIIIIii", head[:28])
            data = await self.reader.readexactly(length) if kind == 3 and direction else b""
        return kind, number, status, data

    async def is_closed(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            try:
                while await self.reader.read(4096):
                    pass
            except ConnectionError:
                return True
        return True

    async def close(self) -> None:
        self.writer.close()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())])


def with_a_connection(port: int, what: Any) -> Any:
    connection = usbip.USBIP("127.0.0.1", port).connect()
    try:
        return what(connection)
    finally:
        connection.close()


async def test_library_lists_attaches_and_uses_device(bus: UsbIpBus, gadget: Gadget) -> None:
    (listed,) = await asyncio.to_thread(with_a_connection, bus.port, client_devlist)
    assert (listed["busid"], listed["idVendor"], listed["interfaces"]) == ("1-1", 0x1209, [(0xFF, 1, 2)])

    def work() -> list[bytes]:
        with usbip.open(transport=usbip.USBIP("127.0.0.1", bus.port)) as handle:
            handle.bulk_out(OUT, b"q" * 111_040)
            return [handle.bulk_in(IN, 111_424), handle.control(0xC0, 4, 7, 0, 2)]

    assert await asyncio.to_thread(work) == [b"q" * 111_040, b"\xee\xee"]
    while bus.taken("1-1"):
        await asyncio.sleep(0.001)


async def test_device_has_one_client_at_time(bus: UsbIpBus) -> None:
    clients: list[bool] = []
    bus.on_client = lambda _busid, there: clients.append(there)
    first = await Client.of(bus)
    second = await Client.of(bus)
    elsewhere = await Client.of(bus, "1-9")
    assert (first.status, second.status, elsewhere.status) == (0, 2, 4)
    assert bus.taken("1-1")
    for client in (first, second, elsewhere):
        await client.close()
    while bus.taken("1-1"):
        await asyncio.sleep(0.001)
    third = await Client.of(bus)
    assert third.status == 0
    await third.close()
    while clients != [True, False, True, False]:
        await asyncio.sleep(0.001)


async def test_transfers_continue_beside_pending_one(bus: UsbIpBus, gadget: Gadget) -> None:
    client = await Client.of(bus)
    client.submit(1, BELL, 8)
    client.submit(2, 0x80, 1, setup=bytes.fromhex("c004070000000100"))
    client.submit(3, 0x00, 2, b"\x12\x34", setup=bytes.fromhex("4004090000000200"))
    client.submit(4, 0x80, 1, setup=bytes.fromhex("c005070000000100"))
    assert await client.answer() == (3, 2, 0, b"\xee")
    assert await client.answer() == (3, 3, 0, b"")
    assert gadget.registers == {9: b"\x12\x34"}
    assert await client.answer() == (3, 4, -errno.EPIPE, b"")
    gadget.ring(b"dong")
    assert await client.answer() == (3, 1, 0, b"dong")
    await client.close()


async def test_transfer_is_unlinked_once(bus: UsbIpBus, gadget: Gadget) -> None:
    client = await Client.of(bus)
    client.submit(1, BELL, 8)
    client.unlink(2, 1)
    assert await client.answer() == (4, 2, -errno.ECONNRESET, b"")
    client.unlink(3, 1)
    assert await client.answer() == (4, 3, 0, b"")
    assert not gadget.is_in_requested(BELL)
    client.submit(4, BELL, 8)
    gadget.ring(b"ding")  # the first request gets it
    assert await client.answer() == (3, 4, 0, b"ding")
    await client.close()


async def test_transfers_of_lost_client_are_cancelled(bus: UsbIpBus, gadget: Gadget) -> None:
    client = await Client.of(bus)
    client.submit(1, BELL, 8)
    while not gadget.is_in_requested(BELL):
        await asyncio.sleep(0.001)
    await client.close()
    while gadget.is_in_requested(BELL):
        await asyncio.sleep(0.001)


async def test_unplug_hangs_up_and_replug_works(bus: UsbIpBus, gadget: Gadget) -> None:
    for _ in range(50):
        client = await Client.of(bus)
        client.submit(1, BELL, 8)
        while not gadget.is_in_requested(BELL):
            await asyncio.sleep(0)
        gadget.unplug()
        assert await client.is_closed()
        refused = await Client.of(bus)
        assert refused.status == 4
        await client.close()
        await refused.close()
        gadget.replug()
    assert not bus.taken("1-1")


TAKE = struct.pack(">HHI32s", 0x0111, 0x8003, 0, b"1-1")


def request(length: int, packets: int) -> bytes:
    return struct.pack(">IIIIIIiiii8x", 1, 1, 0, 1, 3, 0, length, 0, packets, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">HHI", 0x0111, 0x8003, 0),
        TAKE + b"\xff" * 48,
        TAKE + request(-1, 0),
        TAKE + request(9, 5),  # isochronous
    ],
)
async def test_invalid_data_end_only_their_connection(bus: UsbIpBus, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bus.port)
    writer.write(data)
    if data.startswith(TAKE):
        await reader.readexactly(8 + 312)
        assert await Client(reader, writer).is_closed()
    writer.close()
    while bus.taken("1-1"):
        await asyncio.sleep(0.001)
    client = await Client.of(bus)
    assert client.status == 0
    await client.close()


async def test_occupied_port_is_reported(bus: UsbIpBus) -> None:
    with pytest.raises(SimulatorError, match=f"port {bus.port}: Address already in use"):
        async with UsbIpBus(bus.port):
            pass
