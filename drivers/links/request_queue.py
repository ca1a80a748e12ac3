"""Whose turn it is on a wire that takes one question at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from drivers.links.link import Action, Cause, LinkError

ResultT = TypeVar("ResultT")


class RequestCancelled(Exception):  # noqa: N818 - what happened, not a fault
    """It was no longer wanted when its turn came: nothing was sent."""


def _always() -> bool:
    return True


def _now() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class _Request:
    work: Callable[[], Coroutine[Any, Any, Any]]
    outcome: asyncio.Future[Any]
    is_wanted: Callable[[], bool]
    not_before: Callable[[], float]


class RequestQueue:
    """Errands on one wire, one after the other, urgent ones before all that wait: an async context manager.

    An errand that has begun goes on to its end though nobody waits for it any more: what comes back is its
    answer, and must not be met by the next. One that waits is not begun once its caller is gone.
    """

    def __init__(self) -> None:
        self._urgent: deque[_Request] = deque()
        self._others: deque[_Request] = deque()
        self._wakeup = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to work."""
        self._worker = asyncio.create_task(self._work(), name="turns of a wire")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the errand under way, and all that wait with a LinkError."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
        for errand in (*self._urgent, *self._others):
            _fail(errand, _closed())

    async def submit(
        self,
        work: Callable[[], Coroutine[Any, Any, ResultT]],
        *,
        urgent: bool = False,
        is_wanted: Callable[[], bool] = _always,
        not_before: Callable[[], float] = _now,
    ) -> ResultT:
        """Do something when its turn comes, and return what it returns, or raise what it raises.

        `wanted` is asked when it comes, and Withdrawn raised if it is not. Until `not_before`, a time of the
        loop, has come, others go first.
        """
        if self._worker is None:
            raise _closed()
        outcome: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._others).append(_Request(work, outcome, is_wanted, not_before))
        self._wakeup.set()
        return await outcome

    async def _work(self) -> None:
        while True:
            errand = await self._next()
            if not errand.is_wanted():
                _fail(errand, RequestCancelled())
                continue
            try:
                result = await errand.work()
            except asyncio.CancelledError:
                _fail(errand, _closed())
                raise
            except Exception as error:  # noqa: BLE001 - it is the caller's
                _fail(errand, error)
            else:
                if not errand.outcome.done():
                    errand.outcome.set_result(result)

    async def _next(self) -> _Request:
        loop = asyncio.get_running_loop()
        while True:
            self._wakeup.clear()
            earliest_s: float | None = None
            for queue in (self._urgent, self._others):
                for errand in tuple(queue):
                    if errand.outcome.done():  # its caller has gone
                        queue.remove(errand)
                    elif (due_s := errand.not_before()) <= loop.time():
                        queue.remove(errand)
                        return errand
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
    """On a wire whose answers carry no number: what was asked and not answered, and until when it may be.

    `late_s`: so long after it was given up an answer may still come, in seconds.
    """

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._until: dict[bytes, float] = {}

    def add(self, question: bytes) -> None:
        """Nobody waits for the answer to this any longer."""
        self._until[question] = asyncio.get_running_loop().time() + self._late_s

    def latest_s(self, matches: Callable[[bytes], bool]) -> float:
        """Until when answers to questions like that may come, a time of the loop; 0 if none may."""
        now_s = asyncio.get_running_loop().time()
        self._until = {question: late_s for question, late_s in self._until.items() if late_s > now_s}
        return max((late_s for question, late_s in self._until.items() if matches(question)), default=0.0)
