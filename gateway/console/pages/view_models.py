"""View models of pages, computed from devices and samples. No I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from markupsafe import Markup

from drivers.driver import StateCode
from drivers.observation import Outcome
from drivers.self_test import SelfTestReport
from gateway.api.models import CountersView, DeviceView, EventView, HourlyCountsView
from gateway.console.pages import charts
from gateway.console.pages.time_series import DeviceSamples, Value, trend
from gateway.console.web import labels
from gateway.console.web.i18n import Translate

DAY = 24
CURRENT_STATES = frozenset({StateCode.ONLINE, StateCode.BUSY, StateCode.DEGRADED, StateCode.MAINTENANCE})
"""States in which the last observation of a device is still valid."""
NO_DIRT_TREND = ("dirt", "dark_percent", "bright_percent", "asymmetry", "roll_deg", "faces")
"""Measures whose fall does not indicate dirt."""


@dataclass(frozen=True, slots=True)
class ChartView:
    """A chart, its title, and its content in labels."""

    title: str
    drawing: Markup
    words: str


@dataclass(frozen=True, slots=True)
class AcceptanceResult:
    """Result of an acceptance."""

    code: str
    light: str
    text: str


def counter_rows(device: DeviceView, say: Translate) -> list[tuple[str, str, str]]:
    """Return each counter and the share of failed reads: lifetime, and since the last reset."""
    life, since = device.counters.lifetime, device.counters.since_reset

    def row(name: str, shown: Callable[[CountersView], str]) -> tuple[str, str, str]:
        return name, shown(life), shown(since)

    rows = [
        row(say("Hours online"), lambda c: f"{c.online_s / 3600:.1f}"),
        row(say("Good reads"), lambda c: str(c.good_reads)),
        row(say("Bad reads"), lambda c: str(c.bad_reads)),
        row(
            say("Failure rate"),
            lambda c: (
                f"{c.bad_reads / (c.good_reads + c.bad_reads):.1%}" if c.good_reads + c.bad_reads else "-"
            ),
        ),
        row(say("Failed attempts to open"), lambda c: str(c.open_failures)),
        row(say("Disconnects"), lambda c: str(c.disconnects)),
    ]
    if not life.chip_reads:
        return rows

    def per_chip(total: float, count: int, places: int) -> str:
        return f"{total / count:.{places}f}" if count else "-"

    return [
        *rows,
        row(say("Chips read"), lambda c: str(c.chip_reads)),
        row(say("Attempts per chip"), lambda c: per_chip(c.chip_attempts, c.chip_reads, 2)),
        row(say("Seconds per chip"), lambda c: per_chip(c.chip_s, c.chip_reads, 1)),
    ]


def waiting_serial(device: DeviceView) -> str | None:
    """Return the serial number that awaits acceptance, if any."""
    if device.state.state is not StateCode.AWAITING_ACCEPTANCE or device.identity is None:
        return None
    return device.identity.serial_number


def device_plots(samples: DeviceSamples, say: Translate) -> list[ChartView]:
    """Return charts of read rate, reconnects, latency and every quality of one device."""
    minutes = list(samples.minutes)
    good, bad = sum(m.good for m in minutes), sum(m.bad for m in minutes)
    lost = sum(m.disconnects for m in minutes)
    read = say("%(good)s good reads, %(bad)s bad") % {"good": good, "bad": bad}
    broken = say("%(lost)s disconnects, %(retries)s failed attempts to open") % {
        "lost": lost,
        "retries": sum(m.retries for m in minutes),
    }
    rates = [charts.Column(_short(m.at), (("good", m.good), ("bad", m.bad))) for m in minutes]
    breaks = [charts.Column(_short(m.at), (("bad", m.disconnects), ("warn", m.retries))) for m in minutes]
    return [
        ChartView(say("Reads a minute"), charts.column_chart(say("Reads a minute"), read, rates), read),
        ChartView(
            say("Reconnects a minute"),
            charts.column_chart(say("Reconnects a minute"), broken, breaks),
            broken,
        ),
        latency_plot([samples], say),
        *quality_plots(samples, say),
    ]


def day_plots(hours: Sequence[HourlyCountsView], now: datetime, say: Translate) -> list[ChartView]:
    """Return charts of reads and reconnects in the last day by hour; an absent hour had none."""
    known = {hour.at: hour for hour in hours}
    begin = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=DAY - 1)
    day = [begin + timedelta(hours=n) for n in range(DAY)]
    full = [known.get(at, HourlyCountsView(at=at)) for at in day]
    good, bad = sum(h.good_reads for h in full), sum(h.bad_reads for h in full)
    rate = f" ({bad / (good + bad):.1%})" if good + bad else ""
    read = say("%(good)s good reads, %(bad)s bad") % {"good": good, "bad": bad} + rate
    broken = say("%(lost)s disconnects, %(retries)s failed attempts to open") % {
        "lost": sum(h.disconnects for h in full),
        "retries": sum(h.open_failures for h in full),
    }
    rates = [charts.Column(_short(h.at), (("good", h.good_reads), ("bad", h.bad_reads))) for h in full]
    breaks = [charts.Column(_short(h.at), (("bad", h.disconnects), ("warn", h.open_failures))) for h in full]
    return [
        ChartView(say("Reads an hour"), charts.column_chart(say("Reads an hour"), read, rates), read),
        ChartView(
            say("Reconnects an hour"), charts.column_chart(say("Reconnects an hour"), broken, breaks), broken
        ),
    ]


def latency_plot(all_samples: Iterable[DeviceSamples], say: Translate) -> ChartView:
    """Return a chart of latencies from the last byte of an event to the broker's acknowledgement."""
    values = sorted((v for samples in all_samples for v in samples.latencies), key=lambda v: v.at)[-200:]
    if not values:
        text = say("no event yet")
    else:
        times = sorted(v.value for v in values)
        text = say("median %(median)s ms, slowest %(slowest)s ms") % {
            "median": f"{median(times):.1f}",
            "slowest": f"{times[-1]:.1f}",
        }
    title = say("Latency, from the last byte to the broker's acknowledgement")
    return ChartView(title, charts.line_chart(title, text, _points(values), unit="ms"), text)


