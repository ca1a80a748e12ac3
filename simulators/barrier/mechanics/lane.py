"""The lane: vehicles or people that pass it, and the loops that detect them.

Positions are metres along the lane in its normal direction; the (first) boom is at 0. Vehicles in the wrong
direction count metres from the other end, so that every vehicle moves forward.
"""

import math
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.barrier.mechanics.motion import Motion, constant_speed_motion
from simulators.errors import SimulatorError

DoorStateCallback = Literal["clear", "passable", "shut"]
"""State of a boom: drivers go; a vehicle can pass under it without touching; neither."""
NOSE_M = 0.15
"""Distance before a shut boom at which a vehicle stops that did not stop at the line."""
NEAR = 1e-8
OUT_M = 1e-4
"""Distance behind its start at which a returning vehicle has left."""


class DriverBehaviour(StrEnum):
    """Behaviour of a driver."""

    WAITS = "waits"
    """Stops at the line until the way is clear, and passes: one vehicle per opening."""
    TAILGATES = "tailgates"
    """Never stops at the line: passes any boom that is not shut."""
    TURNS_BACK = "turns-back"
    """Passes half way and goes back out."""


class Span(BaseModel):
    """A stretch of the lane, in metres."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_m: float
    to_m: float

    @model_validator(mode="after")
    def _some_length(self) -> Self:
        if self.from_m >= self.to_m:
            raise ValueError("from_m must be less than to_m")
        return self


class LaneSettings(BaseModel):
    """A lane, in metres; the default is for vehicles through one boom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_m: float = Field(default=-14.0, description="Position where vehicles arrive.")
    end_m: float = Field(default=14.0, description="Position where they leave.")
    doors: dict[str, float] = Field(
        default={"": 0.0}, min_length=1, description="Booms or doors by name, and their position."
    )
    loops: dict[str, Span] = Field(
        default={"approach": Span(from_m=-6, to_m=-1), "exit": Span(from_m=1, to_m=6)},
        description="Loops, mats or beams that detect presence.",
    )
    photocell_m: float = Field(
        default=0.2, gt=0, description="Range of the photocell on either side of its boom."
    )
    stop_before_m: float = Field(
        default=1.5, gt=0, description="Distance before a boom at which drivers stop."
    )
    gap_m: float = Field(default=1.0, gt=0, description="Distance between two vehicles.")
    length_m: float = Field(default=4.2, gt=0, description="Length of a vehicle.")
    speed_mps: float = Field(default=2.5, ge=0.01, description="Speed of a vehicle, in metres per second.")
    dwell_s: float = Field(
        default=0.5, ge=0, description="Waiting time before a driver turns back, in seconds."
    )


E_GATE = LaneSettings(
    start_m=-3,
    end_m=5,
    doors={"first": 0.0, "second": 2.0},
    loops={
        "approach": Span(from_m=-1.6, to_m=-0.2),
        "chamber": Span(from_m=0.2, to_m=1.8),
        "exit": Span(from_m=2.2, to_m=3.6),
    },
    photocell_m=0.15,
    stop_before_m=0.5,
    gap_m=0.3,
    length_m=0.35,
    speed_mps=1.2,
)
"""Two doors and the chamber between them, for people."""


class Vehicle:
    """A vehicle or person in the lane. Its own metres grow as it goes forward, in either direction."""

    def __init__(
        self,
        number: int,
        manner: DriverBehaviour,
        *,
        length_m: float,
        speed_mps: float,
        start: Motion,
        sign: int,
    ) -> None:
        self.number = number
        self.manner = manner
        self.length_m = length_m
        self.speed_mps = speed_mps
        self.sign = sign
        """1 in the direction of the lane, -1 against it."""
        self.motion = start
        self.goal = start.at(0)[0]
        self.over: set[str] = set()
        """Doors that its front has passed."""
        self.through: set[str] = set()
        """Doors that it has passed completely."""
        self.is_reversing = False
        self.gives_up_s: float | None = None
        self.turns_s: float | None = None

    def front(self, when_s: float) -> float:
        """Return its position, in its own metres."""
        return self.motion.at(when_s)[0]

    def covers(self, when_s: float) -> tuple[float, float]:
        """Return the stretch that it covers, in metres of the lane."""
        front = self.front(when_s)
        ends = (self.sign * (front - self.length_m), self.sign * front)
        return min(ends), max(ends)

    def go(self, goal: float, now_s: float) -> None:
        """Go to a place, forward or back, unless that is already its goal."""
        if abs(goal - self.goal) > NEAR:
            self.goal = goal
            self.motion = constant_speed_motion(self.front(now_s), goal, self.speed_mps, now_s)


