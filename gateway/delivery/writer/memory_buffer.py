"""Bounded buffer for events that the disk cannot take at present."""

from collections import deque
from collections.abc import Iterator, Mapping

from drivers.observation import DataClass
from gateway.delivery.events import LostEvent, StoredEvent, Stream
from gateway.delivery.writer.acks import AckLog

MEMORY_EVENTS = 10_000
EVICTION_SLACK = 0.99
"""Share of the bounds that is kept by an eviction: it frees more than needed, so that it is rarely due."""


class MemoryBuffer:
    """Buffered events, oldest first."""

    def __init__(
        self,
        memory_bytes: int,
        destinations_by_class: Mapping[DataClass, tuple[str, ...]],
        acks: AckLog,
    ) -> None:
        self.size = 0
        self._memory_bytes = memory_bytes
        self._destinations_by_class = destinations_by_class
        self._acks = acks
        self._events: deque[tuple[StoredEvent, Stream]] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[tuple[StoredEvent, Stream]]:
        return iter(self._events)

    def _is_full(self) -> bool:
        return self.size > self._memory_bytes or len(self._events) > MEMORY_EVENTS

    def add(self, entry: StoredEvent, stream: Stream) -> None:
        """Append an event."""
        self._events.append((entry, stream))
        self.size += entry.size

    def evict(self, now_ns: int) -> list[LostEvent]:
        """Drop what exceeds the bounds: delivered and expired events, then travellers', then records."""
        if not self._is_full():
            return []
        losses = self.remove_delivered(now_ns)
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            if not self._is_full():
                break
            losses += self._drop(data_class)
        return losses

    def _drop(self, data_class: DataClass) -> list[LostEvent]:
        dropped: list[LostEvent] = []
        kept: deque[tuple[StoredEvent, Stream]] = deque()
        left = len(self._events)
        for entry, stream in self._events:
            full = self.size > self._memory_bytes * EVICTION_SLACK or left > MEMORY_EVENTS * EVICTION_SLACK
            if full and stream.data_class is data_class:
                self.size -= entry.size
                left -= 1
                dropped.append(LostEvent(entry.stream, entry.seq, "dropped"))
            else:
                kept.append((entry, stream))
        self._events = kept
        return dropped

    def remove_delivered(self, now_ns: int) -> list[LostEvent]:
        """Remove events that all destinations have, and expired ones; return the latter."""
        self._acks.snapshot()
        kept: deque[tuple[StoredEvent, Stream]] = deque()
        expired: list[LostEvent] = []
        for entry, stream in self._events:
            passed = self._acks.acked_by_all(self._destinations_by_class[stream.data_class], entry)
            if passed or entry.deadline_ns <= now_ns:
                self.size -= entry.size
                if not passed:
                    expired.append(LostEvent(entry.stream, entry.seq, "expired"))
            else:
                kept.append((entry, stream))
        self._events = kept
        return expired

    def events_after(self, stream: int, seq: int) -> list[StoredEvent]:
        """Return the events of a stream after `seq`."""
        return [entry for entry, _ in self._events if entry.stream == stream and entry.seq > seq]

    def clear(self) -> None:
        """Remove all events: they are on disk."""
        self._events.clear()
        self.size = 0
