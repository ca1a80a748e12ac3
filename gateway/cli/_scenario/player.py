"""Steps of a scenario, played one after the other at a running post."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

from drivers.driver import StateCode
from gateway.cli._scenario.scenario import Command, Expectation, Scenario, Step, differing
from gateway.client import CommandError, DeviceStatus, ReceivedEvent, Workstation
from gateway.contract.events import CommandDecided

POLL_S = 0.02
QUIET_S, QUIET_MAX_S = 0.5, 5.0
"""Time without an event after the last step until it counts as complete, and the longest wait, in seconds."""
UNCOUNTED = ("document.chip_progress", "finger.feedback", "face.feedback", "barrier.state")
"""Types of events whose number depends on the load of the machine."""


class StepOutcome(StrEnum):
    """Outcome of a step."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class StepResult:
    """Result of one step. `text` says why it failed, without data of a document."""

    title: str
    outcome: StepOutcome
    took_s: float = 0.0
    text: str = ""


class StepFailedError(Exception):
    """The step did not do what it must; the message says why."""


class Player:
    """Plays the steps; keeps every event of the post."""

    def __init__(self, workstations: Mapping[str, Workstation], station: str, control_socket: Path) -> None:
        """`workstations`: by the names of their stations; the events are those of `station`."""
        self._workstations = workstations
        self._station = station
        self._workstation = workstations[station]
        self._socket = control_socket
        self._events: list[ReceivedEvent] = []
        self._next: Counter[str] = Counter()
        """Index of the first event that an expectation at a position considers."""
        self._arrived = asyncio.Condition()
        self._was_usable: set[str] = set()
        self._faulted: set[str] = set()
        """Positions at which a step has injected a fault."""
        self.disturbed: set[str] = set()
        """Positions that were usable and then offline although no step had injected a fault there.

        On a starved machine a simulated device may answer too late, and its link counts as lost.
        """

    @property
    def events(self) -> dict[str, list[str]]:
        """Types of the events of each position: equal for equal runs.

        They are in the order of arrival, except those of one transaction, which are sorted: page and chip of
        a document are read at the same time. Steps of a read or capture, states and refusals are left out,
        because their number depends on the machine.
        """
        found: dict[str, list[str]] = {}
        for position in sorted({str(event.position) for event in self._events}):
            counted = [one for one in self._events if str(one.position) == position and _is_counted(one)]
            found[position] = []
            for _, together in groupby(counted, key=lambda one: one.envelope.transaction):
                found[position] += sorted(map(_type_of, together))
        return found

    async def listen(self) -> None:
        """Keep events until cancelled, and note disturbances."""
        async for item in self._workstation.events_and_status():
            if isinstance(item, DeviceStatus):
                self._note(item)
                continue
            async with self._arrived:
                self._events.append(item)
                self._arrived.notify_all()

    def _note(self, status: DeviceStatus) -> None:
        position = str(status.position)
        if status.is_usable:
            self._was_usable.add(position)
            return
        is_offline = status.state is not None and status.state.state is StateCode.OFFLINE
        if is_offline and position in self._was_usable - self._faulted:
            self.disturbed.add(position)

    async def play(self, scenario: Scenario, on_step: Callable[[StepResult], None]) -> list[StepResult]:
        """Play all steps; those after a failure are not run."""
        results: list[StepResult] = []
        for step in scenario.step:
            if results and results[-1].outcome is not StepOutcome.PASSED:
                result = StepResult(step.title, StepOutcome.NOT_RUN)
            else:
                result = await self._result_of(step)
            results.append(result)
            on_step(result)
        await self._until_quiet()
        return results

    async def _until_quiet(self) -> None:
        """Wait for the events of the last step, so that those of equal runs are equal."""
        ends_s = time.monotonic() + QUIET_MAX_S
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < ends_s:
                async with asyncio.timeout(QUIET_S), self._arrived:
                    await self._arrived.wait()

    async def _result_of(self, step: Step) -> StepResult:
        began_s = time.monotonic()
        try:
            await self._do(step)
        except StepFailedError as error:
            return StepResult(step.title, StepOutcome.FAILED, time.monotonic() - began_s, str(error))
        return StepResult(step.title, StepOutcome.PASSED, time.monotonic() - began_s)

    async def _do(self, step: Step) -> None:
        if step.simulator is not None:
            await self._request(step.simulator, step.within_s)
        elif step.command is not None:
            await self._command(step.command, step.within_s)
        elif step.expect is not None:
            await self._expect(step.expect, step.within_s)
        elif step.usable is not None:
            await self._until_usable(step.usable, step.within_s)
        elif step.unusable is not None:
            await self._until_usable(step.unusable, step.within_s, usable=False)
        elif step.pause_s is not None:
            await asyncio.sleep(step.pause_s)

    async def _request(self, request: dict[str, Any], within_s: float) -> None:
        from simulators.control import send_command
        from simulators.errors import SimulatorError

        if request.get("do") == "fault":
            self._faulted.add(str(request.get("name")))
        try:
            async with asyncio.timeout(within_s):
                answer = await send_command(self._socket, request)
        except SimulatorError as error:
            raise StepFailedError(str(error)) from error
        except TimeoutError:
            raise StepFailedError(f"the simulated post does not answer within {within_s:g} s") from None
        if not answer["ok"]:
            raise StepFailedError(answer["error"])

    async def _command(self, command: Command, within_s: float) -> None:
        try:
            workstation = self._workstations[command.station or self._station]
            await workstation.command(command.position, command.verb, command.args, timeout_s=within_s)
        except CommandError as error:
            if str(error.reason) != command.refused:
                raise StepFailedError(f"{command.verb}: {error.reason}: {error.text}") from error
            return
        if command.refused is not None:
            raise StepFailedError(f"{command.verb} was done; it must be refused as {command.refused}")

    async def _expect(self, wanted: Expectation, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s), self._arrived:
                await self._arrived.wait_for(lambda: self._found(wanted))
        except TimeoutError:
            raise StepFailedError(self._missing(wanted, within_s)) from None

    def _candidates(self, wanted: Expectation) -> Iterator[tuple[int, ReceivedEvent]]:
        for index in range(self._next[wanted.position], len(self._events)):
            event = self._events[index]
            if str(event.position) == wanted.position and _type_of(event) == wanted.type:
                yield index, event

    def _found(self, wanted: Expectation) -> bool:
        for index, event in self._candidates(wanted):
            if not _differences(wanted, event):
                self._next[wanted.position] = index + 1
                return True
        return False

    def _missing(self, wanted: Expectation, within_s: float) -> str:
        """Say why no event was the expected one, without the values that came."""
        differences = [_differences(wanted, event) for _, event in self._candidates(wanted)]
        if not differences:
            return f"no {wanted.type} came within {within_s:g} s"
        return f"{len(differences)} {wanted.type} came; the last one differs in {', '.join(differences[-1])}"

    async def _until_usable(
        self, positions: tuple[str, ...], within_s: float, *, usable: bool = True
    ) -> None:
        deadline_s = time.monotonic() + within_s
        while waiting := [one for one in positions if self._workstation.status(one).is_usable is not usable]:
            if time.monotonic() > deadline_s:
                what = "not usable" if usable else "still usable"
                raise StepFailedError(f"{what} after {within_s:g} s: {', '.join(waiting)}")
            await asyncio.sleep(POLL_S)


def _is_counted(event: ReceivedEvent) -> bool:
    refused = isinstance(event.data, CommandDecided) and event.data.reason is not None
    return not refused and _type_of(event) not in UNCOUNTED


def _type_of(event: ReceivedEvent) -> str:
    return event.envelope.type.removeprefix("bgw.").rpartition(".v")[0]


def _differences(wanted: Expectation, event: ReceivedEvent) -> list[str]:
    data = event.data if isinstance(event.data, dict) else event.data.model_dump(mode="json")
    checks = {check["id"]: check["outcome"] for check in data.get("checks") or ()}
    return [*differing(wanted.data, data), *differing(wanted.checks, checks, "checks ")]
