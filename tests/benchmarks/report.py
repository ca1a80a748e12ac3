"""Results against budgets: tables, JSON, and a plot of the latencies."""

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.candidates import BARE, DURABLE, GATEWAY
from benchmarks.latency.barrier import BarrierTimes
from benchmarks.latency.camera import CameraTimes
from benchmarks.latency.command import CommandTimes
from benchmarks.latency.console import ConsoleTimes
from benchmarks.latency.finger import FingerTimes
from benchmarks.latency.posts import PostTimes
from benchmarks.measures import ChipTimes, Cut, Devices, Drain, Life, percentile, spread


@dataclass
class Results:
    """All results of one run."""

    lives: dict[str, list[Life]] = field(default_factory=dict)
    pages: dict[str, list[float]] = field(default_factory=dict)
    drains: dict[str, Drain] = field(default_factory=dict)
    cuts: dict[str, Cut] = field(default_factory=dict)
    devices: list[Devices] = field(default_factory=list)
    chips: list[ChipTimes] = field(default_factory=list)
    commands: list[CommandTimes] = field(default_factory=list)
    fingers: list[FingerTimes] = field(default_factory=list)
    barriers: list[BarrierTimes] = field(default_factory=list)
    cameras: list[CameraTimes] = field(default_factory=list)
    consoles: list[ConsoleTimes] = field(default_factory=list)
    posts: list[PostTimes] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """What was not measured, with the reason."""


@dataclass(frozen=True)
class Figure:
    """One measure of one candidate: the median of its rounds and their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        return cls(*spread(list(values)))

    def __str__(self) -> str:
        middle, low, high = (_digits(v) for v in (self.median, self.low, self.high))
        return middle if low == high else f"{middle} ({low}-{high})"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


ROWS = {
    "latency_p50_ms": ("latency at 20/s, p50, ms", lambda life: percentile(life.latencies_ms, 0.5)),
    "latency_p99_ms": ("latency at 20/s, p99, ms", lambda life: percentile(life.latencies_ms, 0.99)),
    "burst_per_s": ("burst of text lines, events/s", lambda life: life.burst_per_s),
    "passports_per_s": ("burst of passports, events/s (1)", lambda life: life.passports_per_s),
    "cpu_percent": ("CPU at 20/s, % of a core", lambda life: life.cpu_percent),
    "pss_mib": ("memory, one device, MiB PSS", lambda life: sum(life.pss_mib)),
    "first_s": ("start to first event, s", lambda life: life.first_s),
    "lost": ("lost or duplicated, events", lambda life: life.lost + life.repeated),
}


def figures(results: Results) -> dict[str, dict[str, Figure]]:
    """Return the figures by measure and candidate."""
    found = {
        key: {name: Figure.of([of(life) for life in lives]) for name, lives in results.lives.items()}
        for key, (_, of) in ROWS.items()
    }
    found["page_ms"] = {name: Figure.of(times) for name, times in results.pages.items()}
    found["drain_per_s"] = {name: Figure.of([d.drained_per_s]) for name, d in results.drains.items()}
    return found


def ratios(results: Results) -> dict[str, Figure]:
    """Divide ours by the durable script's, round by round: disturbances of the machine affect both."""
    ours, script = results.lives.get(GATEWAY.name, []), results.lives.get(DURABLE.name, [])
    if not ours or not script:
        return {}
    return {
        key: Figure.of([of(a) / of(b) for a, b in zip(ours, script, strict=False) if of(b)] or [0.0])
        for key, (_, of) in ROWS.items()
        if key != "lost"
    }


@dataclass(frozen=True)
class Budget:
    """A budget of the design, and whether this run met it."""

    what: str
    allowed: str
    measured: str
    met: bool


def budgets(results: Results) -> list[Budget]:
    """Compare the run with the design."""
    judged: list[Budget] = []

    def judge(
        what: str, allowed: str, measured: Figure | float | None, limit: float, *, least: bool = False
    ) -> None:
        if measured is not None:
            value = measured.median if isinstance(measured, Figure) else measured
            text = str(measured) if isinstance(measured, Figure) else _digits(measured)
            judged.append(Budget(what, allowed, text, value >= limit if least else value <= limit))

    ratio, found = ratios(results), figures(results)
    ours = {key: row.get(GATEWAY.name) for key, row in found.items()}
    judge("latency p50, over the durable script's", "<= 1.5", ratio.get("latency_p50_ms"), 1.5)
    judge("latency p99, over the durable script's", "<= 2", ratio.get("latency_p99_ms"), 2)
    judge("burst, events/s", ">= 5,000", ours["burst_per_s"], 5000, least=True)
    judge("memory, one device, MiB", "<= 60", ours["pss_mib"], 60)
    judge("memory, each further device, MiB", "<= 8", _marginal(results.devices), 8)
    idle = next((d.idle_cpu_percent for d in results.devices if d.count == 8), None)
    judge("idle CPU, eight devices, % of a core", "<= 1", idle, 1)
    judge("start to first event, s", "<= 1.5", ours["first_s"], 1.5)
    judge("page of three lights, 6 MB, ms", "<= 150", ours["page_ms"], 150)
    for times in results.commands:
        judge(
            f"command to driver's call, {times.load}, p99, ms",
            "<= 100",
            percentile(times.started_ms, 0.99),
            100,
        )
    for found_at in results.fingers:
        if found_at.measure == "ridge_clarity":
            what = f"CPU while a {found_at.scanner} waits for a finger, % of a core"
            judge(what, "<= 2", found_at.waiting_cpu_percent, 2)
    for barrier in results.barriers:
        p99 = percentile(barrier.wire_ms, 0.99)
        judge(f"{barrier.command}: call to frame on the wire, p99, ms", "<= 100", p99, 100)
    for post in results.posts:
        judge("start of a simulated post of four families, s", "<= 1.5", Figure.of(post.devices_s), 1.5)
    cut = results.cuts.get(GATEWAY.name)
    if cut is not None:
        whole = cut.delivered == cut.sent and not cut.repeated
        text = f"{cut.delivered} of {cut.sent}, {cut.repeated} twice"
        judged.append(Budget("broker down, then kill -9", "all, no duplicates", text, whole))
    return judged


