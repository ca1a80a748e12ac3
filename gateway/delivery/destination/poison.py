"""Detection of poison messages: messages that make a broker close the connection.

Such a message would be sent again for ever. So the first message in flight is remembered across lost
connections. After 3 losses messages are sent one at a time. If the broker names the cause and only one
message was in flight, the message is not sent again.

A broker that hangs up without a reason may do so because of a mistake in its rights, as RabbitMQ does: then
the event is correct. After 6 losses it is a suspect. A later event of the same topic is tried before it. Only
if that one is accepted, and the suspect ends the connection once more, the suspect is not sent again. If both
end the connection, the stream waits, and both are tried again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.destination.scheduler import SendScheduler
from gateway.delivery.destination.stream import StreamCursor
from gateway.delivery.destination.timers import TimerGroup
from gateway.delivery.mqtt.reason_codes import POISON_DISCONNECT_CODES, UNSPECIFIED

SUSPECT_LOSSES, QUARANTINE_LOSSES = 3, 6
"""Connections lost with the same first message: messages are then sent singly; it is then a suspect."""
MAX_WAIT_S = 600.0
"""Upper bound on the wait before a suspect is tried again, in seconds."""

MessageKey = tuple[int, int, int] | str
"""Identity of a message: (stream, seq, part) of an event or image, or the topic of a state."""


@dataclass(slots=True)
class Suspect:
    """Event, or one of its images, with which connections were lost without a reason."""

    key: tuple[int, int, int]
    is_other_accepted: bool = False
    """True: the broker has accepted a later event of its topic since."""
    failures: int = 0
    due_s: float = 0.0
    """Time of the event loop at which it may be tried again."""

    @property
    def seq(self) -> int:
        """Number of the event in its stream."""
        return self.key[1]


class PoisonMessageDetector:
    """Poison message detection from lost connections."""

    __slots__ = ("_losses", "_retry_s", "_suspect", "quarantined", "serialised_left", "suspects")

    def __init__(self, retry_s: float) -> None:
        """`retry_s`: first wait before a suspect is tried again, in seconds; then it doubles."""
        self.serialised_left = 0
        """Number of acknowledgements during which messages are sent one at a time."""
        self.quarantined: dict[MessageKey, int] = {}
        """Messages that are not sent again, with the reason code."""
        self.suspects: dict[int, Suspect] = {}
        """Suspects by stream."""
        self._retry_s = retry_s
        self._suspect: MessageKey | None = None
        self._losses = 0

    def on_connection_lost(
        self, suspect: MessageKey, in_flight: int, reason: int | None, now_s: float
    ) -> None:
        """Record a lost connection with `in_flight` messages in flight; `suspect` is the oldest of them."""
        stated = reason if reason in POISON_DISCONNECT_CODES else None
        if stated is not None and in_flight == 1:
            self._quarantine(suspect, stated)
            return
        known = self.suspects.get(suspect[0]) if isinstance(suspect, tuple) else None
        if known is not None and in_flight == 1:
            self._on_tried(known, suspect, now_s)
            return
        self._losses = self._losses + 1 if self._suspect == suspect else 1
        self._suspect = suspect
        if self._losses >= QUARANTINE_LOSSES:
            self._suspect, self._losses = None, 0
            if isinstance(suspect, tuple):
                self.suspects[suspect[0]] = Suspect(suspect)
            else:
                self.quarantined[suspect] = UNSPECIFIED
        elif stated is not None or self._losses >= SUSPECT_LOSSES:
            self.serialised_left = max(self.serialised_left, in_flight)

    def _on_tried(self, known: Suspect, lost: MessageKey, now_s: float) -> None:
        if lost[:2] == known.key[:2] and known.is_other_accepted:
            self._quarantine(lost, UNSPECIFIED)
            return
        known.is_other_accepted = False
        known.due_s = now_s + min(MAX_WAIT_S, self._retry_s * 2.0**known.failures)
        known.failures = min(known.failures + 1, 16)

    def _quarantine(self, key: MessageKey, reason: int) -> None:
        self.quarantined[key] = reason
        self._suspect, self._losses = None, 0
        if isinstance(key, tuple) and key[0] in self.suspects and self.suspects[key[0]].seq == key[1]:
            del self.suspects[key[0]]


class SuspectTrial:
    """Trial of suspects: a suspect, and the event that is tried before it, are alone in flight."""

    def __init__(
        self,
        detector: PoisonMessageDetector,
        scheduler: SendScheduler,
        problems: DestinationProblems,
        timers: TimerGroup,
        send_ready: Callable[[], None],
    ) -> None:
        self.is_running = False
        """True while nothing else may be in flight."""
        self._suspects = detector.suspects
        self._scheduler = scheduler
        self._problems = problems
        self._timers = timers
        self._send_ready = send_ready
        self._loop = asyncio.get_running_loop()

    def may_send(self, cursor: StreamCursor, *, is_alone: bool) -> bool:
        """Prepare a stream with a suspect to send one message; return whether it may send now.

        `is_alone`: nothing is in flight.
        """
        suspect = self._suspects[cursor.stream.number]
        wait_s = suspect.due_s - self._loop.time()
        if wait_s > 0:
            self._problems.events_held(cursor.stream.position)
            self._scheduler.retry_later(cursor, wait_s)
            self._timers.call_later(0, self._send_ready)
            return False
        self.is_running = True
        if not is_alone:
            return False
        entries = cursor.buffer
        if (
            entries[0].seq == suspect.seq
            and not suspect.is_other_accepted
            and len(entries) > 1
            and entries[1].topic == entries[0].topic
            and cursor.next_image == 0
        ):
            self._scheduler.requeue(cursor)
        return True

    def on_answer(self, cursor: StreamCursor, seq: int, *, accepted: bool) -> None:
        """Take the broker's answer to a suspect, or to the event that was tried before it."""
        suspect = self._suspects[cursor.stream.number]
        self.is_running = False
        if seq == suspect.seq:
            del self._suspects[cursor.stream.number]
            if not self._suspects:
                self._problems.no_events_held()
        elif accepted:
            suspect.is_other_accepted = True
            self._scheduler.retry_later(cursor, 0)
