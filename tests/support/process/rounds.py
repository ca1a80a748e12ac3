"""Tells which round of a loop failed, and on what."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def in_round(number: int, what: str) -> Iterator[None]:
    """Add the round and what it was about to whatever is raised in it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in round {number}: {what}")
        raise
