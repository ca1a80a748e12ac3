"""Record of one position that outlives its driver, such as an emergency that a person must acknowledge."""

import asyncio
from collections.abc import Callable


class DeviceRecord:
    """Record of one position, kept by the gateway over new drivers, restarts and power cuts.

    `text`: content at the start; None: there is none yet. Unreadable content is passed as it is, so that the
    driver treats everything that may have been recorded as recorded. `store` is called with each new content
    and its number, and `on_stored` with that number once the content is on the disk. Without `store` the
    record lasts as long as this object.
    """

    def __init__(self, text: str | None = None, store: Callable[[int, str], None] | None = None) -> None:
        self.text = text
        self.stop_s: float | None = None
        """Time of a stop that the device has not acknowledged yet, by the event loop; not stored."""
        self.movements_s: list[float] = []
        """Times of recent movements, the newest last, by the event loop; not stored."""
        self.has_left_relays_open = False
        """True if the last driver of this process has opened every relay when it was closed; not stored."""
        self._store = store
        self._written = self._stored = 0
        """Numbers of the newest content, and of the newest one on the disk."""
        self._written_s = 0.0
        self._waiting: list[asyncio.Future[None]] = []

    def write(self, text: str) -> None:
        """Replace the content; return before it is on the disk."""
        self.text = text
        if self._store is not None:
            if self.is_stored:
                self._written_s = asyncio.get_running_loop().time()
            self._written += 1
            self._store(self._written, text)

    def add(self, text: str) -> None:
        """Replace the content by one that differs only in what nothing waits for."""
        self.text = text
        if not self._written:
            self._written = self._stored = 1  # numbers begin at 1, also where an earlier process has written
        if self._store is not None:
            self._store(self._written, text)

    def on_stored(self, number: int) -> None:
        """Note that the content of this number is on the disk."""
        self._stored = max(self._stored, number)
        if self.is_stored:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    @property
    def is_stored(self) -> bool:
        """True if the newest content is on the disk."""
        return self._stored >= self._written

    def is_late(self, limit_s: float) -> bool:
        """Return True if some content has waited for the disk for this time, in seconds."""
        return not self.is_stored and asyncio.get_running_loop().time() - self._written_s >= limit_s

    async def wait_stored(self, limit_s: float) -> bool:
        """Wait until the content is on the disk, or has waited for it for `limit_s`; return which."""
        loop = asyncio.get_running_loop()
        left_s = self._written_s + limit_s - loop.time()
        if not self.is_stored and left_s > 0:
            self._waiting.append(stored := loop.create_future())
            await asyncio.wait((stored,), timeout=left_s)
            if stored in self._waiting:
                self._waiting.remove(stored)
        return self.is_stored