def backlog_plot(backlog: Sequence[Value], say: Translate) -> ChartView:
    """Return a chart of the number of queued events."""
    title = say("Backlog")
    text = say("%(count)s events queued") % {"count": int(backlog[-1].value) if backlog else 0}
    return ChartView(title, charts.line_chart(title, text, _points(backlog)), text)


def quality_plots(samples: DeviceSamples, say: Translate) -> list[ChartView]:
    """Return charts of every measure of a device with its limits and its trend."""
    drawn = []
    for name, measured in samples.measures.items():
        values = list(measured)
        last, unit = values[-1], samples.units[name]
        text = f"{last.value:g} {unit}".strip()
        if last.at_most is None and not any(word in name for word in NO_DIRT_TREND):
            text = f"{text}; {say(labels.TRENDS[trend(values)])}"
        drawing = charts.line_chart(
            name, text, _points(values), unit=unit, at_least=last.at_least, at_most=last.at_most
        )
        drawn.append(ChartView(name, drawing, text))
    return drawn


def barrier_context(device: DeviceView, latest: EventView | None) -> dict[str, Any]:
    """Return a barrier's last sensor report, and whether it is still valid."""
    sensed = latest.data if latest is not None else None
    current = device.state.state in CURRENT_STATES and sensed is not None and not sensed.get("stale")
    return {"device": device, "sensed": sensed, "at": latest.at if latest else None, "current": current}


def acceptance_result(
    device: DeviceView, reports: Mapping[str, SelfTestReport], say: Translate
) -> AcceptanceResult:
    """Return the result of an acceptance: passed if every self-test level was run without failure."""
    outcomes = [step.outcome for report in reports.values() for step in report.steps]
    if Outcome.FAILED in outcomes:
        return AcceptanceResult("failed", "bad", say("Not accepted: a step has failed."))
    if any(o not in (Outcome.SUCCESSFUL, Outcome.NOT_SUPPORTED) for o in outcomes):
        return AcceptanceResult("undecided", "warn", say("Not accepted: a step gave no result."))
    if not device.check_levels or any(level not in reports for level in device.check_levels):
        return AcceptanceResult("incomplete", "wait", say("Not all levels were run yet."))
    return AcceptanceResult("passed", "good", say("Passed."))


def _points(values: Iterable[Value]) -> list[charts.Point]:
    return [charts.Point(f"{value.at.astimezone():%H:%M:%S}", value.value) for value in values]


def _short(at: datetime) -> str:
    return f"{at.astimezone():%H:%M}"
