"""A simulated U.are.U scanner, transfer by transfer as in the recordings of real ones."""

import asyncio
import errno
from collections.abc import AsyncIterator

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from support.patience import PATIENCE_S
from uru4000_reader import read

from simulators.fingerprint.faults import (
    BadHeader,
    ConfusedPower,
    DirtySensor,
    NoScanPower,
    StuckFinger,
    Trouble,
    ZeroImage,
    uru_fault,
)
from simulators.fingerprint.fingers import Finger, SkinCondition
from simulators.fingerprint.uru4000 import Uru4000
from simulators.usb.faults import ShortPacket, Silence, Slow, Stall, UnplugAt
from simulators.usb.host import Host

FINGER = Finger(5).touch()
SEED = 0x51EA2124


class UruHost(Host):
    """Host that reads and writes the registers of a scanner, and receives its data."""

    async def get(self, register: int, count: int = 1) -> bytes:
        return await self.control(0xC0, 0x04, register, 0, count)

    async def put(self, register: int, *values: int) -> None:
        await self.control(0x40, 0x04, register, 0, bytes(values))

    async def event(self, timeout_s: float = PATIENCE_S) -> str:
        message = await self.read(0x81, 64, timeout_s)
        assert len(message) == 64
        return message[:2].hex()

    async def image(self, timeout_s: float = PATIENCE_S) -> bytes:
        return await self.read(0x82, 111_424, timeout_s)

    async def power_up(self) -> None:
        """Power up like a driver for this scanner."""
        status = (await self.get(0x07))[0]
        await self.put(0x07, status | 0x80)
        while True:
            await self.put(0x07, status & 0x0F)
            if not (await self.get(0x07))[0] & 0x80:
                break
            await self.put(0x2000, *answer(await self.get(0x2010, 16)))
        for _ in range(3):
            assert await self.event() == "56aa"

    async def key(self, number: int) -> int:
        await self.put(0x33, number, *SEED.to_bytes(4, "little"))
        return int.from_bytes(await self.get(0x34, 4), "little") ^ SEED


def answer(challenge: bytes) -> bytes:
    key = bytes.fromhex("79ac91795ca1478e98e00f3c598f5f4b")
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(challenge)


@pytest.fixture
async def scanner() -> AsyncIterator[Uru4000]:
    scanner = Uru4000()
    yield scanner
    scanner.close()


@pytest.fixture
def host(scanner: Uru4000) -> UruHost:
    return UruHost(scanner)


@pytest.mark.parametrize(
    ("model", "device"),
    [
        ("4500", "1201000200000040ba050a00030101020301"),
        ("microsoft-v2", "12010002000000405e04ca00000101020301"),
    ],
)
async def test_descriptors_are_as_recorded(model: str, device: str) -> None:
    scanner = Uru4000(model)
    endpoints = "0705810340000807058202400000"
    assert scanner.descriptors[:18].hex() == device
    assert scanner.descriptors[27:].hex() == "0904000002ffffff00" + endpoints
    scanner.close()


async def test_power_up_capture_and_off_as_recorded(scanner: Uru4000, host: UruHost) -> None:
    """Repeat the transfers of the recording `uru4000-4500`, in order."""
    event = asyncio.create_task(host.event())
    assert await host.get(0x07) == b"\x01"
    await host.put(0x07, 0x81)
    assert await host.get(0x07) == b"\x81"
    await host.put(0x07, 0x01)
    assert await host.get(0x07) == b"\x01"
    assert await event == "56aa"
    information = await host.get(0xF0, 16)
    assert (information[10:12].hex(), information[4:6].hex()) == ("0010", "0115")

    await host.put(0x4E, 0x10)
    assert [await host.event(), await host.event()] == ["56aa", "56aa"]
    scanner.platen.place(FINGER)
    assert await host.event() == "0101"
    image = asyncio.create_task(host.image())
    await asyncio.sleep(0)
    await host.put(0x4E, 0x20)
    raw = await image
    await host.put(0x4E, 0x12)
    scanner.platen.lift()
    assert await host.event() == "0200"
    await host.put(0x4E, 0x70)

    keys = {raw[6]: await host.key(raw[6])}
    scanner.platen.place(FINGER)
    image = 255 - read(raw, keys.__getitem__)[::-1, ::-1]
    # An absent line and the last byte of four blocks.
    assert (image != scanner.platen.sense()).sum() <= 384 + 4


