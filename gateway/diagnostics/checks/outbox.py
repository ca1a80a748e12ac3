"""What waits in the outbox, for whom, and since when. Never what it says."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.outbox.database import DATABASE_FILE, OutboxUnusable
from gateway.diagnostics.findings import make_finding, make_ok_finding

MAX_BACKLOG_AGE = timedelta(minutes=2)
"""What waits longer than this waits for something that somebody has to do."""


def check_outbox(config: Path, outbox: Path, now: datetime) -> Iterator[Finding]:
    """Look into the outbox."""
    if not (outbox / DATABASE_FILE).exists():
        return
    waiting: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    try:
        for event in inspect.list_events(outbox):
            for destination in event.waiting_destinations:
                waiting[destination] += 1
                since.setdefault(destination, datetime.fromisoformat(event.accepted_at))
        parked = Counter(event.destination for event in inspect.list_parked(outbox))
    except (OSError, sqlite3.Error, OutboxUnusable) as error:
        yield make_finding(
            "outbox_unreadable",
            "notice",
            "delivery",
            f"The outbox in {outbox} cannot be looked into: {error}.",
            Action.NONE,
            "Run this as root or as the gateway's user.",
        )
        return
    for destination, count in waiting.items():
        if now - since[destination] > MAX_BACKLOG_AGE:
            yield make_finding(
                "backlog",
                "warning",
                "delivery",
                f"{count} events wait for {destination}, the oldest since "
                f"{since[destination]:%Y-%m-%d %H:%M} UTC.",
                Action.CALL_SUPPORT,
                f"borderpost outbox list {config}; whether its broker answers stands in this report.",
            )
    for destination, count in parked.items():
        yield make_finding(
            "parked",
            "warning",
            "delivery",
            f"{count} events were set aside because {destination} cannot take them.",
            Action.CALL_SUPPORT,
            f"borderpost outbox list --parked {config}",
        )
    if not waiting and not parked:
        yield make_ok_finding("backlog", "delivery", "Nothing waits in the outbox.")
