"""Movement of one door: position from its limit switches, supervision of movements, and plausibility."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState, StateReason
from drivers.barrier.wiring import BarrierSettings, DoorInputs

MAX_CHANGES_PER_S = 3
"""Highest number of changes per second of a limit switch or photocell; no machine moves faster."""
CHATTER_HOLD_S = 2.0
"""Time without a change after which a contact that chattered is trusted again, in seconds."""
NO_LIMIT_FACTOR = 1.5
"""Multiple of the travel time between the ends after which the limit switches are not trusted any more."""


class MovementResult(Enum):
    """Result of a commanded movement."""

    ARRIVED = auto()
    NOT_STARTED = auto()
    NOT_ARRIVED = auto()
    STOPPED = auto()
    REVERSED = auto()
    """Stopped by an obstruction (EN 12453)."""
    EMERGENCY = auto()


@dataclass(slots=True)
class Movement:
    """A commanded movement."""

    door: int
    goal: MovementState
    transaction: str | None
    requested_s: float
    start_state: MovementState
    result: MovementResult | None = None
    ended_s: float = 0.0


class DoorTracker:
    """State of one door, from its inputs. Times are seconds of one monotonic clock."""

    def __init__(self, name: str, settings: BarrierSettings) -> None:
        self.name = name
        self.state = MovementState.UNKNOWN
        self.fault: StateReason | None = None
        self.movement: Movement | None = None
        self.inputs: DoorInputs | None = None
        self._settings = settings
        self._towards = MovementState.UNKNOWN
        self._between_s: float | None = None
        self._is_overdue_reported = False
        """True once the alarm for an overdue movement was raised."""
        self._stopped = False
        """True after a stop, until the door is at an end or told to move."""
        self._may_leave_until_s: float | None = None
        """Time until which the door may leave its closed limit on a command; None: no such command."""
        self._open_s: float | None = None
        """Time since when it is open; None also after the alarm for that was raised."""
        self._chatter = {name: _ChatterDetector() for name in ("open_limit", "closed_limit", "presence")}

    @property
    def is_closing(self) -> bool:
        """True if the door may be closing, by its inputs and the commands to it."""
        if self.movement is not None:
            return self.movement.goal is MovementState.CLOSED and self.state is not MovementState.CLOSED
        return self.state is MovementState.CLOSING

    @property
    def is_stopped(self) -> bool:
        """True after a stop, until the door is at an end or told to move."""
        return self._stopped

    @property
    def may_be_open(self) -> bool:
        """True if it may be open, or on its way there."""
        return self.state is not MovementState.CLOSED or self._may_leave_until_s is not None

    def on_requested(self, movement: Movement) -> None:
        """Note a command to move."""
        self.movement = movement
        self._stopped = self._is_overdue_reported = False
        opens = movement.goal is MovementState.OPEN and self.state is MovementState.CLOSED
        self._may_leave_until_s = movement.requested_s + self._settings.open_timeout_s if opens else None
        if self._between_s is not None:
            self._between_s = movement.requested_s

    def on_rejected(self) -> None:
        """Note that the board has refused: the door was not told to move."""
        self.movement = None
        self._may_leave_until_s = None

    def on_stop(self, now_s: float) -> None:
        """Note a stop."""
        self._stopped = self._between_s is not None or self.movement is not None
        self.end_movement(MovementResult.STOPPED, now_s)

    def end_movement(self, result: MovementResult, now_s: float) -> None:
        """End the commanded movement with this result."""
        if self.movement is not None:
            self.movement.result, self.movement.ended_s = result, now_s
            self.movement = None

    def on_inputs(self, seen: DoorInputs, now_s: float, *, excused: bool) -> Iterator[BarrierAlarm]:
        """Process the inputs. `excused`: something else than this gateway may open the door."""
        had_fault = self.fault
        left_closed = self.inputs is not None and self.inputs.closed_limit and not seen.closed_limit
        self._count_changes(seen, now_s)
        self.fault = self._locate(seen, now_s)
        self.inputs = seen
        if left_closed:
            if not (excused or self._may_leave_until_s is not None or self.fault):
                yield self._alarm(AlarmKind.FORCED_OPEN, "The barrier was opened without a command.")
            self._may_leave_until_s = None
        elif self._may_leave_until_s is not None and now_s > self._may_leave_until_s:
            self._may_leave_until_s = None
        yield from self._supervise(now_s)
        if self.fault is not None and had_fault is None:
            yield self._alarm(AlarmKind.IMPLAUSIBLE_INPUTS, _IMPLAUSIBLE[self.fault])
        if self._open_s is not None and now_s - self._open_s > self._settings.max_open_s:
            self._open_s = None
            yield self._alarm(
                AlarmKind.OPEN_TOO_LONG, "The barrier has been open for longer than it should be."
            )

    def _locate(self, seen: DoorInputs, now_s: float) -> StateReason | None:
        """Determine the state; return the fault of the inputs, or None."""
        fault = (
            StateReason.CHATTER if any(one.is_chattering(now_s) for one in self._chatter.values()) else None
        )
        match (seen.open_limit, seen.closed_limit):
            case (True, True):
                self._set_end_state(MovementState.UNKNOWN, now_s)
                self._between_s = None
                fault = StateReason.BOTH_LIMITS
            case (True, False):
                self._set_end_state(MovementState.OPEN, now_s)
            case (False, True):
                self._set_end_state(MovementState.CLOSED, now_s)
            case _:
                self.state = self._moving_state(now_s)
                if (
                    self.state is MovementState.BLOCKED
                    and self._for_s(now_s) > NO_LIMIT_FACTOR * self._within_s()
                ):
                    fault = fault or StateReason.NO_LIMIT
        return fault

    def _set_end_state(self, end: MovementState, now_s: float) -> None:
        self._towards = {
            MovementState.OPEN: MovementState.CLOSING,
            MovementState.CLOSED: MovementState.OPENING,
        }.get(end, MovementState.UNKNOWN)
        if end is not MovementState.OPEN:
            self._open_s = None
        elif self.state is not MovementState.OPEN:
            self._open_s = now_s
        self.state, self._between_s = end, None
        self._stopped = self._stopped and self.movement is not None
        self._is_overdue_reported = self._is_overdue_reported and self.movement is not None

    def _moving_state(self, now_s: float) -> MovementState:
        self._open_s = None
        if self._between_s is None:
            self._between_s = now_s
        if self._for_s(now_s) <= self._within_s():
            return self._towards
        return MovementState.STOPPED if self._stopped else MovementState.BLOCKED

    def _for_s(self, now_s: float) -> float:
        return 0.0 if self._between_s is None else now_s - self._between_s

    def _within_s(self) -> float:
        opens_s, closes_s = self._settings.open_timeout_s, self._settings.close_timeout_s
        match self._towards:
            case _ if self.movement is not None or self._towards is MovementState.UNKNOWN:
                return max(opens_s, closes_s)
            case MovementState.OPENING:
                return opens_s
            case _:
                return closes_s

    def _supervise(self, now_s: float) -> Iterator[BarrierAlarm]:
        """Supervise the commanded movement; no command is repeated."""
        movement = self.movement
        if movement is None:
            if self.state is MovementState.BLOCKED and not self._is_overdue_reported:
                yield self._overdue_alarm()
            return
        within_s = (
            self._settings.open_timeout_s
            if movement.goal is MovementState.OPEN
            else self._settings.close_timeout_s
        )
        asked_for_s = now_s - movement.requested_s
        if self.state is movement.goal and self.fault is None:
            self.end_movement(MovementResult.ARRIVED, now_s)
        elif (
            self.state is movement.start_state
            and self._at_rest()
            and asked_for_s > self._settings.start_timeout_s
        ):
            self.end_movement(MovementResult.NOT_STARTED, now_s)
            yield self._alarm(AlarmKind.NOT_STARTED, "A movement was commanded and has not started.")
        elif asked_for_s > within_s:
            self.end_movement(MovementResult.NOT_ARRIVED, now_s)
            yield self._overdue_alarm()

    def _at_rest(self) -> bool:
        return self.state in (MovementState.OPEN, MovementState.CLOSED)

    def _overdue_alarm(self) -> BarrierAlarm:
        self._is_overdue_reported = True
        return self._alarm(AlarmKind.NOT_ARRIVED, "A movement takes longer than allowed.")

    def _count_changes(self, seen: DoorInputs, now_s: float) -> None:
        for name, one in self._chatter.items():
            if self.inputs is not None and getattr(seen, name) != getattr(self.inputs, name):
                one.on_change(now_s)

    def _alarm(self, kind: AlarmKind, text: str) -> BarrierAlarm:
        transaction = None if self.movement is None else self.movement.transaction
        return BarrierAlarm(kind=kind, door=self.name, text=text, transaction=transaction)


_IMPLAUSIBLE = {
    StateReason.BOTH_LIMITS: "Both limit switches are made at the same time.",
    StateReason.NO_LIMIT: "No limit switch is made for much longer than the travel time.",
    StateReason.CHATTER: "A limit switch or photocell changes more often than any machine moves.",
}


class _ChatterDetector:
    """Counter of the changes of one contact."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MAX_CHANGES_PER_S + 1)
        self._until_s: float | None = None

    def on_change(self, now_s: float) -> None:
        """Note a change."""
        self._times.append(now_s)
        often = len(self._times) > MAX_CHANGES_PER_S and now_s - self._times[0] <= 1.0
        if often or self.is_chattering(now_s):
            self._until_s = now_s + CHATTER_HOLD_S

    def is_chattering(self, now_s: float) -> bool:
        """Return True if the contact must not be trusted."""
        return self._until_s is not None and now_s < self._until_s
