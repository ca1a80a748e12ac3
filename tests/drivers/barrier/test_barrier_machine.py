"""State machine of a barrier alone: from inputs and times to observations and at most one actuation."""

from collections.abc import Sequence
from typing import Any

import pytest
from barrier_fixture import E_GATE, ONE_DOOR

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier, SetMaintenance
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind, Decision
from drivers.barrier.control.doors.movement import MovementResult
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.observations import (
    AlarmKind,
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    MovementState,
    PassageDirection,
    StateReason,
)
from drivers.barrier.wiring import BarrierInputs, BarrierSettings, DoorInputs
from drivers.command import CommandArguments, CommandRefusal, Invocation, RefusalReason

CLOSED, OPEN, BETWEEN = (False, True), (True, False), (False, False)
"""Open limit and closed limit."""
BOTH = (True, True)
REOPEN, STOP = Actuation(ActuationKind.REOPEN), Actuation(ActuationKind.STOP)
NO_STOP = {"doors": [{k: v for k, v in ONE_DOOR["doors"][0].items() if k != "stop"}]}


class MachineFixture:
    """A state machine and all its observations. Times are seconds from its start."""

    def __init__(self, wiring: dict[str, Any] = ONE_DOOR, **settings: Any) -> None:
        self.machine = BarrierStateMachine(BarrierSettings.model_validate(wiring | settings), 0.0)
        self.said: list[Any] = []

    def take(self, step: Decision) -> Decision:
        self.said += step.observations
        return step

    def sense(
        self,
        now_s: float,
        *limits: tuple[bool, bool],
        inputs: dict[str, bool] | None = None,
        answered_s: float | None = None,
        **door: bool,
    ) -> Decision:
        """Process the inputs of all doors; `door` is for the last of them."""
        states = limits or (CLOSED,)
        last = len(states) - 1
        doors = tuple(
            DoorInputs(*state, **({"presence": False, "entry_side": False, "exit_side": False} | door))
            if place == last
            else DoorInputs(*state, presence=False)
            for place, state in enumerate(states)
        )
        quiet = {"emergency": False, "key_switch": False, "controller_ok": True, "local_button": False}
        sensed = BarrierInputs(doors, **(quiet | (inputs or {})))
        return self.take(self.machine.on_inputs(sensed, now_s, answered_s))

    def ask(
        self, request: CommandArguments, now_s: float, transaction: str = "t1", issuer: str = "counter-1"
    ) -> Decision:
        call = Invocation("c1", issuer, transaction, 0, is_supervisor=issuer == "chief")
        return self.take(self.machine.on_command(request, call, now_s))

    def open(self, now_s: float, door: str = "", **more: Any) -> Decision:
        return self.ask(OpenBarrier(door=door, **more), now_s)

    def close(self, now_s: float, door: str = "") -> Decision:
        return self.ask(CloseBarrier(door=door), now_s)

    def write(self, actuation: Actuation, now_s: float) -> None:
        """Write an actuation, which the board acknowledges at once."""
        self.machine.on_writing(actuation, now_s)
        self.take(self.machine.on_acknowledged(actuation, now_s))

    def stop(self, now_s: float) -> None:
        """Stop; the board acknowledges it at once."""
        self.take(self.machine.on_stop(now_s))
        for actuation in self.machine.due(now_s):
            self.write(actuation, now_s)

    def relays(self, now_s: float, *closed: int) -> None:
        """Read the relays."""
        self.take(self.machine.on_relays([relay in closed for relay in range(8)], now_s, now_s))

    def refusal(self, request: CommandArguments, now_s: float) -> RefusalReason:
        with pytest.raises(CommandRefusal) as refused:
            self.ask(request, now_s)
        return refused.value.reason

    def opened(self, now_s: float, **more: Any) -> None:
        """Open it on a permit; it is open one second later."""
        self.sense(now_s)
        self.open(now_s, **more)
        self.sense(now_s + 0.5, BETWEEN)
        self.sense(now_s + 1, OPEN)

    def closing(self, now_s: float) -> None:
        """Open it, and close it ten seconds later."""
        self.opened(now_s - 10)
        self.sense(now_s, OPEN)
        self.write(self.close(now_s).actuation or RELEASE, now_s)
        self.sense(now_s + 0.2, BETWEEN)

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.said if type(one) is kind]

    @property
    def alarms(self) -> list[AlarmKind]:
        return [alarm.kind for alarm in self.of(BarrierAlarm)]

    @property
    def passages(self) -> list[tuple[PassageDirection, bool, bool]]:
        return [(one.direction, one.permitted, one.tailgating) for one in self.of(BarrierPassage)]

    @property
    def state(self) -> BarrierState:
        return self.of(BarrierState)[-1]


def gate(**settings: Any) -> MachineFixture:
    return MachineFixture(E_GATE, **settings)


# Age of inputs.


@pytest.mark.parametrize(
    "request_", [OpenBarrier(), AcknowledgeEmergency(reason="looked")], ids=["open", "ack"]
)
def test_inputs_are_fresh_for_half_a_second(request_: CommandArguments) -> None:
    machine = MachineFixture()
    machine.sense(10)
    assert machine.refusal(request_, 10.501) is RefusalReason.UNSAFE
    assert machine.refusal(request_, 10.6) is RefusalReason.UNSAFE
    machine.ask(request_, 10.5)


@pytest.mark.parametrize(
    "request_", [OpenBarrier(), AcknowledgeEmergency(reason="looked")], ids=["open", "ack"]
)
def test_nothing_before_the_first_inputs(request_: CommandArguments) -> None:
    assert MachineFixture().refusal(request_, 3) is RefusalReason.UNSAFE


def test_only_a_barriers_requests() -> None:
    machine = MachineFixture()
    machine.sense(3)
    assert machine.refusal(CommandArguments(), 3) is RefusalReason.NOT_SUPPORTED
    assert machine.refusal(OpenBarrier(door="side"), 3) is RefusalReason.NOT_SUPPORTED


# Permits.


def test_permit_ends_when_door_does_not_start() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    machine.sense(11.5)
    assert travel.result is None
    machine.sense(11.6)
    assert travel.result is MovementResult.NOT_STARTED
    assert machine.alarms == [AlarmKind.NOT_STARTED]
    machine.sense(12.1)

    assert machine.open(12.1).actuation == Actuation(ActuationKind.OPEN), "no permit waits"


def test_permit_ends_when_door_does_not_arrive() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    for now_s in (10.5, 16.0, 16.1):
        machine.sense(now_s, BETWEEN)
    assert travel.result is MovementResult.NOT_ARRIVED
    assert machine.alarms == [AlarmKind.NOT_ARRIVED]

    assert machine.open(16.2).actuation == Actuation(ActuationKind.OPEN)


def test_permit_lasts_as_long_as_asked() -> None:
    machine = MachineFixture(permit_s=8)
    machine.opened(10, permit_s=2)
    machine.sense(13.0, OPEN)
    assert machine.refusal(OpenBarrier(), 13.0) is RefusalReason.BUSY
    machine.sense(13.1, OPEN)
    machine.open(13.1)


def test_permit_lasts_as_configured() -> None:
    machine = MachineFixture(permit_s=4)
    machine.opened(10)
    machine.sense(15.0, OPEN)
    assert machine.refusal(OpenBarrier(), 15.0) is RefusalReason.BUSY
    machine.sense(15.1, OPEN)
    machine.open(15.1)


