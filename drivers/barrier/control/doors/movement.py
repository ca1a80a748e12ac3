"""Movement of one door: position from its limit switches, supervision of movements, and plausibility."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.control.doors.chatter import ChatterDetector
from drivers.barrier.control.doors.opening_grant import CONFIRM_S, OpeningGrant
from drivers.barrier.control.doors.stopping import DoorStop
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState, StateReason
from drivers.barrier.wiring import BarrierSettings, DoorInputs

NO_LIMIT_FACTOR = 1.5
"""Multiple of the travel time between the ends after which the limit switches are not trusted any more."""


class MovementResult(Enum):
    """Result of a commanded movement."""

    ARRIVED = auto()
    NOT_STARTED = auto()
    NOT_ARRIVED = auto()
    STOPPED = auto()
    """Stopped, and not sensed at its goal since."""
    ARRIVED_DESPITE_STOP = auto()
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
    has_reached: bool = False
    """True once the door was sensed at its goal, maybe by a flicker."""


class DoorTracker:
    """State of one door, from its inputs. Times are seconds of one monotonic clock."""

    def __init__(self, name: str, settings: BarrierSettings) -> None:
        self.name = name
        self.state = MovementState.UNKNOWN
        self.fault: StateReason | None = None
        self.movement: Movement | None = None
        self.inputs: DoorInputs | None = None
        self.stop = DoorStop()
        self.grant = OpeningGrant(settings.open_timeout_s)
        self.is_overdue = False
        """True from the alarm for an overdue movement until an end is reached or a movement is commanded."""
        self.is_open_too_long = False
        """True from the alarm for being open too long until it leaves the open limit."""
        self._settings = settings
        self._towards = MovementState.UNKNOWN
        self._between_s: float | None = None
        self._arrived_s: float | None = None
        """Time at which a closing has reached the closed limit; None: it has not closed since."""
        self.is_commanded_closing = False
        """True while a closing that this gateway commanded may go on, whatever has ended its command.

        It may also begin late. It is over once the door is steady at its closed end, or back at its open end,
        or stopped by its contact.
        """
        self._has_left_open = False
        """True once the door was away from its open end since the last command."""
        self._was_closed = False
        """True once the door was steady at its closed end since the last command."""
        self._closing_until_s = float("-inf")
        """Until when the last commanded closing may go on, though the closed limit is made."""
        self._began_closed = False
        """True if that closing was commanded at the closed limit, which may have flickered."""
        self._may_still_close = False
        """True once the door has left the closed limit in that time, until it is at an end or blocked.

        Also while both limits are made, if it was not closed since: they hide a closing that starts late.
        """
        self._end_s = 0.0
        """Time since when it is at its end."""
        self._open_s: float | None = None
        self._chatter = ChatterDetector()

    @property
    def is_at_end(self) -> bool:
        """True at one of its ends."""
        return self.state in (MovementState.OPEN, MovementState.CLOSED)

    @property
    def may_be_closing(self) -> bool:
        """True if the door may be closing, by its inputs and the commands to it.

        A door that is between its ends at the first reading may be closing as well, a commanded closing
        until the closed limit is steady, and one that leaves the limit while it may take its time: the limit
        may have been a shorted wire. A closing whose command has ended may start late, or go on.
        """
        movement = self.movement
        if movement is not None and movement.goal is MovementState.CLOSED:
            return True
        if self.is_commanded_closing and self.state is MovementState.CLOSED and not self._was_closed:
            return True
        if movement is not None and not movement.has_reached:
            return False  # it opens, from whatever position
        return (
            self.state is MovementState.CLOSING
            or self._may_still_close
            or (
                self.state is MovementState.UNKNOWN
                and self._between_s is not None
                and not self.stop.is_proven
            )
        )

    def may_be_open(self, now_s: float) -> bool:
        """Return True if it may be open, or may open on an earlier command."""
        return self.state is not MovementState.CLOSED or self.grant.is_held(now_s)

    def on_requested(self, movement: Movement) -> None:
        """Note a command to move."""
        self.end_movement(MovementResult.STOPPED, movement.requested_s)  # one that a stop has ended already
        self.movement = movement
        self.stop.end()
        self.is_overdue = self._may_still_close = False
        self.is_commanded_closing = movement.goal is MovementState.CLOSED
        self._has_left_open = movement.start_state is not MovementState.OPEN
        self._was_closed = False
        self._closing_until_s = float("-inf")
        if movement.goal is MovementState.OPEN:
            self.grant.on_command(movement.requested_s)
        else:
            self._closing_until_s = movement.requested_s + self._settings.close_timeout_s
            self._began_closed = movement.start_state is MovementState.CLOSED
        if self._between_s is not None:
            self._between_s = movement.requested_s
            is_opening = movement.goal is MovementState.OPEN
            self._towards = MovementState.OPENING if is_opening else MovementState.CLOSING

    def on_rejected(self) -> None:
        """Note that the board has refused: the door was not told to move."""
        if self.movement is not None and self.movement.goal is MovementState.OPEN:
            self.grant.on_rejected()
        self.movement = None
        self.is_commanded_closing = False
        self._closing_until_s = float("-inf")

    def on_stop(self, now_s: float) -> None:
        """Note a stop; the commanded movement ends as sensed from now on."""
        self.stop.on_stop(now_s)

    def on_stop_acknowledged(self, now_s: float, *, by_contact: bool) -> None:
        """Note that the board has acknowledged the stop."""
        seen = self.inputs
        at_end = seen is not None and (seen.open_limit or seen.closed_limit)
        self.stop.on_acknowledged(now_s, at_end=at_end, by_contact=by_contact)
        self.grant.on_stop_acknowledged(by_contact=by_contact)

    def end_movement(self, result: MovementResult, now_s: float) -> None:
        """End the commanded movement with this result."""
        if self.movement is not None:
            self.movement.result, self.movement.ended_s = result, now_s
            self.movement = None

    def on_inputs(
        self, seen: DoorInputs, now_s: float, *, excused: bool, may_be_moved: bool = False
    ) -> Iterator[BarrierAlarm]:
        """Process the inputs. `excused`: something else than this gateway may open the door, or has.

        `may_be_moved`: something else may move it at this moment.
        """
        had_fault, first = self.fault, self.inputs is None
        left_closed = self.inputs is not None and self.inputs.closed_limit and not seen.closed_limit
        self._chatter.on_inputs(seen, now_s)
        at_end = seen.open_limit or seen.closed_limit
        if self.stop.is_proven and self.is_at_end and not at_end:
            # It has come to an end while it braked, and leaves it: it does not rest any more.
            self.end_movement(MovementResult.STOPPED, now_s)
            self.stop.end()
        self.stop.on_inputs(now_s, at_end=at_end, may_be_moved=may_be_moved)
        self.fault = self._locate(seen, now_s)
        self._check_commanded_closing(now_s)
        self.inputs = seen
        expected = excused or self.grant.explains_opening(now_s) or self.fault is not None
        if left_closed and not expected and self._towards is not MovementState.CLOSING:
            yield self._alarm(AlarmKind.FORCED_OPEN, "The barrier was opened without a command.")
        if first and self._between_s is not None:
            yield self._alarm(
                AlarmKind.MOVING_AT_START, "The barrier was between its ends at the start: it may be moving."
            )
        self.grant.on_state(self.state, now_s, is_stop_proven=self.stop.is_proven)
        yield from self._supervise(now_s)
        if self.stop.is_proven and self.is_at_end and self.movement is None:
            self.stop.end()
        if self.fault is not None and had_fault is None:
            yield self._alarm(AlarmKind.IMPLAUSIBLE_INPUTS, _IMPLAUSIBLE[self.fault])
        if self.stop.is_overdue(now_s) and not self.stop.is_alarmed:
            self.stop.is_alarmed = True
            yield self._alarm(
                AlarmKind.STOP_NOT_ACKNOWLEDGED,
                "The board does not acknowledge the stop: use the stop switch at the barrier.",
            )
        if self._open_s is not None and now_s - self._open_s > self._settings.max_open_s:
            self._open_s, self.is_open_too_long = None, True
            yield self._alarm(
                AlarmKind.OPEN_TOO_LONG, "The barrier has been open for longer than it should be."
            )

    def _locate(self, seen: DoorInputs, now_s: float) -> StateReason | None:
        """Determine the state; return the fault of the inputs, or None."""
        fault = StateReason.CHATTER if self._chatter.is_chattering(now_s) else None
        match (seen.open_limit, seen.closed_limit):
            case (True, True):
                self._set_end_state(MovementState.UNKNOWN, now_s)
                self._between_s = None
                may_begin = self.is_commanded_closing and not self._was_closed
                self._may_still_close = may_begin and now_s < self._closing_until_s
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

    def _check_commanded_closing(self, now_s: float) -> None:
        """End the commanded closing once the limit switches or a stop show that it is over."""
        self._has_left_open = self._has_left_open or self.state is not MovementState.OPEN
        is_steady = self.is_at_end and now_s - self._end_s >= CONFIRM_S
        is_late = now_s >= self._closing_until_s
        if self.state is MovementState.OPEN:
            is_over = is_late or (is_steady and self._has_left_open)
        else:
            self._was_closed = self._was_closed or is_steady
            is_over = is_steady and is_late
        if is_over or self.stop.is_proven:
            self.is_commanded_closing = False

    def _set_end_state(self, end: MovementState, now_s: float) -> None:
        self._towards = {
            MovementState.OPEN: MovementState.CLOSING,
            MovementState.CLOSED: MovementState.OPENING,
        }.get(end, MovementState.UNKNOWN)
        if self.state is not end:
            closed = end is MovementState.CLOSED and self.state is MovementState.CLOSING
            self._arrived_s = now_s if closed else None
            # The first reading has no history: nothing suggests a flicker.
            self._end_s = float("-inf") if self.inputs is None else now_s
        if end is not MovementState.OPEN:
            self._open_s, self.is_open_too_long = None, False
        elif self.state is not MovementState.OPEN:
            self._open_s = now_s
        self.state, self._between_s, self._may_still_close = end, None, False
        self.is_overdue = self.is_overdue and self.movement is not None

    def _moving_state(self, now_s: float) -> MovementState:
        self._open_s, self.is_open_too_long = None, False
        if self._between_s is None:
            self._between_s = now_s
            has_flickered = self._arrived_s is not None and now_s - self._arrived_s < CONFIRM_S
            self._may_still_close = self.state is MovementState.CLOSED and now_s < self._closing_until_s
            if has_flickered or (self._may_still_close and self._began_closed):
                self._towards = MovementState.CLOSING
        if self.stop.is_proven:
            return MovementState.UNKNOWN if self.stop.may_have_moved else MovementState.STOPPED
        if self._for_s(now_s) <= self._within_s():
            return self._towards
        self._may_still_close = False
        return MovementState.BLOCKED

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
        """Supervise the commanded movement; no command is repeated.

        It has arrived once its goal is steady, and has not started if the end where it began is: a limit
        switch that flickers on the way ends nothing.
        """
        movement = self.movement
        if movement is None:
            if self.state is MovementState.BLOCKED and not self.is_overdue:
                yield self._overdue_alarm()
            return
        within_s = (
            self._settings.open_timeout_s
            if movement.goal is MovementState.OPEN
            else self._settings.close_timeout_s
        )
        asked_for_s = now_s - movement.requested_s
        if self.state is movement.goal and self.fault is None:
            movement.has_reached = True
            if now_s - self._end_s < CONFIRM_S:
                return
            despite = self.stop.is_in_effect
            self.end_movement(
                MovementResult.ARRIVED_DESPITE_STOP if despite else MovementResult.ARRIVED, self._end_s
            )
            if movement.goal is MovementState.CLOSED:
                self.grant.on_closed_by_command()
        elif self.stop.is_proven:
            self.end_movement(MovementResult.STOPPED, now_s)
        elif (
            self.state is movement.start_state
            and self.is_at_end
            and not movement.has_reached
            and not self.stop.is_pending
            and asked_for_s > self._settings.start_timeout_s
            and now_s - self._end_s >= CONFIRM_S
        ):
            if self.stop.is_in_effect:  # by a release, which proves nothing
                self.end_movement(MovementResult.STOPPED, now_s)
                return
            self.end_movement(MovementResult.NOT_STARTED, now_s)
            yield self._alarm(AlarmKind.NOT_STARTED, "A movement was commanded and has not started.")
        elif asked_for_s > within_s:
            self.end_movement(MovementResult.NOT_ARRIVED, now_s)
            yield self._overdue_alarm()

    def _overdue_alarm(self) -> BarrierAlarm:
        self.is_overdue = True
        return self._alarm(AlarmKind.NOT_ARRIVED, "A movement takes longer than allowed.")

    def _alarm(self, kind: AlarmKind, text: str) -> BarrierAlarm:
        transaction = None if self.movement is None else self.movement.transaction
        return BarrierAlarm(kind=kind, door=self.name, text=text, transaction=transaction)


_IMPLAUSIBLE = {
    StateReason.BOTH_LIMITS: "Both limit switches are made at the same time.",
    StateReason.NO_LIMIT: "No limit switch is made for much longer than the travel time.",
    StateReason.CHATTER: "A limit switch or photocell changes more often than any machine moves.",
}
