"""Decoder of the bytes of a Linux input device into typed characters. Pure.

Wire format: `struct input_event` of a 64-bit kernel (`include/uapi/linux/input.h`), 24 bytes in native order:
two longs (seconds, microseconds), type u16, code u16, value s32. A key's value is 1 pressed, 0 released, 2
repeated.

Pauses are measured by the events' own time, so that a late process sees no false pause. `on_silence` is for
the pause that no event follows.
"""

import struct
from collections.abc import Iterator
from enum import Enum, auto

from drivers.passport.wedge.keymap import (
    ALTS,
    CAPS_LOCK,
    CTRLS,
    DIGITS_OF_PAD,
    KEYS_WITHOUT_CHARACTER,
    METAS,
    MODIFIERS,
    SHIFTS,
    US,
    KeyLayout,
)

EVENT = struct.Struct("=qqHHi")
EV_SYN, EV_KEY = 0, 1
SYN_REPORT, SYN_DROPPED = 0, 3
RELEASED, PRESSED = 0, 1

NO_CHARACTER = "\0"
"""Placeholder of a key or combination without a character: function keys, arrows, Alt+F."""
UNREADABLE = "\ufffd"
_ALT_DIGITS = 8
"""Number of digits of an Alt code that are kept: far more than any character's code has."""


class KeyboardMark(Enum):
    """Outputs of a keyboard other than characters."""

    PAUSE = auto()
    """Nothing was typed for the gap time."""
    LOST = auto()
    """The kernel dropped events: characters are missing here."""


KeyboardOutput = str | KeyboardMark


class KeyEventDecoder:
    """A keyboard with its modifier keys; `gap_s` is the pause that ends a text, in seconds.

    It has a Caps Lock state of its own: while a reader is grabbed, that of other keyboards has no effect.
    """

    def __init__(self, gap_s: float, layout: KeyLayout = US) -> None:
        self._layout = layout
        self._keymap = layout.characters()
        self._gap_us = round(gap_s * 1e6)
        self._rest = b""
        self._down: set[int] = set()
        self._caps_lock = False
        self._alt_code = ""
        self._typed_us: int | None = None
        self._dropping = False

    @property
    def has_pending(self) -> bool:
        """Return true while an event or a character is unfinished."""
        return bool(self._rest or self._alt_code)

    def feed(self, chunk: bytes) -> Iterator[KeyboardOutput]:
        """Add bytes and yield what they type, character by character."""
        self._rest += chunk
        end = len(self._rest) - len(self._rest) % EVENT.size
        events, self._rest = self._rest[:end], self._rest[end:]
        for seconds, microseconds, kind, code, value in EVENT.iter_unpack(events):
            yield from self._event(seconds * 1_000_000 + microseconds, kind, code, value)

    def on_silence(self) -> None:
        """Discard unfinished input after the gap time."""
        self._rest = b""
        self._typed_us = None
        self._dropping = False
        self._release_all()

    def _event(self, at_us: int, kind: int, code: int, value: int) -> Iterator[KeyboardOutput]:
        # A key that seems pressed repeats without end, so a pause is also measured on events other than
        # keystrokes.
        if self._typed_us is not None and at_us - self._typed_us > self._gap_us:
            self._typed_us = None
            self._release_all()
            yield KeyboardMark.PAUSE
        if kind == EV_SYN and code == SYN_DROPPED:
            # Events up to the next report are incomplete (Documentation/input/event-codes.rst).
            self._dropping = True
            self._release_all()
            yield KeyboardMark.LOST
        elif kind == EV_SYN and code == SYN_REPORT:
            self._dropping = False
        elif kind == EV_KEY and value in (RELEASED, PRESSED) and not self._dropping:
            self._typed_us = at_us
            yield from self._pressed(code) if value == PRESSED else self._released(code)

    def _release_all(self) -> None:
        """Release all keys: a reader presses none in a pause, so a release was lost."""
        self._down.clear()
        self._alt_code = ""

    def _pressed(self, code: int) -> Iterator[str]:
        if code in MODIFIERS:
            if code in ALTS:  # still pressed: its release was lost, so the code before ends here
                yield from self._alt_character()
            self._down.add(code)
        elif code == CAPS_LOCK:
            self._caps_lock = not self._caps_lock
        elif code not in KEYS_WITHOUT_CHARACTER:
            yield from self._character(code)

    def _released(self, code: int) -> Iterator[str]:
        self._down.discard(code)
        if code in ALTS:
            yield from self._alt_character()

    def _character(self, code: int) -> Iterator[str]:
        """Yield the character of a key, given the pressed modifiers."""
        if self._down & ALTS and code in DIGITS_OF_PAD:
            self._alt_code = (self._alt_code + DIGITS_OF_PAD[code])[:_ALT_DIGITS]
            return
        if self._down & (ALTS | METAS) or code not in self._keymap:
            self._alt_code = ""
            yield NO_CHARACTER
            return
        plain, shifted = self._keymap[code]
        if self._down & CTRLS and plain >= " ":
            # Ctrl types the character 64 below in ASCII: Ctrl+J is a line feed, with Shift or without.
            yield chr(ord(plain.upper()) & 0x1F) if "@" <= plain.upper() <= "_" else NO_CHARACTER
        else:
            shift = bool(self._down & SHIFTS) != (self._caps_lock and self._layout.has_caps_lock(code, plain))
            yield shifted if shift else plain

    def _alt_character(self) -> Iterator[str]:
        """Return the character of the Alt code: with a leading 0 of Windows-1252, else of code page 437."""
        if self._alt_code:
            number, page = int(self._alt_code), "cp1252" if self._alt_code[0] == "0" else "cp437"
            self._alt_code = ""
            yield bytes([number]).decode(page, "replace") if number < 256 else UNREADABLE