def _marginal(devices: Sequence[Devices]) -> float | None:
    if len(devices) < 2:
        return None
    few, many = min(devices, key=lambda d: d.count), max(devices, key=lambda d: d.count)
    return (many.pss_mib - few.pss_mib) / (many.count - few.count)


def show(console: Console, results: Results) -> None:
    """Print the tables."""
    _show_lives(console, results)
    _show_devices(console, results)
    _show_chips(console, results)
    _show_commands(console, results)
    _show_fingers(console, results)
    _show_barriers(console, results)
    _show_cameras(console, results)
    _show_consoles(console, results)
    _show_posts(console, results)
    verdicts = Table(title="Budgets of the design", title_justify="left")
    for column in ("what", "allowed", "measured", ""):
        verdicts.add_column(column, justify="left" if column == "what" else "right")
    for budget in budgets(results):
        verdict = "[green]met[/]" if budget.met else "[bold red]not met[/]"
        verdicts.add_row(budget.what, budget.allowed, budget.measured, verdict)
    _print(console, verdicts)
    for name, why in results.skipped.items():
        console.print(f"[yellow]not measured:[/] {name}: {why}", highlight=False, soft_wrap=True)


def _print(console: Console, table: Table) -> None:
    """Print a table, unless none of it was measured."""
    if table.row_count:
        console.print(table)


def _show_lives(console: Console, results: Results) -> None:
    names = [GATEWAY.name, DURABLE.name, BARE.name]
    names = [n for n in names if n in results.lives] + [n for n in results.lives if n not in names]
    if not names:
        return
    table = Table(title="Side by side: median of rounds (lowest-highest)", title_justify="left")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("gateway / durable script", justify="right")
    found, ratio = figures(results), ratios(results)
    labels = {key: label for key, (label, _) in ROWS.items()}
    labels |= {"page_ms": "page, 3 x 2 MB, ms", "drain_per_s": "backlog drained, events/s"}
    for key, label in labels.items():
        cells = [str(found[key][name]) if name in found[key] else "-" for name in names]
        over = ratio.get(key)
        if over is None and len(cells) > 1 and "-" not in cells[:2] and key != "lost":
            over = Figure.of([found[key][names[0]].median / found[key][names[1]].median])
        table.add_row(label, *cells, str(over) if over else "")
    cells = [f"{c.delivered}/{c.sent}" if (c := results.cuts.get(n)) else "-" for n in names]
    table.add_row("broker down, then kill -9: delivered", *cells, "")
    console.print(table)
    console.print("(1) a gateway reads, checks and types every passport; scripts forward its bytes\n")


def _show_devices(console: Console, results: Results) -> None:
    table = Table(title="The gateway with more devices", title_justify="left")
    for column in ("devices", "MiB PSS, all processes", "daemon", "fork server", "a worker", "idle CPU, %"):
        table.add_column(column, justify="right")
    for d in results.devices:
        daemon, server, *workers = d.processes_mib
        shares = (d.pss_mib, daemon, server, sum(workers) / len(workers), d.idle_cpu_percent)
        table.add_row(str(d.count), *(_digits(share) for share in shares))
    _print(console, table)


def _show_chips(console: Console, results: Results) -> None:
    table = Table(title="A document with a chip, through a real pcscd, 15 kB of face", title_justify="left")
    for column in ("opened and proved by", "field, kbit/s", "swipe to zone, ms", "swipe to chip, ms"):
        table.add_column(column, justify="right")
    for times in results.chips:
        row = (Figure.of(times.zone_ms), Figure.of(times.chip_ms))
        table.add_row(times.way, str(times.kbit_s), *map(str, row))
    _print(console, table)


