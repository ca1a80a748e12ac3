"""Anonymizer of the driver `mrz-wedge`: keystrokes of a pseudonymous text, at the same times.

The driver's own keyboard decoder finds which event types which character. Scan codes repeat the key codes and
become zeros; keys not known to be free of text become the unknown key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.mrz_serial import CHIP
from drivers.anonymize.pseudonyms import CannotAnonymize, Pseudonymizer, mask
from drivers.anonymize.text import anonymize_text
from drivers.links.recording.recording import Entry
from drivers.passport.wedge.keyboard import (
    EV_KEY,
    EV_SYN,
    EVENT,
    PRESSED,
    RELEASED,
    KeyboardMark,
    KeyEventDecoder,
)
from drivers.passport.wedge.keymap import (
    ALTS,
    CAPS_LOCK,
    DIGITS_OF_PAD,
    KEYS_WITHOUT_CHARACTER,
    MODIFIERS,
    KeyLayout,
)

UNKNOWN_KEY = 240
"""KEY_UNKNOWN of Linux, which types nothing."""
FULL_STOP, ZERO = 52, 11
"""Replacement keys of punctuation. Signs above digits become that of 0, to hide which digit it was."""
SHIFTED_DIGIT_CHARACTERS = frozenset("!@#$%^&*()")
LINE_ENDS = frozenset("\r\n\t")
KEYS_WITHOUT_TEXT = MODIFIERS | KEYS_WITHOUT_CHARACTER | {CAPS_LOCK, UNKNOWN_KEY}


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One event of an input device; see `wedge.keyboard`."""

    seconds: int
    microseconds: int
    kind: int
    code: int
    value: int


@dataclass(frozen=True, slots=True)
class TypedCharacter:
    """A character with the index of its text and the presses that made it: a key, or digits under Alt."""

    character: str
    text: int
    presses: tuple[int, ...]
    by_code: bool


def mrz_wedge(settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Anonymizer of readers in keyboard mode."""
    if settings.chip is not None:
        raise CannotAnonymize(CHIP)
    received, sent = (
        join_chunks(entries, "in", settings.gap_s).data,
        join_chunks(entries, "out", settings.gap_s).data,
    )
    if len(received) % EVENT.size:
        raise CannotAnonymize(
            f"events of an input device have {EVENT.size} bytes each, and the last one is cut"
        )
    layout = KeyLayout(settings.layout, settings.iso_key)
    keys = [KeyEvent(*event) for event in EVENT.iter_unpack(received)]
    codes = _new_codes(keys, settings.gap_s, layout, pseudonymizer)
    anonymized = [_anonymized(key, codes.get(at, UNKNOWN_KEY)) for at, key in enumerate(keys)]
    new = b"".join(
        EVENT.pack(key.seconds, key.microseconds, key.kind, key.code, key.value) for key in anonymized
    )
    read = _readable_texts(anonymized, settings.gap_s, layout)
    return Anonymized(replace_chunks(entries, in_=new, out=mask(sent)), list(read))


def _anonymized(key: KeyEvent, code: int) -> KeyEvent:
    match key.kind:
        case 1 if key.code in KEYS_WITHOUT_TEXT:
            return key
        case 1:
            return replace(key, code=code)
        case 0:
            return replace(key, value=key.value & 1)
        case _:  # scan codes, lights
            return replace(key, code=0, value=0)


def _new_codes(
    keys: Sequence[KeyEvent], gap_s: float, layout: KeyLayout, pseudonymizer: Pseudonymizer
) -> dict[int, int]:
    """Return the new codes of presses, repetitions and releases, by index of the event."""
    codes: dict[int, int] = {}
    for _, group in groupby(_typed(keys, gap_s, layout), lambda typed: typed.text):
        text = list(group)
        old = "".join(typed.character for typed in text).encode("ascii", "replace")
        for typed, new in zip(text, anonymize_text(old, pseudonymizer).decode("ascii"), strict=True):
            for press, code in zip(typed.presses, _keys_for(keys, typed, new, layout), strict=False):
                for at in _events_of_press(keys, press):
                    codes[at] = code
    return codes


def _typed(keys: Sequence[KeyEvent], gap_s: float, layout: KeyLayout) -> Iterator[TypedCharacter]:
    keyboard = KeyEventDecoder(gap_s, layout)
    text, under_alt = 0, list[int]()
    for at, key in enumerate(keys):
        pressed = key.kind == EV_KEY and key.value == PRESSED
        by_code = key.kind == EV_KEY and key.code in ALTS
        event = EVENT.pack(key.seconds, key.microseconds, key.kind, key.code, key.value)
        outputs = list(keyboard.feed(event))
        for typed in outputs:
            if isinstance(typed, KeyboardMark):
                text += 1
            else:
                yield TypedCharacter(typed, text, tuple(under_alt) if by_code else (at,), by_code)
        if outputs or by_code:
            under_alt = []
        if pressed and key.code in DIGITS_OF_PAD and not any(isinstance(typed, str) for typed in outputs):
            under_alt.append(at)


def _keys_for(keys: Sequence[KeyEvent], typed: TypedCharacter, new: str, layout: KeyLayout) -> Sequence[int]:
    """Return the keys that type another character in the same way."""
    old = typed.character
    if typed.by_code:
        code = str(ord(new)) if len(str(ord(new))) <= len(typed.presses) else str(ord(new.upper()))
        pad = {digit: key for key, digit in DIGITS_OF_PAD.items()}
        return [pad[digit] for digit in code.rjust(len(typed.presses), "0")]
    was = keys[typed.presses[0]].code
    if old in LINE_ENDS or (old == new and old.isprintable()):
        return [was]
    if old in SHIFTED_DIGIT_CHARACTERS:
        return [ZERO]
    if not old.isascii() or not old.isalnum():
        return [FULL_STOP if old.isprintable() else UNKNOWN_KEY]
    others = layout.characters()
    shifted = others[was].index(old)
    return [next(key for key, pair in others.items() if pair[shifted] == new and _on_same_pad(key, was))]


def _on_same_pad(key: int, other: int) -> bool:
    """Return true when both keys or neither are on the numeric pad."""
    return (key in DIGITS_OF_PAD) is (other in DIGITS_OF_PAD)


def _events_of_press(keys: Sequence[KeyEvent], press: int) -> Iterator[int]:
    """Yield a press and all later events of that key up to its release."""
    yield press
    code = keys[press].code
    for at in range(press + 1, len(keys)):
        key = keys[at]
        if key.kind == EV_KEY and key.code == code:
            if key.value == PRESSED:
                return
            yield at
            if key.value == RELEASED:
                return


def _readable_texts(keys: Sequence[KeyEvent], gap_s: float, layout: KeyLayout) -> Iterator[str]:
    """Yield all texts that the keys reveal: as typed, and key by key, held or lost ones included."""
    yield "".join(typed.character for typed in _typed(keys, gap_s, layout))
    plain = layout.characters()
    for shifted in (0, 1):
        yield "".join(
            plain[key.code][shifted] for key in keys if key.kind == EV_KEY and key.code in plain and key.value
        )
    yield from (str(key) for key in keys if key.kind not in (EV_KEY, EV_SYN) and (key.code or key.value))
