"""Today's date, as far as a machine without a clock battery can know it."""

from datetime import UTC, date, datetime

RELEASE_DATE = date(2026, 11, 23)
"""When this release was made; raised with every release."""


def today() -> date:
    """Today in UTC, and never before this release was made: after a power cut a mini-PC may boot in 1970.

    The event's `clock` tells whether the wall clock could be trusted.
    """
    return max(datetime.now(UTC).date(), RELEASE_DATE)