def test_stop_ends_a_permit() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.stop(12)
    machine.sense(12.5, OPEN)

    assert machine.open(12.5).actuation == Actuation(ActuationKind.OPEN)


def test_refusing_board_ends_a_permit() -> None:
    machine = MachineFixture()
    machine.sense(10)
    act = machine.open(10).actuation
    assert act is not None
    machine.machine.on_refused(act, 10.1)
    machine.sense(12.1)

    assert machine.open(12.1).actuation == Actuation(ActuationKind.OPEN)


def test_closing_ends_a_permit() -> None:
    """A person who passes the closing barrier has no permit any more."""
    machine = MachineFixture(permit_s=60)
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    machine.sense(21, BETWEEN)

    assert machine.passages == [(PassageDirection.FORWARD, False, True)]


# Passages.


def passed(machine: MachineFixture, began_s: float, before: Sequence[str], after: Sequence[str]) -> None:
    """Pass within half a second; `before` and `after`: sides with a person at its start and end."""
    machine.sense(began_s, OPEN, presence=True, **dict.fromkeys(before, True))
    machine.sense(began_s + 0.5, OPEN, **dict.fromkeys(after, True))


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (["entry_side"], [], PassageDirection.FORWARD),
        (["entry_side"], ["exit_side"], PassageDirection.FORWARD),
        (["entry_side"], ["entry_side", "exit_side"], PassageDirection.FORWARD),
        (["entry_side", "exit_side"], [], PassageDirection.FORWARD),
        (["entry_side"], ["entry_side"], PassageDirection.TURNED_BACK),
        (["exit_side"], [], PassageDirection.REVERSE),
        (["exit_side"], ["entry_side"], PassageDirection.REVERSE),
        (["exit_side"], ["exit_side"], PassageDirection.TURNED_BACK),
    ],
)
def test_direction(before: list[str], after: list[str], direction: PassageDirection) -> None:
    machine = MachineFixture()
    machine.opened(10)
    passed(machine, 12, before, after)

    assert machine.passages == [(direction, True, False)]
    assert machine.of(BarrierPassage)[0].duration_s == 0.5
    assert machine.of(BarrierPassage)[0].transaction == "t1"
    assert machine.alarms == ([AlarmKind.REVERSE_PASSAGE] if direction is PassageDirection.REVERSE else [])


def test_direction_unknown_without_loops() -> None:
    wiring = {
        key: value for key, value in ONE_DOOR["doors"][0].items() if key not in ("entry_side", "exit_side")
    }  # type: ignore[index]
    machine = MachineFixture(ONE_DOOR | {"doors": [wiring]})
    for now_s, limits, presence in ((10, CLOSED, False), (12, OPEN, True), (13, OPEN, False)):
        doors = (DoorInputs(*limits, presence=presence),)
        machine.take(machine.machine.on_inputs(BarrierInputs(doors, emergency=False), now_s))

    assert machine.passages == [(PassageDirection.UNKNOWN, False, False)]


def test_turned_back_keeps_the_permit() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["entry_side"])
    passed(machine, 14, ["entry_side"], ["exit_side"])
    passed(machine, 16, ["entry_side"], ["exit_side"])

    assert machine.passages == [
        (PassageDirection.TURNED_BACK, True, False),
        (PassageDirection.FORWARD, True, False),
        (PassageDirection.FORWARD, False, True),
    ]
    assert machine.alarms == [AlarmKind.TAILGATING]


def test_tailgating_names_its_door() -> None:
    machine = gate(permit_s=60)
    machine.sense(10, CLOSED, CLOSED)
    machine.open(10, "second")
    machine.sense(11, CLOSED, OPEN)
    for began_s in (12, 14):
        machine.sense(began_s, CLOSED, OPEN, presence=True)
        machine.sense(began_s + 0.5, CLOSED, OPEN)
    alarms = [(alarm.kind, alarm.door) for alarm in machine.of(BarrierAlarm)]

    assert alarms == [(AlarmKind.TAILGATING, "second")]


def test_turned_back_tailgates_nothing() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["exit_side"])
    passed(machine, 14, ["entry_side"], ["entry_side"])

    assert machine.passages[1] == (PassageDirection.TURNED_BACK, False, False)


def test_turned_back_after_stop_has_no_permit() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    machine.sense(12, OPEN, presence=True, entry_side=True)
    machine.stop(12.2)
    machine.sense(12.5, OPEN, entry_side=True)
    passed(machine, 14, ["entry_side"], ["exit_side"])

    assert machine.passages == [
        (PassageDirection.TURNED_BACK, True, False),
        (PassageDirection.FORWARD, False, True),
    ]


def test_who_left_does_not_come_back() -> None:
    """The person on the exit side has just passed: the next one does not come from there."""
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["exit_side"])
    machine.sense(14, OPEN, presence=True, exit_side=True)
    machine.sense(14.5, OPEN)
    assert machine.passages[1] == (PassageDirection.FORWARD, False, True)
    passed(machine, 16, ["exit_side"], [])
    assert machine.passages[2][0] is PassageDirection.REVERSE


def test_nobody_tailgates_in_an_emergency() -> None:
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    passed(machine, 12, ["entry_side"], ["exit_side"])
    machine.sense(14, OPEN, inputs={"emergency": True})
    machine.sense(15, OPEN, inputs={"emergency": True}, presence=True, entry_side=True)
    machine.sense(16, OPEN, inputs={"emergency": True})

    assert machine.passages[1] == (PassageDirection.FORWARD, False, False)
    assert AlarmKind.TAILGATING not in machine.alarms


def test_permit_of_an_earlier_opening_is_over() -> None:
    """The barrier has closed since: a passage on the button is no tailgating."""
    machine = MachineFixture(permit_s=60)
    machine.opened(10)
    machine.sense(12, OPEN)
    machine.sense(20)
    machine.sense(30, inputs={"local_button": True})
    passed(machine, 31, ["entry_side"], ["exit_side"])

    assert machine.passages == [(PassageDirection.FORWARD, False, False)]
    assert machine.alarms == []


def test_nobody_passes_a_closed_barrier() -> None:
    machine = MachineFixture()
    machine.sense(10, presence=True)
    machine.sense(11)

    assert machine.passages == []


def test_no_passages_while_a_contact_chatters() -> None:
    machine = MachineFixture()
    machine.opened(10)
    for turn in range(6):
        machine.sense(12 + turn / 10, OPEN, presence=turn % 2 == 0, entry_side=True)
    counted = len(machine.passages)
    for turn in range(6, 12):
        machine.sense(12 + turn / 10, OPEN, presence=turn % 2 == 0, entry_side=True)

    assert counted < 3
    assert len(machine.passages) == counted


# Emergencies and interlock.


@pytest.mark.parametrize("first", [OPEN, BETWEEN])
def test_emergency_lifts_the_interlock(first: tuple[bool, bool]) -> None:
    machine = gate()
    machine.sense(10, CLOSED, CLOSED)
    machine.sense(11, first, CLOSED)
    assert machine.refusal(OpenBarrier(door="second"), 11) is RefusalReason.UNSAFE
    machine.sense(12, first, CLOSED, inputs={"emergency": True})

    assert machine.open(12, "second").actuation == Actuation(ActuationKind.OPEN, 1)


