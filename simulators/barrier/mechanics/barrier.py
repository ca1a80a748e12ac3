"""A whole barrier: boom and controller (or two doors of each), the lane, and every signal.

Signals are the truth (`open-limit`, `photocell`, `fire` ...), not the state of a wire; see `wiring`. With
several doors, signals have the door's name: `first-open-limit`. So have contacts: `open`, `close`, `stop`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulators.barrier.mechanics.boom import Boom, BoomSettings
from simulators.barrier.mechanics.controller import ContactName, Controller, ControllerSettings
from simulators.barrier.mechanics.lane import E_GATE, DoorStateCallback, DriverBehaviour, Lane, LaneSettings
from simulators.barrier.timeline import Timeline, TimerHandle
from simulators.barrier.wirelog import WireLog
from simulators.errors import SimulatorError

TICK_S = 1e-5
"""Delay of a check after its due time, so that the event has surely happened."""
NEAR = 1e-9
"""Largest difference of boom positions that count as equal."""
CONTACTS: tuple[ContactName, ...] = ("open", "close", "stop")
SHARED = ("fire", "key", "controller-ok")


class MechanicsSettings(BaseModel):
    """The equipment of the lane."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lane: LaneSettings = Field(default=LaneSettings(), description='Or "e-gate": two doors and a chamber.')
    boom: BoomSettings = BoomSettings()
    controller: ControllerSettings = ControllerSettings()
    interlock: bool = Field(
        default=False, description="Whether a door's controller opens it only while all others are closed."
    )

    @field_validator("lane", mode="before")
    @classmethod
    def _valid_lane(cls, lane: object) -> object:
        return E_GATE if lane == "e-gate" else lane

    @model_validator(mode="after")
    def _names_apart(self) -> Self:
        if taken := set(self.lane.loops) & set(signals_of_doors(self.lane)) | set(self.lane.loops) & set(
            SHARED
        ):
            raise ValueError(f"lane.loops: {', '.join(sorted(taken))} is the name of something else")
        return self


PHOTOCELL_TEST = "photocell-test"
"""Contact of a photocell's test input."""


def signal_name(door: str, what: str) -> str:
    """Return the name of a door's signal or contact; the only door of a lane has no name."""
    return f"{door}-{what}" if door else what


def signals_of_doors(lane: LaneSettings) -> list[str]:
    """Return the signals of each door."""
    return [
        signal_name(door, what) for door in lane.doors for what in ("open-limit", "closed-limit", "photocell")
    ]


def signals_of(lane: LaneSettings) -> list[str]:
    """Return all signals to which an input may be wired."""
    return [*signals_of_doors(lane), *lane.loops, *SHARED]


def contacts_of(lane: LaneSettings) -> list[str]:
    """Return all contacts to which a relay may be wired."""
    return [signal_name(door, contact) for door in lane.doors for contact in (*CONTACTS, PHOTOCELL_TEST)]


@dataclass(slots=True)
class Door:
    """One boom, or door, and its controller."""

    boom: Boom
    controller: Controller
    moved: bool = False
    is_photocell_off: bool = False
    """True while the test input of the photocell switches its transmitter off."""


