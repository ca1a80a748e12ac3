"""Measurements, one function each. Each starts its candidate anew and leaves no process running."""

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
# As support.brokers.mosquitto, but without a log line per message, and every message of a burst is queued.
BROKER = ("log_type none", "max_queued_messages 0")


class NotMeasuredError(Exception):
    """The reason why there is no figure."""


@dataclass
class Setup:
    """One candidate between its readers and a subscriber."""

    candidate: Candidate
    setting: Setting
    broker: Mosquitto
    subscriber: Subscriber
    readers: list[FarEnd]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_NUMBER))
    last: int = FIRST_NUMBER - 1
    running: Running | None = None

    def start(self, first_line: Callable[[int], bytes] = text_line) -> float:
        """Start it; return the seconds until the first line came out.

        Lines are sent from the very beginning: input from before the port was opened is discarded, so the
        first one received is as early as possible.
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
        """Start it without waiting."""
        for reader in self.readers:
            reader.renew()
        argv, environment = self.candidate.command(self.setting)
        log = self.setting.folder / "log"
        self.running = Running(argv, environment, log, self.setting.folder)
        return self.running

    def number(self) -> int:
        """Return the next number."""
        self.last = next(self.numbers)
        return self.last

    def settle(self, seconds: float = SETTLE_S) -> None:
        """Wait until all lines have come out, and a little longer."""
        self.subscriber.until(self.last - FIRST_NUMBER + 1, FIRST_NUMBER - 1, patience_s=seconds)
        time.sleep(seconds)

    @property
    def process(self) -> Running:
        """The running process."""
        assert self.running is not None
        return self.running


@contextlib.contextmanager
def prepare(
    candidate: Candidate, devices: int = 1, driver: str = "mrz-serial", broker_options: tuple[str, ...] = ()
) -> Iterator[Setup]:
    """Set up everything except the candidate, and remove it all afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
        Mosquitto(*BROKER, *broker_options) as broker,
        Subscriber(broker.port) as subscriber,
    ):
        folder = Path(name)
        readers = [FarEnd(folder / f"tty-{lane}") for lane in range(1, devices + 1)]
        setting = Setting(folder, [reader.path for reader in readers], broker.port, driver)
        setup = Setup(candidate, setting, broker, subscriber, readers)
        try:
            yield setup
        finally:
            if setup.running is not None:
                setup.running.stop()
            for reader in readers:
                reader.close()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][-200:] if lines else "it has no output"


# Steady lines, then as many as the line carries


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
    with prepare(candidate) as setup:
        first_s = setup.start()
        setup.settle(2)
        before = setup.last
        latencies, cpu = steady(setup, lines)
        pss = setup.process.pss_mib()
        burst_per_s = _burst(setup, burst, text_line)
        setup.settle()
        passports_per_s = _burst(setup, burst, passport)
        setup.settle()
        arrivals = [a for n, a in setup.subscriber.arrived.items() if n > before]
        return Life(
            first_s=first_s,
            latencies_ms=latencies,
            cpu_percent=cpu,
            pss_mib=pss,
            burst_per_s=burst_per_s,
            passports_per_s=passports_per_s,
            lost=setup.last - before - len(arrivals),
            repeated=sum(a.times - 1 for a in arrivals),
        )


def steady(setup: Setup, lines: int) -> tuple[list[float], float]:
    """Write lines at 20 a second; return the time of each in milliseconds, and CPU in % of a core."""
    sent: dict[int, int] = {}
    before = setup.last
    gc.collect()
    gc.disable()
    cpu, began = setup.process.cpu_s(), time.monotonic()
    for turn in range(lines):
        time.sleep(max(0.0, began + turn / RATE_PER_S - time.monotonic()))
        number = setup.number()
        line = text_line(number)
        sent[number] = time.monotonic_ns()
        setup.readers[0].write(line)
    setup.subscriber.until(lines, before, patience_s=2)
    cpu_percent = 100 * (setup.process.cpu_s() - cpu) / (time.monotonic() - began)
    gc.enable()
    arrived = setup.subscriber.arrived
    return [(arrived[n].first_ns - at) / 1e6 for n, at in sent.items() if n in arrived], cpu_percent


def _burst(setup: Setup, lines: int, made: Callable[[int], bytes]) -> float:
    """Write lines as fast as they are read; return events per second, first byte to last event."""
    before = setup.last
    data = b"".join(made(setup.number()) for _ in range(lines))
    began = time.monotonic_ns()
    writing = threading.Thread(target=setup.readers[0].write, args=(data,))
    writing.start()
    got = setup.subscriber.until(lines, before, patience_s=5)
    writing.join()
    arrivals = [a.first_ns for n, a in tuple(setup.subscriber.arrived.items()) if n > before]
    return got / ((max(arrivals) - began) / 1e9) if arrivals else 0.0


# More devices


@dataclass
class Devices:
    """A gateway with this number of devices."""

    count: int
    pss_mib: float
    processes_mib: list[float]
    idle_cpu_percent: float


