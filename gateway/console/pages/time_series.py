"""Data of charts: the last hour of each device, collected only while pages are open. No I/O.

Rates are differences of the daemon's counters per minute; latencies and qualities come with events and
self-tests. Only numbers are stored, so no personal data.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from typing import Any

from drivers.self_test import SelfTestReport
from gateway.api.models import CountersView, EventView

MINUTES = 60
VALUES = 120
"""Number of values stored per measure."""
MEASURES = 24
"""Number of measures stored per device: their names come from devices."""
MIN_VALUES = 6
"""Number of values below which there is no trend."""
GAP_S = 30.0
"""Seconds between two readings of the counters after which their difference is not a rate."""
FALL_RATIO = 0.75
"""Ratio to its earlier mean below which a quality is falling."""


@dataclass(slots=True)
class Minute:
    """Counts of a device in one minute."""

    at: datetime
    good: int = 0
    bad: int = 0
    retries: int = 0
    disconnects: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """A measured value."""

    at: datetime
    value: float
    at_least: float | None = None
    at_most: float | None = None


@dataclass
class DeviceSamples:
    """The last hour of one device."""

    minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=MINUTES))
    latencies: deque[Value] = field(default_factory=lambda: deque(maxlen=VALUES))
    measures: dict[str, deque[Value]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    _last: tuple[datetime, CountersView] | None = None

    def add_counters(self, at: datetime, now: CountersView) -> None:
        """Add a reading of the counters; starts again after another serial number or a gap."""
        minute = at.replace(second=0, microsecond=0)
        if not self.minutes or self.minutes[-1].at != minute:
            self.minutes.append(Minute(minute))
        before, self._last = self._last, (at, now)
        if before is None or (at - before[0]).total_seconds() > GAP_S:
            return
        last = before[1]
        if now.good_reads < last.good_reads or now.bad_reads < last.bad_reads:
            return
        current = self.minutes[-1]
        current.good += now.good_reads - last.good_reads
        current.bad += now.bad_reads - last.bad_reads
        current.retries += max(0, now.open_failures - last.open_failures)
        current.disconnects += max(0, now.disconnects - last.disconnects)

    def on_event(self, event: EventView) -> None:
        """Add latency and qualities of an event."""
        if event.latency_ms is not None:
            self.latencies.append(Value(event.at, event.latency_ms))
        for name, value, at_least, at_most in _measured(event.data):
            self._add(name, "", Value(event.at, value, at_least, at_most))

    def on_check_report(self, report: SelfTestReport) -> None:
        """Add the measurements of a self-test."""
        for step in report.steps:
            if step.measured is not None:
                self._add(step.name, step.unit, Value(report.at, step.measured, step.at_least, step.at_most))

    def _add(self, name: str, unit: str, value: Value) -> None:
        if name not in self.measures:
            if len(self.measures) >= MEASURES:
                return
            self.measures[name] = deque(maxlen=VALUES)
            self.units[name] = unit
        self.measures[name].append(value)


def trend(values: Iterable[Value]) -> str:
    """Return the trend of a quality, of which more is better: `few`, `steady`, `falling` or `low`."""
    known = list(values)
    if len(known) < MIN_VALUES:
        return "few"
    third = len(known) // 3
    before, now = fmean(v.value for v in known[:third]), fmean(v.value for v in known[-third:])
    at_least = known[-1].at_least
    if at_least is not None and now < at_least:
        return "low"
    return "falling" if before > 0 and now < FALL_RATIO * before else "steady"


def _measured(data: Mapping[str, Any]) -> Iterable[tuple[str, float, float | None, float | None]]:
    """Yield every quality in an event's redacted data: of a finger, and measurements of a picture."""
    quality = data.get("quality")
    if isinstance(quality, Mapping) and _number(quality.get("value")):
        yield str(quality.get("measure")), quality["value"], quality.get("minimum"), None
    hints = data.get("hints")
    for hint in hints if isinstance(hints, list | tuple) else ():
        if isinstance(hint, Mapping) and _number(hint.get("value")):
            name = f"{hint.get('measure')} ({hint.get('area')})"
            yield name, hint["value"], hint.get("at_least"), hint.get("at_most")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
