"""What plots are drawn from: the last hour of each device, remembered only while somebody looks. No I/O.

Rates are differences of the daemon's counters, minute by minute; latencies and qualities come with events and
checks. Numbers alone: nothing of a person can be in here.
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
"""How many values of one measure are kept."""
MEASURES = 24
"""How many measures of one device are kept: their names come from devices."""
MIN_VALUES = 6
"""With fewer values there is no trend."""
GAP_S = 30.0
"""Counters that were not looked at for so long say nothing of a minute."""
FALL_RATIO = 0.75
"""A quality that has come down to this part of what it was is falling."""


@dataclass(slots=True)
class Minute:
    """What a device did in one minute."""

    at: datetime
    good: int = 0
    bad: int = 0
    retries: int = 0
    disconnects: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """Something that was measured."""

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
        """Take the counters as they are; another serial number, or a time when nobody looked, begins anew."""
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
        """Take what an event says about latency and quality."""
        if event.latency_ms is not None:
            self.latencies.append(Value(event.at, event.latency_ms))
        for name, value, at_least, at_most in _measured(event.data):
            self._add(name, "", Value(event.at, value, at_least, at_most))

    def on_check_report(self, report: SelfTestReport) -> None:
        """Take what a check has measured."""
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
    """How a quality, of which more is better, develops: `few`, `steady`, `falling` or `low`."""
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
    """Every quality in an event's redacted data: that of a finger, and the hints of a picture."""
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
