"""Keystrokes, decoded from the bytes of their events."""

import itertools
import os
import string
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.passport.wedge.keyboard import KeyboardMark, KeyboardOutput, KeyEventDecoder
from drivers.passport.wedge.keymap import KeyLayout
from simulators.passport.keyboard import (
    CAPS_LOCK,
    LEFT_ALT,
    LEFT_CTRL,
    LEFT_SHIFT,
    Clock,
    EndKey,
    Stroke,
    TypingMode,
    dropped_events,
    end_strokes,
    event,
    events_of,
    press,
    repeats,
    strokes_of,
    without_release,
)

GAP_S = 0.1
NUM_LOCK, F5, LEFT_META, RIGHT_ALT, KEY_A, KEY_1, KEY_7_OF_PAD = 69, 63, 125, 100, 30, 2, 71
PRINTABLE = string.digits + string.ascii_letters + string.punctuation + " "
EXAMPLES = settings(max_examples=int(os.environ.get("BORDERPOST_FUZZ", "60")))

events = st.builds(
    event,
    st.integers(0, 10**12),
    st.sampled_from([0, 1, 4, 17, 20, 65535]),
    st.integers(0, 260) | st.integers(0, 65535),
    st.sampled_from([0, 1, 2]) | st.integers(-(2**31), 2**31 - 1),
)
wires = st.binary(max_size=400) | st.lists(events, max_size=60).map(b"".join)


LAYOUTS = (TypingMode.AZERTY, TypingMode.QWERTZ)


def read(wire: bytes, keyboard: KeyEventDecoder | None = None) -> list[KeyboardOutput]:
    """Decode the typed text, with adjacent characters joined."""
    output: list[KeyboardOutput] = []
    for typed in (keyboard or KeyEventDecoder(GAP_S)).feed(wire):
        if isinstance(typed, str) and output and isinstance(output[-1], str):
            output[-1] += typed
        else:
            output.append(typed)
    return output


def typed(*strokes: Stroke, iso_key: str = "<") -> list[KeyboardOutput]:
    return read(events_of(strokes, Clock(0)), KeyEventDecoder(GAP_S, KeyLayout("us", iso_key)))  # type: ignore[arg-type]


@pytest.mark.parametrize("hand", [hand for hand in TypingMode if hand not in LAYOUTS])
@EXAMPLES
@given(text=st.text(PRINTABLE, min_size=1))
def test_typed_text_round_trip(hand: TypingMode, text: str) -> None:
    assert typed(*strokes_of(text, hand)) == [text]


@pytest.mark.parametrize("hand", LAYOUTS)
def test_zone_is_typed_by_other_layouts(hand: TypingMode) -> None:
    text = "ABCDEFGHIJKLMNOPQRSTUVWXYZ<0123456789"
    keyboard = KeyEventDecoder(GAP_S, KeyLayout(hand.value))  # type: ignore[arg-type]
    assert read(events_of(strokes_of(text, hand), Clock(0)), keyboard) == [text]
    by_us = "".join(map(str, typed(*strokes_of(text, hand))))
    assert by_us != text


def test_french_caps_lock_shifts_digits() -> None:
    strokes = [*press(58), *press(16), *press(2), *press(11)]
    assert read(events_of(strokes, Clock(0)), KeyEventDecoder(GAP_S, KeyLayout("azerty"))) == ["A10"]


@EXAMPLES
@given(wire=wires)
def test_no_bytes_at_all_are_too_much(wire: bytes) -> None:
    keyboard = KeyEventDecoder(GAP_S)
    for typed in keyboard.feed(wire):
        assert isinstance(typed, KeyboardMark) or len(typed) == 1
    keyboard.on_silence()
    assert not keyboard.has_pending
    # After a pause, the state is that of a new keyboard except for Caps Lock.
    assert [str(typed).upper() for typed in keyboard.feed(events_of(strokes_of("P<UTO"), Clock(0)))] == list(
        "P<UTO"
    )


@EXAMPLES
@given(wire=wires, cuts=st.lists(st.integers(0, 1500)))
def test_chunking_of_events_does_not_matter(wire: bytes, cuts: list[int]) -> None:
    whole, piecemeal = list(KeyEventDecoder(GAP_S).feed(wire)), KeyEventDecoder(GAP_S)
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    pieces = [wire[start:end] for start, end in itertools.pairwise(edges)]
    assert [typed for piece in pieces for typed in piecemeal.feed(piece)] == whole


@pytest.mark.parametrize(
    ("end", "character"),
    [
        (EndKey.ENTER, "\r"),
        (EndKey.PAD_ENTER, "\r"),
        (EndKey.TAB, "\t"),
        (EndKey.CTRL_J, "\n"),
        (EndKey.CTRL_SHIFT_J, "\n"),
    ],
)
def test_every_end_of_a_line(end: EndKey, character: str) -> None:
    assert typed(*strokes_of("A<"), *end_strokes(end), *strokes_of("b1")) == [f"A<{character}b1"]


