"""Queue of requests for a link that takes one request at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from drivers.links.link import Action, Cause, LinkError

ResultT = TypeVar("ResultT")


class RequestNotSent(Exception):  # noqa: N818 - what happened, not a fault
    """A request withdrawn before its first byte was written: nothing was sent, and nothing will be."""


class LineNotFree(RequestNotSent):
    """Earlier bytes may still wait in the kernel or an adapter: a movement behind them could come late."""


def _now() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class _Request:
    work: Callable[[], Coroutine[Any, Any, Any]]
    outcome: asyncio.Future[Any]
    not_before: Callable[[], float]


class RequestQueue:
    """Jobs on one link, one after the other, urgent ones before all waiting ones: an async context manager.

    A job that has begun runs to its end even when its caller is cancelled: the response belongs to it, and
    must not be read by the next job. A waiting job whose caller is cancelled is not begun.
    """

    def __init__(self) -> None:
        self._urgent: deque[_Request] = deque()
        self._others: deque[_Request] = deque()
        self._wakeup = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the queue."""
        self._worker = asyncio.create_task(self._work(), name="requests of a wire")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the running job, and all waiting ones, with a LinkError."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
        for job in (*self._urgent, *self._others):
            _fail(job, _closed())

    async def submit(
        self,
        work: Callable[[], Coroutine[Any, Any, ResultT]],
        *,
        urgent: bool = False,
        not_before: Callable[[], float] = _now,
    ) -> ResultT:
        """Run a job when its turn comes, and return its result, or raise its error.

        Until `not_before`, a time of the loop, other jobs go first.
        """
        if self._worker is None:
            raise _closed()
        outcome: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._others).append(_Request(work, outcome, not_before))
        self._wakeup.set()
        return await outcome

    async def _work(self) -> None:
        while True:
            job = await self._next()
            try:
                result = await job.work()
            except asyncio.CancelledError:
                _fail(job, _closed())
                raise
            except Exception as error:  # noqa: BLE001 - it is the caller's
                _fail(job, error)
            else:
                if not job.outcome.done():
                    job.outcome.set_result(result)

    async def _next(self) -> _Request:
        loop = asyncio.get_running_loop()
        while True:
            self._wakeup.clear()
            earliest_s: float | None = None
            for queue in (self._urgent, self._others):
                for job in tuple(queue):
                    if job.outcome.done():  # its caller was cancelled
                        queue.remove(job)
                    elif (due_s := job.not_before()) <= loop.time():
                        queue.remove(job)
                        return job
                    else:
                        earliest_s = due_s if earliest_s is None else min(earliest_s, due_s)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(earliest_s):
                    await self._wakeup.wait()


def _fail(request: _Request, error: Exception) -> None:
    if not request.outcome.done():
        request.outcome.set_exception(error)


def _closed() -> LinkError:
    return LinkError(
        Cause.LINK_FAILED, "The link is closed.", Action.WAIT, "It opens again by itself with its device."
    )


class StaleReplies:
    """Unanswered requests on a link whose responses carry no number, and how long a late response may come.

    `late_s`: seconds in which a response may still come after its request was abandoned.
    """

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._until: dict[bytes, float] = {}

    def add(self, question: bytes) -> None:
        """Add a request that was abandoned."""
        self._until[question] = asyncio.get_running_loop().time() + self._late_s

    def latest_s(self, matches: Callable[[bytes], bool]) -> float:
        """Return the latest time (of the loop) of a response to such a request; 0 if none can come."""
        now_s = asyncio.get_running_loop().time()
        self._until = {question: late_s for question, late_s in self._until.items() if late_s > now_s}
        return max((late_s for question, late_s in self._until.items() if matches(question)), default=0.0)
