"""Faults of readers: their effect, and that they apply exactly as often as configured."""

import asyncio
import time
from random import Random

import pytest
from pydantic import ValidationError
from sim_host import Host

from simulators.errors import SimulatorError
from simulators.faults import (
    Delayed,
    DoubledCharacter,
    Garbage,
    LostCharacter,
    MisreadCharacter,
    MissingLine,
    NoDocument,
    Noise,
    PendingFaults,
    ReadFault,
    Silence,
    SlowBytes,
    SwappedLines,
    Truncated,
    Unplug,
    WrongDigit,
    WrongFrameCheck,
    fault_of,
)
from simulators.links.serial_line import SerialLine
from simulators.mrz import CHECK_AT, Check, Format
from simulators.passport import AccessIs, Elyctis, Rte
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES[Format.TD3]


@pytest.fixture
async def reader(line: SerialLine, host: Host) -> Rte:
    return Rte(line)


async def test_garbage_surrounds_one_frame(reader: Rte, host: Host) -> None:
    frame, noise = reader.frame(PASSPORT), Random(5)
    await reader.inject(Garbage(before=7, after=3, seed=5))
    await reader.present(PASSPORT)
    await reader.present(PASSPORT)

    assert await host.read(10 + 2 * len(frame)) == noise.randbytes(7) + frame + noise.randbytes(3) + frame


async def test_frame_cut_at_every_byte(reader: Rte, host: Host) -> None:
    frame = reader.frame(PASSPORT)
    for at in range(len(frame)):
        await reader.inject(Truncated(at=at))
        await reader.present(PASSPORT)
        await reader.present(PASSPORT)
        assert await host.read(at + len(frame)) == frame[:at] + frame


async def test_cable_pulled_inside_frame(reader: Rte, host: Host, line: SerialLine) -> None:
    await reader.inject(Truncated(at=20, unplug=True, for_s=0.02))
    reading = asyncio.create_task(host.read_until_gone())
    await reader.present(PASSPORT)

    assert await reading == reader.frame(PASSPORT)[:20]
    while not line.is_plugged:
        await asyncio.sleep(0.005)


async def test_unplug_now_and_automatic_replug(reader: Rte, host: Host, line: SerialLine) -> None:
    await reader.inject(Unplug(for_s=0.02))
    assert not line.is_plugged
    assert not await reader.present(PASSPORT)
    while not line.is_plugged:
        await asyncio.sleep(0.005)


async def test_wrong_bcc(reader: Rte, host: Host) -> None:
    frame = reader.frame(PASSPORT)
    await reader.inject(WrongFrameCheck())
    await reader.present(PASSPORT)
    assert await host.read(len(frame)) == frame[:-1] + bytes([frame[-1] ^ 0xFF])


@pytest.mark.parametrize("make", [AccessIs, Elyctis, lambda line: Rte(line, bcc="none")])
async def test_wrong_frame_check_needs_check_byte(line: SerialLine, make: type[Rte]) -> None:
    with pytest.raises(SimulatorError, match="have no check byte"):
        await make(line).inject(WrongFrameCheck())


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("check", Check)
def test_wrong_digit_changes_nothing_else(kind: Format, check: Check) -> None:
    for seed in range(20):
        lines = TravellerGenerator(seed).document(kind).lines
        changed = WrongDigit(check=check).lines(lines)
        differing = [
            (row, column)
            for row, (was, now) in enumerate(zip(lines, changed, strict=True))
            for column, (a, b) in enumerate(zip(was, now, strict=True))
            if a != b
        ]
        assert differing == ([CHECK_AT[kind][check]] if check in CHECK_AT[kind] else [])


def test_lines_swapped_and_missing() -> None:
    assert SwappedLines().lines(("a", "b", "c")) == ("b", "a", "c")
    assert SwappedLines().lines(("a",)) == ("a",)
    assert MissingLine(line=1).lines(("a", "b", "c")) == ("b", "c")
    assert MissingLine(line=3).lines(("a", "b")) == ("a",)
    assert MissingLine().lines(()) == ()
    assert WrongDigit().lines(("not", "a zone")) == ("not", "a zone")


