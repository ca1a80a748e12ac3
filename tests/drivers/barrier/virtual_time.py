"""An event loop with the simulator's time: it stops while there is work, and otherwise jumps."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

from simulators.barrier.timeline import ManualClock

START_S = 1000.0
JUMPS_MOST = 60_000


class _Jumping(selectors.SelectSelector):
    """Selector that, instead of waiting, advances the time to the next timer of the loop or the barrier."""

    def __init__(self, timeline: ManualClock) -> None:
        super().__init__()
        self.timeline = timeline
        self._jumps = 0

    def select(self, timeout: float | None = None) -> Any:
        now_s, next_s = self.timeline.now_s, self.timeline.next_s
        self._jumps += 1
        if timeout == 0:  # there is work; events of descriptors may wait
            if next_s is not None and next_s <= now_s:
                self.timeline.run_to(now_s)
            return []
        if ready := super().select(0):
            return ready
        due = [] if timeout is None else [now_s + max(0.0, timeout)]
        if next_s is not None:
            due.append(next_s)
        if not due or self._jumps > JUMPS_MOST:
            raise RuntimeError(f"at {now_s} s everybody waits for what never happens")
        self.timeline.run_to(max(min(due), now_s))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop in virtual time."""

    def __init__(self) -> None:
        self.timeline = ManualClock(START_S)
        super().__init__(_Jumping(self.timeline))

    def time(self) -> float:
        return self.timeline.now_s


class VirtualRunner:
    """Runner of coroutines in virtual time, also for the clock of command deadlines."""

    def __enter__(self) -> "VirtualRunner":
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        loop = self._runner.get_loop()

        def boot_ns() -> int:
            return round(loop.time() * 1e9)

        self._clock = mock.patch("drivers.clock.boot_ns", boot_ns)
        self._clock.start()
        return self

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        # Not by the runner, which sets a signal's disposition each time: that is a tenth of such a test.
        return self._runner.get_loop().run_until_complete(coroutine)

    def __exit__(self, *_: object) -> None:
        self._clock.stop()
        self._runner.close()


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorate a test to run in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with VirtualRunner() as runner:
            runner.run(test(*args, **kwargs))

    return run
