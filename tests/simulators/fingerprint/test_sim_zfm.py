"""Answers of a simulated ZFM module, byte by byte, and its faults."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_zfm_fixture import ZfmHost

from simulators.faults import Delayed, Fault, Garbage, Noise, Silence, SlowBytes, Truncated, Unplug
from simulators.fingerprint.faults import DirtySensor, StuckFinger
from simulators.fingerprint.fingers import Finger, SkinCondition
from simulators.fingerprint.zfm.faults import WrongAnswer, WrongChecksum, WrongPassword, zfm_fault
from simulators.fingerprint.zfm.firmware import Memory
from simulators.fingerprint.zfm.module import ZfmModule
from simulators.fingerprint.zfm.packets import LONGEST, Decoder, Kind, Packet, data_packets
from simulators.links.serial_line import SerialLine

VERIFY = (0x13, 0, 0, 0, 0)
FINGER = Finger(11)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[SerialLine]:
    async with SerialLine.open_at(tmp_path / "module", look_s=0.005) as line:
        yield line


@pytest.fixture
async def host(line: SerialLine) -> AsyncIterator[ZfmHost]:
    host = ZfmHost(line.path)
    await line.wait_for_host()
    yield host
    host.close()


def started(line: SerialLine, model: str = "zfm-20", **settings: object) -> ZfmModule:
    module = ZfmModule(line, model, capture_s=0, **settings)  # type: ignore[arg-type]  # as the tests give them
    module.start()
    return module


async def enrolled(host: ZfmHost, module: ZfmModule, finger: Finger, page: int) -> None:
    """Enrol a finger as a host does."""
    for buffer in (1, 2):
        module.platen.place(finger.touch(buffer))
        assert await host.command(0x01) == b"\x00"
        assert await host.command(0x02, buffer) == b"\x00"
    assert await host.command(0x05) == b"\x00"
    assert await host.command(0x06, 1, *page.to_bytes(2, "big")) == b"\x00"


# Packets.


def test_packet_matches_protocol_sheet() -> None:
    assert Packet(0xFFFFFFFF, Kind.COMMAND, b"\x01").encode() == bytes.fromhex("ef01ffffffff010003010005")
    assert Packet(1, Kind.ACKNOWLEDGE, b"\x13").encode() == bytes.fromhex("ef010000000107000313001d")


@given(
    packets=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=LONGEST - 2)), max_size=5),
    noise=st.binary(max_size=40).filter(lambda noise: b"\xef" not in noise),
    cuts=st.lists(st.integers(0, 800), max_size=6),
)
def test_packets_in_noise_and_any_pieces(
    packets: list[tuple[int, bytes]], noise: bytes, cuts: list[int]
) -> None:
    sent = [Packet(address, Kind.DATA, content) for address, content in packets]
    wire = noise + noise.join(packet.encode() for packet in sent) + noise
    ends = sorted({0, *(cut for cut in cuts if cut < len(wire)), len(wire)})
    decoder = Decoder()
    pieces = (wire[start:end] for start, end in pairwise(ends))
    assert [packet for piece in pieces for packet in decoder.feed(piece)] == sent


@given(data=st.binary(max_size=2000), size=st.sampled_from([32, 64, 128, 256]))
def test_data_packets_have_configured_size(data: bytes, size: int) -> None:
    found = list(Decoder().feed(b"".join(data_packets(7, data, size))))
    assert b"".join(packet.content for packet in found) == data
    assert [packet.kind for packet in found] == [Kind.DATA] * (len(found) - 1) + [Kind.LAST_DATA]
    assert all(len(packet.content) == size for packet in found[:-1])


# Instructions.


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (VERIFY, "00"),
        ((0x13, 0, 0, 0, 1), "13"),
        ((0x01,), "02"),
        ((0x02, 1), "15"),
        ((0x03,), "080000"),
        ((0x04, 1, 0, 0, 3, 0xE8), "0900000000"),
        ((0x1B, 1, 0, 0, 3, 0xE8), "0900000000"),
        ((0x05,), "0a"),
        ((0x06, 1, 0, 1), "18"),
        ((0x06, 1, 3, 0xE8), "0b"),
        ((0x07, 1, 0, 1), "0c"),
        ((0x07, 1, 3, 0xE8), "0b"),
        ((0x08, 1), "0d"),
        ((0x0A,), "0f"),
        ((0x0C, 0, 0, 0, 1), "00"),
        ((0x0C, 0, 0, 3, 0xE9), "10"),
        ((0x0D,), "00"),
        ((0x0E, 5, 6), "1b"),
        ((0x0E, 9, 1), "1a"),
        ((0x0F,), "00" + "0000" + "0009" + "03e8" + "0003" + "ffffffff" + "0002" + "0006"),
        ((0x17, 1), "00"),
        ((0x19, 16), "1c" + "00" * 32),
        ((0x1D,), "000000"),
        ((0x1F, 0), "00" + "00" * 32),
        ((0x33,), "00"),
        ((0x50,), "00"),
        ((0x51,), "00"),
        ((0x52,), "02"),
        ((0x53,), "55"),
        ((0x35, 1, 2, 3, 4), "fc"),  # it has no light ring
        ((0x31, 1, 1, 1, 1, 1), "fc"),
        ((0x99,), "fc"),
        ((), "fc"),
        ((0x02,), "01"),
        ((0x01, 1), "01"),
    ],
)
async def test_zfm_20_answers(line: SerialLine, host: ZfmHost, content: tuple[int, ...], answer: str) -> None:
    started(line)
    assert (await host.command(*content)).hex() == answer


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ((0x0F,), "00" + "0000" + "0000" + "00c8" + "0003" + "ffffffff" + "0002" + "0006"),
        ((0x30,), "00"),
        ((0x35, 1, 0x80, 2, 5), "00"),
        ((0x36,), "00"),
        ((0x40,), "00"),
        ((0x28,), "02"),
        ((0x0E, 4, 3), "1b"),  # not a rate of this module
        ((0x53,), "fc"),
    ],
)
async def test_r503_answers(line: SerialLine, host: ZfmHost, content: tuple[int, ...], answer: str) -> None:
    module = started(line, "r503")
    assert (await host.command(*content)).hex() == answer
    if content[0] == 0x35:
        assert module.firmware.aura == (1, 0x80, 2, 5)


async def test_r503_identification(line: SerialLine, host: ZfmHost) -> None:
    started(line, "r503")
    product = await host.command(0x3C)
    assert len(product) == 1 + 46
    assert product[1:17].rstrip(b"\0") == b"R503"
    assert product[-8:] == bytes.fromhex("00c000c0060000c8")  # 192 by 192, 1536 bytes, 200 fingers
    for instruction in (0x39, 0x3A):
        assert len(await host.command(instruction)) == 1 + 32
    assert await host.command(0x3D) == b"\0"
    assert await host.read(1) == b"\x55"  # it has restarted


async def test_image_has_four_bits_per_pixel(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    module.platen.place(FINGER.touch())
    assert await host.command(0x01) == b"\x00"
    assert await host.command(0x0A) == b"\x00"
    image = await host.data()
    grey = module.platen.sense() >> 4
    assert len(image) == 36_864
    assert image[0] >> 4 == grey[0, 0]
    assert image[0] & 0x0F == grey[0, 1]
    assert image[129] >> 4 == grey[1, 2]
    assert (await host.command(0x0F))[2] & 0x08  # an image is there

    assert await host.command(0x0B) == b"\x00"
    await host.send_data(bytes(reversed(image)))
    assert await host.command(0x0A) == b"\x00"
    assert await host.data() == bytes(reversed(image))


async def test_search_finds_the_finger(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    for page, finger in ((7, FINGER), (300, Finger(12)), (999, Finger(14))):
        await enrolled(host, module, finger, page)
    assert await host.command(0x1D) == b"\0\0\x03"
    index = np.unpackbits(np.frombuffer((await host.command(0x1F, 1))[1:], np.uint8), bitorder="little")
    assert np.flatnonzero(index).tolist() == [300 - 256]

    module.platen.place(FINGER.touch(9))
    await host.command(0x01)
    assert await host.command(0x02, 1) == b"\0"
    found = await host.command(0x04, 1, 0, 0, 3, 0xE8)
    assert found[:3] == b"\0\0\x07"
    assert int.from_bytes(found[3:], "big") > 80
    assert await host.command(0x04, 1, 0, 8, 3, 0xE0) == b"\x09\0\0\0\0"  # not from page 8 on

    module.platen.place(Finger(13).touch())
    await host.command(0x01)
    await host.command(0x02, 1)
    assert await host.command(0x1B, 1, 0, 0, 3, 0xE8) == b"\x09\0\0\0\0"


async def test_template_size_per_model(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    await enrolled(host, module, FINGER, 1)
    assert await host.command(0x07, 1, 0, 1) == b"\0"
    assert await host.command(0x08, 1) == b"\0"
    template = await host.data()
    assert len(template) == 512
    await host.command(0x0D)
    assert await host.command(0x09, 2) == b"\0"
    await host.send_data(template)
    matched = await host.command(0x03)
    assert matched[0] == 0
    assert int.from_bytes(matched[1:], "big") > 190
    assert await host.command(0x06, 2, 0, 9) == b"\0"
    assert await host.command(0x1D) == b"\0\0\x01"


async def test_two_fingers_make_no_model(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    for buffer, finger in ((1, FINGER), (2, Finger(12))):
        module.platen.place(finger.touch())
        await host.command(0x01)
        await host.command(0x02, buffer)
    assert await host.command(0x05) == b"\x0a"


@pytest.mark.parametrize(
    ("condition", "codes"),
    [
        (SkinCondition.CLEAN, {0x00}),
        (SkinCondition.PARTIAL, {0x07}),
        (SkinCondition.DRY, {0x06}),
        (SkinCondition.NOISY, {0x06}),
        (SkinCondition.WORN, {0x06, 0x07}),
    ],
)
async def test_bad_prints_give_no_template(
    line: SerialLine, host: ZfmHost, condition: SkinCondition, codes: set[int]
) -> None:
    module = started(line)
    module.platen.place(FINGER.touch(1, condition))
    assert await host.command(0x01) == b"\0"
    assert (await host.command(0x02, 1))[0] in codes


async def test_password_is_required_and_persistent(line: SerialLine, host: ZfmHost) -> None:
    module = started(line, memory=Memory(password=0x12345678))
    assert await host.command(0x01) == b"\x21"
    assert await host.command(*VERIFY) == b"\x13"
    assert await host.command(0x13, 0x12, 0x34, 0x56, 0x78) == b"\0"
    assert await host.command(0x01) == b"\x02"
    assert (await host.command(0x0F))[2] & 0x04
    await module.inject(WrongPassword(password=5))
    assert await host.command(0x01) == b"\x21"
    assert await host.command(0x13, 0, 0, 0, 5) == b"\0"


async def test_only_own_address_is_answered(line: SerialLine, host: ZfmHost) -> None:
    started(line)
    assert await host.command(0x15, 0, 0, 0, 5) == b"\0"  # from the new address
    host.write(Packet(0xFFFFFFFF, Kind.COMMAND, bytes(VERIFY)).encode())
    assert await host.nothing_within(0.05)
    host.address = 5
    assert await host.command(*VERIFY) == b"\0"


async def test_at_another_rate_it_receives_noise(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    assert await host.command(0x0E, 4, 12) == b"\0"
    assert module.baud == 115200
    host.write(Packet(0xFFFFFFFF, Kind.COMMAND, bytes(VERIFY)).encode())
    assert await host.nothing_within(0.05)
    host.port.baudrate = 115200
    assert await host.command(*VERIFY) == b"\0"


async def test_notepad_and_information_page(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    note = bytes(range(32))
    assert await host.command(0x18, 15, *note) == b"\0"
    await module.inject(Unplug())
    line.replug()
    again = ZfmHost(line.path)
    await line.wait_for_host()
    assert await again.command(0x19, 15) == b"\0" + note
    assert await again.command(0x16) == b"\0"
    assert len(await again.data()) == 512
    again.close()


async def test_random_numbers_differ(line: SerialLine, host: ZfmHost) -> None:
    started(line)
    assert len({await host.command(0x14) for _ in range(5)}) == 5


async def test_wire_speed_transmission_time(line: SerialLine, host: ZfmHost) -> None:
    module = started(line, memory=Memory(baud_factor=6), wire_speed=True)
    module.platen.place(FINGER.touch())
    await host.command(0x01)
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    await host.command(0x16)
    await host.data()
    # 603 bytes of ten bits at 57600 bits per second; the last chunk of 64 is sent at once.
    assert loop.time() - started_at >= 0.09


# Faults.


async def test_wrong_checksum_of_host(line: SerialLine, host: ZfmHost) -> None:
    started(line)
    packet = bytearray(Packet(0xFFFFFFFF, Kind.COMMAND, bytes(VERIFY)).encode())
    packet[-1] ^= 0xFF
    host.write(bytes(packet))
    assert (await host.packet()).content == b"\x01"


@pytest.mark.parametrize("damaged", [0, 1, 144, 288])
async def test_wrong_checksum_of_module(line: SerialLine, host: ZfmHost, damaged: int) -> None:
    module = started(line)
    module.platen.place(FINGER.touch())
    await host.command(0x01)
    await module.inject(WrongChecksum(packet=damaged))
    host.write(Packet(0xFFFFFFFF, Kind.COMMAND, b"\x0a").encode())
    packets = [await host.packet() for _ in range(289)]
    assert [at for at, packet in enumerate(packets) if not packet.sound] == [damaged]
    assert (await host.command(*VERIFY)) == b"\0"


async def test_cut_ends_image_and_unplugs(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    module.platen.place(FINGER.touch())
    await host.command(0x01)
    await module.inject(Truncated(at=1000, unplug=True))
    host.write(Packet(0xFFFFFFFF, Kind.COMMAND, b"\x0a").encode())
    assert len(await host.read_until_gone()) == 1000
    assert not line.is_plugged


async def test_silence_for_one_answer_and_while(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    command = Packet(0xFFFFFFFF, Kind.COMMAND, bytes(VERIFY)).encode()
    await module.inject(Silence())
    host.write(command)
    await asyncio.sleep(0.02)
    assert await host.command(*VERIFY) == b"\0"
    await module.inject(Silence(for_s=0.4))
    host.write(command)
    assert await host.nothing_within(0.02)
    await asyncio.sleep(0.4)
    assert await host.command(*VERIFY) == b"\0"


@pytest.mark.parametrize(
    "fault", [SlowBytes(every_ms=0.1), Garbage(before=9, after=7, seed=3), Delayed(delay_s=0.02)]
)
async def test_delay_and_noise_keep_answer_intact(line: SerialLine, host: ZfmHost, fault: Fault) -> None:
    module = started(line)
    await module.inject(fault)
    assert await host.command(*VERIFY) == b"\0"
    assert await host.command(*VERIFY) == b"\0"


async def test_other_faults(line: SerialLine, host: ZfmHost) -> None:
    module = started(line)
    await module.inject(WrongAnswer(code=0x29, reads=2))
    assert [await host.command(0x01) for _ in range(3)] == [b"\x29", b"\x29", b"\x02"]
    await module.inject(StuckFinger())
    assert await host.command(0x01) == b"\0"
    await module.inject(StuckFinger(for_s=0.02))
    while await host.command(0x01) != b"\x02":
        await asyncio.sleep(0.005)
    await module.inject(DirtySensor())
    module.platen.place(FINGER.touch())
    await host.command(0x01)
    assert (await host.command(0x02, 1))[0] in (0x06, 0x07)
    await module.inject(Noise(size=4))
    assert await host.read(4) == Noise(size=4).data


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("gremlins", {}), ("wrong-answer", {"code": 0}), ("stall", {}), ("cut", {"at": -1})],
)
def test_impossible_faults_are_refused(name: str, arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        zfm_fault(name, arguments)
