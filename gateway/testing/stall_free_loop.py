"""Event loop whose clock does not count stalls, so that a verdict does not depend on the machine's speed.

Driver, recorded device, simulator and criteria share one loop, and their limits and silences are in its time.
A process that computes long, waits for a processor or is stopped would find them over at once. Here one turn
of the loop counts at most TURN_S, however long it took: a silence passes only in turns that found nothing.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

TURN_S = 0.01
"""Longest time that computing, or waiting, of one turn counts, in seconds."""
ResultT = TypeVar("ResultT")


def run_stall_free(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine to its end, as `asyncio.run`, in a loop whose clock does not count stalls."""
    with asyncio.Runner(loop_factory=StallFreeLoop) as runner:
        return runner.run(main)


class StallFreeLoop(asyncio.SelectorEventLoop):
    """An event loop with the clock of its selector."""

    def __init__(self) -> None:
        self._counting = CountingSelector()
        super().__init__(self._counting)

    def time(self) -> float:
        """Return the time of this loop, which falls behind the clock with every stall."""
        return self._counting.now_s()


class CountingSelector(selectors.PollSelector):
    """Selector that counts the time of each turn, up to a limit.

    Not epoll: poll() makes the kernel hand over bytes of a pseudo-terminal (n_tty_poll), which lie in a work
    queue for long on a busy machine. So a turn without events is one in which nothing was on its way.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counted_s = self._turn_began_s = time.monotonic()

    def now_s(self) -> float:
        """Return the time that has been counted."""
        return self._counted_s + min(time.monotonic() - self._turn_began_s, TURN_S)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, no longer than one turn."""
        self._counted_s = self.now_s()
        wait_s = TURN_S if timeout is None else max(0.0, min(timeout, TURN_S))
        began_s = time.monotonic()
        found = super().select(wait_s)
        passed_s = min(time.monotonic() - began_s, wait_s)
        # With an event no limit is reached in the same turn: what came is handled first.
        self._counted_s += passed_s / 2 if found else passed_s
        self._turn_began_s = time.monotonic()
        return found
