"""The device end of a line to one host: common part of a serial line and a TCP connection."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Self

RECEIVED_LIMIT_BYTES = 64 * 1024
"""Maximum number of bytes kept of the host's last output, for tests."""


class Line(ABC):
    """A line that can be plugged in and unplugged, and that one host opens. An async context manager."""

    def __init__(self) -> None:
        self.on_received: Callable[[bytes], None] | None = None
        """Callback with the host's output as it arrives."""
        self._received = bytearray()
        self._closed = False
        self._replugging: asyncio.TimerHandle | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sending = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self.replug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    @abstractmethod
    def address(self) -> str:
        """Address of the line for a host, as in a post's file."""

    @property
    @abstractmethod
    def is_plugged(self) -> bool:
        """True if the cable is plugged in, so that a host can open the line."""

    @property
    @abstractmethod
    def has_host(self) -> bool:
        """True if a host has opened the line and listens."""

    @property
    def received_bytes(self) -> bytes:
        """The last 64 KiB that the host wrote since the start or the last `discard_received`."""
        return bytes(self._received)

    def discard_received(self, through: bytes = b"") -> None:
        """Discard `received_bytes`, or only up to and with the first `through`."""
        end = self._received.index(through) + len(through) if through else len(self._received)
        del self._received[:end]

    async def wait_for_host(self) -> None:
        """Wait until a host listens."""
        await self._until(lambda: self.has_host)

    @abstractmethod
    async def wait_for_host_close(self) -> None:
        """Wait until no host has the line open (or it is unplugged)."""

    async def wait_for_bytes(self, expected: bytes | None = None) -> None:
        """Wait until the host has written `expected`, or anything at all."""
        await self._until(lambda: bool(self._received) if expected is None else expected in self._received)

    async def wait_for_more(self) -> None:
        """Wait until the host writes something more."""
        before = len(self._received)
        await self._until(lambda: len(self._received) != before)

    @abstractmethod
    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send `data` to the host, if requested in pieces of `chunk` bytes every `every_s` seconds.

        Returns whether a host received all of it; without a host the bytes are lost. Messages do not mix: a
        second one waits for the first.
        """

    def call_soon(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine in a task that ends before the line is closed."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait_drained(self, *, within_s: float = 0.5) -> bool:
        """Wait until the host has read all output; return False if it has not after `within_s` seconds."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            await asyncio.sleep(0.002)
            if not self._unread():
                return True
            if asyncio.get_running_loop().time() > deadline:
                return False

    @abstractmethod
    def unplug(self, for_s: float | None = None) -> None:
        """Pull the cable; plug it in again after `for_s` seconds."""

    @abstractmethod
    def replug(self) -> None:
        """Plug in the cable; raises SimulatorError if the line's address is taken."""

    async def close(self) -> None:
        """Unplug permanently and end unfinished output."""
        self._closed = True
        self.unplug()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @abstractmethod
    def _unread(self) -> int:
        """Return the number of bytes that the host has not read yet; 0 without a host."""

    def _replug_after(self, for_s: float | None) -> None:
        """Plug in the cable after a time; None: not by itself."""
        self._forget_replugging()
        if for_s is not None and not self._closed:
            self._replugging = asyncio.get_running_loop().call_later(for_s, self.replug)

    def _forget_replugging(self) -> None:
        if self._replugging:
            self._replugging.cancel()
            self._replugging = None

    def _take(self, data: bytes) -> None:
        """Keep the host's output."""
        self._received += data
        del self._received[:-RECEIVED_LIMIT_BYTES]
        self._wake()
        if self.on_received:
            self.on_received(data)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def _change(self) -> None:
        """Wait for the next change of the line."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self._change()