def test_interlock_holds_once_the_input_rests() -> None:
    """The emergency is not acknowledged yet: doors may be opened, but one at a time again."""
    machine = gate()
    machine.sense(10, CLOSED, CLOSED, inputs={"emergency": True})
    machine.sense(12, OPEN, CLOSED)

    assert machine.state.reason is StateReason.EMERGENCY_UNACKNOWLEDGED
    assert machine.refusal(OpenBarrier(door="second"), 12) is RefusalReason.UNSAFE


def test_opening_in_an_emergency_needs_no_permit() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(13, OPEN, inputs={"emergency": True})
    assert machine.open(13).actuation == Actuation(ActuationKind.OPEN)
    machine.sense(15.1, OPEN, inputs={"emergency": True})
    assert machine.open(15.1).actuation == Actuation(ActuationKind.OPEN)


def test_emergency_is_alarmed_and_counted_once() -> None:
    machine = MachineFixture()
    for now_s, emergency in ((10, True), (11, True), (12, False), (13, True)):
        machine.sense(now_s, inputs={"emergency": emergency})
    assert machine.alarms == [AlarmKind.EMERGENCY]
    assert machine.machine.emergency_count == 1
    assert machine.refusal(AcknowledgeEmergency(reason="looked"), 13) is RefusalReason.UNSAFE

    machine.sense(14)
    machine.ask(AcknowledgeEmergency(reason="looked"), 14)
    assert machine.alarms[1:] == [AlarmKind.EMERGENCY_CLEARED]
    machine.sense(15, inputs={"emergency": True})
    assert machine.machine.emergency_count == 2


@pytest.mark.parametrize("later", [False, True])
def test_emergency_that_identified_the_board_is_latched(later: bool) -> None:
    """It may be over at the first poll."""
    machine = MachineFixture()
    sensed = BarrierInputs((DoorInputs(*CLOSED, presence=False),), emergency=True)
    machine.machine.on_inputs_at_opening(sensed)
    machine.sense(10, inputs={"emergency": later})
    machine.sense(10.2)
    assert machine.alarms == [AlarmKind.EMERGENCY]
    assert machine.state.reason is StateReason.EMERGENCY_UNACKNOWLEDGED
    machine.ask(AcknowledgeEmergency(reason="looked"), 10.3)
    machine.sense(10.4)
    assert machine.alarms == [AlarmKind.EMERGENCY, AlarmKind.EMERGENCY_CLEARED]


def test_emergency_lasts_until_acknowledged() -> None:
    machine = MachineFixture()
    for emergency, why in (
        (True, StateReason.EMERGENCY),
        (False, StateReason.EMERGENCY_UNACKNOWLEDGED),
        (True, StateReason.EMERGENCY),
    ):
        machine.sense(10, inputs={"emergency": emergency})
        assert (machine.state.state, machine.state.reason) == (MovementState.EMERGENCY_OPEN, why)


def test_acknowledging_nothing_is_no_alarm() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.ask(AcknowledgeEmergency(reason="looked"), 10)

    assert machine.alarms == []


def test_emergency_ends_what_was_asked() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    machine.sense(10.5, BETWEEN, inputs={"emergency": True})

    assert (travel.result, travel.ended_s) == (MovementResult.EMERGENCY, 10.5)


# Relays.


def test_no_opening_with_a_stuck_relay() -> None:
    """Also if the post allows opening with contradictory limit switches."""
    machine = MachineFixture(open_in_fault=True)
    machine.sense(10)
    machine.write(Actuation(ActuationKind.OPEN), 10)
    machine.relays(12, 0)
    machine.sense(12)
    assert machine.refusal(OpenBarrier(), 12) is RefusalReason.UNSAFE

    machine.relays(12.1)
    machine.sense(12.2, BOTH)
    assert machine.open(12.2).actuation == Actuation(ActuationKind.OPEN)


def test_fault_keeps_it_from_opening() -> None:
    machine = MachineFixture()
    machine.sense(10, BOTH)
    assert machine.refusal(OpenBarrier(), 10) is RefusalReason.UNSAFE
    machine.sense(11, inputs={"controller_ok": False})
    assert machine.refusal(OpenBarrier(), 11) is RefusalReason.UNSAFE


def test_stuck_relay_is_alarmed_once() -> None:
    machine = MachineFixture()
    machine.sense(10)
    for began_s in (10, 20):
        machine.write(Actuation(ActuationKind.OPEN), began_s)
        machine.relays(began_s + 0.4, 0)
        machine.relays(began_s + 2, 0)
        assert machine.state.reason is StateReason.RELAY_STUCK
        machine.relays(began_s + 3, 0)
        machine.relays(began_s + 4)

    assert machine.alarms == [AlarmKind.RELAY_STUCK] * 2


def test_stuck_relay_is_released_again() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.write(Actuation(ActuationKind.OPEN), 10)
    machine.relays(12, 0)
    assert machine.machine.due(12) == (RELEASE,)
    machine.write(RELEASE, 12)
    assert machine.machine.due(12.9) == ()
    assert machine.machine.due(13) == (RELEASE,)


def test_other_master_is_latched() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.relays(10, 1)
    machine.sense(10.2)
    assert machine.alarms == [AlarmKind.OTHER_MASTER]
    assert machine.machine.due(10.2) == (), "its master would close it again"
    assert machine.refusal(AcknowledgeEmergency(reason="looked"), 10.2) is RefusalReason.UNSAFE
    machine.relays(10.4)
    assert machine.refusal(OpenBarrier(), 10.4) is RefusalReason.UNSAFE
    machine.ask(AcknowledgeEmergency(reason="looked"), 10.4)
    machine.sense(10.8)
    machine.open(10.8)


@pytest.mark.parametrize(("wiring", "written"), [(NO_STOP, REOPEN), ({}, STOP)])
def test_commanded_closing_is_reversed_after_another_master(
    wiring: dict[str, Any], written: Actuation
) -> None:
    """Its relay is open again; without a stop contact, only a reopening keeps the boom from the person."""
    machine = MachineFixture(ONE_DOOR | wiring)
    machine.closing(20)
    machine.relays(20.8)
    machine.relays(20.9, 1)
    machine.relays(21)
    assert machine.alarms == [AlarmKind.OTHER_MASTER]
    machine.sense(21.2, BETWEEN, presence=True)
    assert machine.machine.due(21.5) == (written,)


def test_closed_relay_of_another_master_is_released_once() -> None:
    """Opening and closing contacts are never closed at the same time, and two masters do not fight."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.8)
    machine.relays(20.9, 1)
    machine.sense(21.2, BETWEEN, presence=True)
    assert machine.machine.due(21.2) == (RELEASE,)
    machine.write(RELEASE, 21.2)
    machine.relays(21.4, 1)
    assert machine.machine.due(21.5) == (), "its master has closed it again"
    machine.relays(21.6)
    assert machine.machine.due(22) == (REOPEN,)


def test_opening_ends_after_another_master() -> None:
    """A boom that falls while it should open was not closed by this gateway: a person must look."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.sense(20)
    machine.open(20)
    machine.sense(20.2, OPEN)
    machine.relays(20.3, 1)
    machine.relays(20.5)
    machine.sense(20.6, BETWEEN, presence=True)
    assert REOPEN not in machine.machine.due(21)


