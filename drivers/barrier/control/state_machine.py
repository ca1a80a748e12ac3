"""State machine of a barrier: from inputs and commands to observations and at most one actuation.

It does no I/O and has no clock: times are seconds of one monotonic clock, passed with every call. It requests
movements and may refuse them; people are protected by the wiring of the machine's own controller. It acts
without a command in one case only: it reverses a door that closes on an obstruction.
"""

from dataclasses import dataclass
from enum import Enum, auto

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier, SetMaintenance
from drivers.barrier.control.movement import DoorTracker, Movement, MovementResult
from drivers.barrier.control.obstruction import ObstructionReversal
from drivers.barrier.control.passages import PassageTracker
from drivers.barrier.control.rate_limit import ActuationLimiter, MotorContact
from drivers.barrier.control.state_reporter import StateReporter, most_severe
from drivers.barrier.observations import (
    AlarmKind,
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    MovementState,
    StateReason,
)
from drivers.barrier.wiring import BarrierInputs, BarrierSettings
from drivers.command import CommandArguments, CommandRefusal, RefusalReason

INPUT_AGE_LIMIT_S = 0.5
"""Age after which input values are too old for a decision, in seconds."""
LOCAL_OPENING_S = 2.0
"""Time after a press of the local button within which an opening is explained by it, in seconds."""


class ActuationKind(Enum):
    """Kind of actuation at the board."""

    OPEN = auto()
    CLOSE = auto()
    RELEASE = auto()
    """Every relay is opened."""


