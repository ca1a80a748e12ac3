"""Acknowledgements and retained topics, passed from the event loop to the writer's thread."""

import threading
import time
from collections.abc import Iterable

from gateway.delivery.events import StoredEvent
from gateway.delivery.outbox.outbox import Outbox, Progress


class AckLog:
    """Longest acknowledged prefix per destination and stream. The loop calls `note`, the thread all else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], int] = {}
        self._since = 0.0
        self._acked: dict[tuple[str, int], int] = {}

    def note(self, destination: str, stream: int, upto: int) -> bool:
        """Record that a destination has a stream up to `upto`; return True if the log was empty."""
        with self._lock:
            first = not self._pending
            if first:
                self._since = time.monotonic()
            self._pending[destination, stream] = upto
        return first

    def __bool__(self) -> bool:
        """Return whether acknowledgements wait to be written."""
        return bool(self._pending)

    def take(self, min_age_s: float = 0) -> Progress:
        """Remove and return what waits, if the oldest has waited for `min_age_s` seconds; else nothing."""
        if not self._pending or time.monotonic() - self._since < min_age_s:
            return {}
        with self._lock:
            pending, self._pending = self._pending, {}
        self._acked.update(pending)
        return pending

    def put_back(self, progress: Progress) -> None:
        """Put back what could not be written; newer entries win."""
        with self._lock:
            self._pending = {**progress, **self._pending}

    def snapshot(self) -> None:
        """Make waiting entries visible to `acked_by_all` without removing them."""
        with self._lock:
            self._acked.update(self._pending)

    def acked_by_all(self, destinations: Iterable[str], entry: StoredEvent) -> bool:
        """Return whether all these destinations have an event, according to `take` and `snapshot`."""
        return all(self._acked.get((name, entry.stream), 0) >= entry.seq for name in destinations)


class RetainedTopicLog:
    """Topics that gained or lost a retained message. The loop calls `note`, the thread writes."""

    def __init__(self) -> None:
        # Single operations of a dict are atomic: the loop sets items, the thread pops them.
        self._changes: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Return whether changes wait to be written."""
        return bool(self._changes)

    def note(self, topic: str, *, held: bool) -> bool:
        """Record that a topic holds a retained message, or no longer; return True if the log was empty."""
        first = not self._changes
        self._changes[topic] = held
        return first

    def write(self, outbox: Outbox) -> None:
        """Write all changes; after sqlite3.Error or OSError they are still recorded."""
        while self._changes:
            changes = dict(self._changes)
            outbox.add_retained_topics([topic for topic, held in changes.items() if held])
            outbox.remove_retained_topics([topic for topic, held in changes.items() if not held])
            for topic, held in changes.items():
                if self._changes.get(topic) is held:
                    self._changes.pop(topic, None)
