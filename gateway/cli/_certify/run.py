"""Run of a certification: tasks for the technician, and the facts that come of them.

Nothing is commanded: the device is read, self-tested, unplugged and switched off by a person. Facts are
reported after each step, so that an interrupted run can be continued.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from drivers.driver import Family
from gateway.cli._certify.criteria import (
    BUSY_ATTEMPTS,
    CHIP_READS,
    FORMATS,
    SPECIMEN_ATTEMPTS,
    required_series,
)
from gateway.cli._certify.device import CertifiedDevice
from gateway.cli._certify.device_use import TOUCHED, DeviceUse
from gateway.cli._certify.facts import Attempts, BusyAttempts, ChipReads, Facts, Moment
from gateway.cli._certify.load import busy_machine
from gateway.cli._certify.loss import Losses
from gateway.cli._certify.technician import Action, Task, Technician


@dataclass(frozen=True, slots=True)
class Plan:
    """Extent of a run."""

    stages: frozenset[str] | None = None
    """Names of criteria to try; None: all that were not tried yet."""
    series: int = 0
    """Number of attempts in the series; 0: as many as its criterion needs."""
    reads_chips: bool = False
    """The device has a slot for chips."""
    read_s: float = 30.0
    """Wait for a read before the technician is asked, in seconds."""
    settle_s: float = 60.0
    """Wait for a loss, and for a return, in seconds."""


class Certification:
    """One run; `report` is called with the facts after each step."""

    def __init__(
        self,
        device: CertifiedDevice,
        technician: Technician,
        facts: Facts,
        plan: Plan,
        report: Callable[[Facts], object] = lambda _: None,
    ) -> None:
        self._use = DeviceUse(device, technician, facts, plan.read_s, report)
        self._losses = Losses(self._use, plan.settle_s)
        self._device, self._technician, self._plan, self._family = device, technician, plan, device.family

    def run(self) -> None:
        """Try everything of the plan; raises Stopped, ApiError, ApiUnavailable."""
        try:
            self._device.poll()  # events from now on
            self._losses.finish_power_cut()
            for name, stage in self._stages():
                if self._is_due(name):
                    self._device.hold_maintenance()
                    stage()
                    self._note_use()
        finally:
            self._use.report()

    def _stages(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "identity", lambda: None  # noted after each stage
        yield "self_test", self._self_test
        if self._family is Family.PASSPORT_READER:
            for name in FORMATS:
                yield f"specimen_{name}", partial(self._specimen, name)
            if self._plan.reads_chips:
                yield "chip", self._chip
        yield "series", self._series
        yield "busy", self._busy
        for moment in Moment:
            yield moment, partial(self._losses.interrupt, moment)
        if self._family is Family.BARRIER:
            yield "commissioned", self._commissioned

    def _is_due(self, name: str) -> bool:
        if self._plan.stages is not None:
            return name in self._plan.stages
        facts = self._use.facts
        done = {f"specimen_{each}" for each in facts.specimens} | set(facts.interruptions)
        done |= {"self_test"} if facts.self_test is not None else set()
        done |= {"chip"} if facts.chip is not None and facts.chip.tried >= CHIP_READS else set()
        done |= {"busy"} if facts.busy is not None and facts.busy.tried >= BUSY_ATTEMPTS else set()
        done |= (
            {"series"} if facts.series is not None and facts.series.tried >= self._series_length else set()
        )
        return name not in done

    def _note_use(self) -> None:
        """Note identity and movements after a step."""
        self._use.note_identity(self._device.poll())
        if self._family is Family.BARRIER:
            moved, self._device.movements = self._device.movements, 0
            self._use.update(movements=(self._use.facts.movements or 0) + moved)

    def _self_test(self) -> None:
        if self._family in TOUCHED:
            self._technician.begin(self._use.touch())
        steps = self._device.check(self._use.level)
        if steps:
            self._use.update(self_test=steps)

    def _specimen(self, name: str) -> None:
        text = f"Present the specimen of a {FORMATS[name]} ({name.upper()})."
        read = Attempts()
        while not read.good and read.tried < SPECIMEN_ATTEMPTS:
            got = self._use.attempt(Task(Action.PRESENT, text, name))
            if got is None:
                break
            read = Attempts(tried=read.tried + 1, good=read.good + got.is_good)
        if read.tried:
            self._use.update(specimens={**self._use.facts.specimens, name: read})

    def _chip(self) -> None:
        """Read a chip a few times; an incomplete read counts against the device, and so does no chip."""
        if not self._technician.do(Task(Action.TAKE_CHIP, "Take a specimen with a chip.")):
            return
        reads = ChipReads()
        while reads.tried < CHIP_READS:
            text = (
                f"Present the specimen with a chip and leave it until it is read ({reads.tried + 1} of "
                f"{CHIP_READS}). Remove it afterwards."
            )
            got = self._use.attempt(Task(Action.PRESENT, text))
            if got is None:
                break
            if got.chip is None:
                self._technician.say("    No chip was found.")
            reads = reads.with_read(got.chip)
            self._use.update(chip=reads)

    @property
    def _series_length(self) -> int:
        return self._plan.series or required_series(self._family)

    def _series(self) -> None:
        length, known = self._series_length, self._use.facts.series or Attempts()
        series = Attempts() if known.tried >= length else known
        is_reader = self._family is Family.PASSPORT_READER
        if is_reader:
            self._technician.say(f"  > Present specimens {length} times; each read is counted.")
        self._device.reads.clear()
        while series.tried < length:
            task = Task(Action.PRESENT, f"Present a specimen ({series.tried + 1} of {length}).")
            got = self._use.attempt_next(task)
            if got is None:
                break
            series = Attempts(tried=series.tried + 1, good=series.good + got.is_good)
            self._use.set_facts(series=series)
        if is_reader and series.tried:
            presented = self._technician.count("How many times did you present one?", series.tried)
            self._use.update(series=Attempts(tried=presented, good=series.good))

    def _busy(self) -> None:
        permitted = self._technician.do(
            Task(Action.LOAD, "The machine is kept busy for a minute; all devices become slower.")
        )
        if not permitted:
            return
        self._device.worker_faults.clear()
        restarts = self._device.poll().restarts
        tried = good = 0
        with busy_machine() as processes:
            while tried < BUSY_ATTEMPTS and (got := self._use.attempt()) is not None:
                tried, good = tried + 1, good + got.is_good
        if tried:
            faults = self._use.worker_faults(restarts)
            self._use.update(
                busy=BusyAttempts(tried=tried, good=good, processes=processes, worker_faults=faults)
            )

    def _commissioned(self) -> None:
        view = self._device.view()
        tests = [test for test in view["tests"] if test["kind"] == "commissioning"]
        passed = [test["passed"] for test in tests if test["configuration"] == view["configuration"]]
        self._use.update(commissioned=passed[-1] if passed else None)
