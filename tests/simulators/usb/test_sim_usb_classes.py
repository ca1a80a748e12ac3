"""Devices with kernel drivers: a serial port, a keyboard, a HID reader. On a real kernel: tests/vm."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from simulators.mrz import Format
from simulators.passport import AccessIs
from simulators.passport.hid import IDENTITIES, HidFormat, HidReader
from simulators.passport.keyboard import EndKey, TypingMode, end_strokes, strokes_of
from simulators.specimens import ERIKSSON
from simulators.usb.hid_reader import SENDS as SENDS_HID
from simulators.usb.hid_reader import UsbHidReader
from simulators.usb.host import Host
from simulators.usb.keyboard import TYPES, UsbKeyboard
from simulators.usb.serial_port import RECEIVES, SENDS, UsbSerialPort

NAMES = ("Access-IS", "OCR315e", "A1")


@pytest.fixture
async def port() -> AsyncIterator[UsbSerialPort]:
    port = UsbSerialPort(0x0DB5, 0x0137, *NAMES)
    yield port
    port.close()


async def ready(host: Host, yes: bool = True) -> None:
    await host.control(0x21, 0x22, int(yes), 0)


async def test_serial_port_has_two_joined_interfaces(port: UsbSerialPort) -> None:
    assert port.descriptors[18:].hex() == (
        "090243000201008032"
        "090400000102020000" + "0524001001" + "0524010001" + "04240202" + "0524060001" + "07058103080010"
        "09040100020a000000" + "07050202400000" + "07058302400000"
    )
    assert port.usbip_record("1-1", 2)[-8:] == bytes((2, 2, 0, 0, 10, 0, 0, 0))


async def test_serial_port_sends_while_open(port: UsbSerialPort) -> None:
    host, reader, heard = Host(port), AccessIs(port), []
    port.on_received = heard.append
    assert not await reader.present(ERIKSSON[Format.TD3])
    await host.control(0x21, 0x20, 0, 0, struct.pack("<IBBB", 115200, 0, 0, 8))
    await ready(host)
    assert port.baud == 115200
    assert await reader.present(ERIKSSON[Format.TD3])
    received = b""
    while len(received) < len(reader.frame(ERIKSSON[Format.TD3].lines)):
        packet = await host.read(SENDS, 4096, 1)
        assert len(packet) <= 64
        received += packet
    assert received == reader.frame(ERIKSSON[Format.TD3].lines)
    await host.write(RECEIVES, b"I")
    assert heard == [b"I"]
    assert not await port.wait_drained(within_s=0.01)
    waiting = asyncio.create_task(host.read(SENDS, 64, 1))
    assert await port.wait_drained()
    await reader.present(["X"])
    assert await waiting == b"\x1c\x02X\r\x03\x1d"
    await reader.present(["OLD"])
    await ready(host, False)
    await ready(host)
    with pytest.raises(TimeoutError):
        await host.read(SENDS, 64, 0.01)


async def test_keyboard_types_by_reports() -> None:
    keyboard = UsbKeyboard(0x0DB5, 0x0138, *NAMES)
    host = Host(keyboard)
    described = await host.control(0x81, 6, 0x2200, 0, 255)
    assert described.startswith(bytes.fromhex("05010906a101"))
    assert len(described) == struct.unpack_from("<H", await host.control(0x81, 6, 0x2100, 0, 9), 7)[0]
    await host.control(0x21, 0x0A, 0, 0)
    assert not keyboard.type(strokes_of("A<", TypingMode.US))
    typed = [await host.read(TYPES, 8) for _ in range(8)]
    # Shift, Shift and a, Shift, nothing; the same with the comma's key.
    assert [report.hex()[:6] for report in typed] == [
        *("020000", "020004", "020000", "000000"),
        *("020000", "020036", "020000", "000000"),
    ]
    waiting = asyncio.create_task(host.read(TYPES, 8))
    await asyncio.sleep(0)
    assert keyboard.type(end_strokes(EndKey.ENTER))
    assert (await waiting)[2] == 0x28
    keyboard.close()


async def test_hid_reader_sends_reports_once_switched_on() -> None:
    identity = IDENTITIES[HidFormat.ACCESSIS]
    device = UsbHidReader(identity)
    host, reader = Host(device), HidReader(device, HidFormat.ACCESSIS, is_uhid=False)  # type: ignore[arg-type]
    assert device.descriptors[18 + 9 :].hex() == (
        "0904000001030000" + "00" + f"09211101000122{len(identity.descriptor):02x}0007058103400001"
    )
    assert await host.control(0x81, 0x06, 0x2200, 0, 255) == identity.descriptor
    assert not await reader.present(ERIKSSON[Format.TD3])
    await host.control(0x21, 0x09, 0x0200, 0, b"\x80" + bytes(7))
    assert reader.output_reports == [b"\0\x80" + bytes(7)]
    reading = asyncio.create_task(host.read(SENDS_HID, 64, 1))
    await asyncio.sleep(0)
    assert await reader.present(ERIKSSON[Format.TD3])
    assert [len(await reading), len(await host.read(SENDS_HID, 64, 1))] == [64, 64]
    device.close()
