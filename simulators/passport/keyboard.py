"""Readers in keyboard mode: a document typed on a keyboard, as the kernel's bytes of its events.

An event is 24 bytes: time as two 64-bit numbers (seconds, microseconds), then type, code and value. A key
gives a scan code, the key and a report when it goes down, and again when it comes up.
"""

import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from simulators.links.serial_line import SerialLine
from simulators.passport.reader import MrzReader

SYN, KEY, MSC = 0, 1, 4
DROPPED = 3
LEFT_CTRL, LEFT_SHIFT, LEFT_ALT, CAPS_LOCK = 29, 42, 56, 58
_HID_USAGE = 0x70000

_UNSHIFTED = {
    **dict(zip("1234567890", range(2, 12), strict=True)),
    **dict(zip("qwertyuiop", range(16, 26), strict=True)),
    **dict(zip("asdfghjkl", range(30, 39), strict=True)),
    **dict(zip("zxcvbnm", range(44, 51), strict=True)),
    **dict(zip("-=[];'`\\,./ ", (12, 13, 26, 27, 39, 40, 41, 43, 51, 52, 53, 57), strict=True)),
    "\t": 15,
    "\r": 28,
}
_SHIFTED = {
    **{letter.upper(): code for letter, code in _UNSHIFTED.items() if letter.isalpha()},
    **dict(zip('!@#$%^&*()_+{}:"~|<>?', (*range(2, 14), 26, 27, 39, 40, 41, 43, 51, 52, 53), strict=True)),
}
_PAD = dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True))
_PAD_ENTER, _ISO_KEY, _KEY_J = 96, 86, 36


class TypingMode(StrEnum):
    """Modes in which a reader types characters."""

    US = "us"
    """A US keyboard: Shift for capitals and for `<`."""
    ISO = "iso"
    """The same, with `<` on the key left of Z."""
    CAPS = "caps"
    """Caps Lock on around a text, so that capitals need no Shift."""
    AZERTY = "azerty"
    """A French keyboard: digits with Shift."""
    QWERTZ = "qwertz"
    """A German keyboard."""
    ALT_0NNN = "alt-0nnn"
    """Every character by its four-digit code on the numeric pad."""
    ALT_NNN = "alt-nnn"
    """The same without leading zeros."""


_MOVED_KEYS = {
    TypingMode.AZERTY: dict(zip("aqzwm", (16, 30, 17, 44, 39), strict=True)),
    TypingMode.QWERTZ: dict(zip("yz", (44, 21), strict=True)),
}
"""Letters whose keys are elsewhere than on a US keyboard."""


class EndKey(StrEnum):
    """Keys that a reader types at the end of a line."""

    ENTER = "enter"
    PAD_ENTER = "pad-enter"
    TAB = "tab"
    CTRL_J = "ctrl-j"
    CTRL_SHIFT_J = "ctrl-shift-j"
    NONE = "none"


Stroke = tuple[int, bool]
"""A key's code, and whether it goes down."""


def press(code: int, *held: int) -> list[Stroke]:
    """Return the strokes of a key down and up while others are held."""
    return [
        *((other, True) for other in held),
        (code, True),
        (code, False),
        *((other, False) for other in reversed(held)),
    ]


def strokes_of(text: str, hand: TypingMode = TypingMode.US) -> list[Stroke]:
    """Return the strokes of `text`, ASCII, in the mode `hand`."""
    strokes = [stroke for character in text for stroke in _character(character, hand)]
    if hand is TypingMode.CAPS:
        return [*press(CAPS_LOCK), *strokes, *press(CAPS_LOCK)]
    return strokes


def _character(character: str, hand: TypingMode) -> list[Stroke]:
    match hand:
        case TypingMode.ALT_0NNN | TypingMode.ALT_NNN:
            digits = f"{ord(character):04}" if hand is TypingMode.ALT_0NNN else str(ord(character))
            pad = [stroke for digit in digits for stroke in press(_PAD[digit])]
            return [(LEFT_ALT, True), *pad, (LEFT_ALT, False)]
        case TypingMode.ISO if character in "<>":
            return press(_ISO_KEY) if character == "<" else press(_ISO_KEY, LEFT_SHIFT)
        case TypingMode.AZERTY | TypingMode.QWERTZ if character == "<":
            return press(_ISO_KEY)
        case TypingMode.AZERTY if character.isdigit():
            return press(_UNSHIFTED[character], LEFT_SHIFT)
        case TypingMode.AZERTY | TypingMode.QWERTZ if character.lower() in _MOVED_KEYS[hand]:
            shift = (LEFT_SHIFT,) if character.isupper() else ()
            return press(_MOVED_KEYS[hand][character.lower()], *shift)
        case TypingMode.CAPS if character.isalpha():
            return press(_UNSHIFTED[character.lower()], *((LEFT_SHIFT,) if character.islower() else ()))
    if character in _SHIFTED:
        return press(_SHIFTED[character], LEFT_SHIFT)
    return press(_UNSHIFTED[character])


