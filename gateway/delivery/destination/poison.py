"""Suspicion: finding the message over which a broker hangs up.

A broker that hangs up over a message gets it again for ever, unless we find out which it is. So the first
message in flight is remembered over lost connections; after some, messages go one at a time, until the one
that is left alone with the blame is refused before it is sent.
"""

from gateway.delivery.mqtt.reason_codes import POISON_DISCONNECT_CODES

SUSPECT_LOSSES, QUARANTINE_LOSSES = 3, 6
"""Connections lost over the same first message: then one at a time, and then it is parked."""

MessageKey = tuple[int, int, int] | str
"""A message, the same when it is sent again: (stream, seq, part) of an event, or the topic of a state."""


class PoisonMessageDetector:
    """What lost connections tell of the messages that were in flight."""

    __slots__ = ("_losses", "_suspect", "quarantined", "serialised_left")

    def __init__(self) -> None:
        self.serialised_left = 0
        """So many acknowledgements from now, no message is sent beside another."""
        self.quarantined: set[MessageKey] = set()
        """Found guilty: not to be sent again."""
        self._suspect: MessageKey | None = None
        self._losses = 0

    def on_connection_lost(self, suspect: MessageKey, flying: int, reason: int | None) -> None:
        """A connection was lost with `flying` messages in flight, `first` before all others."""
        self._losses = self._losses + 1 if self._suspect == suspect else 1
        self._suspect = suspect
        told = reason in POISON_DISCONNECT_CODES
        if (told and flying == 1) or self._losses >= QUARANTINE_LOSSES:
            self.quarantined.add(suspect)
            self._suspect, self._losses = None, 0
        elif told or self._losses >= SUSPECT_LOSSES:
            self.serialised_left = max(self.serialised_left, flying)
