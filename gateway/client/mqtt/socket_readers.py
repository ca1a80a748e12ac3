"""Readers and writers of sockets for event loops that have none, such as the default one of Windows.

aiomqtt registers the socket of paho by `add_reader` and `add_writer`. Where the loop has them, nothing
changes. Elsewhere a thread waits for the socket with `select`, and calls back in the loop.
"""

import asyncio
import contextlib
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

Callback = Callable[[], None]


def with_readers(loop: asyncio.AbstractEventLoop) -> Any:
    """Return the loop, or one like it that has readers and writers."""
    probe, other = socket.socketpair()
    with probe, other:
        try:
            loop.add_reader(probe.fileno(), lambda: None)
        except NotImplementedError:
            return LoopWithReaders(loop)
        loop.remove_reader(probe.fileno())
    return loop


class LoopWithReaders:
    """Event loop of which readers and writers are in a thread; all else is that of the given loop.

    The thread begins with the first of them and ends with the last. It waits for a callback to return before
    it waits for the same socket again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._paused: set[tuple[int, bool]] = set()
        """Sockets whose callback has not returned yet, with True for a writer."""
        self._lock = threading.Lock()
        self._wake: socket.socket | None = None
        """Socket that interrupts the thread; None without one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def add_reader(self, fileno: int, callback: Callback) -> None:
        """Call back when the socket can be read."""
        self._add(self._readers, fileno, callback)

    def add_writer(self, fileno: int, callback: Callback) -> None:
        """Call back when the socket can be written."""
        self._add(self._writers, fileno, callback)

    def remove_reader(self, fileno: int) -> bool:
        """Call back no more; return True if it was registered."""
        return self._remove(self._readers, fileno)

    def remove_writer(self, fileno: int) -> bool:
        """Call back no more; return True if it was registered."""
        return self._remove(self._writers, fileno)

    def _add(self, callbacks: dict[int, Callback], fileno: int, callback: Callback) -> None:
        if fileno < 0:  # closed since
            return
        with self._lock:
            callbacks[fileno] = callback
            if self._wake is None:
                self._wake, woken = socket.socketpair()
                threading.Thread(target=self._watch, args=(woken,), name="mqtt sockets", daemon=True).start()
        self._interrupt()

    def _remove(self, callbacks: dict[int, Callback], fileno: int) -> bool:
        with self._lock:
            found = callbacks.pop(fileno, None) is not None
        self._interrupt()
        return found

    def _interrupt(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._wake is not None:
                self._wake.send(b"x")

    def _watch(self, woken: socket.socket) -> None:
        """Wait for sockets, in the thread, until none is left."""
        with woken:
            while True:
                with self._lock:
                    if not self._readers and not self._writers:
                        wake, self._wake = self._wake, None
                        break
                    reading = [one for one in self._readers if (one, False) not in self._paused]
                    writing = [one for one in self._writers if (one, True) not in self._paused]
                try:
                    woken_at = woken.fileno()
                    readable, writable, _ = select.select([woken_at, *reading], writing, [])
                except (OSError, ValueError):  # one was closed before it was removed
                    self._drop_closed({*reading, *writing})
                    continue
                if woken_at in readable:
                    readable.remove(woken_at)
                    woken.recv(4096)
                self._call_back([(one, False) for one in readable] + [(one, True) for one in writable])
        if wake is not None:
            wake.close()

    def _drop_closed(self, filenos: set[int]) -> None:
        for fileno in filenos:
            try:
                select.select([fileno], [], [], 0)
            except (OSError, ValueError):
                with self._lock:
                    self._readers.pop(fileno, None)
                    self._writers.pop(fileno, None)

    def _call_back(self, ready: list[tuple[int, bool]]) -> None:
        for one in ready:
            with self._lock:
                self._paused.add(one)
            try:
                self._loop.call_soon_threadsafe(self._run, one)
            except RuntimeError:  # the loop is closed
                with self._lock:
                    self._readers.clear()
                    self._writers.clear()
                    self._paused.clear()
                return

    def _run(self, one: tuple[int, bool]) -> None:
        """Run the callback of a socket, in the loop."""
        fileno, is_writer = one
        callback = (self._writers if is_writer else self._readers).get(fileno)
        try:
            if callback is not None:
                callback()
        finally:
            with self._lock:
                self._paused.discard(one)
            self._interrupt()
