"""Time at a simulated barrier: real time, or time under a test's control.

Mechanics, relays and delayed answers schedule their actions only here, so that a test of an hour's traffic
takes milliseconds and always has the same result.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]


class TimerHandle(Protocol):
    """A scheduled action."""

    def cancel(self) -> None:
        """Cancel it; without effect once it has run."""


class Timeline(Protocol):
    """A clock with scheduled actions. Times are in seconds."""

    @property
    def now_s(self) -> float:
        """The present time; never goes back."""

    def call_at(self, when_s: float, action: Action) -> TimerHandle:
        """Run `action` at `when_s`, or as soon as possible when that is past."""


class RealClock:
    """The time of the running event loop, which is CLOCK_MONOTONIC's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    @property
    def now_s(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return self._loop.time()

    def call_at(self, when_s: float, action: Action) -> TimerHandle:
        """See `Timeline.call_at`."""
        return self._loop.call_at(when_s, action)


class _Entry:
    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        self.action = None


class ManualClock:
    """Time that advances only on request; actions due meanwhile run in order."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._order = itertools.count()
        self._diary: list[tuple[float, int, _Entry]] = []

    @property
    def now_s(self) -> float:
        """The time; during an action, exactly its due time."""
        return self._now_s

    @property
    def next_s(self) -> float | None:
        """Due time of the next action; None without one."""
        while self._diary and self._diary[0][2].action is None:
            heapq.heappop(self._diary)
        return self._diary[0][0] if self._diary else None

    def call_at(self, when_s: float, action: Action) -> TimerHandle:
        """See `Timeline.call_at`."""
        entry = _Entry(action)
        heapq.heappush(self._diary, (max(when_s, self._now_s), next(self._order), entry))
        return entry

    def advance(self, seconds: float) -> None:
        """Advance by this time, 0 included, and run the actions due."""
        self.run_to(self._now_s + seconds)

    def run_to(self, when_s: float) -> None:
        """Advance to `when_s`; raise ValueError if that is past."""
        if when_s < self._now_s:
            raise ValueError(f"{when_s} s is past: it is {self._now_s} s")
        while (due_s := self.next_s) is not None and due_s <= when_s:
            _, _, entry = heapq.heappop(self._diary)
            self._now_s = due_s
            action, entry.action = entry.action, None
            assert action is not None
            action()
        self._now_s = when_s