class Lane:
    """The lane and its vehicles. `way`: state of a door; `happened`: logs an event."""

    def __init__(
        self, settings: LaneSettings, way: Callable[[str], DoorStateCallback], log_event: Callable[..., None]
    ) -> None:
        self.settings = settings
        self.vehicles: list[Vehicle] = []
        self._way = way
        self._log_event = log_event
        self._count = 0
        self._admitted: dict[str, int] = {}
        """Vehicle for which a door opened, from the view of the waiting drivers."""

    def arrive(
        self,
        now_s: float,
        manner: DriverBehaviour = DriverBehaviour.WAITS,
        *,
        wrong_way: bool = False,
        length_m: float | None = None,
        speed_mps: float | None = None,
        patience_s: float | None = None,
    ) -> int:
        """Add a vehicle; return its number. It gives up `patience_s` seconds from now.

        Raises SimulatorError while a vehicle comes from the other direction.
        """
        sign = -1 if wrong_way else 1
        s = self.settings
        start = s.start_m if sign == 1 else -s.end_m
        speed = speed_mps or s.speed_mps
        if self.vehicles:
            last = self.vehicles[-1]
            if last.sign != sign:
                raise SimulatorError("a vehicle comes from the other direction: try again when it has left")
            start = min(start, last.front(now_s) - last.length_m - s.gap_m)
            speed = min(speed, last.speed_mps)
        self._count += 1
        vehicle = Vehicle(
            self._count,
            manner,
            length_m=length_m or s.length_m,
            speed_mps=speed,
            start=constant_speed_motion(start, start, speed, now_s),
            sign=sign,
        )
        if patience_s is not None:
            vehicle.gives_up_s = now_s + patience_s
        self.vehicles.append(vehicle)
        self._log_event("arrival", vehicle=self._count, manner=str(manner), wrong_way=wrong_way)
        return self._count

    def clear(self) -> None:
        """Remove all vehicles at once."""
        for vehicle in self.vehicles:
            self._log_event("left", vehicle=vehicle.number)
        self.vehicles.clear()
        self._admitted.clear()

    def is_occupied(self, span: Span, when_s: float) -> bool:
        """Return whether a vehicle is on a stretch of the lane."""
        return any(
            low < span.to_m and high > span.from_m
            for low, high in (vehicle.covers(when_s) for vehicle in self.vehicles)
        )

    def photocell(self, door: str) -> Span:
        """Return the stretch of a door's photocell."""
        at, reach = self.settings.doors[door], self.settings.photocell_m
        return Span(from_m=at - reach, to_m=at + reach)

    def vehicles_under(self, door: str, when_s: float) -> Vehicle | None:
        """Return the vehicle under the boom, or in the door."""
        at = self.settings.doors[door]
        for vehicle in self.vehicles:
            low, high = vehicle.covers(when_s)
            if low < at < high:
                return vehicle
        return None

    def decide(self, now_s: float) -> None:
        """Make every vehicle go, stop or turn by the present state; those ahead first."""
        self._admitted = {
            door: vehicle for door, vehicle in self._admitted.items() if self._way(door) == "clear"
        }
        before = None
        while before != (before := [(v.number, v.is_reversing) for v in self.vehicles]):
            for vehicle in list(
                self.vehicles
            ):  # a vehicle that leaves, or goes back, makes way for those ahead
                self._note_passages(vehicle, now_s)
                self._choose_goal(vehicle, now_s)
                vehicle.go(self._goal(vehicle, now_s), now_s)
                self._remove(vehicle, now_s)

    def changes_after(self, now_s: float) -> float | None:
        """Return the time when a vehicle next reaches a relevant position or gives up."""
        times = [when_s for vehicle in self.vehicles for when_s in self._changes(vehicle, now_s)]
        return min(times, default=None)

    def _lines(self, vehicle: Vehicle) -> Iterator[tuple[str, float]]:
        """Yield every door and its position in the vehicle's own metres."""
        for door, at in self.settings.doors.items():
            yield door, vehicle.sign * at

    def _changes(self, vehicle: Vehicle, now_s: float) -> Iterator[float]:
        edges = [edge for span in self.settings.loops.values() for edge in (span.from_m, span.to_m)]
        for door, at in self.settings.doors.items():
            photocell = self.photocell(door)
            edges += [at, photocell.from_m, photocell.to_m]
        own = [vehicle.sign * edge for edge in edges]
        points = [
            *own,
            *(edge + vehicle.length_m for edge in own),
            vehicle.goal,
            self._turning_point(vehicle),
        ]
        for when_s in (vehicle.motion.passes(points, now_s), vehicle.gives_up_s, vehicle.turns_s):
            if when_s is not None and when_s > now_s:
                yield when_s

    def _turning_point(self, vehicle: Vehicle) -> float:
        """Return where a vehicle turns back: with the front half a length past the first door."""
        return min(line for _, line in self._lines(vehicle)) + vehicle.length_m / 2

    def _note_passages(self, vehicle: Vehicle, now_s: float) -> None:
        front = vehicle.front(now_s)
        for door, line in self._lines(vehicle):
            if door not in vehicle.over and front > line + NEAR:
                vehicle.over.add(door)
            elif door in vehicle.over and front < line - NEAR:
                vehicle.over.discard(door)
                self._log_event("turned-back", vehicle=vehicle.number, door=door)
            if (
                door in vehicle.over
                and door not in vehicle.through
                and front - vehicle.length_m > line - NEAR
            ):
                vehicle.through.add(door)
                self._log_event("passage", vehicle=vehicle.number, door=door, wrong_way=vehicle.sign == -1)

    def _choose_goal(self, vehicle: Vehicle, now_s: float) -> None:
        if vehicle.manner is DriverBehaviour.TURNS_BACK and not vehicle.is_reversing:
            if vehicle.turns_s is None and vehicle.front(now_s) > self._turning_point(vehicle) - NEAR:
                vehicle.turns_s = now_s + self.settings.dwell_s
            if vehicle.turns_s is not None and vehicle.turns_s <= now_s:
                vehicle.is_reversing = True
        impatient = vehicle.gives_up_s is not None and vehicle.gives_up_s <= now_s
        if impatient and not vehicle.over and not vehicle.is_reversing:
            vehicle.is_reversing = True
            self._log_event("gave-up", vehicle=vehicle.number)

    def _goal(self, vehicle: Vehicle, now_s: float) -> float:
        here = self.vehicles.index(vehicle)
        s = self.settings
        if vehicle.is_reversing:
            behind = self.vehicles[here + 1] if here + 1 < len(self.vehicles) else None
            out = (s.start_m if vehicle.sign == 1 else -s.end_m) - OUT_M
            if behind is None:
                return out
            rear_limit = behind.front(now_s)
            if behind.is_reversing:  # both go back: no faster than the one nearer to the exit, and as far
                vehicle.speed_mps = min(vehicle.speed_mps, behind.speed_mps)
                rear_limit = min(rear_limit, behind.goal)
            return min(vehicle.front(now_s), max(out, rear_limit + vehicle.length_m + s.gap_m))
        goal = (s.end_m if vehicle.sign == 1 else -s.start_m) + vehicle.length_m
        if vehicle.manner is DriverBehaviour.TURNS_BACK:
            goal = self._turning_point(vehicle)
        front = vehicle.front(now_s)
        for door, line in self._lines(vehicle):
            if door not in vehicle.over:
                goal = min(goal, self._before(vehicle, front, door, line))
        if here:
            ahead = self.vehicles[here - 1]
            if ahead.goal - ahead.front(now_s) <= NEAR:  # it stands, or comes back
                goal = min(goal, max(front, min(ahead.front(now_s), ahead.goal) - ahead.length_m - s.gap_m))
        return goal

    def _before(self, vehicle: Vehicle, front: float, door: str, line: float) -> float:
        """Return how far a vehicle goes before a door in its present state."""
        way, stop = self._way(door), line - self.settings.stop_before_m
        if vehicle.manner is DriverBehaviour.TAILGATES or front > stop + NEAR:
            return max(front, line - NOSE_M) if way == "shut" else math.inf
        if way == "clear" and self._admitted.setdefault(door, vehicle.number) == vehicle.number:
            return math.inf
        return stop

    def _remove(self, vehicle: Vehicle, now_s: float) -> None:
        s, front = self.settings, vehicle.front(now_s)
        end = (s.end_m if vehicle.sign == 1 else -s.start_m) + vehicle.length_m
        start = s.start_m if vehicle.sign == 1 else -s.end_m
        if front >= end - NEAR or (vehicle.is_reversing and front <= start):
            self.vehicles.remove(vehicle)
            self._log_event("left", vehicle=vehicle.number)
