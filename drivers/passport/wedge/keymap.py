"""Characters of the keys of a keyboard, by its layout.

Key codes: Linux, `include/uapi/linux/input-event-codes.h`.
A reader sends the keys that type its text on the machine it was set up for. Layouts: those of Windows,
*English (US)*, *French (Legacy, AZERTY)* and *German*.
"""

from dataclasses import dataclass
from typing import Literal

LayoutName = Literal["us", "azerty", "qwertz"]

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

_ROWS: dict[LayoutName, tuple[tuple[int, str, str], ...]] = {
    "us": (
        (2, "1234567890-=", "!@#$%^&*()_+"),
        (16, "qwertyuiop[]", "QWERTYUIOP{}"),
        (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
        (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    ),
    "azerty": (
        (2, "&\u00e9\"'(-\u00e8_\u00e7\u00e0)=", "1234567890\u00b0+"),
        (16, "azertyuiop^$", "AZERTYUIOP\u00a8\u00a3"),
        (30, "qsdfghjklm\u00f9\u00b2", "QSDFGHJKLM%\u00b2"),
        (43, "*wxcvbn,;:!", "\u00b5WXCVBN?./\u00a7"),
    ),
    "qwertz": (
        (2, "1234567890\u00df\u00b4", '!"\u00a7$%&/()=?`'),
        (16, "qwertzuiop\u00fc+", "QWERTZUIOP\u00dc*"),
        (30, "asdfghjkl\u00f6\u00e4^", "ASDFGHJKL\u00d6\u00c4\u00b0"),
        (43, "#yxcvbnm,.-", "'YXCVBNM;:_"),
    ),
}
"""First key code of a run of keys, their characters, and their characters with Shift."""
_TOP_ROW = frozenset(range(2, 14))
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


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """Layout of the keyboard that a reader stands for; `iso_key` only has an effect on `us`."""

    name: LayoutName = "us"
    iso_key: IsoKey = "<"
    """Character of KEY_102ND alone."""

    def characters(self) -> dict[int, tuple[str, str]]:
        """Map each key code to its characters alone and with Shift."""
        rows = _ROWS[self.name]
        iso_key: IsoKey = self.iso_key if self.name == "us" else "<"
        return (
            {first + i: pair for first, *row in rows for i, pair in enumerate(zip(*row, strict=True))}
            | {code: (text, text) for code, text in _ALIKE.items()}
            | {KEY_102ND: _ISO_KEY[iso_key]}
        )

    def has_caps_lock(self, code: int, plain: str) -> bool:
        """Return True for a key that Caps Lock shifts; the French one shifts the digits too."""
        return plain.isalpha() or (self.name == "azerty" and code in _TOP_ROW)

    @property
    def settings(self) -> str:
        """Keys and values of the configuration."""
        return f'layout = "{self.name}"' + (
            f' and iso_key = "{self.iso_key * 2}"' if self.iso_key == "\\" else ""
        )


US = KeyLayout()
