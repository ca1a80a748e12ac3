"""Retained messages: only the latest counts, and every destination must have it, again on every connect."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _RetainedMessage:
    payload: bytes | None
    """None: what stands at the topic must go."""
    media_type: str
    version: int
    missing_at: set[str] = field(default_factory=set)
    """Destinations that have not acknowledged this version."""


class RetainedMessages:
    """The latest of every topic, and what each destination still needs."""

    def __init__(self, destinations: tuple[str, ...], on_held_changed: Callable[[str, bool], None]) -> None:
        """`note` is told of topics to remember (True) or to forget (False) over a restart."""
        self._destinations = destinations
        self._on_held_changed = on_held_changed
        self._latest: dict[str, _RetainedMessage] = {}
        self.due: dict[str, dict[str, None]] = {name: {} for name in destinations}
        """By destination, the topics that are sent next, in order. The inner objects never change."""
        self._delayed: dict[str, dict[str, None]] = {name: {} for name in destinations}
        self._known: set[str] = set()
        self._versions = 0

    def add_known(self, topics: frozenset[str]) -> None:
        """Learn what an earlier run left at brokers."""
        self._known |= topics

    @property
    def topics(self) -> frozenset[str]:
        """Every topic where something of ours may stand."""
        return frozenset(self._known)

    def set(self, topic: str, payload: bytes | None, media_type: str) -> None:
        """Have this stand at a topic from now on; None clears it."""
        self._versions += 1
        self._latest[topic] = _RetainedMessage(payload, media_type, self._versions, set(self._destinations))
        if topic not in self._known:
            self._known.add(topic)
            self._on_held_changed(topic, True)
        for due in self.due.values():
            due[topic] = None

    def pop_due(self, destination: str) -> tuple[str, bytes, str, int]:
        """Take what a destination needs next: topic, payload, media type, version."""
        due = self.due[destination]
        topic = next(iter(due))
        del due[topic]
        latest = self._latest[topic]
        return topic, latest.payload or b"", latest.media_type, latest.version

    def is_cleared(self, topic: str) -> bool:
        """Whether nothing shall stand at a topic any more."""
        latest = self._latest.get(topic)
        return latest is not None and latest.payload is None

    def on_ack(self, destination: str, topic: str, version: int) -> None:
        """A destination has this version; a topic that is cleared everywhere is forgotten."""
        latest = self._latest.get(topic)
        if latest is None or latest.version != version:
            return
        latest.missing_at.discard(destination)
        if latest.payload is None and not latest.missing_at:
            del self._latest[topic]
            self._known.discard(topic)
            self._on_held_changed(topic, False)

    def retry(self, destination: str, topic: str, *, delayed: bool) -> None:
        """A destination did not take it: it needs it again."""
        if topic in self._latest:
            (self._delayed if delayed else self.due)[destination][topic] = None

    def mark_delayed_due(self, destination: str) -> None:
        """What was put off is due."""
        self.due[destination] |= self._delayed[destination]
        self._delayed[destination].clear()

    def mark_all_due(self, destination: str) -> None:
        """A destination may have lost all of it: it needs everything."""
        if destination in self.due:
            self._delayed[destination].clear()
            self.due[destination].clear()
            self.due[destination].update(dict.fromkeys(self._latest))