async def test_microsoft_reader_needs_challenge() -> None:
    scanner = Uru4000("microsoft-v2")
    host = UruHost(scanner)
    assert await host.get(0x07) == b"\x03"
    await host.put(0x07, 0x83)
    await host.put(0x07, 0x03)
    assert await host.get(0x07) == b"\x83"
    challenges = [await host.get(0x2010, 16) for _ in range(2)]
    assert challenges[0] != challenges[1]
    for response in (answer(challenges[0]), bytes(16)):
        await host.put(0x2000, *response)
        await host.put(0x07, 0x03)
        assert await host.get(0x07) == b"\x83"
    await host.put(0x2000, *answer(await host.get(0x2010, 16)))
    await host.put(0x07, 0x03)
    assert await host.get(0x07) == b"\x03"
    assert await host.event() == "56aa"

    await host.put(0x4E, 0x10)
    scanner.platen.place(FINGER)
    while await host.event() != "0101":
        pass
    await host.put(0x4E, 0x20)
    raw = await host.image()
    image = 255 - read(raw, {raw[6]: await host.key(raw[6])}.__getitem__)
    assert (image != scanner.platen.sense()).sum() <= 384 + 4  # this one is not rotated
    await host.put(0x07, 0x83)  # it sleeps again, and requires another answer
    await host.put(0x07, 0x03)
    assert await host.get(0x07) == b"\x83"
    scanner.close()


