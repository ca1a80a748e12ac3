"""Leave to see what crosses a wire, for one person and one device, once and soon.

A browser's EventSource can only GET: what is asked with a reason, and recorded, is a POST before it.
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
    """Those that nobody has used yet."""

    def __init__(self, now: Callable[[], float] = seconds_since_boot) -> None:
        self._now = now
        self._tickets: dict[str, _Ticket] = {}

    def issue(self, name: str, position: str, reveal: RevealTrace) -> str:
        """Write one out."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = _Ticket(name, position, reveal, self._now() + LIFETIME_S)
        for old in list(self._tickets)[:-MAX_TICKETS]:
            del self._tickets[old]
        return ticket

    def redeem(self, ticket: str, name: str, position: str) -> RevealTrace | None:
        """Take it back; None where it is not theirs, not for this device, used or too old."""
        found = self._tickets.pop(ticket, None)
        if found is None or (found.name, found.position) != (name, position) or self._now() > found.until_s:
            return None
        return found.reveal
