"""Event loop in virtual time: when only timers are left, the clock advances to the next one."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any
from unittest import mock

from fuzz.target import held

JUMPS_MOST = 20_000
LONGEST_S = 3600.0
"""Maximum virtual duration, for a device without further output."""


class DeadlockError(Exception):
    """All tasks wait for an event that never happens, or run without end."""


class _Jumping(selectors.SelectSelector):
    now_s = 1000.0
    jumps = 0

    def select(self, timeout: float | None = None) -> Any:
        if ready := super().select(0):
            return ready
        self.jumps += 1
        if timeout is None or self.jumps > JUMPS_MOST:
            raise DeadlockError
        self.now_s += max(0.0, timeout)
        return []


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A loop that runs blocking work at once in its own thread: another thread has no virtual time."""

    def __init__(self) -> None:
        self.clock = _Jumping()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


@cache
def _loop() -> VirtualClockLoop:
    loop = VirtualClockLoop()
    held.callback(_loop.cache_clear)
    held.callback(loop.close)
    return loop


def run_in_virtual_time(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run it to its end, or for an hour of virtual time; cancel remaining tasks."""
    loop = _loop()
    loop.clock.jumps = 0
    asyncio.set_event_loop(loop)

    def boot_ns() -> int:
        return round(loop.time() * 1e9)

    with mock.patch("drivers.clock.boot_ns", boot_ns):
        try:
            loop.run_until_complete(_within(coroutine))
        finally:
            if remaining := asyncio.all_tasks(loop):
                for task in remaining:
                    task.cancel()
                loop.clock.jumps = 0
                loop.run_until_complete(asyncio.gather(*remaining, return_exceptions=True))
            asyncio.set_event_loop(None)


async def _within(coroutine: Coroutine[Any, Any, Any]) -> None:
    try:
        async with asyncio.timeout(LONGEST_S):
            await coroutine
    except TimeoutError:
        pass
