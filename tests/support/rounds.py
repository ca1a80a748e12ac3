"""Names the round of a loop that failed, and its subject."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def in_round(number: int, what: str) -> Iterator[None]:
    """Add round and subject to an exception raised in it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in round {number}: {what}")
        raise
