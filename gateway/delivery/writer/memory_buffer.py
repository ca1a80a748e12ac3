"""Bounded buffer for events that the disk cannot take at present."""

from collections import deque
from collections.abc import Iterator, Mapping

from drivers.observation import DataClass
from gateway.delivery.events import LostEvent, StoredEvent, Stream
from gateway.delivery.outbox.fair_share import surpluses
from gateway.delivery.outbox.outbox import AckLog

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
        """Drop what exceeds the bounds: delivered and expired events, then by fair shares of positions."""
        if not self._is_full():
            return []
        losses = self.remove_delivered(now_ns)
        if self._is_full():
            losses += self._drop()
        return losses

    def _drop(self) -> list[LostEvent]:
        """Drop the oldest events of the positions that use the most: travellers', then records."""
        events: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for entry, stream in self._events:
            events[stream.position] = events.get(stream.position, 0) + 1
            sizes[stream.position] = sizes.get(stream.position, 0) + entry.size
        count, size = len(self._events), self.size
        is_over = count > MEMORY_EVENTS
        events = surpluses(events, count - int(MEMORY_EVENTS * EVICTION_SLACK) if is_over else 0)
        is_over = size > self._memory_bytes
        sizes = surpluses(sizes, size - int(self._memory_bytes * EVICTION_SLACK) if is_over else 0)
        dropped: list[LostEvent] = []
        for data_class in (DataClass.TRAVELLER, DataClass.RECORD):
            if not self._is_full():
                break
            kept: deque[tuple[StoredEvent, Stream]] = deque()
            for entry, stream in self._events:
                where = stream.position
                if stream.data_class is data_class and (events.get(where, 0) > 0 or sizes.get(where, 0) > 0):
                    self.size -= entry.size
                    events[where] = events.get(where, 0) - 1
                    sizes[where] = sizes.get(where, 0) - entry.size
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
