"""Invents people in place of real ones, for recordings that leave a post.

An invention has the shape of what it replaces, letter for letter and digit for digit, and differs from it in
each. The same is invented for the same, so that what was read twice reads the same twice; from what is thrown
away afterwards, so that nobody finds out by trying.
"""

import hmac
import secrets
from collections.abc import Iterator

VOWELS, CONSONANTS, DIGITS = "AEIOU", "BCDFGHJKLMNPQRSTVWXYZ", "0123456789"
_KEPT = frozenset(b"<_ \r\n")
_MASKED = bytes(
    c
    if c in _KEPT
    else ord("X")
    if 0x41 <= c <= 0x5A
    else ord("x")
    if 0x61 <= c <= 0x7A
    else ord("0")
    if 0x30 <= c <= 0x39
    else ord(".")
    if 0x20 <= c < 0x7F
    else 0
    for c in range(256)
)
SHORTEST_MARK, SHORTEST_NUMBER = 4, 6
"""Shorter than this, a word or number is found in what says nothing of anybody."""


class CannotAnonymize(ValueError):  # noqa: N818 - an answer, not a fault
    """It is not certain that a recording holds nothing of a person any more; says why, and never of whom."""


def mask(data: bytes) -> bytes:
    """As many bytes that tell lengths and fillers only; what is no text becomes zeros."""
    return data.translate(_MASKED)


class Pseudonymizer:
    """Invents, and remembers by which marks those whom it replaced would be known."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self.marks: set[str] = set()

    def pseudonym(self, kind: str, text: str) -> str:
        """Other letters for letters and other digits for digits; every other sign stays."""
        drawn = self._draw(f"{kind}:{text}")
        return "".join(_other(character, drawn) for character in text)

    def pseudonymous_number(self, kind: str, text: str, low: int, high: int) -> int:
        """A number from `low` to `high` for a text."""
        drawn = self._draw(f"{kind}:{text}")
        return low + (next(drawn) << 8 | next(drawn)) % (high - low + 1)

    def add_marks(self, *texts: str) -> None:
        """Nothing of these may be found afterwards. What is one character again and again marks nobody."""
        for text in texts:
            shortest = SHORTEST_NUMBER if text.isdigit() else SHORTEST_MARK
            if len(text) >= shortest and len(set(text)) > 1:
                self.marks.add(text)

    def add_marks_from(self, text: str) -> None:
        """The same of what was not understood, where it may be of a document: the pieces between fillers."""
        if "<" in text or text.isdigit():
            self.add_marks(*text.split("<"))

    def _draw(self, subject: str) -> Iterator[int]:
        """Bytes without end."""
        block = b""
        while True:
            block = hmac.digest(self._key, block + subject.encode(), "sha256")
            yield from block


def _other(character: str, drawn: Iterator[int]) -> str:
    """Another character of the same kind."""
    upper = character.upper()
    for kind in (VOWELS, CONSONANTS, DIGITS):
        if upper in kind:
            others = kind.replace(upper, "")
            other = others[next(drawn) % len(others)]
            return other.lower() if character.islower() else other
    return character