@pytest.mark.parametrize("control", ["", "key"])
def test_flicker_of_the_limit_it_has_left_hides_no_closing(control: str) -> None:
    """A commanded closing has not ended, whatever the open limit shows for less than half a second."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.9)
    machine.sense(22, OPEN)
    machine.sense(22.2, OPEN, presence=True)
    machine.sense(22.4, BETWEEN, presence=True, inputs={"key_switch": control == "key"})
    assert AlarmKind.NOT_STARTED not in machine.alarms
    assert REOPEN in machine.machine.due(22.4)


@pytest.mark.parametrize(("until_s", "alarms"), [(22.4, []), (22.5, [AlarmKind.NOT_STARTED])])
def test_door_that_returns_ends_its_movement(until_s: float, alarms: list[AlarmKind]) -> None:
    """Once the limit that it had left is steady."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(22, OPEN)
    machine.sense(until_s, OPEN)
    assert machine.alarms == alarms


# Obstruction of a closing barrier.


def test_reversal_waits_for_the_dead_time() -> None:
    """The closing contact is opened at once; the opening one waits for the dead time."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    assert machine.machine.due(20.4) == (RELEASE,)
    machine.write(RELEASE, 20.4)
    assert machine.machine.due(20.69) == ()
    assert machine.machine.next_due_s() == pytest.approx(20.7)
    assert machine.machine.due(20.7) == (REOPEN,)
    assert machine.alarms.count(AlarmKind.OBSTRUCTION_WHILE_CLOSING) == 1


def test_dead_time_begins_with_acknowledgement() -> None:
    """A release that the board has not acknowledged may not have opened the contact."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    machine.machine.on_writing(RELEASE, 20.4)
    assert machine.machine.due(20.4) == (), "it is being written"
    machine.machine.on_unanswered(RELEASE, 20.7)
    assert machine.machine.due(22) == (RELEASE,)
    machine.write(RELEASE, 22)
    assert machine.machine.due(22.3) == (REOPEN,)


def test_reading_proves_the_contact_open() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    machine.sense(21, BETWEEN, presence=True)

    assert machine.machine.due(21) == (REOPEN,)


def test_reopening_is_due_until_sensed() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.write(RELEASE, 20.3)
    machine.sense(20.7, BETWEEN, presence=True)
    machine.machine.on_writing(REOPEN, 20.7)
    machine.machine.on_refused(REOPEN, 20.7)
    assert machine.machine.due(20.7) == (REOPEN,), "the board was busy"
    machine.write(REOPEN, 20.8)
    machine.relays(21.5)
    for now_s, limits in ((21.0, CLOSED), (21.2, BETWEEN), (22.7, BETWEEN)):
        machine.sense(now_s, limits)
        assert machine.machine.due(now_s) == ()
    assert machine.machine.due(22.8) == (REOPEN,), "not sensed open in time"
    machine.write(REOPEN, 22.8)
    for now_s in (23.0, 23.2):
        machine.sense(now_s, OPEN)
    assert machine.machine.due(40) == ()


def test_open_limit_before_the_reopening_must_be_steady() -> None:
    """The door has not left it yet, or it flickers: the machine may still begin to close."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.2, OPEN, presence=True)
    machine.write(RELEASE, 20.2)
    machine.sense(20.4, OPEN, presence=True)
    assert machine.machine.due(20.5) == (REOPEN,)
    machine.sense(20.89, OPEN, presence=True)
    assert machine.machine.due(20.89) == (REOPEN,)
    machine.sense(20.9, OPEN, presence=True)
    assert machine.machine.due(20.9) == ()


@pytest.mark.parametrize(("limits", "due"), [(OPEN, ()), (BETWEEN, (REOPEN,))])
def test_reopening_ends_at_two_readings_since(limits: tuple[bool, bool], due: tuple[Actuation, ...]) -> None:
    """A single one may be a flicker: it keeps the reopening back, and does not end it."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.2, OPEN, presence=True)
    machine.write(RELEASE, 20.2)
    machine.sense(20.4, OPEN, presence=True)
    machine.write(REOPEN, 20.5)
    machine.relays(21.2)
    machine.sense(20.7, OPEN, presence=True)
    assert machine.machine.due(22.5) == ()
    machine.sense(20.9, limits, presence=True)
    machine.sense(21.1, BETWEEN)  # an open limit alone would keep it back as well
    assert machine.machine.due(22.5) == due


def test_reopening_ends_once_steadily_closed() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.write(RELEASE, 20.3)
    machine.sense(20.7, BETWEEN, presence=True)
    for now_s in (21.0, 21.2, 21.5):
        machine.sense(now_s)

    assert machine.machine.due(21.5) == ()