def end_strokes(end: EndKey) -> list[Stroke]:
    """Return the strokes of the end of a line."""
    match end:
        case EndKey.ENTER:
            return press(_UNSHIFTED["\r"])
        case EndKey.PAD_ENTER:
            return press(_PAD_ENTER)
        case EndKey.TAB:
            return press(_UNSHIFTED["\t"])
        case EndKey.CTRL_J:
            return press(_KEY_J, LEFT_CTRL)
        case EndKey.CTRL_SHIFT_J:
            return press(_KEY_J, LEFT_CTRL, LEFT_SHIFT)
        case EndKey.NONE:
            return []


def event(at_us: int, kind: int, code: int, value: int) -> bytes:
    """Return one event."""
    return struct.pack("=QQHHi", at_us // 1_000_000, at_us % 1_000_000, kind, code, value)


@dataclass
class Clock:
    """The time of a keyboard's events, which advances as it types."""

    now_us: int
    stroke_us: int = 1_000
    """Duration of one stroke; a USB keyboard is polled a thousand times a second at most."""

    def pause(self, seconds: float) -> None:
        """Advance the time without typing."""
        self.now_us += round(seconds * 1e6)


def events_of(strokes: Sequence[Stroke], clock: Clock) -> bytes:
    """Return the kernel's bytes of strokes: scan code, key and report of each."""
    return b"".join(_stroke(code, down, clock) for code, down in strokes)


def _stroke(code: int, down: bool, clock: Clock) -> bytes:
    clock.now_us += clock.stroke_us
    at = clock.now_us
    return event(at, MSC, MSC, _HID_USAGE + code) + event(at, KEY, code, int(down)) + event(at, SYN, 0, 0)


def repeats(code: int, times: int, clock: Clock, every_s: float = 0.033) -> bytes:
    """Return the kernel's bytes of a key held down: repetitions, with an odd report."""
    typed = b""
    for _ in range(times):
        clock.pause(every_s)
        typed += event(clock.now_us, KEY, code, 2) + event(clock.now_us, SYN, 0, 1)
    return typed


def dropped_events(clock: Clock) -> bytes:
    """Return the kernel's report of events that it could not keep."""
    return event(clock.now_us, SYN, DROPPED, 0) + event(clock.now_us, SYN, 0, 0)


def without_release(strokes: Sequence[Stroke], code: int, nth: int = 0) -> list[Stroke]:
    """Return the same strokes without the nth release of a key."""
    ups = [index for index, stroke in enumerate(strokes) if stroke == (code, False)]
    return [stroke for index, stroke in enumerate(strokes) if index != ups[nth]]


def typed_by_person(text: str, clock: Clock, key_s: float = 0.18) -> bytes:
    """Return the kernel's bytes of a person typing key after key."""
    typed = b""
    for character in text:
        clock.pause(key_s)
        typed += events_of(strokes_of(character), clock)
    clock.pause(key_s)
    return typed


class WedgeReader(MrzReader):
    """A reader in keyboard mode: it types and takes no input. Its line carries the bytes of its events."""

    def __init__(
        self,
        line: SerialLine,
        *,
        hand: TypingMode = TypingMode.US,
        end: EndKey = EndKey.ENTER,
        last_end: bool = True,
    ) -> None:
        super().__init__(line)
        self.hand = hand
        self.end = end
        self.last_end = last_end
        self.clock = Clock(0)

    def frame(self, lines: Sequence[str]) -> bytes:
        """Return the lines typed now; for a read without a document, only the end of a line."""
        self.clock.now_us = max(self.clock.now_us, time.monotonic_ns() // 1_000)
        return events_of(list(self._strokes(lines)), self.clock)

    def _strokes(self, lines: Sequence[str]) -> Iterator[Stroke]:
        for number, line in enumerate(lines, start=1):
            yield from strokes_of(line, self.hand)
            if number < len(lines) or self.last_end:
                yield from end_strokes(self.end)
        if not lines:
            yield from end_strokes(self.end)
