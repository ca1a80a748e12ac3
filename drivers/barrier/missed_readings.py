"""Count of the readings that a board leaves unanswered, until its link counts as lost."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.links.link import Cause, LinkError

MAX_MISSED_READINGS = 3
"""Number of unanswered readings without a complete poll between them after which the link is lost."""


class MissedReadings:
    """Count of one link. Readings for commands count as well as polls, which wait while those fail."""

    def __init__(self) -> None:
        self.loss: LinkError | None = None
        """Error of the reading with which the link was lost; None: it is not lost."""
        self._missed = 0
        self._since_s = 0.0
        """Time of the loop at which the first of them has failed."""

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the reading of this block if it fails. Raises the error of a lost link instead of reading."""
        if self.loss is not None:
            raise self.loss
        try:
            yield
        except LinkError as error:
            if not self._missed:
                self._since_s = asyncio.get_running_loop().time()
            self._missed += 1
            if self._missed >= MAX_MISSED_READINGS or error.cause is not Cause.NO_RESPONSE:
                self.loss = error
            raise

    def is_for(self, seconds: float) -> bool:
        """Return True if the first of the missed readings has failed so long ago."""
        return asyncio.get_running_loop().time() - self._since_s >= seconds

    def on_complete_poll(self) -> None:
        """Note that the board has answered all readings of a poll."""
        self._missed = 0
