"""Latency of events: joins each shown event with the broker's acknowledgement of it."""

import asyncio
from collections.abc import Callable

ACK_TIMEOUT_S = 0.1
"""Longest wait of a shown event for its acknowledgement, in seconds."""
MAX_PENDING = 256


class LatencyTracker:
    """Latencies of all devices while a console is open.

    The key of an event is its receive time (boot clock, ns).
    """

    def __init__(self, deliver: Callable[[bytes, float | None], None], boot_ns: Callable[[], int]) -> None:
        """Create a tracker; `deliver` takes each event view and its latency in ms (None: unknown)."""
        self._deliver = deliver
        self._boot_ns = boot_ns
        self._acked_ms: dict[int, float] = {}
        self._waiting: dict[int, tuple[bytes, asyncio.TimerHandle]] = {}

    def close(self) -> None:
        """Cancel all timers."""
        while self._waiting:
            _, (_, timer) = self._waiting.popitem()
            timer.cancel()

    def on_event(self, received_ns: int, view: bytes) -> None:
        """Take an event view; `heard_ns` 0: not published, so it has no latency."""
        latency_ms = self._acked_ms.pop(received_ns, None)
        if received_ns == 0 or latency_ms is not None or len(self._waiting) >= MAX_PENDING:
            self._deliver(view, latency_ms)
            return
        timer = asyncio.get_running_loop().call_later(ACK_TIMEOUT_S, self._on_timeout, received_ns)
        self._waiting[received_ns] = view, timer

    def on_ack(self, received_ns: int) -> None:
        """Take the acknowledgement of an event."""
        latency_ms = round((self._boot_ns() - received_ns) / 1e6, 2)
        if (waiting := self._waiting.pop(received_ns, None)) is None:
            self._acked_ms[received_ns] = latency_ms
            if len(self._acked_ms) > MAX_PENDING:
                del self._acked_ms[next(iter(self._acked_ms))]
            return
        view, timer = waiting
        timer.cancel()
        self._deliver(view, latency_ms)

    def _on_timeout(self, received_ns: int) -> None:
        view, _ = self._waiting.pop(received_ns)
        self._deliver(view, None)
