"""When things happen at a simulated barrier: in real time, or in time that a test drives by hand.

Mechanics, relays and delayed answers make appointments here and nowhere else, so that a test of an hour's
traffic takes milliseconds and always goes the same way.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]


class TimerHandle(Protocol):
    """Something that will happen unless it is called off."""

    def cancel(self) -> None:
        """Call it off; without effect once it has happened."""


class Timeline(Protocol):
    """A clock with a diary. Times are in seconds."""

    @property
    def now_s(self) -> float:
        """The time now; never goes back."""

    def call_at(self, when_s: float, action: Action) -> TimerHandle:
        """Do `action` at `when_s`, or as soon as possible when that is past."""


class RealClock:
    """The time of the event loop that runs, which is CLOCK_MONOTONIC's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    @property
    def now_s(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return self._loop.time()

    def call_at(self, when_s: float, action: Action) -> TimerHandle:
        """See `Timeline.at`."""
        return self._loop.call_at(when_s, action)


class _Entry:
    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        self.action = None


class ManualClock:
    """Time that stands still until somebody moves it on; what is due on the way happens then, in order."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._order = itertools.count()
        self._diary: list[tuple[float, int, _Entry]] = []

    @property
    def now_s(self) -> float:
        """The time; while something happens, exactly the time it was due."""
        return self._now_s

    @property
    def next_s(self) -> float | None:
        """When something will happen next; None when nothing will."""
        while self._diary and self._diary[0][2].action is None:
            heapq.heappop(self._diary)
        return self._diary[0][0] if self._diary else None

    def call_at(self, when_s: float, action: Action) -> TimerHandle:
        """See `Timeline.at`."""
        entry = _Entry(action)
        heapq.heappush(self._diary, (max(when_s, self._now_s), next(self._order), entry))
        return entry

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds, 0 included: what is due now happens."""
        self.run_to(self._now_s + seconds)

    def run_to(self, when_s: float) -> None:
        """Move on to `when_s`; ValueError if that is past."""
        if when_s < self._now_s:
            raise ValueError(f"{when_s} s is past: it is {self._now_s} s")
        while (due_s := self.next_s) is not None and due_s <= when_s:
            _, _, entry = heapq.heappop(self._diary)
            self._now_s = due_s
            action, entry.action = entry.action, None
            assert action is not None
            action()
        self._now_s = when_s
