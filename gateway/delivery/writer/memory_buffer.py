"""Events that the disk would not take: kept in memory within a bound, until it does."""

from collections import deque
from collections.abc import Iterator, Mapping

from drivers.observation import DataClass
from gateway.delivery.events import Entry, Loss, Stream
from gateway.delivery.writer.acks import Acknowledged

MEMORY_EVENTS = 10_000
SLACK = 0.99
"""When memory is full, a little is freed beyond need, so that not every event pays for it."""


class Unwritten:
    """What waits in memory, oldest first."""

    def __init__(
        self,
        memory_bytes: int,
        takers: Mapping[DataClass, tuple[str, ...]],
        acknowledged: Acknowledged,
    ) -> None:
        self.size = 0
        self._memory_bytes = memory_bytes
        self._takers = takers
        self._acknowledged = acknowledged
        self._events: deque[tuple[Entry, Stream]] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[tuple[Entry, Stream]]:
        return iter(self._events)

    def _full(self) -> bool:
        return self.size > self._memory_bytes or len(self._events) > MEMORY_EVENTS

    def add(self, entry: Entry, stream: Stream) -> None:
        """Keep an event."""
        self._events.append((entry, stream))
        self.size += entry.size

    def bound(self, now_ns: int) -> list[Loss]:
        """Free what the bound asks for: what is over, then travellers' events, oldest first, records last."""
        if not self._full():
            return []
        losses = self.forget_delivered(now_ns)
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            if not self._full():
                break
            losses += self._drop(data_class)
        return losses

    def _drop(self, data_class: DataClass) -> list[Loss]:
        dropped: list[Loss] = []
        kept: deque[tuple[Entry, Stream]] = deque()
        left = len(self._events)
        for entry, stream in self._events:
            full = self.size > self._memory_bytes * SLACK or left > MEMORY_EVENTS * SLACK
            if full and stream.data_class is data_class:
                self.size -= entry.size
                left -= 1
                dropped.append(Loss(entry.stream, entry.seq, "dropped"))
            else:
                kept.append((entry, stream))
        self._events = kept
        return dropped

    def forget_delivered(self, now_ns: int) -> list[Loss]:
        """Forget what everybody has, and what has expired; returns the latter."""
        self._acknowledged.look()
        kept: deque[tuple[Entry, Stream]] = deque()
        expired: list[Loss] = []
        for entry, stream in self._events:
            passed = self._acknowledged.by_all(self._takers[stream.data_class], entry)
            if passed or entry.deadline_ns <= now_ns:
                self.size -= entry.size
                if not passed:
                    expired.append(Loss(entry.stream, entry.seq, "expired"))
            else:
                kept.append((entry, stream))
        self._events = kept
        return expired

    def after(self, stream: int, seq: int) -> list[Entry]:
        """What follows `seq` in a stream."""
        return [entry for entry, _ in self._events if entry.stream == stream and entry.seq > seq]

    def clear(self) -> None:
        """The disk has them all."""
        self._events.clear()
        self.size = 0
