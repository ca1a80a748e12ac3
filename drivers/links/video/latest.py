"""What a thread reads of a stream: only the newest is kept, for an event loop that asks when it needs one."""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from drivers.links.link import LinkError


class Timestamped(Protocol):
    """Something of a stream."""

    @property
    def made_ns(self) -> int:
        """When it was made, by CLOCK_BOOTTIME."""
        ...


FrameT = TypeVar("FrameT", bound=Timestamped)


class LatestValue(Generic[FrameT]):
    """Between a thread that reads and the event loop that it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._frame: FrameT | None = None
        self._is_notified = False
        """The loop was told of news and has not looked yet: so no more than one such call waits there."""
        self._failure: LinkError | None = None
        self._wakeup = asyncio.Event()
        self.is_stopped = False
        """Nobody listens any more; the thread shall end."""

    # In the thread.

    def put(self, frame: FrameT) -> None:
        """Keep it instead of the one before."""
        with self._lock:
            self._frame = frame
        self._notify()

    def fail(self, failure: LinkError) -> None:
        """There will be no more."""
        with self._lock:
            self._failure = failure
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            told, self._is_notified = self._is_notified, True
        if not told:
            self.call_in_loop(self._wakeup.set)

    def call_in_loop(self, callback: Callable[[], object]) -> None:
        """Have the loop call it."""
        if not self.is_stopped:
            self._loop.call_soon_threadsafe(callback)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come yet."""
        return self._frame is None

    # In the loop.

    async def newer_than(self, since_ns: int) -> FrameT:
        """The newest, as soon as it was made after that; raises LinkError."""
        while True:
            with self._lock:
                self._is_notified = False
                frame, failure = self._frame, self._failure
            if failure is not None:
                raise failure
            if frame is not None and frame.made_ns > since_ns:
                return frame
            self._wakeup.clear()
            await self._wakeup.wait()

    async def wait_for_failure(
        self, since_ns: int, silence_s: float, silent: Callable[[], LinkError]
    ) -> None:
        """Wait until nothing new has come for so long, or there will be no more; raises LinkError."""
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    since_ns = (await self.newer_than(since_ns)).made_ns
            except TimeoutError:
                raise silent() from None
