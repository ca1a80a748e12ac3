"""Tickets to see the bytes of a trace: for one user and one device, valid once and for a short time.

A browser's EventSource can only GET; the request with its reason, which is recorded, is a POST before it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.operations import RevealTrace
from gateway.console.auth.persisted import seconds_since_boot

LIFETIME_S = 30.0
MAX_TICKETS = 100


@dataclass(frozen=True, slots=True)
class _Ticket:
    name: str
    position: str
    reveal: RevealTrace
    until_s: float


class TraceTickets:
    """Tickets not used yet."""

    def __init__(self, now: Callable[[], float] = seconds_since_boot) -> None:
        self._now = now
        self._tickets: dict[str, _Ticket] = {}

    def issue(self, name: str, position: str, reveal: RevealTrace) -> str:
        """Issue a ticket."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = _Ticket(name, position, reveal, self._now() + LIFETIME_S)
        for old in list(self._tickets)[:-MAX_TICKETS]:
            del self._tickets[old]
        return ticket

    def redeem(self, ticket: str, name: str, position: str) -> RevealTrace | None:
        """Redeem a ticket; None if it belongs to another user or device, was used, or has expired."""
        found = self._tickets.pop(ticket, None)
        if found is None or (found.name, found.position) != (name, position) or self._now() > found.until_s:
            return None
        return found.reveal