def devices(candidate: Candidate, count: int, idle_s: float) -> Devices:
    """Measure memory once every device has sent, and CPU while none does."""
    with prepare(candidate, count) as setup:
        setup.start()
        setup.settle()
        for _ in range(20):
            for reader in setup.readers:
                reader.write(text_line(setup.number()))
        setup.settle(2)
        cpu, began = setup.process.cpu_s(), time.monotonic()
        time.sleep(idle_s)
        idle = 100 * (setup.process.cpu_s() - cpu) / (time.monotonic() - began)
        sizes = setup.process.pss_mib()
        return Devices(count, sum(sizes), sizes, idle)


# A backlog


@dataclass
class Drain:
    """Events that waited for a broker, and their delivery."""

    events: int
    taken_per_s: float
    drained_per_s: float
    to_last_s: float
    """Seconds from the broker's return to the last event, reconnecting included."""
    delivered: int
    repeated: int


def drain(candidate: Candidate, events: int) -> Drain:
    """Write lines while the broker is down, then restart it."""
    with prepare(candidate) as setup:
        setup.start()
        setup.settle()
        before = setup.last
        stored = setup.setting.folder.rglob("outbox.db")
        setup.broker.stop()
        time.sleep(1)
        began = time.monotonic()
        for _ in range(0, events, 1000):
            setup.readers[0].write(b"".join(text_line(setup.number()) for _ in range(1000)))
        _wait_for_rows(next(stored), events)
        taken = events / (time.monotonic() - began)
        setup.broker.start()
        back = time.monotonic_ns()
        with Subscriber(setup.broker.port) as subscriber:
            subscriber.until(events, before, patience_s=20)
            arrivals = [a for n, a in subscriber.arrived.items() if n > before]
        if not arrivals:
            raise NotMeasuredError("nothing came after the broker's return")
        times = [a.first_ns for a in arrivals]
        return Drain(
            events=events,
            taken_per_s=taken,
            drained_per_s=len(arrivals) / ((max(times) - min(times)) / 1e9),
            to_last_s=(max(times) - back) / 1e9,
            delivered=len(arrivals),
            repeated=sum(a.times - 1 for a in arrivals),
        )


def _wait_for_rows(database: Path, events: int) -> None:
    """Wait until an outbox has this number of rows: only then is the backlog on disk."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        table = "event" if "event" in names else "outbox"
        deadline = time.monotonic() + 120
        while db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] < events:
            if time.monotonic() > deadline:
                raise NotMeasuredError("the backlog was never on disk")
            time.sleep(0.1)


# Images


def pages(candidate: Candidate, count: int) -> list[float]:
    """Request pages of three lights, 6 MB; return the milliseconds until images and event have come."""
    took = []
    with prepare(candidate, driver="page-camera") as setup:
        setup.start(page)
        setup.settle(2)
        for _ in range(count):
            setup.subscriber.blobs.clear()
            number = setup.number()
            began = time.monotonic_ns()
            setup.readers[0].write(page(number))
            if not setup.subscriber.until(1, number - 1, patience_s=10):
                raise NotMeasuredError("a page did not come")
            images = setup.subscriber.blobs
            if [size for _, size in images] != [2_000_000] * 3:
                raise NotMeasuredError(f"{len(images)} images came before the event")
            took.append((setup.subscriber.arrived[number].first_ns - began) / 1e6)
            time.sleep(0.7)
    return took


# A power cut while the broker is away


@dataclass
class Cut:
    """Delivery of lines sent while the broker was down and before the program was killed."""

    sent: int
    delivered: int
    repeated: int


def cut(candidate: Candidate, lines: int) -> Cut:
    """Stop the broker, send lines, kill -9 the program, bring both back."""
    with prepare(candidate) as setup:
        setup.start()
        setup.settle(2)
        before = setup.last
        setup.broker.kill()
        time.sleep(0.5)
        for _ in range(lines):
            setup.readers[0].write(text_line(setup.number()))
            time.sleep(1 / RATE_PER_S)
        time.sleep(1)
        last = setup.last
        setup.process.kill()
        setup.broker.start()
        with Subscriber(setup.broker.port) as subscriber:
            setup.launch()
            deadline = time.monotonic() + candidate.patience_s
            while subscriber.count(above=before) < lines and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)
            arrivals = [a for n, a in subscriber.arrived.items() if before < n <= last]
            return Cut(lines, len(arrivals), sum(a.times - 1 for a in arrivals))


# Chips


@dataclass
class ChipTimes:
    """Times from the swipe to the zone and to the chip's result, in milliseconds, one of each per round."""

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
            *(sys.executable, "-m", "benchmarks.latency.chip", str(rounds)),
            timeout_s=300,
            PYTHONPATH=os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
        )
    if done.returncode:
        raise NotMeasuredError(done.stderr[-600:])
    return [ChipTimes(**times) for times in json.loads(done.stdout)]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return median, lowest and highest."""
    return statistics.median(values), min(values), max(values)


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that the given share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
