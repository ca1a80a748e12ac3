"""In flight: what was sent to a destination and is not acknowledged yet.

Images go out before the event that lists them, so an event has arrived when it and all of its images are
acknowledged.
"""

from dataclasses import dataclass

from gateway.delivery.destination.poison import Name
from gateway.delivery.destination.stream import Flow
from gateway.delivery.events import Entry


@dataclass(slots=True)
class Sent:
    """One message in flight: an event (`part` -1), one of its images, or a retained message (no flow)."""

    flow: Flow | None
    entry: Entry | None
    part: int
    size: int
    topic: str = ""
    version: int = 0

    @property
    def name(self) -> Name:
        """The same when it is sent again."""
        return (self.entry.stream, self.entry.seq, self.part) if self.entry is not None else self.topic


class ImagesInFlight:
    """For every event with images that is being sent: how many of its messages are still to arrive."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[tuple[int, int], int] = {}

    def begin(self, entry: Entry) -> None:
        """The first image of an event is about to be sent."""
        self._left[entry.stream, entry.seq] = len(entry.blobs) + 1

    def withhold(self, entry: Entry) -> None:
        """One image of an event is not sent at all; the event itself is still to come."""
        self._left[entry.stream, entry.seq] -= 1

    def arrived(self, entry: Entry) -> bool:
        """An image, or the event itself, has arrived or been given up; returns whether that was the last."""
        key = (entry.stream, entry.seq)
        left = self._left.get(key, 0) - 1
        if left > 0:
            self._left[key] = left
            return False
        return self._left.pop(key, None) is not None

    def forget(self, entry: Entry) -> None:
        """The event is over, or will be sent anew."""
        self._left.pop((entry.stream, entry.seq), None)

    def forget_all(self) -> None:
        """The connection is lost: all will be sent anew."""
        self._left.clear()
