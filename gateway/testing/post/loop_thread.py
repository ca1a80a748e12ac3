"""An event loop in a thread of its own, for tests that have none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

ResultT = TypeVar("ResultT")
ArgumentsT = ParamSpec("ArgumentsT")


class LoopThread:
    """Context manager of the loop: it runs in a thread from entry to exit."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated post", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine to its end in the loop; an interrupt of the caller cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(
        self,
        function: Callable[ArgumentsT, ResultT],
        *args: ArgumentsT.args,
        **named: ArgumentsT.kwargs,
    ) -> ResultT:
        """Call a function in the loop; return its result."""

        async def called() -> ResultT:
            return function(*args, **named)

        return self.run(called())


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
