"""Kinds `modbus-barrier` and `serial-relay`: a barrier in a post, with automatic traffic."""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from simulators.barrier.faults import FAULTS, AnyFault, fault_of
from simulators.barrier.mechanics.lane import DriverBehaviour
from simulators.barrier.modbus_site import ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.site import BarrierSite
from simulators.barrier.timeline import RealClock, Timeline
from simulators.barrier.wirelog import Connection, Entry, Frame, MachineEvent, WireLog
from simulators.errors import SimulatorError
from simulators.links.tcp_listener import HOST
from simulators.simulator import EmitCallback, ScheduledFault, Simulator, SimulatorSettings

KEPT = 10_000
"""Number of log entries kept in memory."""
REST_POLL_S = 0.02
"""Time between two looks whether the barrier is at rest, in seconds."""
LOOKS_PER_PRESS = 50
"""Looks until the button is pressed again: a stop circuit may have disabled it."""
EMITTED_EVENTS = {
    "arrival", "passage", "turned-back", "gave-up", "left", "motion", "hit", "both-contacts", "fault",
}  # fmt: skip
"""Machine events that are emitted to the post."""


class TimedFault(ScheduledFault[AnyFault]):
    """A scheduled fault: `{at_s = 20, every_s = 60, fault = "lost-reply", of = "writes"}`."""


class PostBarrierSettings(SimulatorSettings):
    """Settings of every barrier of a post."""

    every_s: float | None = Field(
        default=None, gt=0, description="Seconds between two vehicles; only by command if omitted."
    )
    jitter_s: float = Field(default=0.0, ge=0, description="Maximum deviation from every_s, in seconds.")
    first_s: float = Field(
        default=1.0, ge=0, description="Seconds until the first one after a host has connected."
    )
    manners: dict[DriverBehaviour, float] = Field(
        default={DriverBehaviour.WAITS: 1.0}, min_length=1, description="Weight of each driver behaviour."
    )
    wrong_way: float = Field(default=0.0, ge=0, le=1, description="Share of vehicles in the wrong direction.")
    patience_s: float | None = Field(
        default=30.0, gt=0, description="Seconds after which a vehicle that cannot pass leaves."
    )
    attendant_s: float | None = Field(
        default=None,
        ge=0,
        description="Seconds after an arrival when an attendant opens with the button at the (first) boom.",
    )
    wire_log: Path | None = Field(
        default=None, description="File for the log of every frame, as lines of JSON."
    )
    faults: tuple[TimedFault, ...] = ()

    @field_validator("manners")
    @classmethod
    def _weights_are_usable(cls, mix: dict[DriverBehaviour, float]) -> dict[DriverBehaviour, float]:
        if any(weight < 0 for weight in mix.values()) or not sum(mix.values()):
            raise ValueError("weights must not be negative, and at least one must be above 0")
        return mix

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.every_s is not None and self.jitter_s >= self.every_s:
            raise ValueError("jitter_s must be less than every_s")
        return self

    @abstractmethod
    def build_site(self, timeline: Timeline, log: WireLog) -> BarrierSite:
        """Build the barrier and its boards."""

    def build(self) -> Simulator:
        """Build the barrier and its traffic."""
        return PostBarrier(self)


class ModbusBarrierSettings(PostBarrierSettings, ModbusSettings):
    """A barrier behind Modbus boards."""

    kind: Literal["modbus-barrier"]

    @model_validator(mode="after")
    def _where(self) -> Self:
        if self.port is None and self.path is None:
            raise ValueError("port is for TCP, path for a serial line: set only one of them")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """Port or path of the boards."""
        return (str(self.path),) if self.path else (f"{HOST}:{self.port}",) if self.port else ()

    def build_site(self, timeline: Timeline, log: WireLog) -> BarrierSite:
        """See `PostBarrierSettings`."""
        return ModbusSite(self, timeline, log)


class SerialRelaySettings(PostBarrierSettings, SerialSettings):
    """A barrier behind a relay board with its own serial port."""

    kind: Literal["serial-relay"]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Path of the board's port."""
        return (str(self.path),)

    def build_site(self, timeline: Timeline, log: WireLog) -> BarrierSite:
        """See `PostBarrierSettings`."""
        return SerialSite(self, timeline, log)


