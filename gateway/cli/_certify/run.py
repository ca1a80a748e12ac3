"""Run of a certification: tasks for the technician, and the facts that come of them.

Nothing is commanded: the device is read, self-tested, unplugged and switched off by a person. Facts are
reported after each step, so that an interrupted run can be continued.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from drivers.driver import Family
from drivers.observation import Outcome
from gateway.cli._certify.criteria import (
    BUSY_ATTEMPTS,
    CHIP_READS,
    FORMATS,
    SPECIMEN_ATTEMPTS,
    required_series,
)
from gateway.cli._certify.device import CertifiedDevice, DeviceStatus, Read
from gateway.cli._certify.facts import Attempts, BusyAttempts, ChipReads, Facts, Interruption, Moment
from gateway.cli._certify.load import busy_machine
from gateway.cli._certify.technician import Action, Task, Technician
from gateway.cli._lib.api_client import ApiError, ApiUnavailable

ResultT = TypeVar("ResultT")

POLL_S = 0.1
LEVELS = {
    Family.CAMERA: "external",
    Family.FINGERPRINT_SCANNER: "interactive",
    Family.CARD_READER: "interactive",
}
"""Level of the self-test that uses a device as an officer does; `internal` for others."""
TOUCHED = frozenset({Family.FINGERPRINT_SCANNER, Family.CARD_READER})
OTHER_DOCUMENTS = 20
"""Number of documents in a row that are no specimens, after which an attempt has failed."""
POWER_NOTICED_S = 10.0
"""Wait for the report of a power cut, in seconds: without power some devices look idle."""
PULL = "Pull the plug of the device."
INSTRUCTIONS = {
    Moment.IDLE: "Wait until the device rests. Pull its plug.",
    Moment.READING: "Present a specimen and pull the plug of the device while it is read.",
    Moment.AFTER_READ: "Pull the plug of the device, at once.",
    Moment.REOPENING: PULL,
    Moment.RESTART: PULL,
    Moment.POWER_CUT: "Switch off the device's own supply for ten seconds; its cable stays. If the machine "
    "supplies it, switch off the machine, start it, and give the same command again. Skip it if neither "
    "is possible.",
}


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
    """One run. `facts` has what was tried; `report` is called with it after each step."""

    def __init__(
        self,
        device: CertifiedDevice,
        technician: Technician,
        facts: Facts,
        plan: Plan,
        report: Callable[[Facts], object] = lambda _: None,
    ) -> None:
        self.facts = facts
        self._device, self._technician, self._plan, self._report = device, technician, plan, report
        self._family = device.family
        self._is_loss_permitted = None if self._family is Family.BARRIER else True
        """None: a barrier, and the technician was not asked yet."""

    def run(self) -> None:
        """Try everything of the plan; raises Stopped, ApiError, ApiUnavailable."""
        try:
            self._device.poll()  # events from now on
            self._finish_power_cut()
            for name, stage in self._stages():
                if self._is_due(name):
                    self._device.hold_maintenance()
                    stage()
                    self._note_use()
        finally:
            self._report(self.facts)

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
            yield moment, partial(self._interrupt, moment)
        if self._family is Family.BARRIER:
            yield "commissioned", self._commissioned

    def _is_due(self, name: str) -> bool:
        if self._plan.stages is not None:
            return name in self._plan.stages
        facts = self.facts
        done = {f"specimen_{each}" for each in facts.specimens} | set(facts.interruptions)
        done |= {"self_test"} if facts.self_test is not None else set()
        done |= {"chip"} if facts.chip is not None and facts.chip.tried >= CHIP_READS else set()
        done |= {"busy"} if facts.busy is not None and facts.busy.tried >= BUSY_ATTEMPTS else set()
        done |= (
            {"series"} if facts.series is not None and facts.series.tried >= self._series_length else set()
        )
        return name not in done

    def _set(self, **facts: object) -> None:
        self.facts = Facts.model_validate({**dict(self.facts), **facts})

    def _update(self, **facts: object) -> None:
        self._set(**facts)
        self._report(self.facts)

    def _note_use(self) -> None:
        """Note identity and movements after a step."""
        self._note_identity(self._device.poll())
        if self._family is Family.BARRIER:
            moved, self._device.movements = self._device.movements, 0
            self._update(movements=(self.facts.movements or 0) + moved)

    def _note_identity(self, status: DeviceStatus) -> None:
        if status.identity is not None and status.identity not in self.facts.identities:
            self._update(identities=(*self.facts.identities, status.identity))

    # Use of the device

    def _self_test(self) -> None:
        level = LEVELS.get(self._family, "internal")
        if self._family in TOUCHED:
            self._technician.begin(self._touch())
        steps = self._device.check(level)
        if steps:
            self._update(self_test=steps)

    def _touch(self) -> Task:
        what = "a card" if self._family is Family.CARD_READER else "a finger of your own"
        return Task(Action.TOUCH, f"Present {what}; nothing about it is kept.")

    def _attempt(self, task: Task | None = None) -> Read | None:
        """Use the device once; None: the technician gave up. Reads before it do not count."""
        self._device.reads.clear()
        return self._attempt_next(task)

    def _attempt_next(self, task: Task | None = None) -> Read | None:
        """Use the device once in a series: a person may be faster than this program looks."""
        if self._family is Family.PASSPORT_READER:
            return self._read(task or Task(Action.PRESENT, "Present a specimen."))
        if self._family in TOUCHED:
            self._technician.begin(self._touch())
        steps = self._device.check(LEVELS.get(self._family, "internal"))
        outcomes = {step.outcome for step in steps}
        failed = outcomes & {Outcome.FAILED, Outcome.ABORTED}
        return Read(is_good=Outcome.SUCCESSFUL in outcomes and not failed)

    def _read(self, task: Task) -> Read | None:
        """Wait for a read of a specimen; a document of another kind is not counted."""
        self._technician.begin(task)
        for _ in range(OTHER_DOCUMENTS):
            read = self._wait(self._next_read, self._plan.read_s)
            if read is None:
                again = f"Nothing was read within {self._plan.read_s:g} s."
                return Read(is_good=False) if self._technician.try_again(again) else None
            if read.is_specimen and (not task.format or not read.is_good or read.format == task.format):
                return read
            if read.is_specimen:
                self._technician.say(f"    That was the format {read.format.upper()}. {task.text}")
            else:
                self._update(other_documents=self.facts.other_documents + 1)
                self._technician.say(
                    "    This document is not a specimen, so it does not count. Present a specimen: its "
                    "issuing state is UTO."
                )
        return Read(is_good=False)

    def _next_read(self, _status: DeviceStatus) -> Read | None:
        return self._device.reads.popleft() if self._device.reads else None

    def _wait(self, find: Callable[[DeviceStatus], ResultT | None], limit_s: float) -> ResultT | None:
        """Poll the device until there is a result; None after the limit."""
        deadline_s = time.monotonic() + limit_s
        while True:
            if (found := find(self._device.poll())) is not None:
                return found
            if time.monotonic() > deadline_s:
                return None
            time.sleep(POLL_S)

    def _specimen(self, name: str) -> None:
        text = f"Present the specimen of a {FORMATS[name]} ({name.upper()})."
        read = Attempts()
        while not read.good and read.tried < SPECIMEN_ATTEMPTS:
            got = self._attempt(Task(Action.PRESENT, text, name))
            if got is None:
                break
            read = Attempts(tried=read.tried + 1, good=read.good + got.is_good)
        if read.tried:
            self._update(specimens={**self.facts.specimens, name: read})

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
            got = self._attempt(Task(Action.PRESENT, text))
            if got is None:
                break
            if got.chip is None:
                self._technician.say("    No chip was found.")
            reads = reads.with_read(got.chip)
            self._update(chip=reads)

    @property
    def _series_length(self) -> int:
        return self._plan.series or required_series(self._family)

    def _series(self) -> None:
        length, known = self._series_length, self.facts.series or Attempts()
        series = Attempts() if known.tried >= length else known
        is_reader = self._family is Family.PASSPORT_READER
        if is_reader:
            self._technician.say(f"  > Present specimens {length} times; each read is counted.")
        self._device.reads.clear()
        while series.tried < length:
            task = Task(Action.PRESENT, f"Present a specimen ({series.tried + 1} of {length}).")
            got = self._attempt_next(task)
            if got is None:
                break
            series = Attempts(tried=series.tried + 1, good=series.good + got.is_good)
            self._set(series=series)
        if is_reader and series.tried:
            presented = self._technician.count("How many times did you present one?", series.tried)
            self._update(series=Attempts(tried=presented, good=series.good))

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
            while tried < BUSY_ATTEMPTS and (got := self._attempt()) is not None:
                tried, good = tried + 1, good + got.is_good
        if tried:
            faults = self._worker_faults(restarts)
            self._update(busy=BusyAttempts(tried=tried, good=good, processes=processes, worker_faults=faults))

    def _worker_faults(self, expected_restarts: int) -> tuple[str, ...]:
        """Return the faults of the worker process since they were cleared."""
        restarts = self._device.poll().restarts
        if restarts > expected_restarts and not self._device.worker_faults:
            self._device.worker_faults.append("worker_restarted")
        return tuple(self._device.worker_faults)

    # Loss of cable or power

    def _interrupt(self, moment: Moment) -> None:
        if not self._permit_loss() or not self._prepare(moment):
            return
        device, settle_s = self._device, self._plan.settle_s
        plugging = Task(Action.PLUG, "Plug it in again.")
        device.worker_faults.clear()
        before = self._wait(lambda status: status if status.is_present else None, settle_s)
        if before is None:
            self._technician.say("    The device is not connected, so this step is left out.")
            return
        if not self._lose(moment):
            return
        noticed_s, lost = self._wait_lost(
            before, min(POWER_NOTICED_S, settle_s) if moment is Moment.POWER_CUT else settle_s
        )
        restarts = before.restarts
        if moment is Moment.REOPENING:
            again = Task(Action.PLUG_AND_PULL, "Plug it in, and pull the plug again within a second.")
            if not self._technician.do(again):
                self._technician.do(plugging)
                return
            self._wait(lambda status: None if status.is_present else True, settle_s)
        elif moment is Moment.RESTART:
            device.restart()
            restarts += 1
        elif moment is Moment.POWER_CUT:
            plugging = Task(Action.POWER_ON, "Switch its supply on.")
        self._technician.do(plugging)
        self._note_return(moment, restarts, noticed_s, lost)

    def _permit_loss(self) -> bool:
        """Ask once whether a barrier may lose its board: it may move by itself then."""
        if self._is_loss_permitted is None:
            self._is_loss_permitted = self._technician.do(
                Task(
                    Action.ALLOW_LOSS,
                    "A board without cable or supply opens its relays: the barrier may move by itself. "
                    "Clear its way, and keep people out of it. Without your permission it is not unplugged.",
                    typed=self._device.position,
                )
            )
        return self._is_loss_permitted

    def _prepare(self, moment: Moment) -> bool:
        """Use the device before the loss, where the moment requires it."""
        return moment is not Moment.AFTER_READ or self._attempt() is not None

    def _lose(self, moment: Moment) -> bool:
        """Let the technician cut cable or power; False: skipped."""
        action = Action.PULL
        if moment is Moment.POWER_CUT:
            action = Action.POWER_OFF
            self._update(power_cut_at_boot=self._device.post()["report"]["bootid"])
        elif moment is Moment.READING and self._family is Family.PASSPORT_READER:
            action = Action.PRESENT_AND_PULL
        text = INSTRUCTIONS[moment]
        if moment is Moment.READING and action is Action.PULL:
            with self._in_use():
                return self._technician.do(Task(action, "It is in use now. Pull its plug."))
        done = self._technician.do(Task(action, text))
        if not done and moment is Moment.POWER_CUT:
            self._update(power_cut_at_boot="")
        return done

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Use the device repeatedly, by self-tests that need no person."""
        level = LEVELS.get(self._family, "internal") if self._family not in TOUCHED else "internal"
        ended = threading.Event()

        def use() -> None:
            with suppress(ApiError, ApiUnavailable):
                while not ended.is_set():
                    self._device.check(level)
                    ended.wait(POLL_S)

        using = threading.Thread(target=use, name="certify use")
        using.start()
        try:
            yield
        finally:
            ended.set()
            using.join()

    def _wait_lost(self, before: DeviceStatus, limit_s: float) -> tuple[float | None, DeviceStatus]:
        """Wait until the loss is reported; returns the time, and the reported state."""
        began_s, seen = time.monotonic(), before

        def lost(status: DeviceStatus) -> DeviceStatus | None:
            nonlocal seen
            seen = status
            return status if not status.is_present or status.disconnects > before.disconnects else None

        found = self._wait(lost, limit_s)
        return (None if found is None else round(time.monotonic() - began_s, 2)), seen

    def _note_return(
        self, moment: Moment, restarts: int, noticed_s: float | None, lost: DeviceStatus
    ) -> None:
        """Wait for the device, use it, and note the interruption."""
        began_s = time.monotonic()
        back = self._wait(lambda status: status if status.is_present else None, self._plan.settle_s)
        back_s = None if back is None else round(time.monotonic() - began_s, 2)
        works = None
        if back is not None:
            self._note_identity(back)
            got = self._attempt()
            works = None if got is None else got.is_good or self._works_now()
        seen = Interruption(
            noticed_s=noticed_s,
            cause="" if noticed_s is None or lost.is_present else lost.cause,
            text="" if noticed_s is None or lost.is_present else lost.text,
            back_s=back_s,
            works=works,
            worker_faults=self._worker_faults(restarts),
        )
        self._update(interruptions={**self.facts.interruptions, moment: seen}, power_cut_at_boot="")

    def _works_now(self) -> bool:
        """Return True if one of two more attempts is good: a person may have slipped."""
        return any((got := self._attempt()) is not None and got.is_good for _ in range(2))

    def _finish_power_cut(self) -> None:
        """Finish a power cut that ended the earlier run together with the machine."""
        began_at = self.facts.power_cut_at_boot
        if not began_at:
            return
        if self._device.post()["report"]["bootid"] == began_at:
            self._update(power_cut_at_boot="")  # the machine ran on: the power cut begins anew
            return
        self._device.worker_faults.clear()
        status = self._device.poll()
        self._note_return(Moment.POWER_CUT, status.restarts, None, status)
        seen = self.facts.interruptions[Moment.POWER_CUT].model_copy(update={"machine_restarted": True})
        self._update(interruptions={**self.facts.interruptions, Moment.POWER_CUT: seen})

    # Barriers

    def _commissioned(self) -> None:
        view = self._device.view()
        tests = [test for test in view["tests"] if test["kind"] == "commissioning"]
        passed = [test["passed"] for test in tests if test["configuration"] == view["configuration"]]
        self._update(commissioned=passed[-1] if passed else None)
