"""State of one stream at one destination: acknowledged, sent, waiting."""

from collections import deque
from enum import Enum, auto

from gateway.delivery.events import StoredEvent, Stream
from gateway.delivery.outbox.reader import Page


class SendState(Enum):
    """Queue of a stream."""

    IDLE = auto()
    LIVE = auto()
    """All waiting events are in memory."""
    BACKLOG = auto()
    """Waiting events must be read from the outbox."""
    BLOCKED = auto()
    """Waits for another attempt after a refusal."""


class StreamCursor:
    """Position of one destination in one stream. All numbers are those of the stream."""

    __slots__ = (
        "acked",
        "acked_out_of_order",
        "attempts",
        "buffer",
        "has_subscriber",
        "head",
        "in_flight",
        "is_fetching",
        "loaded",
        "next_image",
        "send_state",
        "stream",
    )

    def __init__(self, stream: Stream, acked: int, head: int, *, has_subscriber: bool = False) -> None:
        self.stream = stream
        self.acked = acked
        """End of the prefix that the destination has, or will never get."""
        self.acked_out_of_order: set[int] = set()
        """Numbers above `acked` that were acknowledged before a lower one."""
        self.head = head
        """Highest number of the stream."""
        self.loaded = acked
        """Highest number that was taken into memory on this connection."""
        self.buffer: deque[StoredEvent] = deque()
        """Events to be sent, in order."""
        self.next_image = 0
        """Index of the next image of the first event in the buffer."""
        self.in_flight = 0
        """Messages sent and not yet acknowledged."""
        self.has_subscriber = has_subscriber
        """True: the last acknowledgement of this connection reported a subscriber, or none is required."""
        self.send_state = SendState.IDLE
        self.is_fetching = False
        self.attempts = 0

    @property
    def queued(self) -> int:
        """Events that the destination does not have yet."""
        return self.head - self.acked - len(self.acked_out_of_order)

    @property
    def is_ready(self) -> bool:
        """Return whether another message may follow those in flight.

        Without a known subscriber, one message is in flight at a time. Otherwise a subscriber that arrives
        between two messages would get the second one first.
        """
        return self.has_subscriber or not self.in_flight

    def is_past(self, seq: int) -> bool:
        """Return whether an event is acknowledged or given up."""
        return seq <= self.acked or seq in self.acked_out_of_order

    def advance_past(self, seq: int) -> bool:
        """Mark an event as acknowledged or given up; return whether `acked` grew."""
        if seq != self.acked + 1:
            if seq > self.acked:
                self.acked_out_of_order.add(seq)
            return False
        early = self.acked_out_of_order
        while seq + 1 in early:
            seq += 1
            early.discard(seq)
        self.acked = seq
        return True

    def rewind(self) -> int:
        """Drop all events in memory, so that they are read again; return the number of bytes freed."""
        freed = sum(entry.size for entry in self.buffer)
        self.buffer.clear()
        self.next_image = 0
        self.loaded = self.acked
        return freed

    def add_page(self, page: Page) -> tuple[list[StoredEvent], int]:
        """Add a page; return the events that joined the buffer, and the number of missing ones."""
        gone = 0
        joined = []
        expected = self.loaded + 1
        for entry in page.entries:
            gone += self._advance_range(expected, entry.seq - 1)
            expected = entry.seq + 1
            if not self.is_past(entry.seq):
                joined.append(entry)
        gone += self._advance_range(expected, page.upto)
        self.loaded = max(self.loaded, page.upto)
        self.buffer.extend(joined)
        return joined, gone

    def _advance_range(self, first: int, last: int) -> int:
        missing = [
            seq for seq in range(max(first, self.acked + 1), last + 1) if seq not in self.acked_out_of_order
        ]
        for seq in missing:
            self.advance_past(seq)
        return len(missing)
