"""What is measured, one function each. Every one starts its candidate anew and leaves nothing running."""

import contextlib
import gc
import itertools
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from support.brokers.mosquitto import Mosquitto
from support.devices.pcscd import ROOT, why_no_pcscd, with_pcscd

from benchmarks.candidates import Candidate, Setting
from benchmarks.endpoints import FIRST_NUMBER, FarEnd, Subscriber, page, passport, text_line
from benchmarks.processes import Running

RATE_PER_S = 20
SETTLE_S = 1.0
# As support.brokers.mosquitto, but not a log line a message; and the subscriber is owed every message of a burst.
BROKER = ("log_type none", "max_queued_messages 0")


class NotMeasuredError(Exception):
    """Says why there is no figure."""


@dataclass
class Bench:
    """One candidate at work between its readers and a subscriber."""

    candidate: Candidate
    setting: Setting
    broker: Mosquitto
    subscriber: Subscriber
    readers: list[FarEnd]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_NUMBER))
    last: int = FIRST_NUMBER - 1
    running: Running | None = None

    def start(self, first_line: Callable[[int], bytes] = text_line) -> float:
        """Start it; returns the seconds until the first line came out.

        Lines come from the very beginning: what the port held when it was opened is gone by custom, so the
        first one heard is as early as possible.
        """
        before = self.last
        running = self.launch()
        while not self.subscriber.count(above=before):
            if running.ended or time.monotonic_ns() - running.began_ns > self.candidate.patience_s * 1e9:
                raise NotMeasuredError(f"no line came out: {_tail(running.log)}")
            for reader in self.readers:
                with contextlib.suppress(TimeoutError):
                    reader.write(first_line(self.number()), patience_s=0)
            time.sleep(0.02)
        arrivals = [a.first_ns for n, a in tuple(self.subscriber.arrived.items()) if n > before]
        return (min(arrivals) - running.began_ns) / 1e9

    def launch(self) -> Running:
        """Start it and do not wait."""
        for reader in self.readers:
            reader.renew()
        argv, environment = self.candidate.command(self.setting)
        log = self.setting.folder / "log"
        self.running = Running(argv, environment, log, self.setting.folder)
        return self.running

    def number(self) -> int:
        """Give the next number."""
        self.last = next(self.numbers)
        return self.last

    def settle(self, seconds: float = SETTLE_S) -> None:
        """Wait until all that was sent has come out, and a little longer."""
        self.subscriber.until(self.last - FIRST_NUMBER + 1, FIRST_NUMBER - 1, patience_s=seconds)
        time.sleep(seconds)

    @property
    def process(self) -> Running:
        """What runs now."""
        assert self.running is not None
        return self.running


