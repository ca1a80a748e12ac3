"""Characters of the keys of a US keyboard. Key codes: Linux, `include/uapi/linux/input-event-codes.h`."""

from typing import Literal

IsoKey = Literal["<", "\\"]

SHIFTS = frozenset({42, 54})
CTRLS = frozenset({29, 97})
ALTS = frozenset({56, 100})
METAS = frozenset({125, 126})
MODIFIERS = SHIFTS | CTRLS | ALTS | METAS
CAPS_LOCK = 58
KEYS_WITHOUT_CHARACTER = frozenset({69, 70})
"""Num Lock and Scroll Lock. Readers press the first before they use the pad, which always means digits."""
KEY_102ND = 86
"""The key left of Z that only ISO keyboards have."""
_ISO_KEY: dict[IsoKey, tuple[str, str]] = {"<": ("<", ">"), "\\": ("\\", "|")}

_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
)
"""First key code of a run of keys, their characters, and their characters with Shift."""
DIGITS_OF_PAD = {71: "7", 72: "8", 73: "9", 75: "4", 76: "5", 77: "6", 79: "1", 80: "2", 81: "3", 82: "0"}
"""Keys of the numeric pad, with which an Alt code is typed."""
_ALIKE = DIGITS_OF_PAD | {
    15: "\t",
    28: "\r",
    57: " ",
    96: "\r",  # Enter of the numeric pad
    55: "*",
    74: "-",
    78: "+",
    83: ".",
    98: "/",
}
"""Keys that Shift does not change."""


def keymap(iso_key: IsoKey) -> dict[int, tuple[str, str]]:
    """Map each key code to its characters alone and with Shift.

    `iso_key` is the character of KEY_102ND alone.
    """
    return (
        {first + i: pair for first, *rows in _ROWS for i, pair in enumerate(zip(*rows, strict=True))}
        | {code: (text, text) for code, text in _ALIKE.items()}
        | {KEY_102ND: _ISO_KEY[iso_key]}
    )