def _show_commands(console: Console, results: Results) -> None:
    table = Table(title="A command at 20/s, while the device is", title_justify="left")
    for column in ("", "to the driver's call, ms: p50", "p99", "to the answer, ms: p50", "p99"):
        table.add_column(column, justify="right")
    for times in results.commands:
        shares = [
            percentile(ms, share) for ms in (times.started_ms, times.answered_ms) for share in (0.5, 0.99)
        ]
        table.add_row(times.load, *map(_digits, shares))
    _print(console, table)


def _show_fingers(console: Console, results: Results) -> None:
    table = Table(title="A finger on a simulated scanner, exposure included", title_justify="left")
    for column in ("scanner", "quality by", "finger to event, ms: p50", "p99", "CPU while waiting, %"):
        table.add_column(column, justify="right")
    for times in results.fingers:
        shares = [percentile(times.captured_ms, share) for share in (0.5, 0.99)]
        table.add_row(times.scanner, times.measure, *map(_digits, (*shares, times.waiting_cpu_percent)))
    _print(console, table)


def _show_cameras(console: Console, results: Results) -> None:
    table = Table(title="A picture, from a call to its event at a workstation", title_justify="left")
    for column in ("cameras", "size", "pictures", "ms: p50", "p99", "idle, % of a core", "MiB PSS, in all"):
        table.add_column(column, justify="left" if column == "cameras" else "right")
    for times in results.cameras:
        costs = [_digits(times.idle_cpu_percent), _digits(times.pss_mib)]
        for kind, taken_ms in times.taken_ms.items():
            name = f"{kind}, of {len(times.kinds)}"
            shares = [_digits(percentile(taken_ms, share)) for share in (0.5, 0.99)]
            table.add_row(name, times.size, str(len(taken_ms)), *shares, *costs)
            costs = ["", ""]
    _print(console, table)


def _show_barriers(console: Console, results: Results) -> None:
    table = Table(title="A barrier, from a call to the frame at its board", title_justify="left")
    for column in ("", "times", "ms: p50", "p99", "most"):
        table.add_column(column, justify="right")
    for times in results.barriers:
        shares = [percentile(times.wire_ms, share) for share in (0.5, 0.99, 1)]
        table.add_row(times.command, str(len(times.wire_ms)), *map(_digits, shares))
    _print(console, table)


def _show_consoles(console: Console, results: Results) -> None:
    table = Table(title="With open console pages, at 20 lines a second", title_justify="left")
    for column in ("pages open", "lines", "ms: p50", "p99", "CPU, % of a core", "MiB PSS"):
        table.add_column(column, justify="right")
    for times in results.consoles:
        shares = [_digits(percentile(times.latencies_ms, share)) for share in (0.5, 0.99)]
        cost = [_digits(times.cpu_percent), _digits(times.pss_mib)]
        table.add_row(str(times.pages), str(len(times.latencies_ms)), *shares, *cost)
    _print(console, table)


def _show_posts(console: Console, results: Results) -> None:
    table = Table(title="Start of a simulated post of four families, s", title_justify="left")
    for column in ("from the start of its devices until", "median", "least", "most"):
        table.add_column(column, justify="left" if column.startswith("from") else "right")
    for times in results.posts:
        rows = {"every device can be opened": times.devices_s, "the same, CPU time": times.cpu_s}
        rows |= {f"{position} is usable": taken_s for position, taken_s in times.usable_s.items()}
        rows["all are usable at a workstation"] = times.post_s
        for what, taken_s in rows.items():
            table.add_row(what, *map(_digits, spread(taken_s)))
    _print(console, table)


def write(path: Path, results: Results, options: Mapping[str, Any]) -> None:
    """Write all results as JSON: measurements, figures, and the machine."""
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "load": os.getloadavg(),
        },
        "options": dict(options),
        "budgets": [asdict(budget) for budget in budgets(results)],
        "figures": {k: {n: asdict(f) for n, f in row.items()} for k, row in figures(results).items()},
        "ratios": {key: asdict(figure) for key, figure in ratios(results).items()},
        "measured": asdict(results),
    }
    path.write_text(json.dumps(whole, indent=1) + "\n")


def plot(path: Path, results: Results) -> None:
    """Draw every latency of every candidate, slowest last; raise ImportError without matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    for name, lives in results.lives.items():
        pooled = sorted(ms for life in lives for ms in life.latencies_ms)
        if not pooled:
            continue
        shares = [100 * (i + 1) / len(pooled) for i in range(len(pooled))]
        label = f"{name}: p50 {percentile(pooled, 0.5):.1f}, p99 {percentile(pooled, 0.99):.1f} ms"
        axes.step(pooled, shares, where="post", label=label, linewidth=2.4 if name == GATEWAY.name else 1.4)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("last byte written to first byte at the subscriber, ms (log)")
    axes.set_ylabel("lines not slower, %")
    axes.set_title("Serial line to subscriber at 20 lines a second, all rounds")
    for share in (50, 99):
        axes.axhline(share, color="0.8", linewidth=0.8, zorder=0)
    axes.legend(loc="lower right")
    axes.grid(axis="x", which="both", color="0.93")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