@contextlib.contextmanager
def bench(
    candidate: Candidate, devices: int = 1, driver: str = "mrz-serial", broker_options: tuple[str, ...] = ()
) -> Iterator[Bench]:
    """Set everything up but the candidate itself, and clear all away afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
        Mosquitto(*BROKER, *broker_options) as broker,
        Subscriber(broker.port) as subscriber,
    ):
        folder = Path(name)
        readers = [FarEnd(folder / f"tty-{lane}") for lane in range(1, devices + 1)]
        setting = Setting(folder, [reader.path for reader in readers], broker.port, driver)
        placed = Bench(candidate, setting, broker, subscriber, readers)
        try:
            yield placed
        finally:
            if placed.running is not None:
                placed.running.stop()
            for reader in readers:
                reader.close()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][-200:] if lines else "it says nothing"


# Steady lines, then as many as the wire takes


@dataclass
class Life:
    """One start of a candidate: steady lines, then a burst."""

    first_s: float
    latencies_ms: list[float]
    cpu_percent: float
    pss_mib: list[float]
    burst_per_s: float
    passports_per_s: float
    lost: int
    repeated: int


def life(candidate: Candidate, lines: int, burst: int) -> Life:
    """Measure start, latency and CPU at 20 lines a second, memory, and two bursts."""
    with bench(candidate) as placed:
        first_s = placed.start()
        placed.settle(2)
        before = placed.last
        latencies, cpu = steady(placed, lines)
        pss = placed.process.pss_mib()
        burst_per_s = _burst(placed, burst, text_line)
        placed.settle()
        passports_per_s = _burst(placed, burst, passport)
        placed.settle()
        came = [a for n, a in placed.subscriber.arrived.items() if n > before]
        return Life(
            first_s=first_s,
            latencies_ms=latencies,
            cpu_percent=cpu,
            pss_mib=pss,
            burst_per_s=burst_per_s,
            passports_per_s=passports_per_s,
            lost=placed.last - before - len(came),
            repeated=sum(a.times - 1 for a in came),
        )


def steady(placed: Bench, lines: int) -> tuple[list[float], float]:
    """Write lines at 20 a second; returns how long each took, in milliseconds, and CPU in % of a core."""
    sent: dict[int, int] = {}
    before = placed.last
    gc.collect()
    gc.disable()
    cpu, began = placed.process.cpu_s(), time.monotonic()
    for turn in range(lines):
        time.sleep(max(0.0, began + turn / RATE_PER_S - time.monotonic()))
        number = placed.number()
        line = text_line(number)
        sent[number] = time.monotonic_ns()
        placed.readers[0].write(line)
    placed.subscriber.until(lines, before, patience_s=2)
    cpu_percent = 100 * (placed.process.cpu_s() - cpu) / (time.monotonic() - began)
    gc.enable()
    arrived = placed.subscriber.arrived
    return [(arrived[n].first_ns - at) / 1e6 for n, at in sent.items() if n in arrived], cpu_percent


def _burst(placed: Bench, lines: int, made: Callable[[int], bytes]) -> float:
    """Write lines as fast as they are read; returns how many came out a second, first byte to last event."""
    before = placed.last
    data = b"".join(made(placed.number()) for _ in range(lines))
    began = time.monotonic_ns()
    writing = threading.Thread(target=placed.readers[0].write, args=(data,))
    writing.start()
    got = placed.subscriber.until(lines, before, patience_s=5)
    writing.join()
    came = [a.first_ns for n, a in tuple(placed.subscriber.arrived.items()) if n > before]
    return got / ((max(came) - began) / 1e9) if came else 0.0


# More devices


@dataclass
class Devices:
    """A gateway with so many devices."""

    count: int
    pss_mib: float
    processes_mib: list[float]
    idle_cpu_percent: float


def devices(candidate: Candidate, count: int, idle_s: float) -> Devices:
    """Measure memory once every device has spoken, and CPU while none does."""
    with bench(candidate, count) as placed:
        placed.start()
        placed.settle()
        for _ in range(20):
            for reader in placed.readers:
                reader.write(text_line(placed.number()))
        placed.settle(2)
        cpu, began = placed.process.cpu_s(), time.monotonic()
        time.sleep(idle_s)
        idle = 100 * (placed.process.cpu_s() - cpu) / (time.monotonic() - began)
        sizes = placed.process.pss_mib()
        return Devices(count, sum(sizes), sizes, idle)


# A backlog


@dataclass
class Drain:
    """Events that waited for a broker, and how they came."""

    events: int
    taken_per_s: float
    drained_per_s: float
    to_last_s: float
    """From the broker's return to the last event, reconnecting included."""
    delivered: int
    repeated: int


