"""The barrier machine: from what is sensed and asked, to what is said and, at most, one thing to do.

It does no I/O and has no clock: times are seconds of one monotonic clock, given with every call. It asks for
movements and may withhold them; what keeps people from harm is wired in the machine's own controller. Only
one thing does it ever do by itself: have a door reopened that closes on somebody.
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
"""What was sensed longer ago says nothing of now."""
LOCAL_OPENING_S = 2.0
"""So long after the button at the barrier was pressed, an opening is explained by it."""


class ActuationKind(Enum):
    """What there is to do at the board."""

    OPEN = auto()
    CLOSE = auto()
    RELEASE = auto()
    """Every relay is let go of."""


@dataclass(frozen=True, slots=True)
class Actuation:
    """One thing to do, now; nothing of it is kept for later."""

    kind: ActuationKind
    door: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of it."""

    observations: tuple[BarrierState | BarrierPassage | BarrierAlarm, ...] = ()
    actuation: Actuation | None = None
    movement: Movement | None = None
    """The movement that was asked for; its `ending` appears in it."""


class _DoorControl:
    """A door with what belongs to it."""

    def __init__(self, name: str, settings: BarrierSettings) -> None:
        self.door = DoorTracker(name, settings)
        self.passages = PassageTracker(name)
        self.obstruction = ObstructionReversal(self.door)


