"""A boom, or a door: a thing with inertia that is driven between closed (0) and open (1)."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.barrier.mechanics.motion import Motion, braking_motion, motion_at_rest, motion_to_goal

Direction = Literal["opening", "closing"]
GOALS: dict[Direction, float] = {"opening": 1.0, "closing": 0.0}
STILL = 1e-6


class BoomSettings(BaseModel):
    """How a boom moves. Positions are shares of its way: 0 closed, 1 open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    opening_s: float = Field(1.8, gt=0, description="Way from closed to open, in seconds.")
    closing_s: float = Field(2.2, gt=0, description="Way from open to closed, in seconds.")
    ramp_s: float = Field(0.4, gt=0, description="How long it takes to full speed and back, in seconds each.")
    limit_zone: float = Field(0.01, gt=0, lt=0.2, description="So near its end a limit switch is made.")
    clear_at: float = Field(0.9, gt=0, le=1, description="From here on drivers go.")
    touches_below: float = Field(0.6, gt=0, lt=1, description="Below this it touches what is under it.")
    stays: bool = Field(
        True, description="Whether it stays where it is without power, or opens by its spring."
    )

    @model_validator(mode="after")
    def _time_for_both_ramps(self) -> Self:
        if min(self.opening_s, self.closing_s) <= 2 * self.ramp_s:
            raise ValueError("opening_s and closing_s are more than twice ramp_s")
        if self.touches_below >= self.clear_at:
            raise ValueError("touches_below is less than clear_at")
        return self

    def speed(self, direction: Direction) -> float:
        """Full speed, in ways per second."""
        return 1 / ((self.opening_s if direction == "opening" else self.closing_s) - self.ramp_s)


class Boom:
    """The boom. What decides where it goes is its controller."""

    def __init__(self, settings: BoomSettings, now_s: float, at: float = 0.0) -> None:
        self.settings = settings
        self.jam: float | None = None
        """It goes up to this position and no further, from whichever side it comes."""
        self.driven: Direction | None = None
        """Where its motor drives it."""
        self._motion: Motion = motion_at_rest(at, now_s)

    def position(self, now_s: float) -> float:
        """Where it is."""
        return self._motion.at(now_s)[0]

    def speed(self, now_s: float) -> float:
        """Ways per second; positive while it opens."""
        return self._motion.at(now_s)[1]

    def moves(self, now_s: float) -> bool:
        """Whether it does."""
        return abs(self.speed(now_s)) > STILL

    def drive(self, direction: Direction, now_s: float) -> None:
        """Have it driven that way, to the end or to where it jams."""
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
        """Take the drive away: it slows down and stays."""
        self.driven = None
        x, v = self._motion.at(now_s)
        self._motion = braking_motion(x, v, self._brake(x, v), now_s)

    def _brake(self, x: float, v: float) -> float:
        """How hard it is slowed down: as when it comes to its end, or harder so as not to pass that."""
        direction: Direction = "opening" if v > 0 else "closing"
        room = max(abs(GOALS[direction] - x), STILL)
        return max(self.settings.speed(direction) / self.settings.ramp_s, v * v / 2 / room)

    def strike(self, now_s: float) -> None:
        """It has struck something: it stands, at once."""
        self.driven = None
        self._motion = motion_at_rest(self.position(now_s), now_s)

    def lift(self, to: float, over_s: float, now_s: float) -> None:
        """Somebody moves it by hand, in so many seconds."""
        x = self.position(now_s)
        self.driven = None
        speed = 2 * abs(to - x) / over_s
        self._motion = (
            motion_to_goal(x, 0.0, to, speed, 2 * speed / over_s, now_s)
            if speed
            else motion_at_rest(x, now_s)
        )

    def changes_after(self, now_s: float) -> float | None:
        """When something about it will be different: a limit, free or not, touching or not, at rest."""
        s = self.settings
        points = (s.limit_zone, 1 - s.limit_zone, s.clear_at, s.touches_below)
        times = [self._motion.passes(points, now_s)]
        if self._motion.end_s > now_s:
            times.append(self._motion.end_s)
        return min((when_s for when_s in times if when_s is not None), default=None)
