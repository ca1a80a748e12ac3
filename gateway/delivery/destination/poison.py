"""Detection of poison messages: messages that make a broker close the connection.

Such a message would be sent again for ever. So the first message in flight is remembered across lost
connections. After 3 losses messages are sent one at a time; after 6, or when the broker names the cause and
only one message was in flight, the message is not sent again.
"""

from gateway.delivery.mqtt.reason_codes import POISON_DISCONNECT_CODES

SUSPECT_LOSSES, QUARANTINE_LOSSES = 3, 6
"""Connections lost with the same first message: messages are then sent singly; it is then parked."""

MessageKey = tuple[int, int, int] | str
"""Identity of a message: (stream, seq, part) of an event or image, or the topic of a state."""


class PoisonMessageDetector:
    """Poison message detection from lost connections."""

    __slots__ = ("_losses", "_suspect", "quarantined", "serialised_left")

    def __init__(self) -> None:
        self.serialised_left = 0
        """Number of acknowledgements during which messages are sent one at a time."""
        self.quarantined: set[MessageKey] = set()
        """Messages that are not sent again."""
        self._suspect: MessageKey | None = None
        self._losses = 0

    def on_connection_lost(self, suspect: MessageKey, in_flight: int, reason: int | None) -> None:
        """Record a lost connection with `in_flight` messages in flight; `suspect` is the oldest of them."""
        self._losses = self._losses + 1 if self._suspect == suspect else 1
        self._suspect = suspect
        has_poison_reason = reason in POISON_DISCONNECT_CODES
        if (has_poison_reason and in_flight == 1) or self._losses >= QUARANTINE_LOSSES:
            self.quarantined.add(suspect)
            self._suspect, self._losses = None, 0
        elif has_poison_reason or self._losses >= SUSPECT_LOSSES:
            self.serialised_left = max(self.serialised_left, in_flight)
