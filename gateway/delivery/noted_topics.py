"""Topics where retained messages of ours stand, on their way to be noted on disk."""

from gateway.delivery.outbox import Outbox


class NotedTopics:
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
            outbox.remember([topic for topic, held in changes.items() if held])
            outbox.forget([topic for topic, held in changes.items() if not held])
            for topic, held in changes.items():
                if self._changes.get(topic) is held:
                    self._changes.pop(topic, None)
