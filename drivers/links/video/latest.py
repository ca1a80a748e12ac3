"""Latest frame of a stream that a thread reads, for an event loop that takes one when needed."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from drivers.clock import boot_ns
from drivers.links.link import LinkError


class Timestamped(Protocol):
    """A timestamped item of a stream."""

    @property
    def made_ns(self) -> int:
        """Time of its creation, by CLOCK_BOOTTIME."""
        ...


FrameT = TypeVar("FrameT", bound=Timestamped)


class LatestValue(Generic[FrameT]):
    """Latest value, passed from a reading thread to the event loop that created it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._frame: FrameT | None = None
        self._is_notified = False
        """True while the loop has a wakeup pending: so there is at most one such call."""
        self._failure: LinkError | None = None
        self._wakeup = asyncio.Event()
        self.is_stopped = False
        """True when values are no longer needed; the thread ends."""

    # In the thread.

    def put(self, frame: FrameT) -> None:
        """Replace the value."""
        with self._lock:
            self._frame = frame
        self._notify()

    def fail(self, failure: LinkError) -> None:
        """End the values with an error."""
        with self._lock:
            self._failure = failure
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            was_notified, self._is_notified = self._is_notified, True
        if not was_notified:
            self.call_in_loop(self._wakeup.set)

    def call_in_loop(self, callback: Callable[[], object]) -> None:
        """Call a function in the loop."""
        if not self.is_stopped:
            self._loop.call_soon_threadsafe(callback)

    @property
    def is_empty(self) -> bool:
        """True before the first value."""
        return self._frame is None

    # In the loop.

    async def newer_than(self, since_ns: int) -> FrameT:
        """Wait for a value made after `since_ns` and return the latest; raises LinkError."""
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
        """Wait until no new value comes for `silence_s` seconds, or values end; raises LinkError."""
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    since_ns = (await self.newer_than(since_ns)).made_ns
            except TimeoutError:
                raise silent() from None


class FrameThread(ABC, Generic[FrameT]):
    """A thread that reads frames of one camera and keeps the latest: an async context manager."""

    def __init__(self, name: str, first_frame_timeout_s: float, no_frame_timeout_s: float) -> None:
        self.is_simulated = False
        self._first_frame_timeout_s = first_frame_timeout_s
        self._no_frame_timeout_s = no_frame_timeout_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._latest: LatestValue[FrameT] = LatestValue()

    async def __aenter__(self) -> Self:
        """Start the thread and wait for the first frame; raises LinkError."""
        self._thread.start()
        try:
            async with asyncio.timeout(self._first_frame_timeout_s):
                await self.newer_than(0)
        except TimeoutError:
            await self._stop()
            raise self._no_frame_error() from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread; a read that is blocked ends by its own timeout first."""
        await self._stop()

    async def _stop(self) -> None:
        self._latest.is_stopped = True
        self._interrupt_read()
        await asyncio.to_thread(self._thread.join)

    async def newer_than(self, since_ns: int) -> FrameT:
        """Wait for a frame made after `since_ns` (CLOCK_BOOTTIME) and return the latest; raises LinkError."""
        return await self._latest.newer_than(since_ns)

    async def wait_for_failure(self) -> None:
        """Wait until reading fails or no frame comes within the timeout; raises LinkError."""
        await self._latest.wait_for_failure(boot_ns(), self._no_frame_timeout_s, self._no_frame_error)

    def _run(self) -> None:
        failure = self._ended_error()
        try:
            self._read()
        except LinkError as error:
            failure = error
        finally:  # also after an error of another kind, else the event loop would wait forever
            self._latest.fail(failure)

    @abstractmethod
    def _read(self) -> None:
        """Read until stopped or failed, in the thread; raises LinkError."""

    @abstractmethod
    def _no_frame_error(self) -> LinkError:
        """Return the error for a camera that sends no frame in time."""

    @abstractmethod
    def _ended_error(self) -> LinkError:
        """Return the error for a read that ended without one."""

    def _interrupt_read(self) -> None:
        """End a wait inside `_read`, where it can be ended."""
