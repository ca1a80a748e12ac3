"""Parked events of one destination that an operator has marked to be sent again."""

from collections import Counter, deque
from collections.abc import Iterable

import structlog

from gateway.delivery.destination.scheduler import OutboxPort
from gateway.delivery.events import ParkedCopy
from gateway.delivery.mqtt.properties import event_properties, signature_property
from gateway.delivery.mqtt.reason_codes import TOO_LARGE, UNSPECIFIED

log = structlog.get_logger()

MAX_LOSSES = 3
"""Connections lost with a parked event in flight, after which it stays parked."""


class Resends:
    """Queue of parked events. An event that is refused again, or ends connections, stays parked."""

    def __init__(self, outbox: OutboxPort) -> None:
        self._outbox = outbox
        self._queue: deque[ParkedCopy] = deque()
        self._losses: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._queue)

    def extend(self, parked: Iterable[ParkedCopy]) -> None:
        """Add events; they are sent before all others."""
        self._queue.extend(parked)

    def next(self, now_ns: int) -> tuple[ParkedCopy, bytes] | None:
        """Remove the next event; return it with its properties, or None if it has expired."""
        parked = self._queue.popleft()
        left_ns = parked.deadline_ns - now_ns
        if left_ns <= 0:
            return None
        properties = event_properties(min(-(-left_ns // 1_000_000_000), 0xFFFF_FFFF), True)
        return parked, properties if parked.jws is None else properties + signature_property(parked.jws)

    def put_back(self, parked: ParkedCopy) -> None:
        """Put back an event that was not sent; it is the next one again."""
        self._queue.appendleft(parked)

    def is_too_large(self, parked: ParkedCopy, size: int, limit: int | None) -> bool:
        """Leave an event parked that is larger than the broker accepts; return whether it is."""
        if limit is None or size <= limit:
            return False
        self._outbox.finish_resend(parked.number, TOO_LARGE)
        return True

    def on_answer(self, parked: ParkedCopy, reason: int, *, requires_subscriber: bool) -> None:
        """Delete an event that was delivered; leave one parked that was refused."""
        is_delivered = reason == 0 or (reason < 0x80 and not requires_subscriber)
        log.info("parked_event_resent", destination=parked.destination, seq=parked.seq, reason=reason)
        self._outbox.finish_resend(parked.number, None if is_delivered else reason)

    def on_connection_lost(self, in_flight: list[ParkedCopy]) -> None:
        """Send events again that were in flight; leave those parked with which connections were lost."""
        for parked in reversed(in_flight):
            self._losses[parked.number] += 1
            if self._losses[parked.number] >= MAX_LOSSES:
                self._outbox.finish_resend(parked.number, UNSPECIFIED)
            else:
                self.put_back(parked)
