"""One stream on its way to one destination: what is acknowledged, what is sent, what waits."""

from collections import deque
from enum import Enum, auto

from gateway.delivery.events import StoredEvent, Stream
from gateway.delivery.outbox.reader import Page


class SendState(Enum):
    """Where a flow queues for the window."""

    IDLE = auto()
    LIVE = auto()
    """All that waits is in memory and was heard just now."""
    BACKLOG = auto()
    """Something must be read back from the outbox first."""
    BLOCKED = auto()
    """Waits for a new attempt."""


class StreamCursor:
    """Counts one stream for one destination. Numbers are those of the stream."""

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
        """Longest prefix the destination has, or will never get."""
        self.acked_out_of_order: set[int] = set()
        """Acknowledged out of order: above `acked`, with a gap below."""
        self.head = head
        """Highest number there is."""
        self.loaded = acked
        """Highest number taken into memory since the connection stands."""
        self.buffer: deque[StoredEvent] = deque()
        """To be sent, in order."""
        self.next_image = 0
        """Which of the images of the first in the buffer comes next."""
        self.in_flight = 0
        """Messages sent and not yet acknowledged."""
        self.has_subscriber = has_subscriber
        """Whether somebody took what was answered last on this connection, or that does not matter."""
        self.send_state = SendState.IDLE
        self.is_fetching = False
        self.attempts = 0

    @property
    def queued(self) -> int:
        """Events the destination does not have yet."""
        return self.head - self.acked - len(self.acked_out_of_order)

    @property
    def is_ready(self) -> bool:
        """Whether another message may follow those in flight.

        A subscriber may come between two of them: the first, which met nobody, would then arrive behind the
        second.
        """
        return self.has_subscriber or not self.in_flight

    def is_past(self, seq: int) -> bool:
        """Whether the destination is past this event."""
        return seq <= self.acked or seq in self.acked_out_of_order

    def advance_past(self, seq: int) -> bool:
        """The destination is past this event; returns whether the prefix grew."""
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
        """Forget what memory holds, so that it is read again; returns how many bytes that frees."""
        freed = sum(entry.size for entry in self.buffer)
        self.buffer.clear()
        self.next_image = 0
        self.loaded = self.acked
        return freed

    def add_page(self, page: Page) -> tuple[list[StoredEvent], int]:
        """Take in what was read back; returns what joined the buffer, and how many events turned out gone."""
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
