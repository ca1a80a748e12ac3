"""Order in which the streams of a destination send.

Live streams go first, straight from memory. A stream with a backlog is read back from the outbox, in turn
with others and under a rate limit, until it has caught up and is live again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.common.token_bucket import TokenBucket
from gateway.delivery.destination.stream import SendState, StreamCursor
from gateway.delivery.destination.timers import TimerGroup
from gateway.delivery.events import StoredEvent, Stream
from gateway.delivery.outbox.reader import Page
from gateway.delivery.settings import DestinationSettings

PAGE_EVENTS, PAGE_BYTES = 128, 1024 * 1024
BACKLOG_INTERVAL = 16
"""While live events fill the window, one message in so many still comes from a backlog."""


class OutboxPort(Protocol):
    """Operations of the writer that a destination needs."""

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        """Read a page of a stream; see `Writer.fetch`."""

    def advance(self, destination: str, stream: int, upto: int) -> None:
        """Record that the destination has a stream up to `upto`."""

    def park(self, destination: str, stream: Stream, entry: StoredEvent, reason: int) -> None:
        """Store a copy of an event that the destination cannot take."""

    def finish_resend(self, number: int, reason: int | None) -> None:
        """Record that a parked event was delivered (None), or that it was refused again."""


class SendScheduler:
    """Streams of one destination: their queues and their events in memory."""

    def __init__(
        self,
        settings: DestinationSettings,
        outbox: OutboxPort,
        timers: TimerGroup,
        send_ready: Callable[[], None],
    ) -> None:
        """`send_ready` is called when a stream becomes ready to send after a timer or a page."""
        self.expired = 0
        """Events that were never delivered: expired, or missing in the outbox."""
        self._settings = settings
        self._outbox = outbox
        self._timers = timers
        self._send_ready = send_ready
        self._loop = asyncio.get_running_loop()
        self._assume_subscriber = settings.no_subscriber_timeout_s <= 0
        self._is_sending = False
        self._connection = 0
        self._backlog_limit = 1
        self._cursors: dict[int, StreamCursor] = {}
        self._live_cursors: deque[StreamCursor] = deque()
        self._backlog_cursors: deque[StreamCursor] = deque()
        self._buffered = 0
        self._consecutive_live = 0
        self._backlog_bucket = TokenBucket(settings.backlog_rate_per_s)
        self._is_waiting_for_token = False

    # State of the streams

    @property
    def queued(self) -> int:
        """Events that the destination does not have yet."""
        return max(0, sum(cursor.queued for cursor in self._cursors.values()))

    @property
    def has_live(self) -> bool:
        """Return whether a stream has live events in memory."""
        return bool(self._live_cursors)

    @property
    def has_in_flight(self) -> bool:
        """Return whether a message of any stream is in flight."""
        return any(cursor.in_flight for cursor in self._cursors.values())

    @property
    def has_failed_attempts(self) -> bool:
        """Return whether any stream waits for another attempt of a refused event."""
        return any(cursor.attempts for cursor in self._cursors.values())

    # Callbacks of the outbox

    def add_stream(self, stream: Stream, acked: int, head: int) -> None:
        """Add a stream that the destination has up to `acked`; `head` is its highest number."""
        if stream.number not in self._cursors:
            self._cursors[stream.number] = cursor = StreamCursor(
                stream, acked, head, has_subscriber=self._assume_subscriber
            )
            self._enqueue(cursor)

    def on_committed(self, entries: Iterable[StoredEvent]) -> None:
        """Take committed events; while connected, live ones stay in memory."""
        cursors, max_bytes, is_sending = self._cursors, self._settings.buffer_bytes, self._is_sending
        for entry in entries:
            cursor = cursors.get(entry.stream)
            if cursor is None:
                continue
            cursor.head = seq = entry.seq
            if not is_sending:
                continue
            if (
                seq == cursor.loaded + 1
                and cursor.send_state is not SendState.BLOCKED
                and self._buffered < max_bytes
                and not cursor.is_fetching
            ):
                cursor.buffer.append(entry)
                cursor.loaded = seq
                self._buffered += entry.size
                if cursor.send_state is SendState.IDLE:
                    cursor.send_state = SendState.LIVE
                    self._live_cursors.append(cursor)
            elif cursor.send_state is SendState.IDLE:
                self._enqueue(cursor)

    def on_lost(self, stream: int, seq: int, *, expired: bool) -> None:
        """Pass over an event that left the outbox, unless it is in memory or in flight: it may arrive."""
        cursor = self._cursors.get(stream)
        if (
            cursor is None
            or cursor.is_past(seq)
            or (seq <= cursor.loaded and (cursor.in_flight or cursor.buffer))
        ):
            return
        self.advance_past(cursor, seq)
        self.expired += expired

    def advance_past(self, cursor: StreamCursor, seq: int) -> None:
        """Mark an event as done; if the acknowledged prefix grows, record it in the outbox."""
        if cursor.advance_past(seq):
            self._outbox.advance(self._settings.name, cursor.stream.number, cursor.acked)

    def drop_expired(self, cursor: StreamCursor) -> None:
        """Give up the first event of the buffer, which has expired."""
        seq = cursor.buffer[0].seq
        self.requeue(cursor)
        self.expired += 1
        self.advance_past(cursor, seq)

    def drop_old_streams(self, epoch: str) -> None:
        """Drop streams of earlier epochs that are fully delivered."""
        for number, cursor in list(self._cursors.items()):
            if cursor.stream.epoch != epoch and cursor.queued <= 0 and not cursor.in_flight:
                del self._cursors[number]

    # Callbacks of the connection

    def on_connected(self, window: int) -> None:
        """Start sending over a new connection; `window` is the number of messages in flight it allows."""
        self._connection += 1
        # A quarter of the window stays free for live events.
        self._backlog_limit = max(1, window - max(1, window // 4))
        self._backlog_bucket.reset(self._loop.time())
        self.resume()

    def on_disconnected(self) -> None:
        """Stop sending. Drop all events in memory; they are still in the outbox."""
        self._connection += 1
        self._is_sending = False
        self._is_waiting_for_token = False
        self._live_cursors.clear()
        self._backlog_cursors.clear()
        self._buffered = 0
        for cursor in self._cursors.values():
            cursor.rewind()
            cursor.in_flight = 0
            cursor.send_state = SendState.IDLE

    def halt(self) -> None:
        """Stop sending until `resume`."""
        self._is_sending = False
        for cursor in self._cursors.values():
            self._dequeue(cursor)
            self._buffered -= cursor.rewind()

    def resume(self) -> None:
        """Start sending, in every stream from the first unacknowledged event."""
        self._is_sending = True
        self._live_cursors.clear()
        self._backlog_cursors.clear()
        self._buffered = 0
        for cursor in self._cursors.values():
            cursor.rewind()
            cursor.in_flight = 0
            cursor.has_subscriber = self._assume_subscriber
            cursor.is_fetching = False
            cursor.send_state = SendState.IDLE
            self._enqueue(cursor)

    # Choice of the next stream

    def next_stream(self) -> StreamCursor | None:
        """Return the stream that sends next, or None."""
        if not self._live_cursors and not self._backlog_cursors:
            self._consecutive_live = 0
            return None
        if self._consecutive_live < BACKLOG_INTERVAL or not self._backlog_cursors:
            cursor = self._next_live()
            if cursor is not None:
                self._consecutive_live += 1
                return cursor
        self._consecutive_live = 0
        for _ in range(len(self._backlog_cursors)):
            cursor = self._backlog_cursors[0]
            self._backlog_cursors.rotate(-1)
            if not cursor.buffer:
                self._fetch_next_page(cursor)
            elif not cursor.is_ready:
                continue
            elif self._take_backlog_token():
                return cursor
            else:
                break
        return self._next_live()

    def _next_live(self) -> StreamCursor | None:
        for _ in range(len(self._live_cursors)):
            if self._live_cursors[0].is_ready:
                return self._live_cursors[0]
            self._live_cursors.rotate(-1)
        return None

    def _take_backlog_token(self) -> bool:
        """Return whether a backlog may send one event now; if not for the rate alone, set a timer."""
        if sum(cursor.in_flight for cursor in self._backlog_cursors) >= self._backlog_limit:
            return False
        if self._backlog_bucket.take(self._loop.time()):
            return True
        if not self._is_waiting_for_token:
            self._is_waiting_for_token = True
            self._timers.call_later(self._backlog_bucket.wait_s + 0.001, self._on_token)
        return False

    def _on_token(self) -> None:
        self._is_waiting_for_token = False
        self._send_ready()

    def requeue(self, cursor: StreamCursor) -> None:
        """Remove the first event of the buffer, and queue the stream again if it has more."""
        self._buffered -= cursor.buffer.popleft().size
        cursor.next_image = 0
        if cursor.buffer:
            if cursor.send_state is SendState.LIVE and len(self._live_cursors) > 1:
                self._live_cursors.rotate(-1)
            return
        if cursor.send_state is SendState.LIVE:
            self._live_cursors.remove(cursor)
            cursor.send_state = SendState.IDLE
            self._enqueue(cursor)
        elif cursor.send_state is SendState.BACKLOG and cursor.loaded >= cursor.head:
            self._dequeue(cursor)

    # Reading back

    def _fetch_next_page(self, cursor: StreamCursor) -> None:
        if cursor.is_fetching or self._buffered >= self._settings.buffer_bytes:
            return
        cursor.is_fetching = True
        connection, after = self._connection, cursor.loaded

        def reply(page: Page | None) -> None:
            if connection == self._connection:
                self._on_page(cursor, after, page)

        self._outbox.fetch(cursor.stream.number, after, PAGE_EVENTS, PAGE_BYTES, reply)

    def _on_page(self, cursor: StreamCursor, after: int, page: Page | None) -> None:
        cursor.is_fetching = False
        if cursor.send_state is not SendState.BACKLOG:
            return
        if cursor.loaded != after:  # The stream was rewound: events before the page would count as gone.
            self._send_ready()
            return
        if page is None:
            self.retry_later(cursor, 1.0)
            return
        before = cursor.acked
        joined, missing = cursor.add_page(page)
        self._buffered += sum(entry.size for entry in joined)
        self.expired += missing
        if cursor.acked > before:
            self._outbox.advance(self._settings.name, cursor.stream.number, cursor.acked)
        if page.held and not joined:
            self.retry_later(cursor, 1.0)
        elif not cursor.buffer and cursor.loaded >= cursor.head:
            self._dequeue(cursor)
        self._send_ready()

    # Queues

    def _enqueue(self, cursor: StreamCursor) -> None:
        if self._is_sending and cursor.send_state is SendState.IDLE and cursor.loaded < cursor.head:
            cursor.send_state = SendState.BACKLOG
            self._backlog_cursors.append(cursor)

    def _dequeue(self, cursor: StreamCursor) -> None:
        if cursor.send_state is SendState.LIVE:
            self._live_cursors.remove(cursor)
        elif cursor.send_state is SendState.BACKLOG:
            self._backlog_cursors.remove(cursor)
        cursor.send_state = SendState.IDLE

    def retry_later(self, cursor: StreamCursor, delay_s: float) -> None:
        """Block a stream for `delay_s` seconds, then read it again from the first unacknowledged event."""
        self._dequeue(cursor)
        self._buffered -= cursor.rewind()
        cursor.send_state = SendState.BLOCKED
        connection = self._connection

        def unblock() -> None:
            if connection != self._connection or cursor.send_state is not SendState.BLOCKED:
                return
            if cursor.in_flight:  # A message in flight would be sent twice.
                self._timers.call_later(0.02, unblock)
                return
            cursor.rewind()
            cursor.send_state = SendState.IDLE
            self._enqueue(cursor)
            self._send_ready()

        self._timers.call_later(delay_s, unblock)
