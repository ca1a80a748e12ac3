"""The simulated reader in keyboard mode: its events are those of a keyboard in the kernel."""

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from sim_host import Host

from simulators.faults import SlowBytes, Truncated
from simulators.links.serial_line import SerialLine
from simulators.passport.keyboard import (
    Clock,
    EndKey,
    TypingMode,
    WedgeReader,
    dropped_events,
    end_strokes,
    event,
    events_of,
    press,
    repeats,
    strokes_of,
    typed_by_person,
    without_release,
)
from simulators.specimens import ERIKSSON_LINES

PASSPORT = ERIKSSON_LINES["TD3"]
EV_SYN, EV_KEY, EV_MSC = 0, 1, 4


def unpacked(events: bytes) -> list[tuple[int, int, int, int]]:
    """Return time in microseconds, type, code and value of each event."""
    return [
        (seconds * 1_000_000 + microseconds, kind, code, value)
        for seconds, microseconds, kind, code, value in struct.iter_unpack("=qqHHi", events)
    ]


def test_event_has_24_bytes_as_in_kernel() -> None:
    # /usr/include/linux/input.h on x86-64: struct timeval, __u16, __u16, __s32.
    assert event(2_000_003, EV_KEY, 0x1E, 1) == bytes.fromhex(
        "0200000000000000030000000000000001001e0001000000"
    )


def test_stroke_is_scan_code_key_and_report() -> None:
    down, up = unpacked(events_of(press(30), Clock(0)))[:3], unpacked(events_of(press(30), Clock(0)))[3:]
    assert [event[1:] for event in down] == [(EV_MSC, 4, 0x7001E), (EV_KEY, 30, 1), (EV_SYN, 0, 0)]
    assert [event[1:] for event in up] == [(EV_MSC, 4, 0x7001E), (EV_KEY, 30, 0), (EV_SYN, 0, 0)]
    assert {event[0] for event in down} == {1000}
    assert {event[0] for event in up} == {2000}


@pytest.mark.parametrize(
    ("hand", "strokes"),
    [
        (TypingMode.US, [(42, True), (51, True), (51, False), (42, False)]),
        (TypingMode.ISO, [(86, True), (86, False)]),
        (TypingMode.CAPS, [*press(58), (42, True), (51, True), (51, False), (42, False), *press(58)]),
        (TypingMode.ALT_0NNN, [(56, True), *press(82), *press(82), *press(77), *press(82), (56, False)]),
        (TypingMode.ALT_NNN, [(56, True), *press(77), *press(82), (56, False)]),
    ],
)
def test_how_each_hand_types_filler(hand: TypingMode, strokes: list[tuple[int, bool]]) -> None:
    assert strokes_of("<", hand) == strokes


def test_capitals_need_shift_or_caps_lock() -> None:
    assert strokes_of("P1") == [(42, True), (25, True), (25, False), (42, False), (2, True), (2, False)]
    assert strokes_of("P", TypingMode.CAPS) == [*press(58), *press(25), *press(58)]


@pytest.mark.parametrize(
    ("end", "codes"),
    [
        (EndKey.ENTER, [28]),
        (EndKey.PAD_ENTER, [96]),
        (EndKey.TAB, [15]),
        (EndKey.CTRL_J, [29, 36]),
        (EndKey.CTRL_SHIFT_J, [29, 42, 36]),
        (EndKey.NONE, []),
    ],
)
def test_how_each_end_is_typed(end: EndKey, codes: list[int]) -> None:
    strokes = end_strokes(end)
    assert [code for code, down in strokes if down] == codes
    assert sorted(code for code, down in strokes if not down) == sorted(codes)


def test_all_keys_are_released_except_lost_one() -> None:
    strokes = strokes_of("".join(PASSPORT))
    down = sum(down for _, down in strokes)
    assert down * 2 == len(strokes)
    lost = without_release(strokes, 42, 3)
    assert len(lost) == len(strokes) - 1
    assert sum(down for _, down in lost) == down


def test_person_is_slow_and_held_key_repeats() -> None:
    clock = Clock(0)
    typed = unpacked(typed_by_person("ab", clock))
    pressed = [at for at, kind, _, value in typed if (kind, value) == (EV_KEY, 1)]
    assert pressed[1] - pressed[0] > 100_000
    assert [value for _, kind, _, value in unpacked(repeats(30, 2, clock)) if kind == EV_KEY] == [2, 2]
    assert unpacked(dropped_events(clock))[0][1:3] == (EV_SYN, 3)


async def test_document_is_typed_on_line(line: SerialLine, host: Host) -> None:
    wedge = WedgeReader(line, end=EndKey.TAB, last_end=False)
    presenting = asyncio.create_task(wedge.present(PASSPORT))  # more than a pty holds unread
    strokes = [stroke for text in (PASSPORT[0] + "\t", PASSPORT[1]) for stroke in strokes_of(text)]
    typed = unpacked(await host.read(72 * len(strokes)))
    assert await presenting
    assert [(code, value) for _, kind, code, value in typed if kind == EV_KEY] == strokes
    times = [at for at, *_ in typed]
    assert times == sorted(times)
    assert wedge.counters.documents_sent == 1


async def test_common_reader_faults_apply(line: SerialLine, host: Host) -> None:
    wedge = WedgeReader(line)
    await wedge.inject(Truncated(at=100))
    await wedge.inject(SlowBytes(size=30, every_ms=0))
    await wedge.present(PASSPORT)
    assert len(await host.read(100)) == 100
    assert await host.nothing_within(0.02)


async def test_later_document_has_later_times(line: SerialLine, plug_host: Callable[[Path], Host]) -> None:
    wedge = WedgeReader(line)
    first = unpacked(wedge.frame(("A",)))
    await asyncio.sleep(0.02)
    assert unpacked(wedge.frame(("A",)))[0][0] - first[-1][0] > 10_000
