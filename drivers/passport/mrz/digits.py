"""Check digit of a machine readable zone: weights 7-3-1, modulo 10 (ICAO Doc 9303-3, section 4.9)."""

from itertools import chain, repeat
from operator import mul

# The longest text any layout sums is the composite of the French identity card, 71 characters.
_WEIGHTS = tuple(chain.from_iterable(repeat((7, 3, 1), 30)))
_FOREIGN = 255
# 0-9 count as themselves, A-Z as 10 to 35, the filler as 0; anything else cannot be in a zone.
_VALUES = bytes(
    0 if c == 0x3C else c - 0x30 if 0x30 <= c <= 0x39 else c - 55 if 0x41 <= c <= 0x5A else _FOREIGN
    for c in range(256)
)


def check_digit(text: str) -> str | None:
    """Compute the check digit over `text`, or None when it has a character that no zone can have."""
    values = text.encode("latin-1", "replace").translate(_VALUES)
    if _FOREIGN in values:
        return None
    weights = _WEIGHTS if len(values) <= len(_WEIGHTS) else chain.from_iterable(repeat((7, 3, 1)))
    return "0123456789"[sum(map(mul, values, weights)) % 10]


def foreign_characters(text: str) -> int:
    """Count the characters that no zone can have."""
    return text.encode("latin-1", "replace").translate(_VALUES).count(_FOREIGN)