async def test_key_is_per_image_and_hidden_by_seed(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    await host.put(0x4E, 0x20)
    raw = await host.image()
    assert await host.key(raw[6]) == await host.key(raw[6])
    assert await host.key(raw[6] + 1) != await host.key(raw[6] + 1)  # there is no such key
    first = await host.key(raw[6])
    raw = await host.image()  # the next, in the same mode
    assert await host.key(raw[6]) != first


async def test_only_requested_event_is_sent(scanner: Uru4000, host: UruHost) -> None:
    async def nothing() -> bool:
        try:
            await host.event(0.05)
        except OSError as error:
            return error.errno == errno.ETIMEDOUT
        return False

    await host.power_up()
    scanner.platen.place(FINGER)
    assert await nothing()
    await host.put(0x4E, 0x10)
    assert await host.event() == "0101"  # the finger was there already
    assert await nothing()  # and is reported once
    await host.put(0x4E, 0x12)
    assert await nothing()
    scanner.platen.lift()
    assert await host.event() == "0200"
    await host.put(0x4E, 0x10)
    scanner.platen.place(FINGER)
    scanner.platen.lift()  # shorter than the detection time
    assert await nothing()
    await host.put(0x4E, 0x70)
    scanner.platen.place(FINGER)
    assert await nothing()


async def test_capture_without_finger_shows_glass(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    await host.put(0x4E, 0x20)
    raw = await host.image()
    image = 255 - read(raw, {raw[6]: await host.key(raw[6])}.__getitem__)
    assert np.median(image) > 230


async def test_unread_image_is_lost_with_its_mode(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    await host.put(0x4E, 0x20)
    part = await host.read(0x82, 1000, 2)
    await host.put(0x4E, 0x10)
    assert len(part) == 1000
    with pytest.raises(OSError, match="timed out"):
        await host.read(0x82, 1000, 0.05)


async def test_unencrypted_images_without_cipher() -> None:
    scanner = Uru4000("4000", encrypted=False)
    host = UruHost(scanner)
    await host.power_up()
    scanner.platen.place(FINGER)
    await host.put(0x4E, 0x20)
    image = 255 - read(await host.image(), {}.__getitem__)
    assert (image[2:] != scanner.platen.sense()[2:]).sum() <= 384
    scanner.close()


@pytest.mark.parametrize(
    "setup",
    [(0xC0, 0x05, 0x07, 0, 1), (0xC0, 0x04, 0x07, 1, 1), (0x40, 0x04, 0x07, 0, b""), (0xC1, 0x04, 7, 0, 1)],
)
async def test_unknown_request_is_refused(
    host: UruHost, setup: tuple[int, int, int, int, int | bytes]
) -> None:
    with pytest.raises(OSError, match="Broken pipe"):
        await host.control(*setup)


async def test_unknown_registers_read_zero(host: UruHost) -> None:
    assert await host.get(0x100, 8) == bytes(8)
    await host.put(0x100, 1)
    assert await host.get(0x4E) == b"\x00"


# Faults.


async def test_trouble_interrupt_and_lost_image(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    scanner.inject_scanner_fault(Trouble())
    assert await host.event() == "0800"
    await host.put(0x4E, 0x20)
    assert await host.image() == b""
    assert len(await host.image()) == 111_040


async def test_bad_images(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    scanner.inject_scanner_fault(ZeroImage())
    scanner.inject_scanner_fault(BadHeader())
    scanner.inject_scanner_fault(ShortPacket(at=5000, transfers=1, of="bulk"))
    await host.put(0x4E, 0x20)
    assert await host.image() == b""
    assert int.from_bytes((await host.image())[4:6], "little") >= 290
    scanner.inject_scanner_fault(ShortPacket(at=5000))
    assert len(await host.image()) == 5000
    assert len(await host.image()) == 111_040


async def test_missing_interrupt_after_power_up(scanner: Uru4000, host: UruHost) -> None:
    scanner.inject_scanner_fault(NoScanPower(times=2))
    for _ in range(2):
        await host.put(0x07, 0x81)
        await host.put(0x07, 0x01)
        with pytest.raises(OSError, match="timed out"):
            await host.event(0.05)
    await host.power_up()


async def test_confused_power_is_cycled(scanner: Uru4000, host: UruHost) -> None:
    scanner.inject_scanner_fault(ConfusedPower())
    assert (await host.get(0x07))[0] & 0x84 == 0x84
    await host.put(0x07, 0x04)
    async with asyncio.timeout(1):
        while not (await host.get(0x07))[0] & 0x01:
            await asyncio.sleep(0.01)
    await host.power_up()


async def test_stuck_finger_is_detected(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    await host.put(0x4E, 0x10)
    scanner.inject_scanner_fault(StuckFinger(for_s=0.1))
    assert await host.event() == "0101"
    await host.put(0x4E, 0x12)
    assert await host.event() == "0200"
    assert not scanner.platen.is_touched


async def test_dirt_remains_while_unplugged(scanner: Uru4000) -> None:
    scanner.inject_scanner_fault(DirtySensor(for_s=0.05))
    scanner.unplug()
    assert scanner.platen.is_dirty
    await asyncio.sleep(0.08)
    assert not scanner.platen.is_dirty


@pytest.mark.parametrize("transfer", range(1, 12, 2))
async def test_restart_after_unplug_at_any_point(scanner: Uru4000, host: UruHost, transfer: int) -> None:
    scanner.platen.place(FINGER)
    scanner.inject_scanner_fault(UnplugAt(transfer=transfer))
    with pytest.raises(OSError, match=r"shutdown|No such device"):
        await captured(host)
    assert not scanner.is_plugged
    scanner.replug()
    assert (scanner.mode, scanner.status) == (0, 1)
    assert len(await captured(host)) == 111_040


async def captured(host: UruHost) -> bytes:
    await host.power_up()
    await host.put(0x4E, 0x10)
    assert await host.event() == "0101"
    await host.put(0x4E, 0x20)
    raw = await host.image()
    await host.key(raw[6])
    await host.put(0x4E, 0x70)
    return raw


async def test_300_unplugs_leave_nothing_pending(scanner: Uru4000, host: UruHost) -> None:
    scanner.platen.place(FINGER)
    for number in range(300):
        scanner.inject_scanner_fault(UnplugAt(transfer=number % 7 + 1))
        with pytest.raises(OSError, match=r"shutdown|No such device"):
            await captured(host)
        scanner.replug()
    for _ in range(5):
        assert len(await captured(host)) == 111_040
    assert scanner.images == 5
    assert scanner.faults_pending == 0
    assert not scanner._pending
    assert len(scanner._timers) < 20


@pytest.mark.parametrize("fault", [Stall(of="control"), Slow(delay_s=0.01), Silence(for_s=0.01)])
async def test_common_usb_faults_apply(
    scanner: Uru4000, host: UruHost, fault: Stall | Slow | Silence
) -> None:
    scanner.inject_scanner_fault(fault)
    try:
        async with asyncio.timeout(0.02):
            await host.get(0x07)
    except (OSError, TimeoutError):
        pass
    else:
        assert isinstance(fault, Slow)
    assert await host.get(0x07) == b"\x01"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("gremlins", {}), ("short-packet", {}), ("wrong-checksum", {}), ("trouble", {"images": 0})],
)
def test_impossible_faults_are_refused(name: str, arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        uru_fault(name, arguments)


async def test_conditions_reach_image(scanner: Uru4000, host: UruHost) -> None:
    await host.power_up()
    scanner.platen.place(Finger(5).touch(0, SkinCondition.WET))
    await host.put(0x4E, 0x20)
    raw = await host.image()
    image = 255 - read(raw, {raw[6]: await host.key(raw[6])}.__getitem__)
    assert (image < 60).mean() > 0.3
