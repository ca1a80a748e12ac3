"""Runs coroutines in no time: where nothing is left to do but wait, the clock goes on to what is due."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any
from unittest import mock

from fuzz.target import held

JUMPS_MOST = 20_000
LONGEST_S = 3600.0
"""A device that says nothing more may be waited for as long as that."""


class DeadlockError(Exception):
    """Everybody waits for what never happens, or goes on for ever."""


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
    """What blocks is done at once, in the loop's own thread: with another one it could not be told when."""

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
    """Run it to its end, or for an hour of its own time; what it leaves behind is stopped."""
    loop = _loop()
    loop.clock.jumps = 0
    asyncio.set_event_loop(loop)

    def boot_ns() -> int:
        return round(loop.time() * 1e9)

    with mock.patch("drivers.clock.boot_ns", boot_ns):
        try:
            loop.run_until_complete(_within(coroutine))
        finally:
            if left := asyncio.all_tasks(loop):
                for task in left:
                    task.cancel()
                loop.clock.jumps = 0
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            asyncio.set_event_loop(None)


async def _within(coroutine: Coroutine[Any, Any, Any]) -> None:
    try:
        async with asyncio.timeout(LONGEST_S):
            await coroutine
    except TimeoutError:
        pass
