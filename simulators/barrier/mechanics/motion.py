"""Motion along a line, as pieces of constant acceleration: position at a time, and time at a position.

There are no ticks: positions and times are computed on request. Positions are in the caller's unit, times in
seconds.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Leg:
    """Motion from `start_s` on, at `x` with speed `v` and acceleration `a`."""

    start_s: float
    x: float
    v: float = 0.0
    a: float = 0.0

    def at(self, when_s: float) -> tuple[float, float]:
        """Return position and speed."""
        t = when_s - self.start_s
        return self.x + self.v * t + self.a * t * t / 2, self.v + self.a * t


class Motion:
    """Successive legs; the last one has no end."""

    def __init__(self, legs: Iterable[Leg]) -> None:
        self.legs = tuple(legs)

    def at(self, when_s: float) -> tuple[float, float]:
        """Return position and speed at a time that is not before its start."""
        leg = self.legs[0]
        for following in self.legs[1:]:
            if following.start_s > when_s:
                break
            leg = following
        return leg.at(max(when_s, leg.start_s))

    @property
    def end_s(self) -> float:
        """Start of the last leg: the time of rest, if the motion ends in rest."""
        return self.legs[-1].start_s

    def passes(self, points: Iterable[float], after_s: float) -> float | None:
        """Return when it next reaches one of these points, or leaves one; None if never."""
        points = tuple(points)
        times = (
            when_s
            for leg, until_s in self._spans()
            if until_s > after_s
            for point in points
            for when_s in _crossings(leg, point)
            if after_s < when_s <= until_s
        )
        return min(times, default=None)

    def _spans(self) -> Iterator[tuple[Leg, float]]:
        ends = [leg.start_s for leg in self.legs[1:]]
        return zip(self.legs, [*ends, math.inf], strict=True)


def _crossings(leg: Leg, point: float) -> Iterator[float]:
    """Yield the times when a leg, without its end, is at `point`."""
    distance = point - leg.x
    if abs(leg.a) < EPSILON:
        if abs(leg.v) > EPSILON and distance / leg.v >= 0:
            yield leg.start_s + distance / leg.v
        return
    under_root = leg.v * leg.v + 2 * leg.a * distance
    if under_root < 0:
        # A motion that comes to rest at the point may miss it by the last digit.
        if under_root < -EPSILON:
            return
        under_root = 0.0
    root = math.sqrt(under_root)
    for speed in (-root, root):
        when_s = leg.start_s + (speed - leg.v) / leg.a
        if when_s >= leg.start_s:
            yield when_s


def motion_at_rest(x: float, now_s: float) -> Motion:
    """Stay at `x`."""
    return Motion([Leg(now_s, x)])


def constant_speed_motion(x: float, goal: float, speed: float, now_s: float) -> Motion:
    """Go to `goal` at this speed, without inertia, and stop there."""
    if abs(goal - x) < EPSILON:
        return motion_at_rest(goal, now_s)
    v = math.copysign(speed, goal - x)
    return Motion([Leg(now_s, x, v), Leg(now_s + (goal - x) / v, goal)])


def braking_motion(x: float, v: float, brake: float, now_s: float) -> Motion:
    """Brake at `brake` per second squared until rest."""
    if abs(v) < EPSILON:
        return motion_at_rest(x, now_s)
    stops_in_s = abs(v) / brake
    a = -math.copysign(brake, v)
    return Motion([Leg(now_s, x, v, a), Leg(now_s + stops_in_s, x + v * stops_in_s / 2)])


def motion_to_goal(
    x: float,
    v: float,
    goal: float,
    top_speed: float,
    acceleration: float,
    now_s: float,
    *,
    brake: float | None = None,
) -> Motion:
    """Go to `goal` as fast as speed and acceleration allow, brake, and stop there.

    A motion in the other direction is stopped first, at `brake` per second squared or at the acceleration;
    one that is too fast to stop in time brakes as hard as it must.
    """
    legs: list[Leg] = []
    distance = goal - x
    if v * distance < 0 or (abs(distance) < EPSILON and abs(v) > EPSILON):
        *legs, last = braking_motion(x, v, brake or acceleration, now_s).legs
        now_s, x, v = last.start_s, last.x, 0.0
        distance = goal - x
    if abs(distance) < EPSILON:
        return Motion([*legs, Leg(now_s, goal)])
    sign = math.copysign(1.0, distance)
    distance, speed = abs(distance), abs(v)
    if speed * speed / 2 / acceleration >= distance:
        brake = speed * speed / 2 / distance
        return Motion([*legs, Leg(now_s, x, v, -sign * brake), Leg(now_s + speed / brake, goal)])
    peak = max(speed, min(top_speed, math.sqrt(acceleration * distance + speed * speed / 2)))
    up_s, down_s = (peak - speed) / acceleration, peak / acceleration
    up, down = (speed + peak) / 2 * up_s, peak / 2 * down_s
    even_s = (distance - up - down) / peak
    legs.append(Leg(now_s, x, sign * speed, sign * acceleration))
    legs.append(Leg(now_s + up_s, x + sign * up, sign * peak))
    legs.append(Leg(now_s + up_s + even_s, goal - sign * down, sign * peak, -sign * acceleration))
    return Motion([*legs, Leg(now_s + up_s + even_s + down_s, goal)])