class BarrierMechanics:
    """The barrier. All its events are in the log."""

    def __init__(self, settings: MechanicsSettings, timeline: Timeline, log: WireLog) -> None:
        self.settings = settings
        self.timeline = timeline
        self.log = log
        self.lane = Lane(settings.lane, self._way, log.machine_event)
        self.doors = {name: self._door(name) for name in settings.lane.doors}
        self.fire = False
        self.key = False
        self.on_signal: Callable[[str, bool], None] = lambda _signal, _active: None
        """Called when a signal has changed."""
        self._next: TimerHandle | None = None
        self._settling = False
        self.signals: dict[str, bool] = {}
        self.signals = self._sensed(self._now_s)
        self.settle()

    @property
    def _now_s(self) -> float:
        return self.timeline.now_s + TICK_S

    def _door(self, name: str) -> Door:
        boom = Boom(self.settings.boom, self._now_s)
        controller = Controller(
            boom,
            self.settings.controller,
            self.timeline,
            lambda what, **details: self.log.machine_event(what, **_of(name), **details),
            free=lambda: not self._occupied(),
            may_open=lambda: self._may_open(name),
            acted=self.settle,
        )
        return Door(boom, controller)

    def position(self, door: str = "") -> float:
        """Return the position of a boom: 0 closed, 1 open."""
        return self._named(door).boom.position(self._now_s)

    # Inputs.

    def contact(self, name: str, closed: bool) -> None:
        """Close or open a contact that is wired to it: `open`, `first-close` ..."""
        if name.endswith(PHOTOCELL_TEST):
            self._named(name.removesuffix(PHOTOCELL_TEST).removesuffix("-")).is_photocell_off = closed
            self.settle()
            return
        door, _, what = name.rpartition("-")
        match what:
            case "open" | "close" | "stop":
                self._named(door).controller.contact(what, closed)
        self.settle()

    def press(self, button: ContactName, door: str = "") -> None:
        """Press a button at the barrier itself."""
        self._named(door).controller.press(button)
        self.settle()

    def set_fire(self, active: bool) -> None:
        """Set or clear the fire alarm."""
        self.fire = active
        for door in self.doors.values():
            door.controller.set_fire(active)
        self.settle()

    def set_key(self, on: bool) -> None:
        """Turn the key switch."""
        self.key = on
        for door in self.doors.values():
            door.controller.key = on
        self.settle()

    def lift_by_hand(self, to: float = 1.0, over_s: float = 1.5, door: str = "") -> None:
        """Move the boom by hand."""
        towards = "opening" if to > self.position(door) else "closing"
        self.log.machine_event("motion", **_of(door), towards=towards, by="hand")
        self._named(door).boom.lift(to, over_s, self._now_s)
        self.settle()

    def jam(self, at: float | None = None, door: str = "") -> None:
        """Jam the boom at `at`; without it, at its present position, so that it does not start."""
        boom = self._named(door).boom
        boom.jam = boom.position(self._now_s) if at is None else at
        if boom.driven:
            boom.drive(boom.driven, self._now_s)
        self.settle()

    def free(self, door: str = "") -> None:
        """Free the boom; a motor that is still driven moves it."""
        boom = self._named(door).boom
        boom.jam = None
        if boom.driven:
            boom.drive(boom.driven, self._now_s)
        self.settle()

    def arrive(self, manner: DriverBehaviour = DriverBehaviour.WAITS, **how: Any) -> int:
        """Add a vehicle; see `Lane.arrive`."""
        number = self.lane.arrive(self._now_s, manner, **how)
        self.settle()
        return number

    def clear_lane(self) -> None:
        """Remove all vehicles at once."""
        self.lane.clear()
        self.settle()

    def close_doors(self) -> None:
        """Press the close button of every door that is not closed and does not close."""
        for name, door in self.doors.items():
            closes = door.boom.driven == "closing" and door.boom.moves(self._now_s)
            if not closes and not self.signals[signal_name(name, "closed-limit")]:
                self.press("close", name)

    @property
    def is_at_rest(self) -> bool:
        """True if every door is closed and still, and the lane is empty."""
        now_s = self._now_s
        closed = all(
            self.signals[signal_name(name, "closed-limit")] and not door.boom.moves(now_s)
            for name, door in self.doors.items()
        )
        return closed and not self.lane.vehicles

    def on_power_lost(self) -> None:
        """Handle a loss of the controllers' supply."""
        for door in self.doors.values():
            door.controller.on_power_lost()
        self.settle()

    def on_power_restored(self) -> None:
        """Handle the return of the controllers' supply."""
        for door in self.doors.values():
            door.controller.on_power_restored()
        self.settle()

    # Consequences.

    def settle(self) -> None:
        """Apply the consequences of the present state, then wait for the next change."""
        if self._settling:
            return
        self._settling = True
        try:
            while self._consequences():
                pass
        finally:
            self._settling = False
        self._wait()

    def _wait(self) -> None:
        if self._next:
            self._next.cancel()
            self._next = None
        now_s = self._now_s
        times = [self.lane.changes_after(now_s), *(d.boom.changes_after(now_s) for d in self.doors.values())]
        due_s = min((when_s for when_s in times if when_s is not None), default=None)
        if due_s is not None:
            self._next = self.timeline.call_at(due_s, self.settle)

    def _consequences(self) -> bool:
        """Apply one round of consequences; return whether anything has changed, so that there may be more."""
        now_s = self._now_s
        self.lane.decide(now_s)
        for name, door in self.doors.items():
            self._strike(name, door, now_s)
            self._note_rest(name, door, now_s)
        sensed = self._sensed(now_s)
        changed = {signal: active for signal, active in sensed.items() if self.signals[signal] != active}
        self.signals = sensed
        for signal, active in changed.items():
            self.log.machine_event("signal", signal=signal, active=active)
            self.on_signal(signal, active)
        for name, door in self.doors.items():
            if (photocell := signal_name(name, "photocell")) in changed:
                door.controller.set_photocell(changed[photocell])
            if changed.keys() & {photocell, *self.settings.lane.loops}:
                door.controller.freedom_changed()
        return bool(changed)

    def _strike(self, name: str, door: Door, now_s: float) -> None:
        boom = door.boom
        low = boom.position(now_s) <= boom.settings.touches_below
        struck = self.lane.vehicles_under(name, now_s) if low and boom.speed(now_s) < 0 else None
        if struck is not None:
            boom.strike(now_s)
            self.log.machine_event(
                "hit", vehicle=struck.number, door=name, position=round(boom.position(now_s), 3)
            )
            door.controller.on_obstruction()

    def _note_rest(self, name: str, door: Door, now_s: float) -> None:
        moves = door.boom.moves(now_s)
        if door.moved and not moves:
            position = round(door.boom.position(now_s), 3)
            self.log.machine_event("rest", **_of(name), position=position)
            door.controller.on_arrived()
        door.moved = moves

    def _sensed(self, now_s: float) -> dict[str, bool]:
        sensed = {}
        for name, door in self.doors.items():
            position, zone = door.boom.position(now_s), door.boom.settings.limit_zone
            sensed[signal_name(name, "open-limit")] = position >= 1 - zone - NEAR
            sensed[signal_name(name, "closed-limit")] = position <= zone + NEAR
            occupied = self.lane.is_occupied(self.lane.photocell(name), now_s)
            sensed[signal_name(name, "photocell")] = occupied or door.is_photocell_off
        for loop, span in self.settings.lane.loops.items():
            sensed[loop] = self.lane.is_occupied(span, now_s)
        powered = all(door.controller.is_powered for door in self.doors.values())
        return sensed | {"fire": self.fire, "key": self.key, "controller-ok": powered}

    def _way(self, name: str) -> DoorStateCallback:
        boom = self.doors[name].boom
        position = boom.position(self._now_s)
        if position >= boom.settings.clear_at - NEAR and boom.speed(self._now_s) >= 0:
            return "clear"
        return "passable" if position > boom.settings.touches_below + NEAR else "shut"

    def _occupied(self) -> bool:
        spans = [*self.settings.lane.loops.values(), *(self.lane.photocell(name) for name in self.doors)]
        return any(self.lane.is_occupied(span, self._now_s) for span in spans)

    def _may_open(self, name: str) -> bool:
        others = [signal_name(other, "closed-limit") for other in self.doors if other != name]
        return not self.settings.interlock or all(self.signals[other] for other in others)

    def check(self, door: str) -> None:
        """Raise SimulatorError if there is no such door."""
        self._named(door)

    def _named(self, door: str) -> Door:
        if door not in self.doors:
            raise SimulatorError(f"door: {door!r} is not one of {', '.join(map(repr, self.doors))}")
        return self.doors[door]


def _of(door: str) -> dict[str, str]:
    """Return the door's name for the log, if it has one."""
    return {"door": door} if door else {}
