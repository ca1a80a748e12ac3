"""Entry of a vocabulary: a title and a sentence, each in three languages."""

from collections.abc import Mapping
from typing import NamedTuple


class Text(NamedTuple):
    """One text in every language."""

    en: str
    sw: str
    fr: str


class Entry(NamedTuple):
    """Texts of one word for an officer."""

    title: Text
    sentence: Text


Row = tuple[str, str, str, str, str, str]
"""Title in English, Swahili and French, then the sentence in the same order."""


def entries(rows: Mapping[str, Row]) -> dict[str, Entry]:
    """Build the entries of a vocabulary by their words."""
    return {word: Entry(Text(*row[:3]), Text(*row[3:])) for word, row in rows.items()}
