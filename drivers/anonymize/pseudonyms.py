"""Pseudonyms for the personal data in recordings that leave a post.

A pseudonym has the shape of the text that it replaces, letter for letter and digit for digit, and differs
from it in each. It contains no name or number of another person: among a hundred people a random date is
often somebody's. The same text always gets the same pseudonym, so that a document read twice reads the same
twice. The key is discarded afterwards, so that pseudonyms cannot be reversed by trying.
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
"""Lengths below which a word or number also occurs in data that is not personal."""


REDRAWS = 100
"""Most attempts to draw a pseudonym without a mark; after that the recording is refused."""


class CannotAnonymize(ValueError):  # noqa: N818 - an answer, not a fault
    """A recording may still hold personal data; the text says why, without the data itself."""


def mask(data: bytes) -> bytes:
    """Return as many bytes that show only lengths and fillers; bytes that are no text become zeros."""
    return data.translate(_MASKED)


class Pseudonymizer:
    """Source of pseudonyms; collects the marks by which the replaced persons could be recognised."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self.marks: set[str] = set()

    def pseudonym(self, kind: str, text: str) -> str:
        """Return other letters for letters and other digits for digits; all other characters are kept."""
        drawn = self._draw(f"{kind}:{text}")
        for _ in range(REDRAWS):
            other = "".join(_other(character, drawn) for character in text)
            if not self.has_mark(other):
                break
        return other

    def has_mark(self, text: str) -> bool:
        """Return true when a mark is found in an ASCII text, or in its bytes as packed decimals."""
        upper, digits = text.upper(), text.encode().hex()
        return any(mark in upper or (mark.isdigit() and mark in digits) for mark in self.marks)

    def pseudonymous_number(self, kind: str, text: str, low: int, high: int) -> int:
        """Return a number from `low` to `high` for a text."""
        drawn = self._draw(f"{kind}:{text}")
        return low + (next(drawn) << 8 | next(drawn)) % (high - low + 1)

    def add_marks(self, *texts: str) -> None:
        """Add texts that must not be found afterwards; a single repeated character is not identifying.

        Of a date with unknown days only the known digits count.
        """
        for text in (each.strip("<").upper() for each in texts):
            shortest = SHORTEST_NUMBER if text.isdigit() else SHORTEST_MARK
            if len(text) >= shortest and len(set(text)) > 1:
                self.marks.add(text)

    def add_marks_from(self, text: str) -> None:
        """Add the pieces between fillers of a text that was not understood and may be of a document."""
        if "<" in text or text.isdigit():
            self.add_marks(*text.split("<"))

    def _draw(self, subject: str) -> Iterator[int]:
        """Yield bytes without end."""
        block = b""
        while True:
            block = hmac.digest(self._key, block + subject.encode(), "sha256")
            yield from block


def _other(character: str, drawn: Iterator[int]) -> str:
    """Return another character of the same kind."""
    upper = character.upper()
    for kind in (VOWELS, CONSONANTS, DIGITS):
        if upper in kind:
            others = kind.replace(upper, "")
            other = others[next(drawn) % len(others)]
            return other.lower() if character.islower() else other
    return character