def drain(candidate: Candidate, events: int) -> Drain:
    """Write lines while the broker is down, then let it return."""
    with bench(candidate) as placed:
        placed.start()
        placed.settle()
        before = placed.last
        stored = placed.setting.folder.rglob("outbox.db")
        placed.broker.stop()
        time.sleep(1)
        began = time.monotonic()
        for _ in range(0, events, 1000):
            placed.readers[0].write(b"".join(text_line(placed.number()) for _ in range(1000)))
        _wait_for_rows(next(stored), events)
        taken = events / (time.monotonic() - began)
        placed.broker.start()
        back = time.monotonic_ns()
        with Subscriber(placed.broker.port) as subscriber:
            subscriber.until(events, before, patience_s=20)
            came = [a for n, a in subscriber.arrived.items() if n > before]
        if not came:
            raise NotMeasuredError("nothing came after the broker's return")
        times = [a.first_ns for a in came]
        return Drain(
            events=events,
            taken_per_s=taken,
            drained_per_s=len(came) / ((max(times) - min(times)) / 1e9),
            to_last_s=(max(times) - back) / 1e9,
            delivered=len(came),
            repeated=sum(a.times - 1 for a in came),
        )


def _wait_for_rows(database: Path, events: int) -> None:
    """Wait until an outbox holds so many rows: only then is the backlog on disk."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        table = "event" if "event" in names else "outbox"
        deadline = time.monotonic() + 120
        while db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] < events:
            if time.monotonic() > deadline:
                raise NotMeasuredError("the backlog never was on disk")
            time.sleep(0.1)


# Images


def pages(candidate: Candidate, count: int) -> list[float]:
    """Ask for pages of three lights, 6 MB; returns the milliseconds until images and event had come."""
    took = []
    with bench(candidate, driver="page-camera") as placed:
        placed.start(page)
        placed.settle(2)
        for _ in range(count):
            placed.subscriber.blobs.clear()
            number = placed.number()
            began = time.monotonic_ns()
            placed.readers[0].write(page(number))
            if not placed.subscriber.until(1, number - 1, patience_s=10):
                raise NotMeasuredError("a page did not come")
            images = placed.subscriber.blobs
            if [size for _, size in images] != [2_000_000] * 3:
                raise NotMeasuredError(f"{len(images)} images came before the event")
            took.append((placed.subscriber.arrived[number].first_ns - began) / 1e6)
            time.sleep(0.7)
    return took


# A power cut while the broker is away


@dataclass
class Cut:
    """What was delivered of lines that came while the broker was down and before the program was killed."""

    sent: int
    delivered: int
    repeated: int


def cut(candidate: Candidate, lines: int) -> Cut:
    """Stop the broker, send lines, kill -9 the program, bring both back."""
    with bench(candidate) as placed:
        placed.start()
        placed.settle(2)
        before = placed.last
        placed.broker.kill()
        time.sleep(0.5)
        for _ in range(lines):
            placed.readers[0].write(text_line(placed.number()))
            time.sleep(1 / RATE_PER_S)
        time.sleep(1)
        last = placed.last
        placed.process.kill()
        placed.broker.start()
        with Subscriber(placed.broker.port) as subscriber:
            placed.launch()
            deadline = time.monotonic() + candidate.patience_s
            while subscriber.count(above=before) < lines and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)
            came = [a for n, a in subscriber.arrived.items() if before < n <= last]
            return Cut(lines, len(came), sum(a.times - 1 for a in came))


# Chips


@dataclass
class ChipTimes:
    """From the swipe to the zone and to the chip's result, in milliseconds, one of each a round."""

    way: str
    kbit_s: int
    zone_ms: list[float]
    chip_ms: list[float]


def chips(rounds: int) -> list[ChipTimes]:
    """Read simulated documents through a real pcscd at the speeds of a contactless field."""
    if why_not := why_no_pcscd():
        raise NotMeasuredError(why_not)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        done = with_pcscd(
            Path(folder),
            *(sys.executable, "-m", "benchmarks.chip_times", str(rounds)),
            timeout_s=300,
            PYTHONPATH=os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
        )
    if done.returncode:
        raise NotMeasuredError(done.stderr[-600:])
    return [ChipTimes(**times) for times in json.loads(done.stdout)]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, lowest, highest."""
    return statistics.median(values), min(values), max(values)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that so many of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
