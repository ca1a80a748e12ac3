"""Latest retained message of each topic, and the destinations that still need it.

Every destination must have the latest message; it is sent again on every connect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _RetainedMessage:
    payload: bytes | None
    """None: the topic is to be cleared."""
    media_type: str
    version: int
    user: tuple[tuple[str, str], ...]
    """User properties: the signature."""
    missing_at: set[str] = field(default_factory=set)
    """Destinations that have not acknowledged this version."""


class RetainedMessages:
    """Latest retained messages, and what each destination still needs."""

    def __init__(self, destinations: tuple[str, ...], on_held_changed: Callable[[str, bool], None]) -> None:
        """`on_held_changed` is called with topics to remember (True) or to forget (False) over a restart."""
        self._destinations = destinations
        self._on_held_changed = on_held_changed
        self._latest: dict[str, _RetainedMessage] = {}
        self.due: dict[str, dict[str, None]] = {name: {} for name in destinations}
        """Topics to be sent, by destination, in order. The inner mappings are never replaced."""
        self._delayed: dict[str, dict[str, None]] = {name: {} for name in destinations}
        self._known: set[str] = set()
        self._versions = 0

    def add_known(self, topics: frozenset[str]) -> None:
        """Add topics that an earlier run may have left at brokers."""
        self._known |= topics

    @property
    def topics(self) -> frozenset[str]:
        """All topics that may hold a retained message of this gateway."""
        return frozenset(self._known)

    def set(
        self,
        topic: str,
        payload: bytes | None,
        media_type: str,
        user: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Replace the message of a topic, with its user properties; None clears it."""
        self._versions += 1
        self._latest[topic] = _RetainedMessage(
            payload, media_type, self._versions, user, set(self._destinations)
        )
        if topic not in self._known:
            self._known.add(topic)
            self._on_held_changed(topic, True)
        for due in self.due.values():
            due[topic] = None

    def user_properties(self, topic: str) -> tuple[tuple[str, str], ...]:
        """Return the user properties of the latest message of a topic."""
        return self._latest[topic].user

    def pop_due(self, destination: str) -> tuple[str, bytes, str, int]:
        """Remove the next topic of a destination; return topic, payload, media type and version."""
        due = self.due[destination]
        topic = next(iter(due))
        del due[topic]
        latest = self._latest[topic]
        return topic, latest.payload or b"", latest.media_type, latest.version

    def is_cleared(self, topic: str) -> bool:
        """Return whether the topic is to be cleared."""
        latest = self._latest.get(topic)
        return latest is not None and latest.payload is None

    def on_ack(self, destination: str, topic: str, version: int) -> None:
        """Record that a destination has this version; forget a topic that is cleared everywhere."""
        latest = self._latest.get(topic)
        if latest is None or latest.version != version:
            return
        latest.missing_at.discard(destination)
        if latest.payload is None and not latest.missing_at:
            del self._latest[topic]
            self._known.discard(topic)
            self._on_held_changed(topic, False)

    def retry(self, destination: str, topic: str, *, delayed: bool) -> None:
        """Send a refused message to a destination again; `delayed`: only after `mark_delayed_due`."""
        if topic in self._latest:
            (self._delayed if delayed else self.due)[destination][topic] = None

    def mark_delayed_due(self, destination: str) -> None:
        """Make delayed messages of a destination due."""
        # A topic may have been cleared, and forgotten, since its message was refused.
        self.due[destination].update(
            (topic, None) for topic in self._delayed[destination] if topic in self._latest
        )
        self._delayed[destination].clear()

    def mark_all_due(self, destination: str) -> None:
        """Make all messages of a destination due."""
        if destination in self.due:
            self._delayed[destination].clear()
            self.due[destination].clear()
            self.due[destination].update(dict.fromkeys(self._latest))