@pytest.mark.parametrize(("iso_key", "alone", "shifted"), [("<", "<", ">"), ("\\", "\\", "|")])
def test_iso_key(iso_key: str, alone: str, shifted: str) -> None:
    assert typed(*press(86), *press(86, LEFT_SHIFT), iso_key=iso_key) == [alone + shifted]


@pytest.mark.parametrize(
    ("digits", "character"),
    [
        ("0060", "<"),
        ("60", "<"),
        ("060", "<"),
        ("013", "\r"),
        ("10", "\n"),
        ("0196", "Ä"),
        ("142", "Ä"),
        ("0129", "\ufffd"),  # no character of Windows-1252
        ("256", "\ufffd"),
        ("00600060", "\ufffd"),
        ("99999999999999999999", "\ufffd"),
    ],
)
@pytest.mark.parametrize("alt", [LEFT_ALT, RIGHT_ALT])
def test_alt_codes(alt: int, digits: str, character: str) -> None:
    pad = dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True))
    code = [stroke for digit in digits for stroke in press(pad[digit])]
    assert typed(*press(NUM_LOCK), (alt, True), *code, (alt, False), *press(KEY_A)) == [character + "a"]


def test_digits_of_the_pad_are_digits() -> None:
    assert typed(*press(NUM_LOCK), *press(KEY_7_OF_PAD), *press(KEY_7_OF_PAD, LEFT_SHIFT)) == ["77"]


def test_caps_lock_changes_letters_only() -> None:
    assert typed(*press(CAPS_LOCK), *strokes_of("aB1<,"), *press(CAPS_LOCK), *strokes_of("aB")) == ["Ab1<,aB"]


@pytest.mark.parametrize(
    "strokes", [press(F5), press(KEY_A, LEFT_META), press(KEY_A, LEFT_ALT), press(KEY_1, LEFT_CTRL)]
)
def test_key_without_character_is_reported(strokes: list[Stroke]) -> None:
    assert typed(*press(KEY_A), *strokes, *press(KEY_A)) == ["a\0a"]


def test_key_repeats_are_ignored() -> None:
    clock = Clock(0)
    wire = events_of([(KEY_A, True)], clock) + repeats(KEY_A, 2, clock) + events_of([(KEY_A, False)], clock)
    assert read(wire) == ["a"]


def test_stuck_key_does_not_hold_text() -> None:
    """Its release was lost; the kernel repeats it every 33 ms."""
    clock = Clock(0)
    assert read(events_of([(KEY_A, True)], clock) + repeats(KEY_A, 100, clock)) == ["a", KeyboardMark.PAUSE]


def test_pause_releases_stuck_shift() -> None:
    clock = Clock(0)
    wire = events_of(without_release(strokes_of("Ab1"), LEFT_SHIFT), clock)
    clock.pause(2 * GAP_S)
    assert read(wire + events_of(strokes_of("ab1"), clock)) == ["AB!", KeyboardMark.PAUSE, "ab1"]


def test_lost_alt_release_ends_character() -> None:
    strokes = without_release(strokes_of("<<", TypingMode.ALT_0NNN), LEFT_ALT)
    assert typed(*strokes) == ["<<"]


def test_lost_release_of_other_key() -> None:
    assert typed(*without_release(strokes_of("aab"), KEY_A)) == ["aab"]


def test_pause_by_event_time() -> None:
    clock = Clock(0)
    wire = events_of(press(KEY_A), clock)
    clock.pause(GAP_S * 0.9)
    wire += events_of(press(KEY_A), clock)
    clock.pause(GAP_S * 1.1)
    assert read(wire + events_of(press(KEY_A), clock)) == ["aa", KeyboardMark.PAUSE, "a"]


def test_dropped_events_are_reported() -> None:
    clock = Clock(0)
    dropped, report = struct.unpack("24s24s", dropped_events(clock))
    half = events_of([(KEY_A, True)], clock)[:48]  # the scan code and the key, without the report
    wire = events_of([(LEFT_SHIFT, True)], clock) + dropped + half + report + events_of(press(KEY_A), clock)
    assert read(wire) == [KeyboardMark.LOST, "a"], "keys pressed before the loss may be released by now"


def test_silence_discards_partial_input() -> None:
    keyboard, clock = KeyEventDecoder(GAP_S), Clock(0)
    assert not keyboard.has_pending
    read(events_of([(LEFT_ALT, True), *press(KEY_7_OF_PAD)], clock) + b"half", keyboard)
    assert keyboard.has_pending
    keyboard.on_silence()
    assert not keyboard.has_pending
    assert read(events_of([(LEFT_ALT, False), *press(KEY_A)], clock), keyboard) == ["a"]
