"""Leave to see what crosses a wire, for one person and one device, once and soon.

A browser's EventSource can only GET: what is asked with a reason, and recorded, is a POST before it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.operations import Reveal
from gateway.console.auth.persisted import boot_s

GOOD_FOR_S = 30.0
MOST = 100


@dataclass(frozen=True, slots=True)
class _Ticket:
    name: str
    position: str
    reveal: Reveal
    until_s: float


class Tickets:
    """Those that nobody has used yet."""

    def __init__(self, now: Callable[[], float] = boot_s) -> None:
        self._now = now
        self._tickets: dict[str, _Ticket] = {}

    def give(self, name: str, position: str, reveal: Reveal) -> str:
        """Write one out."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = _Ticket(name, position, reveal, self._now() + GOOD_FOR_S)
        for old in list(self._tickets)[:-MOST]:
            del self._tickets[old]
        return ticket

    def take(self, ticket: str, name: str, position: str) -> Reveal | None:
        """Take it back; None where it is not theirs, not for this device, used or too old."""
        found = self._tickets.pop(ticket, None)
        if found is None or (found.name, found.position) != (name, position) or self._now() > found.until_s:
            return None
        return found.reveal
