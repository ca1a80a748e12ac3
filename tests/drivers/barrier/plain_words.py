"""Form of words for people: a sentence, and the objection to a configuration. Nothing is left to fill in."""

import re

_UNFINISHED = re.compile(r"%\(|[{}]|\bNone\b|XX|  | [.,;]|\b[A-Z]{2,}\W+[A-Z]{2,}\b")
"""A placeholder, a value that is missing, or words in capitals (an abbreviation stands alone)."""


def assert_sentence(text: object) -> None:
    """Require one or more plain sentences, each with its capital and its full stop."""
    assert isinstance(text, str)
    assert re.search(r"[a-z]{2}", text), f"no words: {text!r}"
    assert not text[0].islower(), f"no capital: {text!r}"
    assert text == text.strip()
    assert text.endswith("."), f"no full stop: {text!r}"
    assert not re.search(r"[a-z]{2}\. [a-z]", text), f"no capital after a full stop: {text!r}"
    assert not _UNFINISHED.search(text), f"unfinished: {text!r}"


def assert_objection(text: object) -> None:
    """Require a consequence and a remedy, separated by a semicolon, without a capital or a full stop."""
    assert isinstance(text, str)
    consequence, _, remedy = text.partition("; ")
    for part in (consequence, remedy):
        assert re.match(r"[a-z'\"]+ ", part), f"no words in lower case: {text!r}"
    assert not text.endswith("."), f"a full stop: {text!r}"
    assert not _UNFINISHED.search(text), f"unfinished: {text!r}"
