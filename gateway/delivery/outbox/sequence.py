"""Who is who: every event gets an id for ever, and a number in its stream.

`seq` counts from 1 without gaps per stream, and a stream belongs to one `epoch`. Numbers once published must
never be given to another event, so where we cannot be sure what was given (the disk would not take it, the
file was lost, rows of unknown age wait), a new epoch begins and counting starts anew in it.
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
    """Name an outbox: 16 random hexadecimal characters."""
    return secrets.token_hex(8)


class EventIds:
    """UUIDv7 (RFC 9562, section 5.7) that only ever increase, whatever the wall clock does.

    Section 6.2, method 2: within one millisecond, or while the clock is behind what we gave already, the 74
    bits after the time are counted up by a random step. `last` survives restarts in the database.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self._random = random.Random(secrets.randbits(128))

    def next_id(self, unix_ns: int) -> str:
        """Give the next id, as text."""
        stamp = unix_ns // 1_000_000 & 0xFFFF_FFFF_FFFF
        last = self.last
        if stamp > last >> _TAIL_BITS:
            # The highest of the 74 bits stays free, so that counting up has room in this millisecond.
            self.last = last = stamp << _TAIL_BITS | self._random.getrandbits(_TAIL_BITS - 1)
        else:
            self.last = last = last + 1 + self._random.getrandbits(32)
        return format_uuid7(last)


def format_uuid7(number: int) -> str:
    """Write 48 bits of time and 74 of tail as a UUID of version 7, variant 10."""
    tail = number & _TAIL
    text = f"{(number >> _TAIL_BITS) << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & _RAND_B:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_uuid7(event_id: str) -> int:
    """Take the 122 meaningful bits out of a UUID of version 7."""
    number = int(event_id.replace("-", ""), 16)
    return (number >> 80) << _TAIL_BITS | ((number >> 64) & 0xFFF) << 62 | number & _RAND_B


class StreamCounter:
    """A stream, and how far it has been counted."""

    __slots__ = ("is_stored", "last_seq", "stream", "topics")

    def __init__(self, stream: Stream, last_seq: int, *, stored: bool) -> None:
        self.stream = stream
        self.last_seq = last_seq
        self.is_stored = stored
        """Whether the database knows the stream."""
        self.topics: dict[str, str] = {}


class SequenceAllocator:
    """Numbers events. Belongs to the writer thread."""

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
        """Learn the streams of an outbox: those of our epoch go on, the numbers of the others are taken."""
        self.ids.last = max(self.ids.last, last_id)
        for counter in counters:
            self._used.add(counter.stream.number)
            if counter.stream.epoch == self.epoch:
                self._streams[counter.stream.position, counter.stream.data_class] = counter

    def start_epoch(self) -> None:
        """Count from 1 again, in an epoch of its own."""
        self.epoch = new_epoch()
        self._streams.clear()

    @property
    def counters(self) -> list[StreamCounter]:
        """The streams of the present epoch."""
        return list(self._streams.values())

    def to_stored_event(
        self, event: PendingEvent, now: Moment, lifetime_ns: int, event_id: str | None = None
    ) -> StoredEvent:
        """Make an entry of a submission. Raises ValueError when the position cannot be a topic."""
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
