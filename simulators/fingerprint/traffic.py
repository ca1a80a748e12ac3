"""Traffic at a fingerprint scanner: fingers, their times, conditions and durations."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from pydantic import Field, ValidationError, field_validator, model_validator

from simulators.errors import SimulatorError
from simulators.faults import Fault
from simulators.fingerprint.fingers import Finger, Pattern, SkinCondition, Touch
from simulators.fingerprint.platen import Platen
from simulators.simulator import EmitCallback, ScheduledFault, Simulator, SimulatorSettings

MOSTLY_CLEAN = {
    SkinCondition.CLEAN: 16.0,
    SkinCondition.DRY: 1.0,
    SkinCondition.WET: 1.0,
    SkinCondition.PARTIAL: 1.0,
    SkinCondition.WORN: 1.0,
}


class ScannerSettings(SimulatorSettings):
    """Settings of every simulated fingerprint scanner of a post."""

    people: int = Field(default=10, ge=1, le=100_000, description="Number of different fingers.")
    conditions: dict[SkinCondition, float] = Field(
        default=MOSTLY_CLEAN, min_length=1, description="Weight of each condition."
    )
    every_s: float | None = Field(
        default=None, gt=0, description="Seconds between fingers; only by command if omitted."
    )
    jitter_s: float = Field(default=0.0, ge=0, description="Maximum deviation from every_s, in seconds.")
    first_s: float = Field(
        default=1.0, ge=0, description="Seconds until the first one after a host has opened the scanner."
    )
    dwell_s: float = Field(default=2.0, gt=0, description="Time that a finger stays, in seconds.")

    @field_validator("conditions")
    @classmethod
    def _weights_are_usable(cls, mix: dict[SkinCondition, float]) -> dict[SkinCondition, float]:
        if any(weight < 0 for weight in mix.values()) or not sum(mix.values()):
            raise ValueError("weights must not be negative, and at least one must be above 0")
        return mix

    @model_validator(mode="after")
    def _one_after_the_other(self) -> "ScannerSettings":
        if self.every_s is not None and self.jitter_s >= self.every_s:
            raise ValueError("jitter_s must be less than every_s")
        return self

    @property
    def timed_faults(self) -> tuple[ScheduledFault[Any], ...]:
        """The scheduled faults."""
        return ()

    def finger(self, number: int) -> Finger:
        """Return the finger of that number: the same one for the same seed."""
        return Finger(self.seed * 1_000_003 + number)


class ScannerSimulator(Simulator):
    """A scanner, its traffic and its faults."""

    verbs: ClassVar = ("insert", "fault", "status")

    def __init__(self, settings: ScannerSettings) -> None:
        self.traffic = settings
        self._emit: EmitCallback = lambda _event, _details: None
        self._present = asyncio.Event()
        self._lifting: set[asyncio.Task[None]] = set()

    @property
    @abstractmethod
    def platen(self) -> Platen:
        """Platen of the scanner."""

    @abstractmethod
    def fault_of(self, name: str, arguments: dict[str, Any] | None) -> Fault:
        """Return the fault of that name; raise pydantic's ValidationError if it is invalid."""

    @abstractmethod
    async def inject_fault(self, fault: Fault) -> None:
        """Inject a fault."""

    async def reset(self) -> None:
        """See `Simulator.reset`: also lifts the finger."""
        for task in tuple(self._lifting):
            task.cancel()
        await asyncio.gather(*self._lifting, return_exceptions=True)
        self.platen.lift()
        await self.clear_faults()

    @abstractmethod
    def status(self) -> dict[str, Any]:
        """Return its present state."""

    async def serve(self) -> None:
        """Run traffic and scheduled faults until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                if self.traffic.every_s is not None:
                    tasks.create_task(self._arrivals(self.traffic.every_s))
                for timed in self.traffic.timed_faults:
                    tasks.create_task(self._run_scheduled_fault(timed))
                await asyncio.Event().wait()
        finally:
            for task in tuple(self._lifting):
                task.cancel()
            await asyncio.gather(*self._lifting, return_exceptions=True)

    def host(self, present: bool) -> None:
        """Handle a host that has opened the scanner, or has closed it."""
        if present != self._present.is_set():
            self._emit("host", {"connected": present})
        if present:
            self._present.set()
        else:
            self._present.clear()

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`.

        `insert` places a finger on the scanner: `finger` (a number), `pattern`, `condition`, `for_s`, and its
        position: `rotation_deg`, `right_mm`, `up_mm`; or takes it away: `lift`. `fault`: its name and `args`.
        """
        match verb:
            case "insert":
                return await self._insert(**arguments)
            case "fault":
                return await self._fault(**arguments)
            case "status":
                return self.status() | {
                    "host_connected": self._present.is_set(),
                    "touched": self.platen.is_touched,
                    "touches": self.platen.touches,
                }
        raise SimulatorError(f"{self.traffic.kind} does not know {verb!r}: {', '.join(self.verbs)}")

    async def _insert(
        self,
        finger: int | None = None,
        pattern: str | None = None,
        condition: str = "clean",
        for_s: float | None = None,
        lift: bool = False,
        **where: float,
    ) -> dict[str, Any]:
        if lift:
            self.platen.lift()
            return {}
        try:
            number = self.platen.touches % self.traffic.people if finger is None else int(finger)
            chosen = self.traffic.finger(number)
            if pattern is not None:
                chosen = Finger(chosen.seed, Pattern(pattern))
            touch = _moved(chosen.touch(self.platen.touches, SkinCondition(condition)), **where)
            stays_s = self.traffic.dwell_s if for_s is None else float(for_s)
        except (ValueError, TypeError) as error:
            raise SimulatorError(f"insert: {error}") from None
        await self._place(touch, stays_s, number)
        return {"finger": number, "pattern": str(chosen.ridge_pattern), "condition": str(touch.condition)}

    async def _fault(self, fault: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            injected = self.fault_of(fault, args)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"][1:])
            raise SimulatorError(f"fault {fault}: {where + ': ' if where else ''}{first['msg']}") from None
        self._emit("fault", {"fault": fault})
        await self.inject_fault(injected)
        return {}

    async def _place(self, touch: Touch, stays_s: float, number: int) -> None:
        # In a thread: a scanner that does not answer for a second is lost to its host.
        await asyncio.to_thread(self.platen.render_ahead, touch)
        self.platen.place(touch)
        self._emit("finger", {"finger": number, "condition": str(touch.condition)})
        task = asyncio.create_task(self._lift_later(touch, stays_s))
        self._lifting.add(task)
        task.add_done_callback(self._lifting.discard)

    async def _lift_later(self, touch: Touch, stays_s: float) -> None:
        await asyncio.sleep(stays_s)
        if self.platen.touch is touch:  # and not another finger, placed meanwhile
            self.platen.lift()

    async def _arrivals(self, every_s: float) -> None:
        """Place fingers while a host listens; continue when it returns."""
        chance = Random(f"{self.traffic.seed}/arrivals")
        mix = self.traffic.conditions
        while True:
            if not self._present.is_set():
                await self._present.wait()
                await asyncio.sleep(self.traffic.first_s)
                continue
            pause_s = every_s + chance.uniform(-1, 1) * self.traffic.jitter_s
            number = chance.randrange(self.traffic.people)
            (condition,) = chance.choices(list(mix), list(mix.values()))
            touch = self.traffic.finger(number).touch(self.platen.touches, condition)
            await self._place(touch, self.traffic.dwell_s, number)
            await asyncio.sleep(pause_s)

    async def _run_scheduled_fault(self, timed: ScheduledFault[Any]) -> None:
        await self._present.wait()
        await asyncio.sleep(timed.at_s)
        while True:
            self._emit("fault", {"fault": timed.fault.fault})
            await self.inject_fault(timed.fault)
            if timed.every_s is None:
                return
            await asyncio.sleep(timed.every_s)


def _moved(
    touch: Touch,
    rotation_deg: float | None = None,
    right_mm: float | None = None,
    up_mm: float | None = None,
) -> Touch:
    return Touch(
        touch.finger,
        touch.condition,
        touch.rotation_deg if rotation_deg is None else float(rotation_deg),
        touch.right_mm if right_mm is None else float(right_mm),
        touch.up_mm if up_mm is None else float(up_mm),
        touch.seed,
    )
