"""One stream on its way to one destination: what is acknowledged, what is sent, what waits."""

from collections import deque
from enum import Enum, auto

from gateway.delivery.events import Entry, Stream
from gateway.delivery.outbox.reader import Page


class Pace(Enum):
    """Where a flow queues for the window."""

    IDLE = auto()
    LIVE = auto()
    """All that waits is in memory and was heard just now."""
    BEHIND = auto()
    """Something must be read back from the outbox first."""
    BLOCKED = auto()
    """Waits for a new attempt."""


class Flow:
    """Counts one stream for one destination. Numbers are those of the stream."""

    __slots__ = (
        "acked",
        "attempts",
        "buffer",
        "early",
        "fetching",
        "flying",
        "head",
        "listened",
        "pace",
        "part",
        "stream",
        "tail",
    )

    def __init__(self, stream: Stream, acked: int, head: int, *, listened: bool = False) -> None:
        self.stream = stream
        self.acked = acked
        """Longest prefix the destination has, or will never get."""
        self.early: set[int] = set()
        """Acknowledged out of order: above `acked`, with a gap below."""
        self.head = head
        """Highest number there is."""
        self.tail = acked
        """Highest number taken into memory since the connection stands."""
        self.buffer: deque[Entry] = deque()
        """To be sent, in order."""
        self.part = 0
        """Which of the images of the first in the buffer comes next."""
        self.flying = 0
        """Messages sent and not yet acknowledged."""
        self.listened = listened
        """Whether somebody took what was answered last on this connection, or that does not matter."""
        self.pace = Pace.IDLE
        self.fetching = False
        self.attempts = 0

    @property
    def waiting(self) -> int:
        """Events the destination does not have yet."""
        return self.head - self.acked - len(self.early)

    @property
    def ready(self) -> bool:
        """Whether another message may follow those in flight.

        A subscriber may come between two of them: the first, which met nobody, would then arrive behind the
        second.
        """
        return self.listened or not self.flying

    def passed(self, seq: int) -> bool:
        """Whether the destination is past this event."""
        return seq <= self.acked or seq in self.early

    def pass_by(self, seq: int) -> bool:
        """The destination is past this event; returns whether the prefix grew."""
        if seq != self.acked + 1:
            if seq > self.acked:
                self.early.add(seq)
            return False
        early = self.early
        while seq + 1 in early:
            seq += 1
            early.discard(seq)
        self.acked = seq
        return True

    def rewind(self) -> int:
        """Forget what memory holds, so that it is read again; returns how many bytes that frees."""
        freed = sum(entry.size for entry in self.buffer)
        self.buffer.clear()
        self.part = 0
        self.tail = self.acked
        return freed

    def take(self, page: Page) -> tuple[list[Entry], int]:
        """Take in what was read back; returns what joined the buffer, and how many events turned out gone."""
        gone = 0
        joined = []
        expected = self.tail + 1
        for entry in page.entries:
            gone += self._pass_range(expected, entry.seq - 1)
            expected = entry.seq + 1
            if not self.passed(entry.seq):
                joined.append(entry)
        gone += self._pass_range(expected, page.upto)
        self.tail = max(self.tail, page.upto)
        self.buffer.extend(joined)
        return joined, gone

    def _pass_range(self, first: int, last: int) -> int:
        missing = [seq for seq in range(max(first, self.acked + 1), last + 1) if seq not in self.early]
        for seq in missing:
            self.pass_by(seq)
        return len(missing)
