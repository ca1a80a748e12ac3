"""Plates: text that anybody can paint, made safe to compare; and one event for each vehicle."""

import unicodedata
from collections import OrderedDict
from collections.abc import Iterable

RAW_LIMIT = 64
PLATE_LIMIT = 16
UNREAD = frozenset({"UNKNOWN", "NOPLATE", "UNLICENSED", "NULL", "NONE"})
"""What cameras write where they could read nothing."""
REMEMBERED = 4096
"""How many passages are remembered: those of several hours in the busiest lane."""


def normalised(raw: str) -> str | None:
    """Capital letters and digits of any script, without what separates them; None where that is no plate.

    Wide and other compatibility forms become plain ones (Unicode NFKC), so what looks alike compares alike.
    Marks stay, because scripts such as Thai cannot be read without them.
    """
    text = unicodedata.normalize("NFKC", raw[:RAW_LIMIT]).upper()
    kept = "".join(c for c in text if unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "Mn")
    kept = unicodedata.normalize("NFC", kept)
    if not kept or kept in UNREAD or len(kept) > PLATE_LIMIT:
        return None
    return kept


def fraction(text: str | None, of: float) -> float | None:
    """A confidence as a number from 0 to 1; None where it is none on this scale."""
    try:
        value = float(text or "") / of
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


class Passages:
    """Which passages were said already, so that a camera may tell of one as often as it likes."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._seen: OrderedDict[object, None] = OrderedDict()

    def first(self, keys: Iterable[object]) -> bool:
        """Whether none of these names of one passage was met before; they have been, afterwards."""
        keys = tuple(keys)
        known = any(key in self._seen for key in keys)
        for key in keys:
            self._seen[key] = None
            self._seen.move_to_end(key)
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return not known

    def forget(self, key: object) -> None:
        """Let this name be met as new."""
        self._seen.pop(key, None)
