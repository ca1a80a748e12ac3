"""A destination without a broker, in virtual time: tests see its messages and answer them."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from support.gateway.deliveries import FakeTime

from drivers.observation import DataClass
from gateway.common.problems import Problems
from gateway.contract.topics import SiteTopics
from gateway.delivery.destination.destination import Destination
from gateway.delivery.destination.retained import RetainedMessages
from gateway.delivery.events import Blob, StoredEvent, Stream
from gateway.delivery.mqtt.connect import Will
from gateway.delivery.mqtt.connection import ConnackLimits
from gateway.delivery.outbox.reader import Page
from gateway.delivery.settings import BrokerSettings, DestinationSettings

LIFE_NS = 3600 * 10**9


class _NoWait(selectors.SelectSelector):
    """Advances its clock instead of waiting."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("the test waits for what never happens")
        self.now_s += timeout
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _NoWait()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now_s


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in virtual time: waits take none. No input may come from outside of the loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def stream(
    number: int = 1,
    epoch: str = "epoch-1",
    data_class: DataClass = DataClass.RECORD,
    *,
    at: int | None = None,
) -> Stream:
    """Make a stream; its position contains the number `at`, by default that of the stream."""
    return Stream(number, epoch, f"lane-1/reader-{at or number}/{data_class}", data_class)


def entry(
    number: int, seq: int, *, size: int = 100, blobs: tuple[Blob, ...] = (), **more: Any
) -> StoredEvent:
    """Make a numbered event with a lifetime of one hour; topic and payload contain stream and number."""
    born_ns = FakeTime().boot
    given: dict[str, Any] = {
        "stream": number,
        "seq": seq,
        "event_id": f"id-{number}-{seq}",
        "event_type": "test.said",
        "topic": f"evt/{number}",
        "payload": b"%d/%d" % (number, seq),
        "deadline_ns": born_ns + LIFE_NS,
        "lifetime_ns": LIFE_NS,
        "created_unix_ns": 0,
        "is_clock_synced": True,
        "blobs": blobs,
        "size": size,
    }
    return StoredEvent(**given | more)


def entries(number: int, first: int, last: int, **more: Any) -> list[StoredEvent]:
    """Make events of one stream with numbers from `first` to `last`."""
    return [entry(number, seq, **more) for seq in range(first, last + 1)]


class ListOutbox:
    """Outbox of lists. It replies at once, or, if `slow`, when `reply` is called."""

    def __init__(self) -> None:
        self.stored: dict[int, list[StoredEvent]] = {}
        self.fetched: list[tuple[int, int]] = []
        """(stream, after) of every requested page."""
        self.acked: dict[int, int] = {}
        self.parked: list[tuple[int, int, int]] = []
        """(stream, seq, reason code)."""
        self.resent: list[tuple[int, int | None]] = []
        """(number of the parked row, reason code of another refusal)."""
        self.slow = False
        self.waiting: list[Callable[[], None]] = []
        self.page_events = 1000
        self.unreadable = False
        self.held = False

    def fetch(
        self, stream: int, after: int, limit: int, max_bytes: int, reply: Callable[[Page | None], None]
    ) -> None:
        self.fetched.append((stream, after))

        def answer() -> None:
            if self.unreadable:
                reply(None)
                return
            found = [e for e in self.stored.get(stream, []) if e.seq > after]
            taken = found[: min(limit, self.page_events)]
            whole = len(taken) == len(found)
            last = max((e.seq for e in self.stored.get(stream, [])), default=after)
            reply(Page(taken, max(last, after) if whole else taken[-1].seq, held=self.held))

        if self.slow:
            self.waiting.append(answer)
        else:
            asyncio.get_running_loop().call_soon(answer)

    def reply(self) -> None:
        """Answer the requests so far."""
        waiting, self.waiting = self.waiting, []
        for answer in waiting:
            answer()

    def advance(self, destination: str, stream: int, upto: int) -> None:
        self.acked[stream] = upto

    def park(self, destination: str, stream: Stream, entry: StoredEvent, reason: int) -> None:
        self.parked.append((stream.number, entry.seq, reason))

    def finish_resend(self, number: int, reason: int | None) -> None:
        self.resent.append((number, reason))


@dataclass
class Message:
    """One sent message."""

    mid: int
    topic: str
    payload: bytes
    properties: bytes
    retain: bool

    @property
    def event(self) -> tuple[int, int]:
        """Stream and number."""
        number, seq = self.payload.split(b"/")
        return int(number), int(seq)


class RecordingConnection:
    """Replacement for the connection of a destination."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.refuses = False
        self.name = "c1"

    def publish(self, topic: str, payload: bytes, properties: bytes, *, retain: bool = False) -> int | None:
        if self.refuses:
            return None
        self.sent.append(Message(len(self.sent) + 1, topic, payload, properties, retain))
        return len(self.sent)

    def flush(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class Rig:
    """A destination with both of its ends."""

    def __init__(self, stations: Any = None, **changes: Any) -> None:
        given = {"classes": {DataClass.RECORD, DataClass.TRAVELLER}, "no_subscriber_timeout_s": 0.0} | changes
        self.settings = DestinationSettings.local(BrokerSettings(port=1), **given)
        self.time = FakeTime()
        self.outbox = ListOutbox()
        self.connection = RecordingConnection()
        self.held_topics: list[tuple[str, bool]] = []
        self.retained = RetainedMessages(
            ("local",), lambda topic, held: self.held_topics.append((topic, held))
        )
        self.changes = 0
        self.problems = Problems(lambda: None)
        self.no_subscriber: list[str] = []
        topics = SiteTopics("ke-busia", "gw-1")
        self.destination = Destination(
            self.settings,
            topics,
            Will(topics.gateway_state, b"", 5),
            self.outbox,
            self.retained,
            self.problems,
            self.time,
            self._changed,
            stations=stations,
            on_no_subscriber=self.no_subscriber.append,
        )
        self.destination.connection = self.connection  # type: ignore[assignment]
        self._seen = 0

    def _changed(self) -> None:
        self.changes += 1

    @property
    def causes(self) -> set[str]:
        return {problem.cause for problem in self.problems.active()}

    def connect(self, window: int = 65_535, maximum_packet_size: int | None = None) -> None:
        """Connect; the broker allows `window` messages in flight."""
        self.destination.on_connected(ConnackLimits(window, maximum_packet_size))

    def commit(self, *committed: StoredEvent) -> None:
        """Store events, and pass them to the destination."""
        for one in committed:
            self.outbox.stored.setdefault(one.stream, []).append(one)
        self.destination.scheduler.on_committed(committed)
        self.destination.send_ready()

    def add_streams(self, *streams: Stream, stored: int = 0) -> None:
        """Add streams with `stored` events each on disk."""
        for one in streams:
            self.outbox.stored[one.number] = entries(one.number, 1, stored)
            self.destination.scheduler.add_stream(one, 0, stored)

    def new(self) -> list[Message]:
        """Return messages sent since the last call."""
        fresh = self.connection.sent[self._seen :]
        self._seen = len(self.connection.sent)
        return fresh

    def events(self) -> list[tuple[int, int]]:
        """Return the same as streams and numbers."""
        return [message.event for message in self.new()]

    def answer(self, *messages: Message, reason: int = 0) -> None:
        """Acknowledge messages."""
        self.destination.on_acks([(message.mid, reason) for message in messages])


async def turn(seconds: float = 0.0) -> None:
    """Let due callbacks run, after `seconds` of virtual time."""
    await asyncio.sleep(seconds)
    for _ in range(5):
        await asyncio.sleep(0)
