"""Hourly counts of reads of personal data per device, so that a breach can be measured.

The counts come with a worker's heartbeats; nothing is done per event.
"""

from collections.abc import Callable

from gateway.audit.breach_report import DATA_CATEGORIES, TRAVELLER_READS
from gateway.audit.writer import AuditRecord
from gateway.contract.envelope import to_rfc3339


class HourlyReadCounts:
    """Reads since the last line. Belongs to the event loop."""

    def __init__(self, position: str, unix_ns: Callable[[], int]) -> None:
        """Create it; `position` is the gateway's own."""
        self._position = position
        self._unix_ns = unix_ns
        self._reads: dict[str, dict[str, int]] = {}
        self._since = ""

    def add(self, position: str, family: str, reads: int) -> bool:
        """Add reads; return True if they concern persons, and so must be recorded."""
        if not reads or family not in DATA_CATEGORIES:
            return False
        self._since = self._since or to_rfc3339(self._unix_ns())
        at = self._reads.setdefault(family, {})
        at[position] = at.get(position, 0) + reads
        return True

    def pop_records(self) -> list[AuditRecord]:
        """Return the lines to write, if any, and start again at zero."""
        if not self._reads:
            return []
        data = {"from": self._since, "reads": self._reads}
        self._reads, self._since = {}, ""
        return [AuditRecord(to_rfc3339(self._unix_ns()), self._position, TRAVELLER_READS, data)]
