"""A card in the field, for blocking use in the link's thread."""

import time
from collections.abc import Callable
from typing import Protocol

from drivers.links.link import Tap
from drivers.links.smartcard.connection import Connection
from drivers.links.smartcard.errors import (
    CardUnavailable,
    NotTransacted,
    card_errors,
    length_errors,
    scard,
    service_error,
)

SETTLE_S = 0.6
"""Time within which pcscd notices that a card has left, in seconds: it looks every 0.4 s."""
POLL_S = 0.25
"""Upper bound on one look at the slot, in seconds; it bounds every wait for the link's thread."""


class Slot(Protocol):
    """The slot of a card, as seen from its session; all methods block."""

    def connect(self, is_abandoned: Callable[[], bool]) -> Connection | None:
        """Connect to the card in the slot; None when there is none. Raises LinkError and CardUnavailable."""
        ...

    def wait_for_presence(self, present: bool, timeout_s: float) -> bool:
        """Wait until a card is present, or absent; return false after `timeout_s` seconds.

        Raises LinkError.
        """
        ...

    def presence(self) -> int:
        """Return a number that changes whenever a card comes or goes; raises LinkError."""
        ...


class Card:
    """A card in the field. Its transaction lasts until `release`."""

    def __init__(self, slot: Slot, connection: Connection, tap: Tap) -> None:
        self._slot = slot
        self._connection = connection
        self._tap = tap
        self._abandoned = False
        self._presence = slot.presence()
        self.max_apdu_data_bytes = connection.max_apdu_data_bytes()
        """Longest data of an APDU that the slot states to pass on, in bytes: 0 for short APDUs only; None if
        not stated."""

    def abandon(self) -> None:
        """End the session at the next command; may be called from any thread."""
        self._abandoned = True

    def transmit(self, command: bytes) -> bytes:
        """Send one APDU and return the response.

        Raises CardUnavailable, NotTransacted where the slot may have refused the length, or LinkError for the
        service.
        """
        if self._abandoned:
            raise CardUnavailable
        self._tap("out", command)
        code, answer = self._connection.transmit(command)
        if code in length_errors() and (_is_extended(command) or code in card_errors()):
            raise NotTransacted
        # Some drivers report a card that leaves during a command as success with an empty response.
        if code in card_errors() or (code == scard.SCARD_S_SUCCESS and len(answer) < 2):
            raise CardUnavailable
        if code != scard.SCARD_S_SUCCESS:
            raise service_error(code)
        self._tap("in", answer)
        return answer

    def renew(self, timeout_s: float) -> bool:
        """Power the card up again after it was lost, for a new session.

        Returns false when none is back within `timeout_s` seconds, or when abandoned. Raises LinkError.
        """
        deadline_s = time.monotonic() + timeout_s
        # A reset before pcscd has noticed that the card left would hide the next card from it.
        if not self._has_left_within(SETTLE_S) and self._connection.reset():
            return not self._abandoned
        self.release()
        while not self._abandoned and (left_s := deadline_s - time.monotonic()) > 0:
            if not self._slot.wait_for_presence(True, min(POLL_S, left_s)):
                continue
            try:
                connection = self._slot.connect(lambda: self._abandoned)
            except CardUnavailable:
                return False
            if connection is not None:
                self._connection = connection
                self._presence = self._slot.presence()
                return True
        return False

    def _has_left_within(self, timeout_s: float) -> bool:
        """Wait until the slot has noticed that the card left, even if it is back."""
        deadline_s = time.monotonic() + timeout_s
        while not self._abandoned and self._slot.presence() == self._presence:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(0.02)
        return True

    def release(self) -> None:
        """End the transaction and disconnect, without a reset; may be called again."""
        self._connection.close()


def _is_extended(command: bytes) -> bool:
    """Return true for a command whose lengths are in extended form (ISO/IEC 7816-4, section 5.1)."""
    return len(command) >= 7 and command[4] == 0
