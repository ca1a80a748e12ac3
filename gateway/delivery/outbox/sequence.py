"""Identity of events: a permanent id, and a number in the event's stream.

`seq` counts from 1 without gaps per stream, and a stream belongs to one `epoch`. A published number must
never be assigned to another event. Where the last number is uncertain (disk trouble, file lost, rows of
unknown age wait), a new epoch begins and counts from 1.
"""

import random
import secrets
from collections.abc import Iterable

from drivers.observation import DataClass
from gateway.audit.hash_chain import Sign
from gateway.contract.envelope import ClockStatus, Moment, complete_event
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.events import PendingEvent, StoredEvent, Stream

_TAIL_BITS = 74
_TAIL = (1 << _TAIL_BITS) - 1
_RAND_B = (1 << 62) - 1


def new_epoch() -> str:
    """Return the name of a new epoch: 16 random hexadecimal characters."""
    return secrets.token_hex(8)


class EventIds:
    """UUIDv7 (RFC 9562, section 5.7) that only increase, whatever the wall clock does.

    Section 6.2, method 2: within one millisecond, or while the clock is behind the last id, the 74 bits after
    the time are increased by a random step. `last` is stored in the database and survives restarts.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self._random = random.Random(secrets.randbits(128))

    def next_id(self, unix_ns: int) -> str:
        """Return the next id, as text."""
        stamp = unix_ns // 1_000_000 & 0xFFFF_FFFF_FFFF
        last = self.last
        if stamp > last >> _TAIL_BITS:
            # The highest of the 74 bits stays free, so that there is room to count up in this millisecond.
            self.last = last = stamp << _TAIL_BITS | self._random.getrandbits(_TAIL_BITS - 1)
        else:
            self.last = last = last + 1 + self._random.getrandbits(32)
        return format_uuid7(last)


def format_uuid7(number: int) -> str:
    """Format 48 bits of time and 74 of tail as a UUID of version 7, variant 10."""
    tail = number & _TAIL
    text = f"{(number >> _TAIL_BITS) << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & _RAND_B:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_uuid7(event_id: str) -> int:
    """Return the 122 meaningful bits of a UUID of version 7."""
    number = int(event_id.replace("-", ""), 16)
    return (number >> 80) << _TAIL_BITS | ((number >> 64) & 0xFFF) << 62 | number & _RAND_B


class StreamCounter:
    """A stream and its highest assigned number."""

    __slots__ = ("is_stored", "last_seq", "stream", "topics")

    def __init__(self, stream: Stream, last_seq: int, *, stored: bool) -> None:
        self.stream = stream
        self.last_seq = last_seq
        self.is_stored = stored
        """True: the database has the stream."""
        self.topics: dict[str, str] = {}


class SequenceAllocator:
    """Assigns ids and numbers. Runs in the writer's thread."""

    def __init__(
        self,
        topics: SiteTopics,
        epoch: str,
        last_id: int = 0,
        after_stream: int = 0,
        sign: Sign | None = None,
    ) -> None:
        self.epoch = epoch
        self._sign = sign
        self.ids = EventIds(last_id)
        self._topics = topics
        self._streams: dict[tuple[str, DataClass], StreamCounter] = {}
        self._used: set[int] = set()
        self._last_stream = after_stream

    def load_streams(self, counters: Iterable[StreamCounter], last_id: int) -> None:
        """Load the streams of an outbox.

        Those of this epoch continue; the stream numbers of all are reserved.
        """
        self.ids.last = max(self.ids.last, last_id)
        for counter in counters:
            self._used.add(counter.stream.number)
            if counter.stream.epoch == self.epoch:
                self._streams[counter.stream.position, counter.stream.data_class] = counter

    def start_epoch(self) -> None:
        """Begin a new epoch, which counts from 1."""
        self.epoch = new_epoch()
        self._streams.clear()

    @property
    def counters(self) -> list[StreamCounter]:
        """Streams of the present epoch."""
        return list(self._streams.values())

    def to_stored_event(
        self, event: PendingEvent, now: Moment, lifetime_ns: int, event_id: str | None = None
    ) -> StoredEvent:
        """Assign id and number to an event. Raises ValueError when the position cannot be a topic."""
        key = event.position, event.data_class
        counter = self._streams.get(key) or self._open(key)
        topic = counter.topics.get(event.event_type)
        if topic is None:
            topic = self._topics.event(Position.parse(event.position), event.event_type)
            counter.topics[event.event_type] = topic
        counter.last_seq = seq = counter.last_seq + 1
        event_id = event_id or self.ids.next_id(now.unix_ns)
        stream = counter.stream
        payload = complete_event(event.partial_event, event_id, stream.epoch, stream.name, seq)
        return StoredEvent(
            stream=stream.number,
            seq=seq,
            event_id=event_id,
            event_type=event.event_type,
            topic=topic,
            payload=payload,
            deadline_ns=(now.boot_ns if event.received_boot_ns is None else event.received_boot_ns)
            + lifetime_ns,
            lifetime_ns=lifetime_ns,
            created_unix_ns=now.unix_ns,
            is_clock_synced=now.clock is ClockStatus.SYNCED,
            blobs=event.blobs,
            size=len(payload) + sum(len(blob.content) for blob in event.blobs)
            if event.blobs
            else len(payload),
            jws=self._sign(payload) if self._sign is not None else None,
        )

    def _open(self, key: tuple[str, DataClass]) -> StreamCounter:
        position, data_class = key
        Position.parse(position)
        self._last_stream += 1
        while self._last_stream in self._used:
            self._last_stream += 1
        stream = Stream(self._last_stream, self.epoch, f"{position}/{data_class}", data_class)
        self._streams[key] = counter = StreamCounter(stream, 0, stored=False)
        return counter
