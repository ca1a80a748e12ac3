"""What destinations have acknowledged, on its way from the event loop to the disk."""

import threading
import time
from collections.abc import Iterable

from gateway.delivery.events import StoredEvent
from gateway.delivery.outbox.outbox import Outbox, Progress


class AckLog:
    """Longest acknowledged prefixes. The loop notes them; the writer's thread does everything else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], int] = {}
        self._since = 0.0
        self._acked: dict[tuple[str, int], int] = {}

    def note(self, destination: str, stream: int, upto: int) -> bool:
        """A destination has everything of a stream up to here; returns whether that is the first."""
        with self._lock:
            first = not self._pending
            if first:
                self._since = time.monotonic()
            self._pending[destination, stream] = upto
        return first

    def __bool__(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._pending)

    def take(self, min_age_s: float = 0) -> Progress:
        """Take what is to be written, if it has waited so long."""
        if not self._pending or time.monotonic() - self._since < min_age_s:
            return {}
        with self._lock:
            pending, self._pending = self._pending, {}
        self._acked.update(pending)
        return pending

    def put_back(self, progress: Progress) -> None:
        """What was taken could not be written; what came meanwhile is newer."""
        with self._lock:
            self._pending = {**progress, **self._pending}

    def snapshot(self) -> None:
        """Learn what is acknowledged without taking it: it still has to be written."""
        with self._lock:
            self._acked.update(self._pending)

    def acked_by_all(self, destinations: Iterable[str], entry: StoredEvent) -> bool:
        """Whether these have an event, by what was taken or looked at."""
        return all(self._acked.get((name, entry.stream), 0) >= entry.seq for name in destinations)


class RetainedTopicLog:
    """Changes the loop notes and the writer's thread writes."""

    def __init__(self) -> None:
        # A dict's single operations are atomic: the loop sets items, the thread pops them.
        self._changes: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._changes)

    def note(self, topic: str, *, held: bool) -> bool:
        """Something of ours stands at a topic, or no longer; returns whether that is the first."""
        first = not self._changes
        self._changes[topic] = held
        return first

    def write(self, outbox: Outbox) -> None:
        """Write what was noted; raises sqlite3.Error, OSError, and then it is still noted."""
        while self._changes:
            changes = dict(self._changes)
            outbox.add_retained_topics([topic for topic, held in changes.items() if held])
            outbox.remove_retained_topics([topic for topic, held in changes.items() if not held])
            for topic, held in changes.items():
                if self._changes.get(topic) is held:
                    self._changes.pop(topic, None)