@dataclass(frozen=True, slots=True)
class Actuation:
    """One actuation, to be executed now; none is queued for later."""

    kind: ActuationKind
    door: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Result of one input of the state machine: observations and at most one actuation."""

    observations: tuple[BarrierState | BarrierPassage | BarrierAlarm, ...] = ()
    actuation: Actuation | None = None
    movement: Movement | None = None
    """The commanded movement; its `result` is set when it ends."""


class _DoorControl:
    """A door with its permits and its obstruction handling."""

    def __init__(self, name: str, settings: BarrierSettings) -> None:
        self.door = DoorTracker(name, settings)
        self.passages = PassageTracker(name)
        self.obstruction = ObstructionReversal(self.door)


class BarrierStateMachine:
    """State machine of one barrier with one or two doors."""

    def __init__(self, settings: BarrierSettings, now_s: float) -> None:
        self.settings = settings
        self.is_relay_stuck = False
        """True if the board reports a closed relay that should be open."""
        self._door_controls = [_DoorControl(door.name, settings) for door in settings.doors]
        self._limiter = ActuationLimiter(settings, now_s)
        self._sensed: BarrierInputs | None = None
        self._sensed_s = now_s
        self._emergency = False
        self.emergency_count = 0
        """Number of emergencies since the start."""
        self._lease_until_s: float | None = None
        self._local_s: float | None = None
        self._found_open = False
        self._reporter = StateReporter()

    @property
    def doors(self) -> tuple[DoorTracker, ...]:
        """The doors of the barrier."""
        return tuple(one.door for one in self._door_controls)

    @property
    def is_new(self) -> bool:
        """True if no movement was requested yet."""
        return self._limiter.is_new

    # Inputs.

    def on_inputs(self, sensed: BarrierInputs, now_s: float) -> Decision:
        """Process the input values of that time."""
        first = self._sensed is None
        says: list[BarrierState | BarrierPassage | BarrierAlarm] = []
        self._sensed, self._sensed_s = sensed, now_s
        if sensed.local_button:
            self._local_s = now_s
        if sensed.emergency and not self._emergency:
            self._emergency = True
            self.emergency_count += 1
            self._cancel_movements(MovementResult.EMERGENCY, now_s)
            says.append(BarrierAlarm(kind=AlarmKind.EMERGENCY, text="The emergency input is active."))
        for one, seen in zip(self._door_controls, sensed.doors, strict=True):
            free = self._emergency or self._maintenance_reason(now_s) is not None
            local = self._local_s is not None and now_s - self._local_s <= LOCAL_OPENING_S
            movement = one.door.movement
            says += one.door.on_inputs(seen, now_s, excused=free or local)
            if movement is not None and movement.result in (
                MovementResult.NOT_STARTED,
                MovementResult.NOT_ARRIVED,
            ):
                one.passages.revoke()
            if one.door.fault is not StateReason.CHATTER:
                says += one.passages.on_inputs(
                    seen,
                    now_s,
                    is_open=one.door.state is MovementState.OPEN,
                    is_closed=one.door.state is MovementState.CLOSED,
                    free=free,
                )
            says += one.obstruction.on_inputs(now_s)
        open_ = any(one.door.state is not MovementState.CLOSED for one in self._door_controls)
        self._found_open = open_ and (first or self._found_open)
        return Decision((*says, *self._state_changes(now_s)), self._due_actuation(now_s))

    def on_link_lost(self) -> Decision:
        """Mark the last state as stale: the link has failed."""
        return Decision(self._reporter.mark_stale())

    def on_relays(self, *, closed: bool, now_s: float) -> Decision:
        """Process the board's report of its relays at a time when all of them should be open."""
        news = closed and not self.is_relay_stuck
        self.is_relay_stuck = closed
        alarm = BarrierAlarm(
            kind=AlarmKind.RELAY_STUCK, text="A relay of the board is closed that should be open."
        )
        return Decision(((alarm,) if news else ()) + self._state_changes(now_s))

    # Commands. Each raises CommandRefusal, and then nothing has changed.

    def on_command(self, request: CommandArguments, transaction: str, now_s: float) -> Decision:
        """Decide on a command, at the moment of its execution."""
        match request:
            case OpenBarrier(door=name, permit_s=permit_s):
                return self._open(self._index(name), permit_s, transaction, now_s)
            case CloseBarrier(door=name):
                return self._close(self._index(name), transaction, now_s)
            case AcknowledgeEmergency():
                return self._acknowledge(now_s)
            case SetMaintenance(duration_s=for_s):
                self._lease_until_s = now_s + for_s if for_s else None
                return Decision(self._state_changes(now_s))
        raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "A barrier does not support this command.")

    def on_stop(self, now_s: float) -> Decision:
        """Stop; never refused. Every commanded movement ends."""
        self._cancel_movements(MovementResult.STOPPED, now_s)
        for one in self._door_controls:
            one.door.on_stop(now_s)
        return Decision(self._state_changes(now_s))

    def on_sent(self, actuation: Actuation, now_s: float) -> None:
        """Note that the actuation was written, and that the board has, or may have, accepted it."""
        if actuation.kind is ActuationKind.RELEASE:
            self._limiter.on_released(now_s)
        else:
            self._limiter.on_accepted(actuation.door, now_s)

    def on_refused(self, actuation: Actuation, now_s: float) -> None:
        """Note that the board refused: nothing has moved."""
        one = self._door_controls[actuation.door]
        if actuation.kind is not ActuationKind.RELEASE:
            one.door.on_rejected()
            self._limiter.on_rejected(actuation.door, now_s)
        if actuation.kind is ActuationKind.OPEN:
            one.passages.revoke()

    # State.

    def state(self, now_s: float) -> tuple[MovementState, StateReason]:
        """Return the state of the whole barrier, and its cause."""
        if self._emergency:
            active = self._sensed is not None and self._sensed.emergency
            return (
                MovementState.EMERGENCY_OPEN,
                StateReason.EMERGENCY if active else StateReason.EMERGENCY_UNACKNOWLEDGED,
            )
        if (why := self._maintenance_reason(now_s)) is not None:
            return MovementState.MAINTENANCE, why
        if (why := self._fault_reason()) is not None:
            return MovementState.FAULT, why
        return most_severe(self.doors), StateReason.LIMIT_SWITCHES

    def _maintenance_reason(self, now_s: float) -> StateReason | None:
        """Return the reason why remote movements are refused, or None."""
        if self._sensed is not None and self._sensed.key_switch:
            return StateReason.KEY_SWITCH
        leased = self._lease_until_s is not None and now_s < self._lease_until_s
        return StateReason.MAINTENANCE_LEASE if leased else None

    def _fault_reason(self) -> StateReason | None:
        if self.is_relay_stuck:
            return StateReason.RELAY_STUCK
        if self._sensed is not None and self._sensed.controller_ok is False:
            return StateReason.CONTROLLER_FAULT
        return next((one.door.fault for one in self._door_controls if one.door.fault is not None), None)

    def _state_changes(self, now_s: float) -> tuple[BarrierState, ...]:
        """Return the state, if it differs from the last one reported."""
        if self._sensed is None:
            return ()
        state, why = self.state(now_s)
        return self._reporter.changes(self._sensed, self.doors, state, why, open_at_start=self._found_open)

    # Decisions.

    def _index(self, name: str) -> int:
        for index, one in enumerate(self._door_controls):
            if one.door.name == name:
                return index
        names = ", ".join(one.door.name or '""' for one in self._door_controls)
        raise CommandRefusal(RefusalReason.NOT_SUPPORTED, f"There is no such door; there is {names}.")

    def _open(self, index: int, permit_s: float | None, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        others = [other.door for other in self._door_controls if other is not one]
        fault = self._check_move(index, MotorContact.OPEN, now_s)
        if fault is not None and (fault is StateReason.RELAY_STUCK or not self.settings.open_in_fault):
            raise CommandRefusal(
                RefusalReason.UNSAFE, f"The inputs are not reliable: {_REASON_TEXTS[fault]}."
            )
        emergency = self._sensed is not None and self._sensed.emergency
        if not emergency and any(other.may_be_open for other in others):
            raise CommandRefusal(RefusalReason.UNSAFE, "The other door is not closed.")
        if not self._emergency:
            if one.passages.permit is not None:
                raise CommandRefusal(
                    RefusalReason.BUSY, "A permit is still valid, and its passage has not taken place."
                )
            one.passages.grant(transaction, permit_s or self.settings.permit_s)
        return self._move(index, MovementState.OPEN, transaction, now_s)

    def _close(self, index: int, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        if self.settings.doors[index].close is None:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED,
                "Its own controller closes the barrier: no relay is wired for that.",
            )
        if self._emergency:
            raise CommandRefusal(
                RefusalReason.UNSAFE, "The barrier stays open for the emergency, until a person acknowledges."
            )
        if self._found_open:
            raise CommandRefusal(
                RefusalReason.UNSAFE,
                "The barrier was open at the start, maybe for an emergency: a person must acknowledge.",
            )
        if not one.door.may_be_open and one.door.fault is None:
            return Decision()  # it is closed
        fault = self._check_move(index, MotorContact.CLOSE, now_s)
        if fault is not None:
            raise CommandRefusal(
                RefusalReason.UNSAFE, f"The inputs are not reliable: {_REASON_TEXTS[fault]}."
            )
        if one.door.inputs is None or one.door.inputs.presence is not False:
            raise CommandRefusal(RefusalReason.UNSAFE, "A person or object is in the way.")
        one.passages.revoke()
        return self._move(index, MovementState.CLOSED, transaction, now_s)

    def _check_move(self, index: int, contact: MotorContact, now_s: float) -> StateReason | None:
        """Raise CommandRefusal for a forbidden movement; return the fault of the inputs, or None."""
        maintenance = self._maintenance_reason(now_s)
        if maintenance is not None:
            raise CommandRefusal(
                RefusalReason.MAINTENANCE, f"Maintenance is in progress: {_REASON_TEXTS[maintenance]}."
            )
        if self._sensed is None or now_s - self._sensed_s > INPUT_AGE_LIMIT_S:
            raise CommandRefusal(RefusalReason.UNSAFE, "The present state of the inputs is unknown.")
        if self._door_controls[index].door.movement is not None:
            raise CommandRefusal(RefusalReason.BUSY, "The barrier executes an earlier command.")
        if self._limiter.is_rate_exceeded(now_s):
            raise CommandRefusal(RefusalReason.RATE_LIMITED, "Movements follow each other too quickly.")
        if not self._limiter.is_allowed(index, contact, now_s):
            raise CommandRefusal(RefusalReason.BUSY, "The opposite contact has only just opened.")
        return self._fault_reason()

    def _move(self, index: int, goal: MovementState, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        movement = Movement(index, goal, transaction, now_s, start_state=one.door.state)
        opens = goal is MovementState.OPEN
        one.door.on_requested(movement)
        one.obstruction.cancel()
        self._limiter.on_requested(index, MotorContact.OPEN if opens else MotorContact.CLOSE, now_s)
        return Decision(
            actuation=Actuation(ActuationKind.OPEN if opens else ActuationKind.CLOSE, index),
            movement=movement,
        )

    def _acknowledge(self, now_s: float) -> Decision:
        if self._sensed is None or now_s - self._sensed_s > INPUT_AGE_LIMIT_S:
            raise CommandRefusal(RefusalReason.UNSAFE, "The present state of the inputs is unknown.")
        if self._sensed.emergency:
            raise CommandRefusal(RefusalReason.UNSAFE, "The emergency input is still active.")
        cleared, self._emergency, self._found_open = self._emergency, False, False
        alarm = BarrierAlarm(
            kind=AlarmKind.EMERGENCY_CLEARED, text="A person has acknowledged that the emergency is over."
        )
        return Decision(((alarm,) if cleared else ()) + self._state_changes(now_s))

    def _cancel_movements(self, result: MovementResult, now_s: float) -> None:
        for one in self._door_controls:
            one.door.end_movement(result, now_s)
            one.passages.revoke()
            one.obstruction.cancel()

    def _due_actuation(self, now_s: float) -> Actuation | None:
        """Return the actuation due for an obstruction; once for each closing."""
        for index, one in enumerate(self._door_controls):
            if not one.obstruction.is_due:
                continue
            if self._emergency or self._maintenance_reason(now_s) is not None or self.is_relay_stuck:
                one.obstruction.cancel()
            elif not self._limiter.is_allowed(index, MotorContact.OPEN, now_s):
                if not one.obstruction.is_released:
                    one.obstruction.is_released = True
                    return Actuation(ActuationKind.RELEASE, index)
            elif any(other.door.may_be_open for other in self._door_controls if other is not one):
                one.obstruction.cancel()
            else:
                one.obstruction.cancel()
                movement = Movement(index, MovementState.OPEN, None, now_s, start_state=one.door.state)
                one.door.on_requested(movement)
                self._limiter.on_requested(index, MotorContact.OPEN, now_s)
                return Actuation(ActuationKind.OPEN, index)
        return None


_REASON_TEXTS = {
    StateReason.KEY_SWITCH: "the key switch at the barrier is turned",
    StateReason.MAINTENANCE_LEASE: "a technician has a maintenance lease",
    StateReason.BOTH_LIMITS: "both limit switches are made at the same time",
    StateReason.NO_LIMIT: "no limit switch is made",
    StateReason.CHATTER: "a contact chatters",
    StateReason.CONTROLLER_FAULT: "the barrier's own controller reports a fault",
    StateReason.RELAY_STUCK: "a relay is closed that should be open",
}
