"""In flight: what was sent to a destination and is not acknowledged yet.

Images go out before the event that lists them, so an event has arrived when it and all of its images are
acknowledged.
"""

from dataclasses import dataclass

from gateway.delivery.destination.poison import MessageKey
from gateway.delivery.destination.stream import StreamCursor
from gateway.delivery.events import StoredEvent


@dataclass(slots=True)
class InFlightMessage:
    """One message in flight: an event (`part` -1), one of its images, or a retained message (no flow)."""

    cursor: StreamCursor | None
    entry: StoredEvent | None
    part: int
    size: int
    topic: str = ""
    version: int = 0

    @property
    def key(self) -> MessageKey:
        """The same when it is sent again."""
        return (self.entry.stream, self.entry.seq, self.part) if self.entry is not None else self.topic


class ImagesInFlight:
    """For every event with images that is being sent: how many of its messages are still to arrive."""

    __slots__ = ("_unacked",)

    def __init__(self) -> None:
        self._unacked: dict[tuple[int, int], int] = {}

    def begin(self, entry: StoredEvent) -> None:
        """The first image of an event is about to be sent."""
        self._unacked[entry.stream, entry.seq] = len(entry.blobs) + 1

    def skip_image(self, entry: StoredEvent) -> None:
        """One image of an event is not sent at all; the event itself is still to come."""
        self._unacked[entry.stream, entry.seq] -= 1

    def on_ack(self, entry: StoredEvent) -> bool:
        """An image, or the event itself, has arrived or been given up; returns whether that was the last."""
        key = (entry.stream, entry.seq)
        left = self._unacked.get(key, 0) - 1
        if left > 0:
            self._unacked[key] = left
            return False
        return self._unacked.pop(key, None) is not None

    def discard(self, entry: StoredEvent) -> None:
        """The event is over, or will be sent anew."""
        self._unacked.pop((entry.stream, entry.seq), None)

    def clear(self) -> None:
        """The connection is lost: all will be sent anew."""
        self._unacked.clear()
