"""A boom, or a door: a body with inertia that is driven between closed (0) and open (1)."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.barrier.mechanics.motion import Motion, braking_motion, motion_at_rest, motion_to_goal

Direction = Literal["opening", "closing"]
GOALS: dict[Direction, float] = {"opening": 1.0, "closing": 0.0}
STILL = 1e-6


class BoomSettings(BaseModel):
    """Motion of a boom. Positions are fractions of its travel: 0 closed, 1 open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    opening_s: float = Field(default=1.8, gt=0, description="Travel time from closed to open, in seconds.")
    closing_s: float = Field(default=2.2, gt=0, description="Travel time from open to closed, in seconds.")
    ramp_s: float = Field(
        default=0.4, gt=0, description="Time of acceleration to full speed, and of braking, in seconds each."
    )
    limit_zone: float = Field(
        default=0.01, gt=0, lt=0.2, description="Distance from its end at which a limit switch closes."
    )
    clear_at: float = Field(default=0.9, gt=0, le=1, description="Position from which drivers go.")
    touches_below: float = Field(
        default=0.6, gt=0, lt=1, description="Position below which it touches a vehicle under it."
    )
    stays: bool = Field(
        default=True, description="Whether it stays in place without power, or opens by its spring."
    )

    @model_validator(mode="after")
    def _time_for_both_ramps(self) -> Self:
        if min(self.opening_s, self.closing_s) <= 2 * self.ramp_s:
            raise ValueError("opening_s and closing_s must be more than twice ramp_s")
        if self.touches_below >= self.clear_at:
            raise ValueError("touches_below must be less than clear_at")
        return self

    def speed(self, direction: Direction) -> float:
        """Return the full speed, in travels per second."""
        return 1 / ((self.opening_s if direction == "opening" else self.closing_s) - self.ramp_s)


class Boom:
    """The boom. Its controller decides where it goes."""

    def __init__(self, settings: BoomSettings, now_s: float, at: float = 0.0) -> None:
        self.settings = settings
        self.jam: float | None = None
        """Position that it cannot pass, from either side."""
        self.driven: Direction | None = None
        """Direction in which its motor drives it."""
        self._motion: Motion = motion_at_rest(at, now_s)

    def position(self, now_s: float) -> float:
        """Return its position."""
        return self._motion.at(now_s)[0]

    def speed(self, now_s: float) -> float:
        """Return its speed in travels per second; positive while it opens."""
        return self._motion.at(now_s)[1]

    def moves(self, now_s: float) -> bool:
        """Return whether it moves."""
        return abs(self.speed(now_s)) > STILL

    def drive(self, direction: Direction, now_s: float) -> None:
        """Drive it in a direction, to the end or to its jam."""
        x, v = self._motion.at(now_s)
        goal = GOALS[direction]
        if self.jam is not None:
            goal = max(goal, min(x, self.jam)) if direction == "closing" else min(goal, max(x, self.jam))
            if abs(x - self.jam) < STILL:
                goal = x
        self.driven = direction
        speed = self.settings.speed(direction)
        self._motion = motion_to_goal(
            x, v, goal, speed, speed / self.settings.ramp_s, now_s, brake=self._brake(x, v)
        )

    def stop(self, now_s: float) -> None:
        """End the drive: it brakes and stops."""
        self.driven = None
        x, v = self._motion.at(now_s)
        self._motion = braking_motion(x, v, self._brake(x, v), now_s)

    def _brake(self, x: float, v: float) -> float:
        """Return the braking: as at the end of its travel, or harder so as not to pass that."""
        direction: Direction = "opening" if v > 0 else "closing"
        room = max(abs(GOALS[direction] - x), STILL)
        return max(self.settings.speed(direction) / self.settings.ramp_s, v * v / 2 / room)

    def strike(self, now_s: float) -> None:
        """Stop at once, because it has struck something."""
        self.driven = None
        self._motion = motion_at_rest(self.position(now_s), now_s)

    def lift(self, to: float, over_s: float, now_s: float) -> None:
        """Move it by hand, in `over_s` seconds."""
        x = self.position(now_s)
        self.driven = None
        speed = 2 * abs(to - x) / over_s
        self._motion = (
            motion_to_goal(x, 0.0, to, speed, 2 * speed / over_s, now_s)
            if speed
            else motion_at_rest(x, now_s)
        )

    def changes_after(self, now_s: float) -> float | None:
        """Return the time of its next change: a limit, clear or not, touching or not, at rest."""
        s = self.settings
        points = (s.limit_zone, 1 - s.limit_zone, s.clear_at, s.touches_below)
        times = [self._motion.passes(points, now_s)]
        if self._motion.end_s > now_s:
            times.append(self._motion.end_s)
        return min((when_s for when_s in times if when_s is not None), default=None)
