"""Ctrl-C, SIGTERM and SIGHUP as a request to end, which takes effect where the program checks for it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals of Ctrl-C, `kill`, and a closed terminal."""


class Interrupted(Exception):  # noqa: N818 - a person's wish, not a fault
    """The program was requested to end."""


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Let `kill` and a closed terminal end a block as Ctrl-C does: by KeyboardInterrupt, once each.

    For a program that has something to save. Has no effect outside the main thread, which gets the signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # A repeated one would interrupt the saving.
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, disposition in before.items():
            signal.signal(number, disposition)


class Interrupts:
    """Context manager that records signals, so that none of them interrupts a clean-up."""

    def __init__(self) -> None:
        self.requested = False
        self._callback: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Record signals from now on, and those that the parent process blocked (`env --block-signal`)."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the earlier dispositions."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def check(self) -> None:
        """Raise Interrupted after a request to end."""
        if self.requested:
            raise Interrupted

    def on_request(self, callback: Callable[[], object]) -> None:
        """Call `callback` in a signal handler at a request to end, at once if there was one already."""
        self._callback = callback
        if self.requested:
            callback()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if self._callback is not None:
            self._callback()
