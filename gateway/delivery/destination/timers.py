"""Group of timers that are cancelled together."""

import asyncio
from collections.abc import Callable


class TimerGroup:
    """Timers of one connection; all are cancelled when it is lost."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handles: set[asyncio.TimerHandle] = set()

    def call_later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call `action` in `delay_s` seconds, unless the group is cancelled before."""

        def act() -> None:
            self._handles.discard(handle)
            action()

        handle = self._loop.call_later(delay_s, act)
        self._handles.add(handle)

    def cancel_all(self) -> None:
        """Cancel all timers."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
