"""State machine of a barrier: from inputs and commands to observations and actuations.

It does no I/O and has no clock: times are seconds of one monotonic clock, passed with every call. It requests
movements and may refuse them; people are protected by the wiring of the machine's own controller. It acts
without a command only to make the barrier safer: `due` has the stops, releases and reopenings that the board
has not acknowledged yet. They are repeated until it has.
"""

from collections.abc import Sequence
from dataclasses import replace

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier, SetMaintenance
from drivers.barrier.control import admission
from drivers.barrier.control.actuation import Actuation, ActuationKind, Decision, Report
from drivers.barrier.control.admission import Situation
from drivers.barrier.control.doors.door_control import DoorControl
from drivers.barrier.control.doors.movement import DoorTracker, Movement, MovementResult
from drivers.barrier.control.latches import Latches, Lease
from drivers.barrier.control.rate_limit import ActuationLimiter
from drivers.barrier.control.relays import RelayFault
from drivers.barrier.control.safe_writes import SafeWrites
from drivers.barrier.control.sensing_pace import SensingPace
from drivers.barrier.control.state_reporter import StateReporter, most_severe
from drivers.barrier.observations import (
    CONDITIONS_BY_GRAVITY,
    AlarmKind,
    BarrierAlarm,
    BarrierState,
    MovementState,
    StateReason,
)
from drivers.barrier.wiring import BarrierInputs, BarrierSettings, DoorInputs
from drivers.command import CommandArguments, CommandRefusal, Invocation, RefusalReason

LOCAL_OPENING_S = 2.0
"""Time after a press of the local button within which an opening is explained by it, in seconds."""


