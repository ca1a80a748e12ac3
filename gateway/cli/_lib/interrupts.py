"""Ctrl-C, SIGTERM and SIGHUP as a request to end, which takes effect where the program checks for it."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals of Ctrl-C, `kill`, and a closed terminal."""


class Interrupted(Exception):  # noqa: N818 - a person's wish, not a fault
    """The program was requested to end."""


class Interrupts:
    """Context manager that records signals, so that none of them interrupts a clean-up."""

    def __init__(self) -> None:
        self.asked = False
        self._tell: Callable[[], object] | None = None
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
        if self.asked:
            raise Interrupted

    def on_request(self, tell: Callable[[], object]) -> None:
        """Call `tell` at a request to end, at once if there was one already. It runs in a signal handler."""
        self._tell = tell
        if self.asked:
            tell()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._tell is not None:
            self._tell()
