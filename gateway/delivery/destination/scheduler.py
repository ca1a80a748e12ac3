"""Turns: which flow of a destination sends next.

Flows that are live go first, straight from memory. A flow that is behind is read back from the outbox, in
turn with others and under a rate limit, and catches up until it is live again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.common.token_bucket import TokenBucket
from gateway.delivery.destination.stream import Flow, Pace
from gateway.delivery.destination.timers import Timers
from gateway.delivery.events import Entry, Stream
from gateway.delivery.outbox.reader import Page
from gateway.delivery.settings import DestinationSettings

PAGE_EVENTS, PAGE_BYTES = 128, 1024 * 1024
BEHIND_TURN = 16
"""While live events fill the window, a backlog still gets one message in so many."""


class Backlog(Protocol):
    """What a destination asks of the writer."""

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        """Read from a stream."""

    def advance(self, destination: str, stream: int, upto: int) -> None:
        """Everything up to here is done with."""

    def park(self, destination: str, stream: Stream, entry: Entry, reason: int) -> None:
        """Keep for a person to look at."""


class Turns:
    """The flows of one destination: where each of them queues, and what memory holds of it."""

    def __init__(
        self, settings: DestinationSettings, backlog: Backlog, timers: Timers, pump: Callable[[], None]
    ) -> None:
        """`pump` is called when a flow may send that could not before."""
        self.expired = 0
        """Events that were never delivered: too old, or gone from the outbox."""
        self._settings = settings
        self._backlog = backlog
        self._timers = timers
        self._pump = pump
        self._loop = asyncio.get_running_loop()
        self._listened = settings.subscriber_wait_s <= 0
        self._open = False
        self._connection = 0
        self._behind_limit = 1
        self._flows: dict[int, Flow] = {}
        self._live: deque[Flow] = deque()
        self._behind: deque[Flow] = deque()
        self._buffered = 0
        self._live_run = 0
        self._bucket = TokenBucket(settings.drain_per_s)
        self._token_awaited = False

    # What is known of the flows

    @property
    def waiting(self) -> int:
        """Events the destination does not have yet."""
        return max(0, sum(flow.waiting for flow in self._flows.values()))

    @property
    def live(self) -> bool:
        """Whether events wait that are in memory and were heard just now."""
        return bool(self._live)

    @property
    def flying(self) -> bool:
        """Whether a message of any flow is in flight."""
        return any(flow.flying for flow in self._flows.values())

    @property
    def troubled(self) -> bool:
        """Whether an event of any flow was not taken, and none of that flow since."""
        return any(flow.attempts for flow in self._flows.values())

    # What the outbox says

    def know(self, stream: Stream, acked: int, head: int) -> None:
        """A stream exists, and how far it was delivered before."""
        if stream.number not in self._flows:
            self._flows[stream.number] = flow = Flow(stream, acked, head, listened=self._listened)
            self._queue(flow)

    def offer(self, entries: Iterable[Entry]) -> None:
        """Events were committed."""
        flows, room, up = self._flows, self._settings.buffer_bytes, self._open
        for entry in entries:
            flow = flows.get(entry.stream)
            if flow is None:
                continue
            flow.head = seq = entry.seq
            if not up:
                continue
            if (
                seq == flow.tail + 1
                and flow.pace is not Pace.BLOCKED
                and self._buffered < room
                and not flow.fetching
            ):
                flow.buffer.append(entry)
                flow.tail = seq
                self._buffered += entry.size
                if flow.pace is Pace.IDLE:
                    flow.pace = Pace.LIVE
                    self._live.append(flow)
            elif flow.pace is Pace.IDLE:
                self._queue(flow)

    def lose(self, stream: int, seq: int, *, expired: bool) -> None:
        """An event is gone from the outbox. One that is in memory or in flight may still arrive."""
        flow = self._flows.get(stream)
        if flow is None or flow.passed(seq) or (seq <= flow.tail and (flow.flying or flow.buffer)):
            return
        self.pass_by(flow, seq)
        self.expired += expired

    def pass_by(self, flow: Flow, seq: int) -> None:
        """The destination is past this event: tell the outbox, if that makes the prefix longer."""
        if flow.pass_by(seq):
            self._backlog.advance(self._settings.name, flow.stream.number, flow.acked)

    def expire(self, flow: Flow) -> None:
        """The first of the buffer is too old to be sent."""
        seq = flow.buffer[0].seq
        self.shift(flow)
        self.expired += 1
        self.pass_by(flow, seq)

    def forget_old(self, epoch: str) -> None:
        """Drop streams of earlier epochs that are delivered to the end."""
        for number, flow in list(self._flows.items()):
            if flow.stream.epoch != epoch and flow.waiting <= 0 and not flow.flying:
                del self._flows[number]

    # What the connection says

    def connect(self, window: int) -> None:
        """A connection stands, over which `window` messages may be in flight."""
        self._connection += 1
        # A quarter of the window stays free for live events.
        self._behind_limit = max(1, window - max(1, window // 4))
        self._bucket.begin(self._loop.time())
        self.resume()

    def disconnect(self) -> None:
        """The connection is lost. Forget what memory holds; all of it is still in the outbox."""
        self._connection += 1
        self._open = False
        self._token_awaited = False
        self._live.clear()
        self._behind.clear()
        self._buffered = 0
        for flow in self._flows.values():
            flow.rewind()
            flow.flying = 0
            flow.pace = Pace.IDLE

    def halt(self) -> None:
        """Send nothing of any flow until `resume`."""
        self._open = False
        for flow in self._flows.values():
            self._leave(flow)
            self._buffered -= flow.rewind()

    def resume(self) -> None:
        """Begin anew, every stream from its first unacknowledged event."""
        self._open = True
        self._live.clear()
        self._behind.clear()
        self._buffered = 0
        for flow in self._flows.values():
            flow.rewind()
            flow.flying = 0
            flow.listened = self._listened
            flow.fetching = False
            flow.pace = Pace.IDLE
            self._queue(flow)

    # Whose turn it is

    def choose(self) -> Flow | None:
        """Find the flow that sends next; None when none may."""
        if self._live_run < BEHIND_TURN or not self._behind:
            flow = self._next_live()
            if flow is not None:
                self._live_run += 1
                return flow
        self._live_run = 0
        for _ in range(len(self._behind)):
            flow = self._behind[0]
            self._behind.rotate(-1)
            if not flow.buffer:
                self._read_on(flow)
            elif not flow.ready:
                continue
            elif self._may_drain():
                return flow
            else:
                break
        return self._next_live()

    def _next_live(self) -> Flow | None:
        for _ in range(len(self._live)):
            if self._live[0].ready:
                return self._live[0]
            self._live.rotate(-1)
        return None

    def _may_drain(self) -> bool:
        """Take leave to send one event of a backlog."""
        if sum(flow.flying for flow in self._behind) >= self._behind_limit:
            return False
        if self._bucket.take(self._loop.time()):
            return True
        if not self._token_awaited:
            self._token_awaited = True
            self._timers.later(self._bucket.wait_s + 0.001, self._drain_again)
        return False

    def _drain_again(self) -> None:
        self._token_awaited = False
        self._pump()

    def shift(self, flow: Flow) -> None:
        """The first of the buffer is sent or given up: find the flow its place again."""
        self._buffered -= flow.buffer.popleft().size
        flow.part = 0
        if flow.buffer:
            if flow.pace is Pace.LIVE and len(self._live) > 1:
                self._live.rotate(-1)
            return
        if flow.pace is Pace.LIVE:
            self._live.remove(flow)
            flow.pace = Pace.IDLE
            self._queue(flow)
        elif flow.pace is Pace.BEHIND and flow.tail >= flow.head:
            self._leave(flow)

    # Reading back

    def _read_on(self, flow: Flow) -> None:
        if flow.fetching or self._buffered >= self._settings.buffer_bytes:
            return
        flow.fetching = True
        connection = self._connection

        def reply(page: Page | None) -> None:
            if connection == self._connection:
                self._fetched(flow, page)

        self._backlog.fetch(flow.stream.number, flow.tail, PAGE_EVENTS, PAGE_BYTES, reply)

    def _fetched(self, flow: Flow, page: Page | None) -> None:
        flow.fetching = False
        if flow.pace is not Pace.BEHIND:
            return
        if page is None:
            self.block(flow, 1.0)
            return
        before = flow.acked
        joined, gone = flow.take(page)
        self._buffered += sum(entry.size for entry in joined)
        self.expired += gone
        if flow.acked > before:
            self._backlog.advance(self._settings.name, flow.stream.number, flow.acked)
        if page.held and not joined:
            self.block(flow, 1.0)
        elif not flow.buffer and flow.tail >= flow.head:
            self._leave(flow)
        self._pump()

    # Where a flow queues

    def _queue(self, flow: Flow) -> None:
        if self._open and flow.pace is Pace.IDLE and flow.tail < flow.head:
            flow.pace = Pace.BEHIND
            self._behind.append(flow)

    def _leave(self, flow: Flow) -> None:
        if flow.pace is Pace.LIVE:
            self._live.remove(flow)
        elif flow.pace is Pace.BEHIND:
            self._behind.remove(flow)
        flow.pace = Pace.IDLE

    def block(self, flow: Flow, delay_s: float) -> None:
        """Send nothing of this stream for a while, then read it anew from its first unacknowledged event."""
        self._leave(flow)
        self._buffered -= flow.rewind()
        flow.pace = Pace.BLOCKED
        connection = self._connection

        def unblock() -> None:
            if connection != self._connection or flow.pace is not Pace.BLOCKED:
                return
            if flow.flying:  # what is still in flight would be sent twice
                self._timers.later(0.02, unblock)
                return
            flow.rewind()
            flow.pace = Pace.IDLE
            self._queue(flow)
            self._pump()

        self._timers.later(delay_s, unblock)
