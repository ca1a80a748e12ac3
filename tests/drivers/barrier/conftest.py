"""Time limit of boards of this machine, and the words of every error and refusal of a test."""

from collections.abc import Iterator
from typing import Any

import pytest
from plain_words import assert_objection, assert_sentence

from drivers.barrier import board
from drivers.barrier.safety.violations import Violation
from drivers.command import CommandRefusal
from drivers.links.link import LinkError, NotInstalledError


@pytest.fixture(autouse=True)
def no_answer_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permit answer times that a post's file may not have: a busy machine answers later than real boards."""
    monkeypatch.setattr(board, "MAX_RESPONSE_TIMEOUT_S", 1.0)


@pytest.fixture(autouse=True)
def words_are_plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which an error, a refusal or a violation is no plain sentence for a person."""
    sentences: set[object] = set()
    objections: set[object] = set()

    def note(kind: type[Any], words: set[object], *names: str) -> None:
        begin = kind.__init__

        def begin_noted(self: Any, *args: Any, **named: Any) -> None:
            begin(self, *args, **named)
            if not isinstance(self, NotInstalledError):  # its remedy ends with a command to type
                words.update(value for name in names if (value := getattr(self, name)) != "")

        monkeypatch.setattr(kind, "__init__", begin_noted)

    note(LinkError, sentences, "text", "how")
    note(CommandRefusal, sentences, "text")
    note(Violation, objections, "text")
    yield
    for sentence in sentences:
        assert_sentence(sentence)
    for objection in objections:
        assert_objection(objection)
