"""Charts and their data."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from support.console.fake_daemon import device

from drivers.observation import Outcome
from drivers.self_test import SelfTestLevel, SelfTestReport, SelfTestStep
from gateway.api.models import CountersHistoryView, CountersView, EventView, HourlyCountsView
from gateway.console.pages import charts, view_models
from gateway.console.pages.time_series import DeviceSamples, Value, trend
from gateway.contract.envelope import Provenance

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def test_column_heights_match_values() -> None:
    svg = drawn(charts.column_chart("Reads", "5 read", [charts.Column("12:00", (("good", 4), ("bad", 1)))]))
    good, bad = svg.iter(f"{SVG}rect")
    assert float(good.get("height", 0)) == pytest.approx(4 * float(bad.get("height", 0)), rel=0.01)
    assert float(bad.get("y", 0)) < float(good.get("y", 0)), "bad stands on good"


def test_chart_has_title_and_description() -> None:
    svg = drawn(charts.line_chart("Latency <ms>", 'median "2" ms', [charts.Point("12:00:00", 2.0)]))
    named = {element.get("id"): element.text for element in svg}
    assert [named[name] for name in svg.get("aria-labelledby", "").split()] == [
        "Latency <ms>",
        'median "2" ms',
    ]


def test_values_and_limits_stay_inside_drawing() -> None:
    values = [charts.Point(str(n), value) for n, value in enumerate((0, -3, 7e9, 12.5))]
    svg = drawn(charts.line_chart("t", "d", values, at_least=40, at_most=1e10))
    heights = [float(dot.get("cy", -1)) for dot in svg.iter(f"{SVG}circle")]
    heights += [float(line.get("y1", -1)) for line in svg.iter(f"{SVG}line")]
    assert all(0 <= height <= charts.HEIGHT for height in heights)


def test_plots_of_nothing_are_drawn_too() -> None:
    assert drawn(charts.line_chart("t", "d", [])) is not None
    assert drawn(charts.column_chart("t", "d", [])) is not None


def test_rates_are_differences_and_never_negative() -> None:
    samples = DeviceSamples()
    samples.add_counters(NOON + timedelta(seconds=40), CountersView(good_reads=1000, bad_reads=3))
    samples.add_counters(
        NOON + timedelta(seconds=55), CountersView(good_reads=1004, bad_reads=4, disconnects=1)
    )
    samples.add_counters(
        NOON + timedelta(seconds=65), CountersView(good_reads=1005, bad_reads=4, disconnects=1)
    )
    samples.add_counters(NOON + timedelta(seconds=70), CountersView(good_reads=2))  # another serial number
    samples.add_counters(NOON + timedelta(seconds=75), CountersView(good_reads=5))
    samples.add_counters(
        NOON + timedelta(seconds=175), CountersView(good_reads=800)
    )  # no page was open in between
    samples.add_counters(NOON + timedelta(seconds=178), CountersView(good_reads=801))
    assert [(m.good, m.bad, m.disconnects) for m in samples.minutes] == [(4, 1, 1), (4, 0, 0), (1, 0, 0)]


def test_day_chart_has_24_hours() -> None:
    hours = [
        HourlyCountsView(at=NOON - timedelta(hours=n), good_reads=40 - n, bad_reads=1) for n in (30, 3, 0)
    ]
    reads, breaks = view_models.day_plots(hours, NOON + timedelta(minutes=59), str)
    assert reads.words == "77 good reads, 2 bad (2.5%)"
    assert len(list(drawn(reads.drawing).iter(f"{SVG}rect"))) == 4
    assert breaks.words == "0 disconnects, 0 failed attempts to open"


def test_chip_counters_are_per_chip() -> None:
    rows = {
        name: (life, since) for name, life, since in view_models.counter_rows(device("lane-1/reader"), str)
    }
    assert rows["Chips read"] == ("900", "0")
    assert rows["Attempts per chip"] == ("1.07", "-")
    assert rows["Seconds per chip"] == ("3.1", "-")
    none = device("lane-1/reader", counters=CountersHistoryView())
    assert "Chips read" not in {row[0] for row in view_models.counter_rows(none, str)}


def test_qualities_come_from_events_and_checks() -> None:
    samples = DeviceSamples()
    quality = {"measure": "nfiq2", "value": 54, "minimum": 30}
    hints = [
        {"measure": "sharpness", "area": "face", "value": 8.5, "at_least": 8},
        {"measure": "x", "value": None},
    ]
    data = {"quality": quality, "hints": hints, "lines": "<tuple len=2>"}
    samples.on_event(
        EventView(
            position="lane-1/finger",
            type="finger.captured",
            at=NOON,
            provenance=Provenance.LIVE,
            latency_ms=2.5,
            data=data,
        )
    )
    step = SelfTestStep(
        name="platen.dirt", outcome=Outcome.FAILED, text="Dirty.", measured=12.0, unit="%", at_most=5.0
    )
    samples.on_check_report(SelfTestReport(level=SelfTestLevel.INTERNAL, at=NOON, steps=(step,)))
    assert {name: [v.value for v in values] for name, values in samples.measures.items()} == {
        "nfiq2": [54],
        "sharpness (face)": [8.5],
        "platen.dirt": [12.0],
    }
    assert samples.measures["nfiq2"][0].at_least == 30
    assert samples.latencies[0].value == 2.5


def test_many_measures_are_limited() -> None:
    samples = DeviceSamples()
    for number in range(100):
        step = SelfTestStep(name=f"n{number}", outcome=Outcome.SUCCESSFUL, text="", measured=1.0)
        samples.on_check_report(SelfTestReport(level=SelfTestLevel.INTERNAL, at=NOON, steps=(step,) * 150))
    assert sum(len(values) for values in samples.measures.values()) < 5000


@pytest.mark.parametrize(
    ("values", "at_least", "told"),
    [
        ([60, 59, 61], None, "few"),
        ([60, 61, 59, 60, 62, 58], 30, "steady"),
        ([60, 61, 59, 50, 45, 40, 38, 36, 35], 30, "falling"),
        ([60, 61, 59, 50, 45, 40, 28, 26, 25], 30, "low"),
        ([0, 0, 0, 0, 0, 0], None, "steady"),
    ],
)
def test_falling_quality_indicates_dirt(values: list[float], at_least: float | None, told: str) -> None:
    assert trend(Value(NOON, value, at_least) for value in values) == told
