"""Check of queued events: number, destination and age, never their content."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.delivery.outbox import admin
from gateway.delivery.outbox.database import DATABASE_FILE, OutboxUnusable
from gateway.diagnostics.findings import make_finding, make_ok_finding

MAX_BACKLOG_AGE = timedelta(minutes=2)
"""Age of a queued event from which on the delivery needs attention."""


def check_outbox(config: Path, outbox: Path, now: datetime) -> Iterator[Finding]:
    """Check the outbox."""
    if not (outbox / DATABASE_FILE).exists():
        return
    queued: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    try:
        for event in admin.list_events(outbox):
            for destination in event.waiting_destinations:
                queued[destination] += 1
                since.setdefault(destination, datetime.fromisoformat(event.accepted_at))
        parked = Counter(event.destination for event in admin.list_parked(outbox))
    except (OSError, sqlite3.Error, OutboxUnusable) as error:
        yield make_finding(
            "outbox_unreadable",
            "notice",
            "delivery",
            f"The outbox in {outbox} cannot be read: {error}.",
            Action.NONE,
            "Run this as root or as the gateway's user.",
        )
        return
    for destination, count in queued.items():
        if now - since[destination] > MAX_BACKLOG_AGE:
            yield make_finding(
                "outbox_backlog",
                "warning",
                "delivery",
                f"{count} events are queued for {destination}, the oldest since "
                f"{since[destination]:%Y-%m-%d %H:%M} UTC.",
                Action.CALL_SUPPORT,
                f"borderpost outbox list {config}; see the finding about that broker in this report.",
            )
    for destination, count in parked.items():
        yield make_finding(
            "events_parked",
            "warning",
            "delivery",
            f"{count} events were parked because {destination} cannot accept them: they are not delivered.",
            Action.CALL_SUPPORT,
            f"borderpost outbox parked {config}",
        )
    if not queued and not parked:
        yield make_ok_finding("outbox_backlog", "delivery", "The outbox is empty.")
