"""What is to happen on the event loop a little later, and is called off all at once."""

import asyncio
from collections.abc import Callable


class TimerGroup:
    """The timers of one connection: when it is lost, none of them means anything any more."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handles: set[asyncio.TimerHandle] = set()

    def call_later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call `action` in `delay_s` seconds, unless it is called off before."""

        def act() -> None:
            self._handles.discard(handle)
            action()

        handle = self._loop.call_later(delay_s, act)
        self._handles.add(handle)

    def cancel_all(self) -> None:
        """Nothing of it is to happen."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