def test_flicker_at_the_end_of_a_closing_hides_no_person() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, CLOSED, presence=True)
    machine.sense(20.6, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    assert AlarmKind.FORCED_OPEN not in machine.alarms
    assert machine.machine.due(20.6) == (RELEASE,)


def test_flicker_at_the_start_of_a_closing_hides_no_person() -> None:
    """Closed by a flicker when it is commanded, and by others until it counts as done: it may close still."""
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, BETWEEN)
    machine.sense(20.2)
    machine.write(machine.close(20.3).actuation or RELEASE, 20.3)
    for now_s in (20.4, 20.6, 20.8):
        machine.sense(now_s)
    machine.sense(21, BETWEEN)
    machine.sense(21.2, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    assert machine.machine.due(21.2) == (RELEASE,)


@pytest.mark.parametrize("then", ["later", "opened"])
def test_closed_door_that_opens_is_not_taken_for_closing(then: str) -> None:
    machine = MachineFixture()
    machine.sense(20)
    machine.write(machine.close(20.3).actuation or RELEASE, 20.3)
    for now_s in (20.4, 20.6, 20.9):
        machine.sense(now_s)
    left_s = 23.0
    if then == "opened":
        machine.sense(left_s)
        machine.write(machine.open(left_s).actuation or RELEASE, left_s)
    else:
        left_s = 40.0
        machine.sense(left_s - 0.2)
    machine.sense(left_s + 0.2, BETWEEN)
    machine.sense(left_s + 0.4, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING not in machine.alarms
    assert (AlarmKind.FORCED_OPEN in machine.alarms) is (then == "later")


def test_every_movement_is_guarded() -> None:
    """A person in the way of a second closing, without an end between the two."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.4, BETWEEN, presence=True)
    machine.stop(20.5)
    machine.sense(21.5, BETWEEN)
    machine.relays(21.5)
    machine.sense(25, BETWEEN)
    machine.write(machine.close(25).actuation or RELEASE, 25)
    machine.sense(25.2, BETWEEN, presence=True)

    assert machine.alarms.count(AlarmKind.OBSTRUCTION_WHILE_CLOSING) == 2
    assert machine.machine.due(25.2) == (RELEASE,)


def test_door_moving_at_start_is_guarded() -> None:
    machine = MachineFixture()
    machine.sense(10, BETWEEN)
    assert machine.alarms == [AlarmKind.MOVING_AT_START]
    machine.sense(10.2, BETWEEN, presence=True)

    assert machine.alarms[1:] == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]
    assert machine.machine.due(10.2) == (REOPEN,)


def test_reopens_at_every_closing() -> None:
    machine = MachineFixture()
    for began_s in (20, 60):
        machine.closing(began_s)
        machine.sense(began_s + 0.4, BETWEEN, presence=True)
        assert machine.machine.due(began_s + 0.4) == (RELEASE,)
        machine.write(RELEASE, began_s + 0.4)
        machine.sense(began_s + 0.5, OPEN)
        machine.sense(began_s + 5, OPEN)
        machine.sense(began_s + 6, BETWEEN)
        machine.sense(began_s + 7)


@pytest.mark.parametrize("why", ["key_switch", "relay", "other master"])
def test_obstructed_door_that_may_not_open_is_stopped(why: str) -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    if why == "relay":
        machine.relays(22, 1)
    if why == "other master":
        machine.relays(22, 0)
    inputs = {"key_switch": why == "key_switch"}
    machine.sense(22.2, BETWEEN, inputs=inputs, presence=True)

    assert Actuation(ActuationKind.STOP) in machine.machine.due(22.2)
    assert REOPEN not in machine.machine.due(22.2)
    machine.write(Actuation(ActuationKind.STOP), 22.2)
    for now_s, presence in ((22.6, True), (23, True), (24, False), (30, False)):
        machine.sense(now_s, BETWEEN, inputs=inputs, presence=presence)
        assert not {REOPEN, Actuation(ActuationKind.STOP)} & set(machine.machine.due(now_s))


def test_door_that_leaves_its_open_end_again_is_reopened() -> None:
    """Its button or a welded contact closes it as soon as the reopening has opened it."""
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    machine.sense(21, BETWEEN, presence=True)
    machine.write(REOPEN, 21)
    machine.sense(22.2, OPEN, presence=True)
    machine.sense(22.4, BETWEEN, presence=True)
    assert machine.machine.due(22.4) == (REOPEN,)

    machine.write(REOPEN, 22.4)
    machine.sense(22.6, OPEN, presence=True)
    machine.sense(22.8, BETWEEN, presence=True)
    assert machine.machine.due(22.8) == (), "the contact may still be closed"
    assert machine.machine.due(23.4) == (REOPEN,)


@pytest.mark.parametrize(("left_s", "opens"), [(22.0, True), (29.0, False)])
def test_door_that_leaves_its_closed_end_while_it_may_close_is_reopened(left_s: float, opens: bool) -> None:
    """A shorted wire of the closed limit looks like an end, and then like a forced opening."""
    machine = MachineFixture(close_timeout_s=8)
    machine.closing(20)
    machine.relays(20.6)
    for now_s in (21.2, 21.4, 21.6, left_s - 0.2):
        machine.sense(now_s, CLOSED)
    machine.sense(left_s, BETWEEN, presence=True)
    assert (REOPEN in machine.machine.due(left_s)) is opens
    assert AlarmKind.FORCED_OPEN in machine.alarms


def test_door_that_rests_between_its_ends_is_not_reopened() -> None:
    """It has left its closed end while it may close, and has reached none since."""
    machine = MachineFixture(open_timeout_s=8, close_timeout_s=8)
    machine.closing(20)
    machine.relays(20.6)
    for now_s in (21.2, 21.4, 21.6, 21.8):
        machine.sense(now_s, CLOSED)
    for now_s in (22, 26, 31):
        machine.sense(now_s, BETWEEN)
    machine.sense(31.2, BETWEEN, presence=True)
    assert machine.machine.due(31.2) == ()


def test_door_that_did_not_open_is_not_reopened() -> None:
    """It was between its ends at the start, and was commanded to open since: it does not close."""
    machine = MachineFixture(open_timeout_s=6, close_timeout_s=10)
    machine.sense(0, BETWEEN)
    machine.sense(10.4, BETWEEN)
    machine.open(10.5)
    machine.sense(16.7, BETWEEN)
    machine.sense(17, BETWEEN, presence=True)
    assert machine.machine.due(17) == ()


@pytest.mark.parametrize("control", ["lease", "key"])
def test_local_control_before_the_reopening_stops(control: str) -> None:
    """It begins in the dead time after the release, while the door closes on a person."""
    machine = MachineFixture()
    machine.closing(20)
    machine.sense(20.2, BETWEEN, presence=True)
    machine.write(RELEASE, 20.2)
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=60, reason="a test"), 20.3)
    key = {"key_switch": control == "key"}
    machine.sense(20.4, BETWEEN, presence=True, inputs=key)
    assert machine.machine.due(20.4) == (Actuation(ActuationKind.STOP),)

    machine.write(Actuation(ActuationKind.STOP), 20.4)
    for now_s in (20.6, 21.2, 79, 90):
        machine.sense(now_s, BETWEEN, presence=True, inputs=key if now_s < 80 else {})
        assert machine.machine.due(now_s) == (), "local control has priority, and the door rests"


@pytest.mark.parametrize("control", ["lease", "key"])
def test_closing_of_an_earlier_run_is_stopped_under_local_control(control: str) -> None:
    """A door between its ends at the first reading may be closing by a command of the run before."""
    machine = MachineFixture()
    machine.sense(0, BETWEEN)
    key = {"key_switch": control == "key"}
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=60, reason="a test"), 1)
    machine.sense(1.2, BETWEEN, inputs=key)
    machine.sense(1.4, BETWEEN, presence=True, inputs=key)
    assert machine.machine.due(1.4) == (Actuation(ActuationKind.STOP),)


def test_local_closing_is_left_alone() -> None:
    """The key switch is turned: the person there closes it by its button."""
    machine = MachineFixture()
    machine.sense(10, OPEN, inputs={"key_switch": True})
    machine.sense(20, BETWEEN, inputs={"key_switch": True}, presence=True)

    assert machine.alarms == [AlarmKind.OBSTRUCTION_WHILE_CLOSING]
    assert machine.machine.due(20) == ()


def test_obstructed_door_opens_in_an_emergency() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.6)
    machine.sense(21, BETWEEN, inputs={"emergency": True}, presence=True)

    assert machine.machine.due(21) == (REOPEN,)


def test_closing_from_between_is_guarded_in_an_emergency() -> None:
    """A machine that no fire alarm opens goes on closing, though its opening was stopped before."""
    machine = MachineFixture()
    machine.sense(10)
    machine.open(10)
    machine.sense(10.5, BETWEEN)
    machine.stop(11)
    for n in range(15):
        machine.sense(11.2 + 0.2 * n, BETWEEN)
    machine.write(machine.close(14).actuation or RELEASE, 14)
    machine.sense(14.1, BETWEEN, inputs={"emergency": True})
    machine.sense(14.7, BETWEEN, inputs={"emergency": True}, presence=True)
    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    machine.relays(15)
    machine.sense(15.1, BETWEEN, inputs={"emergency": True}, presence=True)
    assert ActuationKind.REOPEN in {one.kind for at_s in (15.1, 15.5) for one in machine.machine.due(at_s)}


def test_does_not_reopen_after_a_stop() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    machine.sense(20.7, BETWEEN, presence=True)

    assert machine.machine.due(21.5) == ()
    assert machine.alarms.count(AlarmKind.OBSTRUCTION_WHILE_CLOSING) == 1


@pytest.mark.parametrize("person_s", [20.4, 20.7, 22.0])
def test_stop_without_contact_reopens(person_s: float) -> None:
    """A release stops no machine that runs on after its pulse: the person is still in its way."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.3)
    for now_s in (20.4, 20.6, 20.8, 21.0, 21.2, 21.4, 21.6, 21.8, 22.0):
        if now_s == 20.6:
            machine.stop(20.5)
        machine.sense(now_s, BETWEEN, presence=now_s >= person_s)

    assert machine.machine.due(22.4) == (REOPEN,)
    assert machine.state.state is not MovementState.STOPPED


def test_stop_at_the_open_end_without_contact_reopens() -> None:
    """The door leaves its end in spite of the stop, whose release is repeated and holds no reopening up."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.stop(20.1)
    machine.sense(20.2, OPEN)
    machine.relays(20.2)
    machine.sense(20.4, BETWEEN)
    assert machine.machine.due(20.4) == (RELEASE,)
    machine.sense(20.6, BETWEEN, presence=True)
    assert machine.machine.due(20.6) == (RELEASE, REOPEN)
    machine.write(RELEASE, 20.6)
    assert machine.machine.due(20.6) == (REOPEN,)
    assert AlarmKind.STOP_NOT_ACKNOWLEDGED not in machine.alarms


def test_reopening_ends_the_closing() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    travel = machine.close(20).movement
    assert travel is not None
    machine.sense(20.4, BETWEEN, presence=True)

    assert travel.result is MovementResult.REVERSED


# Closing.


def test_closing_needs_a_free_way() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN, presence=True)
    assert machine.refusal(CloseBarrier(), 20) is RefusalReason.UNSAFE
    machine.sense(21, OPEN)
    assert machine.close(21).actuation == Actuation(ActuationKind.CLOSE)


@pytest.mark.parametrize(("asked_s", "is_refused"), [(20.2, False), (20.5, True)])
def test_closing_needs_a_quick_reading(asked_s: float, is_refused: bool) -> None:
    """Once it moves, a person in its way is noticed no sooner than the inputs were read just now."""
    machine = MachineFixture()
    machine.opened(10)
    for now_s in (19.8, 20.0, asked_s):
        machine.sense(now_s, OPEN, answered_s=now_s + 0.1)
    if is_refused:
        assert machine.refusal(CloseBarrier(), asked_s + 0.1) is RefusalReason.UNSAFE
        machine.sense(asked_s + 0.2, OPEN, answered_s=asked_s + 0.3)
    assert machine.close(asked_s + 0.3).actuation == Actuation(ActuationKind.CLOSE)


def test_reopening_that_arrives_is_not_repeated() -> None:
    """It is sensed open just when the reopening would be written again, and once more for good."""
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(20.9)
    machine.sense(21, BETWEEN, presence=True)
    machine.write(RELEASE, 21)
    machine.write(REOPEN, 21.3)
    machine.sense(23.3, OPEN)
    assert machine.machine.due(23.3) == ()
    machine.sense(23.5, OPEN)
    machine.sense(23.7, BOTH)
    assert machine.machine.due(26) == ()


def test_closing_a_closed_door_moves_nothing() -> None:
    machine = MachineFixture()
    machine.sense(10)

    assert machine.close(10) == Decision()


def test_controller_closes_by_itself() -> None:
    wiring = ONE_DOOR["doors"][0] | {"close": None}  # type: ignore[index]
    machine = MachineFixture(ONE_DOOR | {"doors": [wiring]})
    machine.opened(10)
    assert machine.refusal(CloseBarrier(), 11) is RefusalReason.NOT_SUPPORTED


def test_open_at_start_is_closed_after_acknowledgement() -> None:
    machine = MachineFixture()
    machine.sense(10, OPEN)
    assert StateReason.OPEN_AT_START in machine.state.conditions
    assert machine.refusal(CloseBarrier(), 10) is RefusalReason.UNSAFE
    machine.ask(AcknowledgeEmergency(reason="looked"), 10)
    assert machine.close(10).actuation == Actuation(ActuationKind.CLOSE)


def test_found_open_ends_when_it_closes() -> None:
    machine = MachineFixture()
    for now_s, limits in ((10, OPEN), (11, BETWEEN), (12, CLOSED), (13, OPEN)):
        machine.sense(now_s, limits)
    assert StateReason.OPEN_AT_START not in machine.state.conditions


# Maintenance.


@pytest.mark.parametrize("control", ["lease", "key"])
def test_commanded_closing_reopens_under_local_control(control: str) -> None:
    """A lease or the key switch in the middle of it must not leave the boom to shut on a person."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.closing(20)
    machine.relays(20.9)
    key = {"key_switch": control == "key"}
    machine.sense(21, BETWEEN, presence=True)
    if control == "lease":
        machine.ask(SetMaintenance(duration_s=600, reason="a test"), 21.1)
    machine.sense(21.2, BETWEEN, presence=True, inputs=key)
    assert REOPEN in machine.machine.due(21.6)
    machine.sense(22, BETWEEN, inputs=key)
    assert REOPEN in machine.machine.due(22)


def test_commanded_opening_ends_under_local_control() -> None:
    """A boom that falls while it should open was not closed by this gateway: the key switch has priority."""
    machine = MachineFixture(ONE_DOOR | NO_STOP)
    machine.sense(20)
    machine.open(20)
    machine.sense(20.2, OPEN)
    machine.sense(20.4, BETWEEN, presence=True, inputs={"key_switch": True})
    assert REOPEN not in machine.machine.due(20.9)


def test_lease_ends_on_time() -> None:
    machine = MachineFixture()
    machine.sense(10)
    machine.ask(SetMaintenance(duration_s=60, reason="a test"), 10)
    machine.sense(69.9)
    assert machine.state.reason is StateReason.MAINTENANCE_LEASE
    assert machine.refusal(OpenBarrier(), 69.9) is RefusalReason.MAINTENANCE
    machine.sense(70)
    assert machine.state.state is MovementState.CLOSED
    machine.open(70)


def test_key_switch_keeps_hands_off() -> None:
    machine = MachineFixture()
    machine.sense(10, inputs={"key_switch": True})
    assert machine.refusal(OpenBarrier(), 10) is RefusalReason.MAINTENANCE
    assert (machine.state.state, machine.state.reason) == (MovementState.MAINTENANCE, StateReason.KEY_SWITCH)


# Forced openings.


@pytest.mark.parametrize(("left_s", "alarms"), [(12.0, []), (12.1, [AlarmKind.FORCED_OPEN])])
def test_button_explains_an_opening(left_s: float, alarms: list[AlarmKind]) -> None:
    machine = MachineFixture()
    machine.sense(10, inputs={"local_button": True})
    machine.sense(11)
    machine.sense(left_s, BETWEEN)

    assert machine.alarms == alarms


@pytest.mark.parametrize("by", ["emergency", "key_switch"])
def test_emergency_and_key_explain_an_opening(by: str) -> None:
    machine = MachineFixture()
    machine.sense(10, inputs={by: True})
    machine.sense(11, BETWEEN, inputs={by: True})

    assert AlarmKind.FORCED_OPEN not in machine.alarms


@pytest.mark.parametrize(("checked_s", "forced"), [(16.0, False), (16.1, True)])
def test_late_opening_is_forced(checked_s: float, forced: bool) -> None:
    """A command to open explains an opening for the time that opening may take."""
    machine = MachineFixture()
    machine.sense(10)
    machine.open(10)
    machine.sense(checked_s)
    machine.sense(checked_s + 0.1, BETWEEN)

    assert (AlarmKind.FORCED_OPEN in machine.alarms) is forced


def test_asked_opening_is_not_forced() -> None:
    machine = MachineFixture()
    machine.opened(10)
    assert machine.alarms == []
    machine.sense(15, CLOSED)
    machine.sense(16, BETWEEN)
    assert machine.alarms == [AlarmKind.FORCED_OPEN], "one command explains one opening"


def test_open_too_long_is_alarmed_once() -> None:
    machine = MachineFixture(max_open_s=20)
    machine.opened(9)
    for now_s in (30, 30.1, 40, 90):
        machine.sense(now_s, OPEN)
    assert machine.alarms == [AlarmKind.OPEN_TOO_LONG]
    machine.sense(91, CLOSED)
    machine.sense(93, OPEN)
    machine.sense(114, OPEN)
    assert machine.alarms[-1] is AlarmKind.OPEN_TOO_LONG


@pytest.mark.parametrize(("now_s", "alarmed"), [(30.0, False), (30.1, True)])
def test_open_for_as_long_as_allowed(now_s: float, alarmed: bool) -> None:
    machine = MachineFixture(max_open_s=20)
    machine.opened(9)
    machine.sense(now_s, OPEN)

    assert (AlarmKind.OPEN_TOO_LONG in machine.alarms) is alarmed


# Implausible limit switches.


@pytest.mark.parametrize(("fourth_s", "chatters"), [(11.0, True), (11.01, False)])
def test_four_changes_within_a_second_are_chatter(fourth_s: float, chatters: bool) -> None:
    machine = MachineFixture()
    machine.sense(9.9)
    for now_s, presence in ((10.0, True), (10.3, False), (10.6, True)):
        machine.sense(now_s, presence=presence)
    assert machine.state.reason is StateReason.LIMIT_SWITCHES, "three changes may be a person"
    machine.sense(fourth_s)

    assert (machine.state.reason is StateReason.CHATTER) is chatters
    machine.sense(fourth_s + 1.9)
    assert (machine.state.reason is StateReason.CHATTER) is chatters
    machine.sense(fourth_s + 2.0)
    assert machine.state.reason is StateReason.LIMIT_SWITCHES


def test_chatter_lasts_from_the_latest_change() -> None:
    machine = MachineFixture()
    for turn in range(5):
        machine.sense(10 + turn / 4, presence=turn % 2 == 1)
    assert machine.state.reason is StateReason.CHATTER
    machine.sense(12.9, presence=True)
    machine.sense(14.8, presence=True)
    assert machine.state.reason is StateReason.CHATTER
    machine.sense(15, presence=True)
    assert machine.state.reason is StateReason.LIMIT_SWITCHES
    assert machine.alarms == [AlarmKind.IMPLAUSIBLE_INPUTS]


def test_chatter_is_reported_once_a_second() -> None:
    machine = MachineFixture()
    for turn in range(40):
        machine.sense(10 + turn / 10, presence=turn % 2 == 1)

    assert 3 <= sum(said.reason is StateReason.CHATTER for said in machine.of(BarrierState)) <= 4


def test_chatter_freezes_no_input() -> None:
    machine = MachineFixture()
    for turn in range(10):
        machine.sense(10 + turn / 10, presence=turn % 2 == 1)
    assert machine.state.doors[0].closed_limit
    for turn in range(10, 22):
        machine.sense(10 + turn / 10, BETWEEN, presence=turn % 2 == 1)

    assert machine.state.reason is StateReason.CHATTER
    assert not machine.state.doors[0].closed_limit


@pytest.mark.parametrize(
    ("left", "now_s", "state", "why"),
    [
        (CLOSED, 16.0, MovementState.OPENING, StateReason.LIMIT_SWITCHES),
        (CLOSED, 16.1, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (CLOSED, 19.0, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (CLOSED, 19.1, MovementState.FAULT, StateReason.NO_LIMIT),
        (OPEN, 18.0, MovementState.CLOSING, StateReason.LIMIT_SWITCHES),
        (OPEN, 18.1, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (OPEN, 22.0, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (OPEN, 22.1, MovementState.FAULT, StateReason.NO_LIMIT),
        (None, 18.0, MovementState.UNKNOWN, StateReason.LIMIT_SWITCHES),
        (None, 18.1, MovementState.BLOCKED, StateReason.LIMIT_SWITCHES),
        (BOTH, 18.0, MovementState.UNKNOWN, StateReason.LIMIT_SWITCHES),
    ],
)
def test_between_its_ends(
    left: tuple[bool, bool] | None, now_s: float, state: MovementState, why: StateReason
) -> None:
    machine = MachineFixture()
    if left is not None:
        machine.sense(9, left)
    machine.sense(10, BETWEEN)
    machine.sense(now_s, BETWEEN)

    assert (machine.state.state, machine.state.reason) == (state, why)


def test_not_arriving_is_alarmed_once() -> None:
    machine = MachineFixture()
    machine.sense(9, OPEN)
    for now_s in (10, 18.1, 19, 30):
        machine.sense(now_s, BETWEEN)
    assert machine.alarms == [AlarmKind.NOT_ARRIVED, AlarmKind.IMPLAUSIBLE_INPUTS]
    machine.sense(31, OPEN)
    for now_s in (32, 41):
        machine.sense(now_s, BETWEEN)
    assert machine.alarms[2:] == [AlarmKind.NOT_ARRIVED]


def test_stopped_between_its_ends() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.stop(20.5)
    machine.sense(21, BETWEEN)
    assert machine.state.state is MovementState.CLOSING, "it may still brake"
    machine.sense(21.1, BETWEEN)
    assert machine.state.state is MovementState.STOPPED
    machine.sense(29, BETWEEN)
    assert machine.state.state is MovementState.STOPPED
    machine.sense(30, OPEN)
    machine.sense(31, BETWEEN)
    machine.sense(40, BETWEEN)
    assert machine.state.state is MovementState.BLOCKED, "the stop is over once an end was reached"


def test_stop_at_rest_is_forgotten() -> None:
    machine = MachineFixture()
    machine.sense(10, OPEN)
    machine.stop(11)
    machine.sense(11.7, OPEN)
    machine.sense(12, BETWEEN)
    machine.sense(21, BETWEEN)

    assert machine.state.state is MovementState.BLOCKED


def test_stop_ends_a_movement() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    machine.sense(10.6, BETWEEN)
    machine.stop(10.7)
    machine.sense(11.2, BETWEEN)
    assert travel.result is None, "it may still arrive"
    machine.sense(11.4, BETWEEN)

    assert (travel.result, travel.ended_s) == (MovementResult.STOPPED, 11.4)


def test_arrival_despite_a_stop_is_told() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    travel = machine.close(20).movement
    assert travel is not None
    machine.sense(20.6, BETWEEN)
    machine.take(machine.machine.on_stop(20.7))
    machine.sense(22, CLOSED)
    assert travel.result is None, "it may be a flicker"
    machine.sense(22.5, CLOSED)

    assert travel.result is MovementResult.ARRIVED_DESPITE_STOP


def test_stop_is_repeated_until_acknowledged() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.take(machine.machine.on_stop(20.5))
    stop = Actuation(ActuationKind.STOP)
    assert machine.machine.due(20.5) == (stop,)
    machine.machine.on_writing(stop, 20.5)
    assert machine.machine.due(20.6) == ()
    machine.machine.on_unanswered(stop, 20.8)
    assert machine.machine.due(20.8) == (stop,)
    machine.sense(21.1, BETWEEN)
    assert machine.alarms == [AlarmKind.STOP_NOT_ACKNOWLEDGED]
    machine.write(stop, 21.2)
    assert machine.machine.due(21.2) == ()


def test_stop_is_repeated_if_the_door_leaves_its_end() -> None:
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(20, OPEN)
    machine.close(20)
    machine.stop(20.1)
    machine.sense(20.4, BETWEEN)

    assert machine.machine.due(20.4) == (Actuation(ActuationKind.STOP),)


def test_arrival() -> None:
    machine = MachineFixture()
    machine.sense(10)
    travel = machine.open(10).movement
    assert travel is not None
    assert (travel.door, travel.goal, travel.start_state) == (0, MovementState.OPEN, MovementState.CLOSED)
    machine.sense(10.5, BETWEEN)
    assert machine.refusal(OpenBarrier(), 10.5) is RefusalReason.BUSY
    machine.sense(11, OPEN)
    assert travel.result is None, "it may be a flicker"
    machine.sense(11.5, OPEN)

    assert (travel.result, travel.ended_s) == (MovementResult.ARRIVED, 11)
    carried = [said.transaction for said in machine.of(BarrierState) if said.transaction]
    assert carried == ["t1", "t1"]


def test_closing_by_controller_after_a_brief_opening_is_guarded() -> None:
    """The commanded opening is not confirmed yet when the machine's own controller closes again."""
    machine = MachineFixture()
    machine.opened(10)
    machine.sense(11.2, BETWEEN, presence=True)

    assert AlarmKind.OBSTRUCTION_WHILE_CLOSING in machine.alarms
    assert machine.machine.due(11.2) == (REOPEN,)


# Reports of two doors.


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (CLOSED, CLOSED, MovementState.CLOSED),
        (CLOSED, OPEN, MovementState.OPEN),
        (OPEN, CLOSED, MovementState.OPEN),
        (CLOSED, BETWEEN, MovementState.OPENING),
    ],
)
def test_graver_door_counts(
    first: tuple[bool, bool], second: tuple[bool, bool], state: MovementState
) -> None:
    machine = gate()
    machine.sense(10, CLOSED, CLOSED)
    machine.sense(11, first, second)

    assert machine.state.state is state
    assert [door.door for door in machine.state.doors] == ["first", "second"]


def test_faulty_door_is_named() -> None:
    machine = gate()
    machine.sense(10, CLOSED, BOTH)

    assert [door.state for door in machine.state.doors] == [MovementState.CLOSED, MovementState.FAULT]
    assert (machine.state.state, machine.state.reason) == (MovementState.FAULT, StateReason.BOTH_LIMITS)


def test_report_has_every_input() -> None:
    machine = MachineFixture()
    machine.sense(10, OPEN, inputs={"key_switch": True}, presence=True, entry_side=True)
    (door,) = machine.state.doors
    sensed = (door.open_limit, door.closed_limit, door.presence, door.entry_side, door.exit_side)
    assert sensed == (True, False, True, True, False)
    assert (machine.state.emergency, machine.state.key_switch, machine.state.controller_ok) == (
        False,
        True,
        True,
    )


def test_stale_is_reported_once() -> None:
    machine = MachineFixture()
    assert machine.machine.on_link_lost() == Decision()
    machine.sense(10)
    (stale,) = machine.machine.on_link_lost().observations
    assert isinstance(stale, BarrierState)
    assert (stale.state, stale.reason, stale.stale) == (MovementState.UNKNOWN, StateReason.LINK_LOST, True)
    assert stale.doors[0].state is MovementState.UNKNOWN
    assert stale.doors[0].closed_limit, "the inputs are the last ones read"
    assert machine.machine.on_link_lost() == Decision()


def test_same_state_is_reported_once() -> None:
    machine = MachineFixture()
    for now_s in (10, 10.2, 10.4):
        machine.sense(now_s)
    assert len(machine.said) == 1
    machine.sense(10.6, entry_side=True)
    assert len(machine.said) == 2


def passed_unseen(machine: MachineFixture, from_s: float, first: str = "entry_side") -> None:
    """A vehicle passes the open barrier, and the presence detector does not sense it."""
    other = {"entry_side": "exit_side", "exit_side": "entry_side"}[first]
    machine.sense(from_s, OPEN, **{first: True})
    machine.sense(from_s + 1, OPEN)
    machine.sense(from_s + 2, OPEN, **{other: True})
    machine.sense(from_s + 3, OPEN)


@pytest.mark.parametrize("first", ["entry_side", "exit_side"])
def test_detector_missing_three_passages_closes_nothing(first: str) -> None:
    machine = MachineFixture(max_open_s=600)
    machine.opened(10)
    for passage in range(3):
        assert AlarmKind.PRESENCE_MISSED not in machine.alarms
        passed_unseen(machine, 20 + 10 * passage, first)
    machine.sense(60, OPEN)
    assert machine.alarms.count(AlarmKind.PRESENCE_MISSED) == 1
    assert StateReason.PRESENCE_MISSED in machine.machine.conditions(60)
    assert machine.refusal(CloseBarrier(), 60) is RefusalReason.UNSAFE
    machine.open(60)

    machine.ask(AcknowledgeEmergency(reason="looked"), 60)
    assert machine.refusal(CloseBarrier(), 60) is RefusalReason.UNSAFE, "it was not tested"
    machine.sense(70, OPEN, presence=True)
    machine.sense(71, OPEN)
    assert machine.refusal(CloseBarrier(), 71) is RefusalReason.UNSAFE, "a person must acknowledge"
    machine.ask(AcknowledgeEmergency(reason="looked"), 71)
    assert machine.close(71).actuation is not None


def test_sensed_passages_prove_the_detector() -> None:
    machine = MachineFixture(max_open_s=600)
    machine.opened(10)
    for passage in range(6):
        passed_unseen(machine, 20 + 10 * passage)
        if passage % 2:
            machine.sense(25 + 10 * passage, OPEN, presence=True)
            machine.sense(26 + 10 * passage, OPEN)

    assert AlarmKind.PRESENCE_MISSED not in machine.alarms


@pytest.mark.parametrize("gap_s", [20.0, 0.0])
def test_sides_without_a_passage_prove_nothing(gap_s: float) -> None:
    """Two vehicles that wait at the two sides, and vehicles that turn back."""
    machine = MachineFixture(max_open_s=600)
    machine.opened(10)
    for passage in range(5):
        from_s = 20.0 + 100 * passage
        machine.sense(from_s, OPEN, entry_side=True)
        machine.sense(from_s + 1, OPEN)
        if gap_s:
            machine.sense(from_s + 1 + gap_s, OPEN, exit_side=True)
            machine.sense(from_s + 2 + gap_s, OPEN)

    assert AlarmKind.PRESENCE_MISSED not in machine.alarms
