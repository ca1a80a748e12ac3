"""Hourly counts of reads of personal data per device, so that a breach can be measured.

The counts come with a worker's heartbeats; nothing is done per event.
"""

from collections.abc import Callable
from typing import Any

from drivers.driver import Driver
from drivers.links.settings import Settings
from drivers.observation import DataClass
from gateway.audit.breach_report import TRAVELLER_READS
from gateway.audit.writer import AuditRecord
from gateway.contract.envelope import to_rfc3339


class HourlyReadCounts:
    """Reads since the last line. Belongs to the event loop."""

    def __init__(self, position: str, unix_ns: Callable[[], int]) -> None:
        """Create it; `position` is the gateway's own."""
        self._position = position
        self._unix_ns = unix_ns
        self._reads: dict[str, dict[str, int]] = {}
        self._types: dict[str, list[str]] = {}
        self._since = ""

    def add(self, position: str, driver: type[Driver[Settings]], reads: int) -> None:
        """Add reads of data about persons."""
        self._since = self._since or to_rfc3339(self._unix_ns())
        at = self._reads.setdefault(driver.family, {})
        at[position] = at.get(position, 0) + reads
        self._types[position] = traveller_types(driver)

    def pop_records(self) -> list[AuditRecord]:
        """Return the lines to write, if any, and start again at zero."""
        if not self._reads:
            return []
        data: dict[str, Any] = {"from": self._since, "reads": self._reads, "types": self._types}
        self._reads, self._types, self._since = {}, {}, ""
        return [AuditRecord(to_rfc3339(self._unix_ns()), self._position, TRAVELLER_READS, data)]


def traveller_types(driver: type[Driver[Settings]]) -> list[str]:
    """Return the event types of a driver that are about a person."""
    return sorted(one.event_type for one in driver.observation_types if one.data_class is DataClass.TRAVELLER)