class BarrierStateMachine:
    """One barrier, of one door or two."""

    def __init__(self, settings: BarrierSettings, now_s: float) -> None:
        self.settings = settings
        self.is_relay_stuck = False
        """A relay is closed that should be open, as the board says."""
        self._door_controls = [_DoorControl(door.name, settings) for door in settings.doors]
        self._limiter = ActuationLimiter(settings, now_s)
        self._sensed: BarrierInputs | None = None
        self._sensed_s = now_s
        self._emergency = False
        self.emergency_count = 0
        """How many have begun."""
        self._lease_until_s: float | None = None
        self._local_s: float | None = None
        self._found_open = False
        self._reporter = StateReporter()

    @property
    def doors(self) -> tuple[DoorTracker, ...]:
        """Its doors."""
        return tuple(one.door for one in self._door_controls)

    @property
    def is_new(self) -> bool:
        """Whether it has asked for nothing yet."""
        return self._limiter.is_new

    # What is sensed.

    def on_inputs(self, sensed: BarrierInputs, now_s: float) -> Decision:
        """Take note of what the inputs said at that time."""
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
            travel = one.door.movement
            says += one.door.on_inputs(seen, now_s, excused=free or local)
            if travel is not None and travel.result in (
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
        """The link has failed: what is known is how it was."""
        return Decision(self._reporter.mark_stale())

    def on_relays(self, *, closed: bool, now_s: float) -> Decision:
        """What the board says of its relays at a time when all that we use should be open."""
        news = closed and not self.is_relay_stuck
        self.is_relay_stuck = closed
        alarm = BarrierAlarm(
            kind=AlarmKind.RELAY_STUCK, text="A relay of the board is closed that should be open."
        )
        return Decision(((alarm,) if news else ()) + self._state_changes(now_s))

    # What is asked. Each raises Refused, and then nothing has changed.

    def on_command(self, request: CommandArguments, transaction: str, now_s: float) -> Decision:
        """Decide about a command, at the moment of doing it."""
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
        raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "A barrier cannot do that.")

    def on_stop(self, now_s: float) -> Decision:
        """Somebody stops it: never refused. All that was asked for is over."""
        self._cancel_movements(MovementResult.STOPPED, now_s)
        for one in self._door_controls:
            one.door.on_stop(now_s)
        return Decision(self._state_changes(now_s))

    def on_sent(self, actuation: Actuation, now_s: float) -> None:
        """It was written, and the board has taken it or may have."""
        if actuation.kind is ActuationKind.RELEASE:
            self._limiter.on_released(now_s)
        else:
            self._limiter.on_accepted(actuation.door, now_s)

    def on_refused(self, actuation: Actuation, now_s: float) -> None:
        """The board said no: nothing has moved."""
        one = self._door_controls[actuation.door]
        if actuation.kind is not ActuationKind.RELEASE:
            one.door.on_rejected()
            self._limiter.on_rejected(actuation.door, now_s)
        if actuation.kind is ActuationKind.OPEN:
            one.passages.revoke()

    # How it is.

    def state(self, now_s: float) -> tuple[MovementState, StateReason]:
        """The barrier's state as a whole."""
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
        """Why nobody far away may move it."""
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
        """Its state, where that is not what was said last."""
        if self._sensed is None:
            return ()
        state, why = self.state(now_s)
        return self._reporter.changes(self._sensed, self.doors, state, why, open_at_start=self._found_open)

    # What becomes of what is asked.

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
                RefusalReason.UNSAFE, f"What is sensed cannot be relied on: {_REASON_TEXTS[fault]}."
            )
        emergency = self._sensed is not None and self._sensed.emergency
        if not emergency and any(other.may_be_open for other in others):
            raise CommandRefusal(RefusalReason.UNSAFE, "The other door is not sensed to be closed.")
        if not self._emergency:
            if one.passages.permit is not None:
                raise CommandRefusal(RefusalReason.BUSY, "A permit waits for its passage already.")
            one.passages.grant(transaction, permit_s or self.settings.permit_s)
        return self._move(index, MovementState.OPEN, transaction, now_s)

    def _close(self, index: int, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        if self.settings.doors[index].close is None:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED, "Its own controller closes it: no relay is wired for that."
            )
        if self._emergency:
            raise CommandRefusal(
                RefusalReason.UNSAFE, "It stays open for the emergency, until a person acknowledges."
            )
        if self._found_open:
            raise CommandRefusal(
                RefusalReason.UNSAFE,
                "It stood open when the gateway came, maybe for an emergency: a person has to acknowledge.",
            )
        if not one.door.may_be_open and one.door.fault is None:
            return Decision()  # it is closed
        fault = self._check_move(index, MotorContact.CLOSE, now_s)
        if fault is not None:
            raise CommandRefusal(
                RefusalReason.UNSAFE, f"What is sensed cannot be relied on: {_REASON_TEXTS[fault]}."
            )
        if one.door.inputs is None or one.door.inputs.presence is not False:
            raise CommandRefusal(RefusalReason.UNSAFE, "Somebody is in its way.")
        one.passages.revoke()
        return self._move(index, MovementState.CLOSED, transaction, now_s)

    def _check_move(self, index: int, contact: MotorContact, now_s: float) -> StateReason | None:
        """Refuse what no movement may be; gives what is sensed and cannot be, where something is."""
        hands_off = self._maintenance_reason(now_s)
        if hands_off is not None:
            raise CommandRefusal(
                RefusalReason.MAINTENANCE, f"Somebody works on it: {_REASON_TEXTS[hands_off]}."
            )
        if self._sensed is None or now_s - self._sensed_s > INPUT_AGE_LIMIT_S:
            raise CommandRefusal(RefusalReason.UNSAFE, "What its sensors say now is not known.")
        if self._door_controls[index].door.movement is not None:
            raise CommandRefusal(RefusalReason.BUSY, "It moves as it was told to before.")
        if self._limiter.is_rate_exceeded(now_s):
            raise CommandRefusal(
                RefusalReason.RATE_LIMITED, "Movements are asked for too soon after each other."
            )
        if not self._limiter.is_allowed(index, contact, now_s):
            raise CommandRefusal(RefusalReason.BUSY, "The opposite contact has only just opened.")
        return self._fault_reason()

    def _move(self, index: int, goal: MovementState, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        travel = Movement(index, goal, transaction, now_s, start_state=one.door.state)
        opens = goal is MovementState.OPEN
        one.door.on_requested(travel)
        one.obstruction.cancel()
        self._limiter.on_requested(index, MotorContact.OPEN if opens else MotorContact.CLOSE, now_s)
        return Decision(
            actuation=Actuation(ActuationKind.OPEN if opens else ActuationKind.CLOSE, index), movement=travel
        )

    def _acknowledge(self, now_s: float) -> Decision:
        if self._sensed is None or now_s - self._sensed_s > INPUT_AGE_LIMIT_S:
            raise CommandRefusal(RefusalReason.UNSAFE, "What its sensors say now is not known.")
        if self._sensed.emergency:
            raise CommandRefusal(RefusalReason.UNSAFE, "The emergency input is still active.")
        cleared, self._emergency, self._found_open = self._emergency, False, False
        alarm = BarrierAlarm(
            kind=AlarmKind.EMERGENCY_CLEARED, text="A person has acknowledged that the emergency is over."
        )
        return Decision(((alarm,) if cleared else ()) + self._state_changes(now_s))

    def _cancel_movements(self, ending: MovementResult, now_s: float) -> None:
        for one in self._door_controls:
            one.door.end_movement(ending, now_s)
            one.passages.revoke()
            one.obstruction.cancel()

    def _due_actuation(self, now_s: float) -> Actuation | None:
        """What is to be done now about somebody in the way; once for each closing."""
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
                travel = Movement(index, MovementState.OPEN, None, now_s, start_state=one.door.state)
                one.door.on_requested(travel)
                self._limiter.on_requested(index, MotorContact.OPEN, now_s)
                return Actuation(ActuationKind.OPEN, index)
        return None


_REASON_TEXTS = {
    StateReason.KEY_SWITCH: "the key switch at the barrier is turned",
    StateReason.MAINTENANCE_LEASE: "a technician has said so",
    StateReason.BOTH_LIMITS: "both limits are made at once",
    StateReason.NO_LIMIT: "no limit is made",
    StateReason.CHATTER: "a contact chatters",
    StateReason.CONTROLLER_FAULT: "its controller is not well",
    StateReason.RELAY_STUCK: "a relay is closed that should be open",
}
