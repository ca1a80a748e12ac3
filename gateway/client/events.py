"""Received events: duplicates removed, images added, gaps counted; their queue to the caller."""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.observation import Observation
from gateway.client.decoder import Decoder
from gateway.client.models import DeviceStatus, DiscardCounts, ReceivedEvent
from gateway.contract.envelope import Event, read_event
from gateway.contract.topics import Position

if TYPE_CHECKING:
    from gateway.client.verification import SignatureVerifier

MAX_QUEUED_EVENTS = 10_000
REMEMBERED_IDS = 10_000
MAX_PENDING_IMAGE_BYTES = 128 * 1024 * 1024
IMAGE_TIMEOUT_S = 2.0
"""Time to wait for images, in seconds.

They are sent before their event, but MQTT keeps the order within one topic only (MQTT 5, section 4.6).
"""


@dataclass
class _HeldEvent:
    """An event that waits for its images, or for the event before it in its stream."""

    received: ReceivedEvent
    roles: frozenset[str]
    """Roles of its images."""
    timer: asyncio.TimerHandle | None = None
    is_overdue: bool = False
    """True once it has waited long enough for its images."""


class EventAssembler:
    """Assembler that joins events and images, and delivers each event once, those of a stream in order."""

    def __init__(
        self,
        deliver: Callable[[ReceivedEvent], None],
        discarded: DiscardCounts,
        decoder: Decoder,
        verifier: "SignatureVerifier | None" = None,
    ) -> None:
        self._deliver_event = deliver
        self._discarded = discarded
        self._decoder = decoder
        self._verifier = verifier
        self._seen_ids: OrderedDict[str, None] = OrderedDict()
        self._last_seq: dict[tuple[str, str, str], int] = {}
        self._images: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._image_bytes = 0
        self._held: dict[str, _HeldEvent] = {}
        self._streams: dict[tuple[str, str, str], deque[str]] = {}
        """Ids of the held events of each stream, in their order."""

    def stop(self) -> None:
        """Stop to wait for images."""
        for held in self._held.values():
            if held.timer is not None:
                held.timer.cancel()

    def on_image(self, event_id: str, role: str, payload: bytes) -> None:
        """Take an image; its event follows, or waits for it."""
        images = self._images.setdefault(event_id, {})
        self._image_bytes += len(payload) - len(images.get(role, b""))
        images[role] = payload
        while self._image_bytes > MAX_PENDING_IMAGE_BYTES and len(self._images) > 1:
            _, dropped = self._images.popitem(last=False)
            self._image_bytes -= sum(map(len, dropped.values()))
        if (held := self._held.get(event_id)) is not None:
            self._deliver_ready(_stream(held.received.envelope))

    def on_event(self, position: Position, payload: bytes, deadline_s: float, jws: str | None = None) -> None:
        """Take an event; raises ValidationError.

        `deadline_s`: moment when it becomes stale, of the event loop's clock.
        """
        if self._verifier is not None and not self._verifier.verify_event(position, payload, jws):
            return
        envelope = read_event(payload)
        if envelope.id in self._seen_ids:
            self._discarded.duplicates += 1
            return
        self._seen_ids[envelope.id] = None
        if len(self._seen_ids) > REMEMBERED_IDS:
            self._seen_ids.popitem(last=False)
        self._count_gaps(envelope)
        received = ReceivedEvent(position, envelope, self._decoder.observation(envelope), {}, deadline_s)
        held = self._held[envelope.id] = _HeldEvent(received, _roles(received))
        stream = _stream(envelope)
        self._streams.setdefault(stream, deque()).append(envelope.id)
        self._deliver_ready(stream)
        if envelope.id in self._held:
            loop = asyncio.get_running_loop()
            held.timer = loop.call_later(IMAGE_TIMEOUT_S, self._on_overdue, held)

    def _on_overdue(self, held: _HeldEvent) -> None:
        held.is_overdue = True
        self._deliver_ready(_stream(held.received.envelope))

    def _is_complete(self, held: _HeldEvent) -> bool:
        return held.roles <= self._images.get(held.received.envelope.id, {}).keys()

    def _deliver_ready(self, stream: tuple[str, str, str]) -> None:
        """Deliver the events of a stream up to the first one that still waits for images."""
        ids = self._streams[stream]
        while ids:
            held = self._held[ids[0]]
            if not held.is_overdue and not self._is_complete(held):
                return
            del self._held[ids.popleft()]
            self._deliver(held)
        del self._streams[stream]

    def _deliver(self, held: _HeldEvent) -> None:
        """Deliver an event with the images received so far."""
        if held.timer is not None:
            held.timer.cancel()
        received = held.received
        images = self._images.pop(received.envelope.id, {})
        self._image_bytes -= sum(map(len, images.values()))
        if self._verifier is not None:
            images = self._verifier.verify_images(received, images)
        received.images.update(images)
        self._deliver_event(received)

    def _count_gaps(self, envelope: Event[Any]) -> None:
        stream = _stream(envelope)
        last = self._last_seq.get(stream)
        if last is not None and envelope.seq > last + 1:
            self._discarded.missing += envelope.seq - last - 1
        self._last_seq[stream] = max(envelope.seq, last or 0)


def _stream(envelope: Event[Any]) -> tuple[str, str, str]:
    """Return the stream of an event: its numbers have no meaning in another epoch, or at another gateway."""
    return envelope.source, envelope.epoch, envelope.stream


def _roles(received: ReceivedEvent) -> frozenset[str]:
    """Return the roles of the images that an event lists."""
    if isinstance(received.data, Observation):
        return frozenset(attachment.role for attachment in received.data.attachments)
    with contextlib.suppress(TypeError, KeyError, AttributeError):  # of a newer version, or not of a gateway
        return frozenset(attachment["role"] for attachment in received.data.get("attachments", ()))
    return frozenset()


class EventQueue:
    """Events and status changes in the order of their arrival; the oldest are dropped when it is full."""

    def __init__(self, discarded: DiscardCounts) -> None:
        self._items: deque[ReceivedEvent | DeviceStatus] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._changed = asyncio.Event()
        self._discarded = discarded

    def put(self, item: ReceivedEvent | DeviceStatus) -> None:
        """Append an item."""
        self._items.append(item)
        self._changed.set()

    async def items(self) -> AsyncIterator[ReceivedEvent | DeviceStatus]:
        """Iterate without end; events that became stale in the queue are dropped and counted."""
        loop = asyncio.get_running_loop()
        while True:
            while self._items:
                item = self._items.popleft()
                if isinstance(item, ReceivedEvent) and item.is_stale_at(loop.time()):
                    self._discarded.expired += 1
                    continue
                yield item
            self._changed.clear()
            await self._changed.wait()
