"""Events as they come in: once each, with their images, gaps counted."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from drivers.observation import Observation
from gateway.client.models import Counts, Received, typed
from gateway.contract.envelope import Event, read_event
from gateway.contract.topics import Position

if TYPE_CHECKING:
    from gateway.client.verification import Vouching

KNOWN_IDS = 10_000
WAITING_IMAGE_BYTES = 128 * 1024 * 1024
IMAGES_WAIT_S = 2.0
"""Images are sent before their event, but MQTT keeps order within one topic only (MQTT 5, section 4.6)."""


class Incoming:
    """Joins events and images, and hands each event on once."""

    def __init__(
        self, put: Callable[[Received], None], counts: Counts, vouching: "Vouching | None" = None
    ) -> None:
        self._put = put
        self._counts = counts
        self._vouching = vouching
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._last_seq: dict[tuple[str, str, str], int] = {}
        self._images: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._image_bytes = 0
        self._incomplete: dict[str, tuple[Received, asyncio.TimerHandle]] = {}

    def stop(self) -> None:
        """Wait for no image any more."""
        for _, timer in self._incomplete.values():
            timer.cancel()

    def take_image(self, event_id: str, role: str, payload: bytes) -> None:
        """Take an image; its event comes, or waits for it."""
        images = self._images.setdefault(event_id, {})
        self._image_bytes += len(payload) - len(images.get(role, b""))
        images[role] = payload
        while self._image_bytes > WAITING_IMAGE_BYTES and len(self._images) > 1:
            _, dropped = self._images.popitem(last=False)
            self._image_bytes -= sum(map(len, dropped.values()))
        if event_id in self._incomplete:
            received, _ = self._incomplete[event_id]
            if _roles(received) <= images.keys():
                self._complete(event_id)

    def take_event(
        self, position: Position, payload: bytes, lasts_s: int | None, jws: str | None = None
    ) -> None:
        """Take an event that goes stale after some seconds; raises ValidationError."""
        if self._vouching is not None and not self._vouching.event(position, payload, jws):
            return
        envelope = read_event(payload)
        if envelope.id in self._ids:
            self._counts.repeated += 1
            return
        self._ids[envelope.id] = None
        if len(self._ids) > KNOWN_IDS:
            self._ids.popitem(last=False)
        self._count_gaps(envelope)
        loop = asyncio.get_running_loop()
        received = Received(
            position,
            envelope,
            typed(envelope),
            {},
            None if lasts_s is None else loop.time() + lasts_s,
        )
        missing = _roles(received) - self._images.get(envelope.id, {}).keys()
        timer = loop.call_later(IMAGES_WAIT_S, self._complete, envelope.id)
        self._incomplete[envelope.id] = received, timer
        if not missing:
            self._complete(envelope.id)

    def _complete(self, event_id: str) -> None:
        """Hand an event on with the images that have come."""
        received, timer = self._incomplete.pop(event_id)
        timer.cancel()
        images = self._images.pop(event_id, {})
        self._image_bytes -= sum(map(len, images.values()))
        if self._vouching is not None:
            images = self._vouching.images(received, images)
        received.images.update(images)
        self._put(received)

    def _count_gaps(self, envelope: Event[Any]) -> None:
        stream = (envelope.source, envelope.epoch, envelope.stream)
        last = self._last_seq.get(stream)
        if last is not None and envelope.seq > last + 1:
            self._counts.missed += envelope.seq - last - 1
        self._last_seq[stream] = max(envelope.seq, last or 0)


def _roles(received: Received) -> set[str]:
    """The images that an event lists."""
    if isinstance(received.data, Observation):
        return {attachment.role for attachment in received.data.attachments}
    with contextlib.suppress(TypeError, KeyError, AttributeError):  # of a newer gateway, or of nobody
        return {attachment["role"] for attachment in received.data.get("attachments", ())}
    return set()
