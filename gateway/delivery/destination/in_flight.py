"""Messages that were sent to a destination and are not acknowledged yet.

Images are sent before the event that lists them. An event has arrived when it and all of its images are
acknowledged.
"""

from dataclasses import dataclass

from gateway.delivery.destination.poison import MessageKey
from gateway.delivery.destination.stream import StreamCursor
from gateway.delivery.events import ParkedCopy, StoredEvent


@dataclass(slots=True)
class InFlightMessage:
    """One message in flight: an event (`part` -1), one of its images, or another message (no cursor)."""

    cursor: StreamCursor | None
    entry: StoredEvent | None
    part: int
    size: int
    topic: str = ""
    version: int = 0
    resend: ParkedCopy | None = None
    """Parked event that is sent again."""

    @property
    def key(self) -> MessageKey:
        """Identity of the message; the same when it is sent again."""
        return (self.entry.stream, self.entry.seq, self.part) if self.entry is not None else self.topic


class ImagesInFlight:
    """Number of unacknowledged messages of each event with images that is being sent."""

    __slots__ = ("_unacked",)

    def __init__(self) -> None:
        self._unacked: dict[tuple[int, int], int] = {}

    def begin(self, entry: StoredEvent) -> None:
        """Count the messages of an event before its first image is sent."""
        self._unacked[entry.stream, entry.seq] = len(entry.blobs) + 1

    def skip_image(self, entry: StoredEvent) -> None:
        """Uncount one image that is not sent; the event itself is still to be sent."""
        self._unacked[entry.stream, entry.seq] -= 1

    def on_ack(self, entry: StoredEvent) -> bool:
        """Uncount an acknowledged or dropped message; return whether it was the last of its event."""
        key = (entry.stream, entry.seq)
        left = self._unacked.get(key, 0) - 1
        if left > 0:
            self._unacked[key] = left
            return False
        return self._unacked.pop(key, None) is not None

    def discard(self, entry: StoredEvent) -> None:
        """Remove an event that is finished or will be sent again."""
        self._unacked.pop((entry.stream, entry.seq), None)

    def clear(self) -> None:
        """Remove all events: the connection is lost, and they will be sent again."""
        self._unacked.clear()