class BarrierStateMachine:
    """State machine of one barrier with one or two doors.

    `release_timeout_s`: time after the end of a pulse until its relay is certainly open, in seconds.
    `moved_s`, `earlier_s`: times of the movements before, see `ActuationLimiter`.
    """

    def __init__(
        self,
        settings: BarrierSettings,
        now_s: float,
        latches: Latches = Latches(),  # noqa: B008 - immutable
        release_timeout_s: float = 0.0,
        moved_s: list[float] | None = None,
        earlier_s: Sequence[float] = (),
    ) -> None:
        self.settings = settings
        self.latches = latches
        """Conditions that only a person clears; to be recorded whenever they change."""
        self.is_record_late = False
        """True while the disk has not taken the latches."""
        self.emergency_count = 0
        """Number of emergencies since the start."""
        self._door_controls = [DoorControl(door, settings) for door in settings.doors]
        self._limiter = ActuationLimiter(settings, now_s, moved_s, earlier_s)
        self._writes = SafeWrites(settings, self._door_controls, release_timeout_s)
        self._pace = SensingPace()
        self._sensed: BarrierInputs | None = None
        self.sensed_s = now_s
        """Time at which the last inputs were asked for."""
        self._started_s = now_s
        self._emergency_s: float | None = None
        """Time since when the emergency input is active; None: it is at rest."""
        self._was_emergency_at_opening = False
        """True until the first poll if the inputs that identified the board showed an emergency."""
        self._is_shut_in_emergency = False
        self._local_s: float | None = None
        self._found_open = False
        self._is_record_alarmed = False
        self._reporter = StateReporter()

    @property
    def doors(self) -> tuple[DoorTracker, ...]:
        """The doors of the barrier."""
        return tuple(one.door for one in self._door_controls)

    @property
    def is_relay_stuck(self) -> bool:
        """True if the board reports a closed relay that should be open."""
        return bool(self._writes.relay_faults)

    @property
    def is_stop_pending(self) -> bool:
        """True until the board has acknowledged the stop of every door."""
        return any(one.door.stop.is_pending for one in self._door_controls)

    # Inputs.

    def on_inputs_at_opening(self, sensed: BarrierInputs) -> None:
        """Note inputs that are too old for a state: an emergency among them is latched at the first poll."""
        self._was_emergency_at_opening = bool(sensed.emergency)

    def on_inputs(self, sensed: BarrierInputs, asked_s: float, now_s: float | None = None) -> Decision:
        """Process the inputs that were asked for at `asked_s`; `now_s`: time of the answer, if measured."""
        first = self._sensed is None
        says: list[Report] = []
        self._sensed, self.sensed_s = sensed, asked_s
        self.latches = self.latches.without_expired_lease(asked_s)
        if now_s is not None:
            says += self._check_pace(asked_s, now_s)
        if sensed.local_button:
            self._local_s = asked_s
        says += self._check_emergency(asked_s)
        for index, seen in enumerate(sensed.doors):
            says += self._door_inputs(index, asked_s, seen)
        if any(isinstance(one, BarrierAlarm) and one.kind is AlarmKind.FORCED_OPEN for one in says):
            self.latches = replace(self.latches, forced_open=True)
        says += self._check_open_in_emergency(asked_s)
        if self.latches.record_lost and not self._is_record_alarmed:
            self._is_record_alarmed = True
            says.append(
                BarrierAlarm(
                    kind=AlarmKind.RECORD_LOST,
                    text="The record of earlier emergencies and maintenance is unreadable.",
                )
            )
        open_ = any(one.door.state is not MovementState.CLOSED for one in self._door_controls)
        self._found_open = open_ and (first or self._found_open)
        return Decision((*says, *self._state_changes(asked_s)))

    def _check_pace(self, asked_s: float, now_s: float) -> tuple[BarrierAlarm, ...]:
        was_slow = self._pace.is_slow
        self._pace.on_reading(asked_s, now_s)
        if was_slow or not self._pace.is_slow:
            return ()
        return (
            BarrierAlarm(
                kind=AlarmKind.SENSING_SLOW,
                text="The board answers too slowly: the barrier is not moved by command.",
            ),
        )

    def _check_emergency(self, now_s: float) -> tuple[BarrierAlarm, ...]:
        active = self._sensed is not None and self._sensed.emergency
        if not active:
            self._emergency_s = None
        elif self._emergency_s is None:
            self._emergency_s = now_s
        was_active, self._was_emergency_at_opening = active or self._was_emergency_at_opening, False
        if not was_active or self.latches.emergency:
            return ()
        self.latches = replace(self.latches, emergency=True)
        self.emergency_count += 1
        for one in self._door_controls:
            one.door.end_movement(MovementResult.EMERGENCY, now_s)
            one.passages.revoke()
        return (BarrierAlarm(kind=AlarmKind.EMERGENCY, text="The emergency input is active."),)

    def _check_open_in_emergency(self, now_s: float) -> tuple[BarrierAlarm, ...]:
        late = self._emergency_s is not None and now_s - self._emergency_s > self.settings.open_timeout_s
        was_shut = self._is_shut_in_emergency
        self._is_shut_in_emergency = late and any(
            one.door.state is not MovementState.OPEN for one in self._door_controls
        )
        if was_shut or not self._is_shut_in_emergency:
            return ()
        return (
            BarrierAlarm(
                kind=AlarmKind.NOT_OPEN_IN_EMERGENCY,
                text="The barrier is not open, although the emergency input is active: open it by hand.",
            ),
        )

    def _door_inputs(self, index: int, now_s: float, seen: DoorInputs) -> list[Report]:
        one = self._door_controls[index]
        free = self.latches.emergency or self._maintenance_reason(now_s) is not None
        local = self._local_s is not None and now_s - self._local_s <= LOCAL_OPENING_S
        movement = one.door.movement
        says: list[Report] = [*self._check_presence_test(one, seen, now_s)]
        one.on_presence(_people_in(one, seen), now_s)
        says += one.door.on_inputs(
            seen, now_s, excused=free or local, may_be_moved=self._may_be_moved_locally(now_s)
        )
        if movement is not None and movement.result in (
            MovementResult.NOT_STARTED,
            MovementResult.NOT_ARRIVED,
        ):
            one.passages.revoke()
        if one.door.fault is not StateReason.CHATTER:
            says += one.passages.on_inputs(
                _people_in(one, seen),
                now_s,
                is_open=one.door.state is MovementState.OPEN,
                is_closed=one.door.state is MovementState.CLOSED,
                free=free,
            )
        says += one.obstruction.on_inputs(now_s)
        says += self._check_presence(one, _people_in(one, seen), now_s)
        self._writes.hold_obstructed(index, self.situation(now_s), now_s, was_ours=movement is not None)
        return says

    def _check_presence(self, one: DoorControl, seen: DoorInputs, now_s: float) -> tuple[BarrierAlarm, ...]:
        if not one.presence_check.on_inputs(seen, now_s, is_open=one.door.state is MovementState.OPEN):
            return ()
        self.latches = replace(self.latches, presence_missed=True)
        return (
            BarrierAlarm(
                kind=AlarmKind.PRESENCE_MISSED,
                door=one.door.name,
                text="The presence detector has missed passages: the barrier is not closed by command.",
            ),
        )

    def _check_presence_test(
        self, one: DoorControl, seen: DoorInputs, now_s: float
    ) -> tuple[BarrierAlarm, ...]:
        if not one.presence_test.on_inputs(now_s, presence=bool(seen.presence)):
            return ()
        return (
            BarrierAlarm(
                kind=AlarmKind.PRESENCE_TEST_FAILED,
                door=one.door.name,
                text="The presence detector does not respond to its test: the barrier is not closed.",
            ),
        )

    def on_marked(self, state: BarrierState, marked: BarrierState) -> None:
        """Note that a state is shown with a mark: the next one without it is a change."""
        self._reporter.on_marked(state, marked)

    def on_link_lost(self) -> Decision:
        """Mark the last state as stale: the link has failed."""
        return Decision(self._reporter.mark_stale())

    def on_relays(self, closed: Sequence[bool], asked_s: float, now_s: float) -> Decision:
        """Process a reading of all relays that was asked for at `asked_s` and has come by now."""
        was_stuck = self._writes.has(RelayFault.STUCK)
        self._writes.on_relays(closed, asked_s, now_s)
        says = []
        if self._writes.has(RelayFault.STUCK) and not was_stuck:
            says.append(
                BarrierAlarm(
                    kind=AlarmKind.RELAY_STUCK,
                    text="A relay of the board is closed that should be open.",
                )
            )
        if self._writes.has(RelayFault.FOREIGN) and not self.latches.other_master:
            self.latches = replace(self.latches, other_master=True)
            says.append(
                BarrierAlarm(
                    kind=AlarmKind.OTHER_MASTER,
                    text="A relay of the board was closed, and not by this gateway.",
                )
            )
        return Decision((*says, *self._state_changes(now_s)))

    def on_relays_at_start(self, closed: Sequence[bool], now_s: float) -> Decision:
        """Process the reading at the start: a closed relay may be of an earlier run, and is released."""
        found = self._writes.on_relays_at_start(closed, now_s)
        alarm = BarrierAlarm(
            kind=AlarmKind.RELAY_STUCK, text="A relay of the board was closed at the start; it is released."
        )
        return Decision((alarm,) if found else ())

    # Writes. See `SafeWrites`.

    def due(self, now_s: float) -> tuple[Actuation, ...]:
        """Return the stops, releases and reopenings to be written now."""
        return self._writes.due(self.situation(now_s), now_s)

    def next_due_s(self) -> float | None:
        """Return the time at which a reopening becomes due; None: none waits."""
        return self._writes.next_due_s()

    def on_writing(self, actuation: Actuation, now_s: float) -> None:
        """Note that an actuation is about to be written."""
        self._writes.on_writing(actuation, now_s)
        if actuation.kind is ActuationKind.REOPEN:
            self._limiter.on_movement(now_s)

    def on_acknowledged(self, actuation: Actuation, now_s: float) -> Decision:
        """Note that the board has acknowledged an actuation by now."""
        self._writes.on_acknowledged(actuation, now_s)
        return Decision(self._state_changes(now_s))

    def on_unanswered(self, actuation: Actuation, now_s: float) -> None:
        """Note that the board may or may not have executed an actuation."""
        self._writes.on_unanswered(actuation, now_s)

    def on_refused(self, actuation: Actuation, now_s: float, *, sent: bool = True) -> None:
        """Note that the board refused, or that nothing was sent: nothing has moved."""
        self._writes.on_refused(actuation, now_s, sent=sent)
        one = self._door_controls[actuation.door]
        if actuation.kind in (ActuationKind.OPEN, ActuationKind.CLOSE):
            one.door.on_rejected()
        if actuation.kind is ActuationKind.OPEN:
            one.passages.revoke()

    # Commands. Each raises CommandRefusal, and then nothing has changed.

    def on_command(self, request: CommandArguments, call: Invocation, now_s: float) -> Decision:
        """Decide on a command, at the moment of its execution."""
        match request:
            case OpenBarrier(door=name, permit_s=permit_s):
                return self._open(self._index(name), permit_s, call.transaction, now_s)
            case CloseBarrier(door=name):
                return self._close(self._index(name), call.transaction, now_s)
            case AcknowledgeEmergency():
                return self._acknowledge(now_s)
            case SetMaintenance(duration_s=for_s):
                lease = self.latches.without_expired_lease(now_s).lease
                admission.check_lease(lease, call.issuer, is_supervisor=call.is_supervisor)
                lease = Lease(call.issuer, now_s + for_s) if for_s else None
                self.latches = replace(self.latches, lease=lease)
                return Decision(self._state_changes(now_s))
        raise CommandRefusal(RefusalReason.NOT_SUPPORTED, "A barrier does not support this command.")

    def may_test_presence(self, door: str, now_s: float) -> int | None:
        """Return the index of a door whose detector is to be tested before it closes; None: it is not."""
        for index, one in enumerate(self._door_controls):
            if one.door.name != door or one.wiring.presence_test is None:
                continue
            try:
                admission.check_closing(self.situation(now_s))
                self._check_contacts(index, one.wiring.open, now_s)
            except CommandRefusal:
                return None  # the command is refused for that
            is_clear = one.door.inputs is not None and one.door.inputs.presence is False
            is_clear = is_clear and one.clear_for_s(now_s) >= self.settings.clear_s
            is_at_rest = one.door.may_be_open(now_s) and not one.door.may_be_closing
            return index if is_clear and is_at_rest else None
        return None

    def on_presence_test(self, index: int, now_s: float) -> None:
        """Note that the board has acknowledged the pulse at the test input of a detector."""
        self._door_controls[index].presence_test.begin(now_s)

    def is_testing_presence(self, index: int) -> bool:
        """Return True until the detector has passed or failed."""
        return self._door_controls[index].presence_test.is_running

    def on_stop(self, now_s: float) -> Decision:
        """Stop; never refused. Commanded movements end as sensed from now on."""
        for one in self._door_controls:
            one.passages.revoke()
            one.obstruction.on_stop()
            one.door.on_stop(now_s)
        self._writes.on_stop()
        return Decision(self._state_changes(now_s))

    def situation(self, now_s: float) -> Situation:
        """Return the facts by which commands are refused."""
        return Situation(
            sensing_age_s=None if self._sensed is None else now_s - self.sensed_s,
            is_sensing_slow=self._pace.is_slow,
            is_last_reading_slow=self._pace.is_last_slow,
            emergency_active=self._emergency_s is not None,
            maintenance=self._maintenance_reason(now_s),
            fault=self._fault_reason(),
            latches=self.latches,
            found_open=self._found_open,
            open_in_fault=self.settings.open_in_fault,
        )

    def _index(self, name: str) -> int:
        for index, one in enumerate(self._door_controls):
            if one.door.name == name:
                return index
        names = ", ".join(one.door.name or '""' for one in self._door_controls)
        raise CommandRefusal(RefusalReason.NOT_SUPPORTED, f"There is no such door; there is {names}.")

    def _open(self, index: int, permit_s: float | None, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        admission.check_opening(self.situation(now_s))
        self._check_contacts(index, one.wiring.close, now_s)
        others = [other.door for other in self._door_controls if other is not one]
        # A stored opening of an earlier run may still start.
        new = now_s - self._started_s < self.settings.start_timeout_s
        if self._emergency_s is None and others and (new or any(o.may_be_open(now_s) for o in others)):
            raise CommandRefusal(RefusalReason.UNSAFE, "The other door is not closed, or may still open.")
        if not self.latches.emergency:
            if one.passages.permit is not None:
                raise CommandRefusal(
                    RefusalReason.BUSY, "A permit is still valid, and its passage has not taken place."
                )
            one.passages.grant(transaction, permit_s or self.settings.permit_s)
        return self._move(index, MovementState.OPEN, transaction, now_s)

    def _close(self, index: int, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        if one.wiring.close is None:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED,
                "Its own controller closes the barrier: no relay is wired for that.",
            )
        if not one.door.may_be_open(now_s) and one.door.fault is None and not self.latches.emergency:
            admission.check_sensing(self.situation(now_s))
            return Decision()  # it is closed
        admission.check_closing(self.situation(now_s))
        self._check_contacts(index, one.wiring.open, now_s)
        if one.obstruction.is_due:
            raise CommandRefusal(
                RefusalReason.UNSAFE, "The barrier is reopening because a person or object was in the way."
            )
        if one.door.inputs is None or one.door.inputs.presence is not False:
            raise CommandRefusal(RefusalReason.UNSAFE, "A person or object is in the way.")
        if one.clear_for_s(now_s) < self.settings.clear_s:
            raise CommandRefusal(
                RefusalReason.UNSAFE,
                f"The way has been clear for less than {self.settings.clear_s:g} s: wait, and close again.",
            )
        if one.wiring.presence_test is not None and not one.presence_test.is_passed(now_s):
            raise CommandRefusal(
                RefusalReason.UNSAFE, "The presence detector has not passed the test before the closing."
            )
        one.presence_test.end()
        one.passages.revoke()
        return self._move(index, MovementState.CLOSED, transaction, now_s)

    def _check_contacts(self, index: int, opposite: int | None, now_s: float) -> None:
        """Raise CommandRefusal if the door executes another command, or if its contacts are not ready."""
        door = self._door_controls[index].door
        if door.stop.is_pending or (door.movement is not None and not door.stop.is_in_effect):
            raise CommandRefusal(RefusalReason.BUSY, "The barrier executes an earlier command.")
        if self._limiter.is_rate_exceeded(now_s):
            raise CommandRefusal(RefusalReason.RATE_LIMITED, "Movements follow each other too quickly.")
        if not self._writes.is_ready(opposite, now_s):
            raise CommandRefusal(RefusalReason.BUSY, "The opposite contact has only just opened.")

    def _move(self, index: int, goal: MovementState, transaction: str, now_s: float) -> Decision:
        one = self._door_controls[index]
        movement = Movement(index, goal, transaction, now_s, start_state=one.door.state)
        one.door.on_requested(movement)
        one.obstruction.on_movement()
        self._limiter.on_movement(now_s)
        kind = ActuationKind.OPEN if goal is MovementState.OPEN else ActuationKind.CLOSE
        return Decision(actuation=Actuation(kind, index), movement=movement)

    def _acknowledge(self, now_s: float) -> Decision:
        admission.check_acknowledgement(
            self.situation(now_s), is_relay_closed=self._writes.has(RelayFault.FOREIGN)
        )
        cleared = self.latches.emergency
        are_tested = all(one.presence_check.is_tested for one in self._door_controls)
        self.latches, self._found_open = self.latches.acknowledged(is_presence_tested=are_tested), False
        self._is_record_alarmed = False
        for one in self._door_controls:
            one.door.grant.on_acknowledged()
        alarm = BarrierAlarm(
            kind=AlarmKind.EMERGENCY_CLEARED, text="A person has acknowledged that the emergency is over."
        )
        return Decision(((alarm,) if cleared else ()) + self._state_changes(now_s))

    # State.

    def state(self, now_s: float) -> tuple[MovementState, StateReason]:
        """Return the state of the whole barrier, and its cause."""
        if self.latches.emergency:
            active = self._emergency_s is not None
            return (
                MovementState.EMERGENCY_OPEN,
                StateReason.EMERGENCY if active else StateReason.EMERGENCY_UNACKNOWLEDGED,
            )
        if (why := self._maintenance_reason(now_s)) is not None:
            return MovementState.MAINTENANCE, why
        if (why := self._fault_reason()) is not None:
            return MovementState.FAULT, why
        return most_severe(self.doors), StateReason.LIMIT_SWITCHES

    def conditions(self, now_s: float) -> tuple[StateReason, ...]:
        """Return all conditions that need attention, the gravest first."""
        doors, latches, sensed = self.doors, self.latches, self._sensed
        active = self._emergency_s is not None
        present = {
            StateReason.NOT_OPEN_IN_EMERGENCY: self._is_shut_in_emergency,
            StateReason.OBSTRUCTION: any(one.obstruction.is_due for one in self._door_controls),
            StateReason.STOP_NOT_ACKNOWLEDGED: any(door.stop.is_overdue(now_s) for door in doors),
            StateReason.EMERGENCY: active,
            StateReason.EMERGENCY_UNACKNOWLEDGED: latches.emergency and not active,
            StateReason.RELAY_STUCK: self._writes.has(RelayFault.STUCK),
            StateReason.OTHER_MASTER: latches.other_master,
            StateReason.RECORD_LOST: latches.record_lost,
            StateReason.NOT_RECORDED: self.is_record_late,
            StateReason.PRESENCE_MISSED: latches.presence_missed,
            StateReason.PRESENCE_TEST_FAILED: any(one.presence_test.is_failed for one in self._door_controls),
            StateReason.CONTROLLER_FAULT: sensed is not None and sensed.controller_ok is False,
            StateReason.SENSING_SLOW: self._pace.is_slow,
            StateReason.FORCED_OPEN: latches.forced_open,
            StateReason.OPEN_AT_START: self._found_open,
            StateReason.NOT_ARRIVED: any(door.is_overdue for door in doors),
            StateReason.OPEN_TOO_LONG: any(door.is_open_too_long for door in doors),
            StateReason.KEY_SWITCH: sensed is not None and bool(sensed.key_switch),
            StateReason.MAINTENANCE_LEASE: latches.lease is not None and now_s < latches.lease.until_s,
        }
        faults = {door.fault for door in doors}
        return tuple(one for one in CONDITIONS_BY_GRAVITY if present.get(one, one in faults))

    def _maintenance_reason(self, now_s: float) -> StateReason | None:
        """Return the reason why remote movements are refused, or None."""
        if self._sensed is not None and self._sensed.key_switch:
            return StateReason.KEY_SWITCH
        lease = self.latches.lease
        return StateReason.MAINTENANCE_LEASE if lease is not None and now_s < lease.until_s else None

    def _may_be_moved_locally(self, now_s: float) -> bool:
        """Return True if something else than this gateway may move a door now, by what the inputs say."""
        sensed = self._sensed
        return self._maintenance_reason(now_s) is not None or (
            sensed is not None
            and (bool(sensed.local_button) or bool(sensed.emergency) or sensed.controller_ok is False)
        )

    def _fault_reason(self) -> StateReason | None:
        if self._writes.has(RelayFault.STUCK):
            return StateReason.RELAY_STUCK
        if self.latches.other_master:
            return StateReason.OTHER_MASTER
        if self._sensed is not None and self._sensed.controller_ok is False:
            return StateReason.CONTROLLER_FAULT
        return next((one.door.fault for one in self._door_controls if one.door.fault is not None), None)

    def _state_changes(self, now_s: float) -> tuple[BarrierState, ...]:
        """Return the state, if it differs from the last one reported."""
        if self._sensed is None:
            return ()
        state, why = self.state(now_s)
        return self._reporter.changes(self._sensed, self.doors, state, why, self.conditions(now_s), now_s)


def _people_in(one: DoorControl, seen: DoorInputs) -> DoorInputs:
    """Return the inputs without the presence that a test of the detector makes."""
    return replace(seen, presence=False) if one.presence_test.is_running else seen