class Arrival(BaseModel):
    """Arguments of the insert command: the arriving vehicle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manner: DriverBehaviour = DriverBehaviour.WAITS
    wrong_way: bool = False
    length_m: float | None = Field(default=None, gt=0, le=30)
    speed_mps: float | None = Field(default=None, ge=0.01, le=50)
    patience_s: float | None = Field(default=None, gt=0)


class PostBarrier(Simulator):
    """A barrier, its boards, its traffic and its faults."""

    def __init__(self, settings: PostBarrierSettings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._site: BarrierSite | None = None
        self._emit: EmitCallback = lambda _event, _details: None
        self._hosts = 0
        self._host_connected = asyncio.Event()

    @property
    def site(self) -> BarrierSite:
        """The running site; SimulatorError before it runs."""
        if self._site is None:
            raise SimulatorError(f"{self.settings.name} is not running yet")
        return self._site

    async def run(self, emit: EmitCallback) -> None:
        """Run until cancelled."""
        self._emit = emit
        timeline = RealClock()
        try:
            log = WireLog(timeline, self.settings.wire_log, keep=KEPT)
        except OSError as error:
            raise SimulatorError(f"{self.settings.wire_log}: {error.strerror}") from error
        with log:
            self._site = site = self.settings.build_site(timeline, log)
            log.on_entry = self._note
            async with site.connected(), asyncio.TaskGroup() as tasks:
                for timed in self.settings.faults:
                    site.plan(timed.fault)  # report impossible faults now
                emit("ready", self.settings.summary() | {"address": site.address})
                if self.settings.every_s is not None:
                    tasks.create_task(self._traffic(self.settings.every_s))
                for timed in self.settings.faults:
                    tasks.create_task(self._run_scheduled_fault(timed))
                await asyncio.Event().wait()

    async def handle_command(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Simulator.handle_command`.

        `insert`: a vehicle arrives, see `Arrival`. `fault`: its name and `args`.
        """
        match verb:
            case "insert":
                return self._insert(arguments)
            case "fault":
                return self._fault(**arguments)
            case "status":
                return self._status()
        raise SimulatorError(f"{self.settings.kind} does not support {verb!r}: use insert, fault or status")

    @property
    def faults_adapter(self) -> TypeAdapter[Any]:
        """See `Simulator.faults_adapter`."""
        return FAULTS

    async def clear_faults(self) -> None:
        """See `Simulator.clear_faults`."""
        self.site.clear_faults()

    async def reset(self) -> None:
        """See `Simulator.reset`: the lane is empty, and every door that is open closes, by its button."""
        barrier = self.site.barrier
        await self.clear_faults()
        barrier.clear_lane()
        looks = 0
        while not barrier.is_at_rest:
            if looks % LOOKS_PER_PRESS == 0:
                barrier.close_doors()
            looks += 1
            await asyncio.sleep(REST_POLL_S)

    def _insert(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            arrival = Arrival.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise SimulatorError(f"insert: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        return {"vehicle": self.site.barrier.arrive(**dict(arrival))}

    def _fault(self, fault: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        self.site.inject(fault_of(fault, args))
        return {}

    def _status(self) -> dict[str, Any]:
        barrier = self.site.barrier
        return self.settings.summary() | {
            "address": self.site.address,
            "host_connected": self._hosts > 0,
            "positions": {door: round(barrier.position(door), 3) for door in barrier.doors},
            "signals": barrier.signals,
            "relays": {str(board.unit): board.relays.coils for board in self.site.boards},
            "vehicles": len(barrier.lane.vehicles),
            "at_rest": barrier.is_at_rest,
            "counts": dict(self.counts),
        }

    def _note(self, entry: Entry) -> None:
        """Count an entry of the log, and emit relevant ones."""
        match entry:
            case Connection(opened=opened):
                self._hosts += 1 if opened else -1
                self._emit("host", {"connected": opened})
                if opened:
                    self._host_connected.set()
            case Frame(direction=direction):
                self.counts[f"{direction}s"] += 1
                if entry.is_actuation:
                    self.counts["actuations"] += 1
                    self._emit("actuation", {"meaning": entry.meaning, "fate": str(entry.fate)})
            case MachineEvent(what=what, details=details) if what in EMITTED_EVENTS:
                self.counts[what] += 1
                self._emit(what, details)

    async def _traffic(self, every_s: float) -> None:
        """Add vehicles from time to time, once a host has connected."""
        chance = Random(f"{self.settings.seed}/traffic")
        await self._host_connected.wait()
        await asyncio.sleep(self.settings.first_s)
        while True:
            manner = chance.choices(list(self.settings.manners), list(self.settings.manners.values()))[0]
            if self._add_vehicle(manner, wrong_way=chance.random() < self.settings.wrong_way):
                await self._attend()
            await asyncio.sleep(every_s + chance.uniform(-1, 1) * self.settings.jitter_s)

    def _add_vehicle(self, manner: DriverBehaviour, *, wrong_way: bool) -> bool:
        """Add a vehicle, unless the lane is occupied; a tailgater comes with a vehicle to follow."""
        barrier, patience_s = self.site.barrier, self.settings.patience_s
        if barrier.lane.vehicles:
            return False
        if manner is DriverBehaviour.TAILGATES:
            barrier.arrive(DriverBehaviour.WAITS, wrong_way=wrong_way, patience_s=patience_s)
        barrier.arrive(manner, wrong_way=wrong_way, patience_s=patience_s)
        return True

    async def _attend(self) -> None:
        if self.settings.attendant_s is not None:
            await asyncio.sleep(self.settings.attendant_s)
            barrier = self.site.barrier
            barrier.press("open", next(iter(barrier.doors)))

    async def _run_scheduled_fault(self, timed: TimedFault) -> None:
        await self._host_connected.wait()
        await asyncio.sleep(timed.at_s)
        self.site.inject(timed.fault)
        while timed.every_s is not None:
            await asyncio.sleep(timed.every_s)
            self.site.inject(timed.fault)
