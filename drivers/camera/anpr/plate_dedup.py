"""Plates: normalisation of untrusted text for comparison, and deduplication of passages."""

import unicodedata
from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime, timedelta

RAW_LIMIT = 64
PLATE_LIMIT = 16
UNREAD_MARKERS = frozenset({"UNKNOWN", "NOPLATE", "UNLICENSED", "NULL", "NONE"})
"""Words of cameras for an unreadable plate."""
REMEMBERED_PASSAGES = 4096
"""Number of remembered passages: those of several hours in the busiest lane."""


def normalise_plate(raw: str) -> str | None:
    """Return capital letters and digits of any script, without separators; None without any.

    Wide and other compatibility forms are replaced by plain ones (Unicode NFKC), so that equal looking text
    compares equal. Marks stay, because scripts such as Thai cannot be read without them.
    """
    text = unicodedata.normalize("NFKC", raw[:RAW_LIMIT]).upper()
    kept = "".join(c for c in text if unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "Mn")
    kept = unicodedata.normalize("NFC", kept)
    if not kept or kept in UNREAD_MARKERS or len(kept) > PLATE_LIMIT:
        return None
    return kept


def to_fraction(text: str | None, of: float) -> float | None:
    """Return a confidence from 0 to 1; None for a value outside of the scale."""
    try:
        value = float(text or "") / of
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


class PassageDeduplicator:
    """Passages reported so far; a camera may report one any number of times."""

    def __init__(self, remembered: int = REMEMBERED_PASSAGES) -> None:
        self._remembered = remembered
        self._seen: OrderedDict[object, None] = OrderedDict()

    def is_first(self, keys: Iterable[object]) -> bool:
        """Return True if none of these keys was seen before, and remember them."""
        keys = tuple(keys)
        known = any(key in self._seen for key in keys)
        for key in keys:
            self._seen[key] = None
            self._seen.move_to_end(key)
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return not known


class PlateDeduplicator:
    """Plates and their times, to recognise a passage that is reported under another key."""

    def __init__(self, within_s: float) -> None:
        self._within = timedelta(seconds=within_s)
        self._seen: deque[tuple[str | None, datetime]] = deque(maxlen=256)

    def add(self, plate: str | None, when: datetime | None) -> None:
        """Remember a plate, with the time of the camera's own clock."""
        if when is not None:
            self._seen.append((plate, when))

    def is_duplicate(self, plate: str | None, when: datetime | None) -> bool:
        """Return True if the same plate was read at about that time."""
        if when is None:
            return False
        return any(plate == other and abs(when - at) <= self._within for other, at in self._seen)
