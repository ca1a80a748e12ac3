"""Use of the device under certification by a person or its self-test, and the facts noted so far."""

import time
from collections.abc import Callable
from typing import TypeVar

from drivers.driver import Family
from drivers.observation import Outcome
from gateway.cli._certify.device import CertifiedDevice, DeviceStatus, Read
from gateway.cli._certify.facts import Facts
from gateway.cli._certify.technician import Action, Task, Technician

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


class DeviceUse:
    """Use of one device. `facts` has what was tried; `report` is called with it after each step."""

    def __init__(
        self,
        device: CertifiedDevice,
        technician: Technician,
        facts: Facts,
        read_s: float,
        report: Callable[[Facts], object],
    ) -> None:
        """Wait `read_s` seconds for a read before the technician is asked."""
        self.device, self.technician, self.facts, self.family = device, technician, facts, device.family
        self._read_s, self._report = read_s, report

    def report(self) -> None:
        """Report the facts."""
        self._report(self.facts)

    def set_facts(self, **facts: object) -> None:
        """Note facts, to be reported with the next ones."""
        self.facts = Facts.model_validate({**dict(self.facts), **facts})

    def update(self, **facts: object) -> None:
        """Note facts and report them."""
        self.set_facts(**facts)
        self.report()

    def note_identity(self, status: DeviceStatus) -> None:
        """Note the identity that a status reports, if it is a new one."""
        if status.identity is not None and status.identity not in self.facts.identities:
            self.update(identities=(*self.facts.identities, status.identity))

    @property
    def level(self) -> str:
        """Level of the self-test that uses the device as an officer does."""
        return LEVELS.get(self.family, "internal")

    def touch(self) -> Task:
        """Return the task to use a device that is touched."""
        what = "a card" if self.family is Family.CARD_READER else "a finger of your own"
        return Task(Action.TOUCH, f"Present {what}; nothing about it is kept.")

    def attempt(self, task: Task | None = None) -> Read | None:
        """Use the device once; None: the technician gave up. Reads before it do not count."""
        self.device.reads.clear()
        return self.attempt_next(task)

    def attempt_next(self, task: Task | None = None) -> Read | None:
        """Use the device once in a series: a person may be faster than this program looks."""
        if self.family is Family.PASSPORT_READER:
            return self._read(task or Task(Action.PRESENT, "Present a specimen."))
        if self.family in TOUCHED:
            self.technician.begin(self.touch())
        steps = self.device.check(self.level)
        outcomes = {step.outcome for step in steps}
        failed = outcomes & {Outcome.FAILED, Outcome.ABORTED}
        return Read(is_good=Outcome.SUCCESSFUL in outcomes and not failed)

    def _read(self, task: Task) -> Read | None:
        """Wait for a read of a specimen; a document of another kind is not counted."""
        self.technician.begin(task)
        for _ in range(OTHER_DOCUMENTS):
            read = self.wait(self._next_read, self._read_s)
            if read is None:
                again = f"Nothing was read within {self._read_s:g} s."
                return Read(is_good=False) if self.technician.try_again(again) else None
            if read.is_specimen and (not task.format or not read.is_good or read.format == task.format):
                return read
            if read.is_specimen:
                self.technician.say(f"    That was the format {read.format.upper()}. {task.text}")
            else:
                self.update(other_documents=self.facts.other_documents + 1)
                self.technician.say(
                    "    This document is not a specimen, so it does not count. Present a specimen: its "
                    "issuing state is UTO."
                )
        return Read(is_good=False)

    def _next_read(self, _status: DeviceStatus) -> Read | None:
        return self.device.reads.popleft() if self.device.reads else None

    def wait(self, find: Callable[[DeviceStatus], ResultT | None], limit_s: float) -> ResultT | None:
        """Poll the device until there is a result; None after the limit."""
        deadline_s = time.monotonic() + limit_s
        while True:
            if (found := find(self.device.poll())) is not None:
                return found
            if time.monotonic() > deadline_s:
                return None
            time.sleep(POLL_S)

    def worker_faults(self, expected_restarts: int) -> tuple[str, ...]:
        """Return the faults of the worker process since they were cleared."""
        restarts = self.device.poll().restarts
        if restarts > expected_restarts and not self.device.worker_faults:
            self.device.worker_faults.append("worker_restarted")
        return tuple(self.device.worker_faults)