def test_character_misread_lost_or_doubled() -> None:
    upper, lower = PASSPORT
    assert MisreadCharacter().lines(PASSPORT) == (upper, lower[:13] + "G" + lower[14:])
    assert LostCharacter(line=1, at=44).lines(PASSPORT) == (upper[:-1], lower)
    assert DoubledCharacter(line=3, at=1).lines(PASSPORT) == (upper, lower[0] + lower)
    for fault in (MisreadCharacter(at=45), LostCharacter(line=1, at=45), DoubledCharacter(at=45)):
        assert fault.lines(PASSPORT) == PASSPORT
        assert fault.lines(()) == ()


async def test_missing_line_in_rte_frame(reader: Rte, host: Host) -> None:
    await reader.inject(MissingLine(line=1))
    await reader.present(PASSPORT)
    expected = reader.frame(PASSPORT[1:])
    assert expected[7:9] == b"\r\r"
    assert await host.read(len(expected)) == expected


async def test_faults_combine_in_fixed_order(reader: Rte, host: Host) -> None:
    await reader.inject(Garbage(before=4, seed=1))
    await reader.inject(Truncated(at=40))
    await reader.inject(MissingLine(line=2))
    await reader.inject(WrongDigit())
    changed = WrongDigit().lines(PASSPORT)
    await reader.present(PASSPORT)

    assert await host.read(44) == Random(1).randbytes(4) + reader.frame(changed[:1])[:40]


async def test_dribble_slow_and_silence(reader: Rte, host: Host) -> None:
    frame = reader.frame(PASSPORT)
    await reader.inject(Silence())
    assert not await reader.present(PASSPORT)

    await reader.inject(Delayed(delay_s=0.05))
    await reader.inject(SlowBytes(size=10, every_ms=5))
    started = time.monotonic()
    assert await reader.present(PASSPORT)
    assert time.monotonic() - started >= 0.08  # the delay and nine pauses, less the clock's resolution
    assert await host.read(len(frame)) == frame
    assert await host.nothing_within(0.02)


async def test_silent_box_does_not_answer(line: SerialLine, host: Host) -> None:
    box = Elyctis(line)
    await box.inject(Silence(for_s=0.2))
    host.write(b"\x49\x00\x00")
    await line.wait_for_bytes(b"\x49\x00\x00")
    assert await host.nothing_within(0.03)

    await asyncio.sleep(0.2)
    host.write(b"\x49\x00\x00")
    assert await host.read(6) == b"\x49\x00\x03\r\r\r"


@pytest.mark.parametrize(
    ("make", "empty"),
    [
        (AccessIs, b"\x1c\x02\x03\x1d"),
        (Elyctis, b"\x49\x00\x03\r\r\r"),
        (lambda line: Rte(line, bcc="none"), b"\x01\x08\x00OU\x020\r\r\r\x03"),
    ],
)
async def test_read_without_a_document(line: SerialLine, host: Host, make: type[Rte], empty: bytes) -> None:
    await make(line).inject(NoDocument())
    assert await host.read(len(empty)) == empty


async def test_noise_on_an_idle_line(reader: Rte, host: Host) -> None:
    await reader.inject(Noise(size=9, seed=3))
    assert await host.read(9) == Random(3).randbytes(9)


def test_fault_affects_given_number_of_reads() -> None:
    pending = PendingFaults()
    pending.add(Silence(reads=2))
    pending.add(Delayed())

    assert [type(fault) for fault in pending.take()] == [Silence, Delayed]
    assert [type(fault) for fault in pending.take()] == [Silence]
    assert pending.take() == []
    pending.add(Delayed())
    pending.clear()
    assert len(pending) == 0


def test_faults_have_names() -> None:
    assert fault_of("cut", {"at": 3}) == Truncated(at=3)
    assert fault_of("silence") == Silence()
    assert ReadFault().lines(("a",)) == ("a",)
    with pytest.raises(ValidationError, match="unplug = true"):
        fault_of("cut", {"at": 3, "for_s": 1})
    with pytest.raises(ValidationError):
        fault_of("gremlins")
