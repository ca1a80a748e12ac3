"""Events that a broker refuses: retried, parked, or the destination halts."""

import random
from collections.abc import Callable

import structlog

from gateway.delivery.destination.in_flight import ImagesInFlight
from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.destination.scheduler import OutboxPort, SendScheduler
from gateway.delivery.destination.stream import SendState, StreamCursor
from gateway.delivery.destination.timers import TimerGroup
from gateway.delivery.events import StoredEvent
from gateway.delivery.mqtt.reason_codes import NO_SUBSCRIBERS, NOT_AUTHORISED, POISON_CODES
from gateway.delivery.settings import DestinationSettings

log = structlog.get_logger()


class Refusals:
    """Consequences of refused events at one destination."""

    def __init__(
        self,
        settings: DestinationSettings,
        outbox: OutboxPort,
        scheduler: SendScheduler,
        images_in_flight: ImagesInFlight,
        problems: DestinationProblems,
        timers: TimerGroup,
        on_change: Callable[[], None],
        send_ready: Callable[[], None],
    ) -> None:
        self.halted_reason: str | None = None
        """Reason why no event is sent; None: events are sent."""
        self.parked = 0
        """Number of events and images that were given up."""
        self.is_authorised = False
        """True once the broker has accepted an event or a state on this connection."""
        self._settings = settings
        self._name = settings.name
        self._outbox = outbox
        self._scheduler = scheduler
        self._images_in_flight = images_in_flight
        self._problems = problems
        self._timers = timers
        self._on_change = on_change
        self._send_ready = send_ready

    def on_connected(self) -> None:
        """Start anew: another connection may have other rights."""
        self.is_authorised = False
        self.halted_reason = None

    def on_accepted(self, cursor: StreamCursor) -> None:
        """End the attempts of a stream whose event was refused before."""
        cursor.attempts = 0
        if not self._scheduler.has_failed_attempts:
            self._problems.event_refused_cleared()
        self._problems.publish_authorised()

    def on_refused(self, cursor: StreamCursor, entry: StoredEvent, part: int, reason: int) -> None:
        """Retry, park or halt after a refused event (`part` -1) or image."""
        if reason in POISON_CODES:
            if part >= 0:
                self.drop_image(entry, entry.blobs[part].role, reason)
                if self._images_in_flight.on_ack(entry):
                    self._scheduler.advance_past(cursor, entry.seq)
            else:
                self._images_in_flight.discard(entry)
                self.park(cursor, entry, reason)
            return
        self._images_in_flight.discard(entry)
        cursor.attempts += 1
        if reason == NOT_AUTHORISED and not self.is_authorised:
            self.halt()
            return
        if cursor.send_state is SendState.BLOCKED:
            return
        if reason == NOT_AUTHORISED:  # A device that the access list does not name stops no other.
            self._problems.position_not_authorised(cursor.stream.position)
            self._scheduler.retry_later(cursor, self._settings.halt_retry_s)
            return
        if reason == NO_SUBSCRIBERS:
            self._problems.no_subscriber()
        else:
            self._problems.event_refused(reason)
        longest = min(
            self._settings.retry_max_s, self._settings.retry_first_s * 2.0 ** min(cursor.attempts, 16)
        )
        self._scheduler.retry_later(cursor, random.uniform(longest / 10, longest))

    def halt(self) -> None:
        """Send no event for `halt_retry_s` seconds, or until the next connection: the gateway may not."""
        if self.halted_reason is not None:
            return
        self.halted_reason = "not_authorised"
        self._scheduler.halt()
        self._problems.publish_not_authorised()
        log.error("destination_halted", destination=self._name, reason=self.halted_reason)
        self._timers.call_later(self._settings.halt_retry_s, self._resume)
        self._on_change()

    def _resume(self) -> None:
        if self._scheduler.has_in_flight:
            self._timers.call_later(0.05, self._resume)
            return
        self.halted_reason = None
        self._on_change()
        self._scheduler.resume()
        self._send_ready()

    def park(self, cursor: StreamCursor, entry: StoredEvent, reason: int) -> None:
        """Store a copy of an event that the broker cannot take, and pass over it."""
        self.parked += 1
        log.error(
            "event_parked", destination=self._name, stream=cursor.stream.name, seq=entry.seq, reason=reason
        )
        self._outbox.park(self._name, cursor.stream, entry, reason)
        self._scheduler.advance_past(cursor, entry.seq)
        self._problems.event_parked(self.parked, cursor.stream.name, entry.seq, reason)
        self._on_change()

    def drop_image(self, entry: StoredEvent, role: str, reason: int) -> None:
        """Report an image that the broker cannot take; its event is sent without it."""
        self.parked += 1
        log.error("image_refused", destination=self._name, role=role, seq=entry.seq, reason=reason)
        self._problems.image_refused(role)
