"""Texts for people: of each alarm, of each refusal, and of each movement that did not arrive."""

from dataclasses import replace
from typing import Any

import pytest
from barrier_fixture import E_GATE, ONE_DOOR, VirtualBarrier
from machine_fixture import BETWEEN, BOTH, CLOSED, OPEN, MachineFixture

from drivers.barrier.commands import AcknowledgeEmergency, CloseBarrier, OpenBarrier
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind
from drivers.barrier.control.admission import (
    Situation,
    check_acknowledgement,
    check_closing,
    check_lease,
    check_movement,
    check_opening,
    check_sensing,
)
from drivers.barrier.control.doors.movement import Movement, MovementResult
from drivers.barrier.control.latches import Latches, Lease
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.observations import AlarmKind, BarrierAlarm, MovementState, StateReason
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandArguments, CommandFailure, CommandRefusal, RefusalReason
from drivers.links.factory import LinkFactory

# Alarms.


def alarm_of(machine: MachineFixture, kind: AlarmKind) -> BarrierAlarm:
    found: list[BarrierAlarm] = [one for one in machine.of(BarrierAlarm) if one.kind is kind]
    (alarm,) = found
    return alarm


def test_texts_of_doors() -> None:
    machine = MachineFixture(max_open_s=20, permit_s=60)
    machine.sense(1, BETWEEN)
    machine.sense(2)
    machine.sense(3, BETWEEN)
    machine.sense(11, BETWEEN)
    machine.sense(12, OPEN, presence=True, exit_side=True)
    machine.sense(13, OPEN)
    machine.sense(33, OPEN)
    assert StateReason.OPEN_TOO_LONG in machine.machine.conditions(33)
    machine.sense(34, BOTH)
    assert [(alarm.kind, alarm.text) for alarm in machine.of(BarrierAlarm)] == [
        (AlarmKind.MOVING_AT_START, "The barrier was between its ends at the start: it may be moving."),
        (AlarmKind.FORCED_OPEN, "The barrier was opened without a command."),
        (AlarmKind.NOT_ARRIVED, "A movement takes longer than allowed."),
        (AlarmKind.REVERSE_PASSAGE, "A person came through from the exit side."),
        (AlarmKind.OPEN_TOO_LONG, "The barrier has been open for longer than it should be."),
        (AlarmKind.IMPLAUSIBLE_INPUTS, "Both limit switches are made at the same time."),
    ]


def test_texts_of_commands() -> None:
    machine = MachineFixture(permit_s=60)
    machine.sense(10)
    machine.open(10)
    machine.sense(12)
    alarm = alarm_of(machine, AlarmKind.NOT_STARTED)
    assert (alarm.text, alarm.door) == ("A movement was commanded and has not started.", "")

    machine.opened(20)
    for began_s in (22, 24):
        machine.sense(began_s, OPEN, presence=True, entry_side=True)
        machine.sense(began_s + 0.5, OPEN)
    assert alarm_of(machine, AlarmKind.TAILGATING).text == (
        "A person is in the passage after the permit was used or has ended."
    )
    machine.sense(30, OPEN)
    machine.close(30)
    machine.sense(30.4, BETWEEN, presence=True)
    alarm = alarm_of(machine, AlarmKind.OBSTRUCTION_WHILE_CLOSING)
    assert alarm.text == "A person or object is in the way of the closing barrier."
    assert alarm.transaction == "t1"
    machine.take(machine.machine.on_stop(31))
    machine.sense(31.6, BETWEEN)
    assert alarm_of(machine, AlarmKind.STOP_NOT_ACKNOWLEDGED).text == (
        "The board does not acknowledge the stop: use the stop switch at the barrier."
    )


def test_texts_of_an_emergency() -> None:
    machine = MachineFixture()
    for now_s in (10, 15.9, 16.1):
        machine.sense(now_s, inputs={"emergency": True})
    machine.sense(17)
    machine.ask(AcknowledgeEmergency(reason="looked"), 17)
    assert [(alarm.kind, alarm.text) for alarm in machine.of(BarrierAlarm)] == [
        (AlarmKind.EMERGENCY, "The emergency input is active."),
        (
            AlarmKind.NOT_OPEN_IN_EMERGENCY,
            "The barrier is not open, although the emergency input is active: open it by hand.",
        ),
        (AlarmKind.EMERGENCY_CLEARED, "A person has acknowledged that the emergency is over."),
    ]


def test_texts_of_the_board() -> None:
    machine = MachineFixture()
    machine.take(machine.machine.on_relays_at_start([True, *[False] * 7], 1))
    machine.write(RELEASE, 1)
    machine.sense(10)
    machine.write(Actuation(ActuationKind.OPEN), 10)
    machine.relays(12, 0)
    machine.relays(13)
    machine.relays(14, 1)
    for now_s in (20.0, 21.0, 22.0):
        machine.take(machine.machine.on_inputs(machine.machine._sensed, now_s, now_s + 0.01))  # type: ignore[arg-type]
    assert [(alarm.kind, alarm.text) for alarm in machine.of(BarrierAlarm)] == [
        (AlarmKind.RELAY_STUCK, "A relay of the board was closed at the start; it is released."),
        (AlarmKind.RELAY_STUCK, "A relay of the board is closed that should be open."),
        (AlarmKind.OTHER_MASTER, "A relay of the board was closed, and not by this gateway."),
        (
            AlarmKind.SENSING_SLOW,
            "The board answers too slowly: the barrier is not moved by command.",
        ),
    ]


def test_text_of_a_lost_record() -> None:
    machine = MachineFixture()
    settings = BarrierSettings.model_validate(ONE_DOOR)
    machine.machine = BarrierStateMachine(settings, 0.0, Latches(record_lost=True))
    for now_s in (1, 2):
        machine.sense(now_s)
    assert alarm_of(machine, AlarmKind.RECORD_LOST).text == (
        "The record of earlier emergencies and maintenance is unreadable."
    )
    machine.ask(AcknowledgeEmergency(reason="looked"), 2)
    assert machine.machine.latches == Latches()


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ([CLOSED, BETWEEN], "No limit switch is made for much longer than the travel time."),
        (
            [OPEN, BETWEEN, OPEN, BETWEEN, OPEN, BETWEEN],
            "A limit switch or photocell changes more often than any machine moves.",
        ),
    ],
)
def test_texts_of_implausible_inputs(limits: list[tuple[bool, bool]], text: str) -> None:
    machine = MachineFixture()
    for place, one in enumerate(limits):
        machine.sense(10 + place / 5, one)
    machine.sense(10 + len(limits) / 5 if len(limits) > 2 else 25, BETWEEN)
    assert alarm_of(machine, AlarmKind.IMPLAUSIBLE_INPUTS).text == text


# Refusals.

CALM = Situation(
    sensing_age_s=0.1,
    is_sensing_slow=False,
    is_last_reading_slow=False,
    emergency_active=False,
    maintenance=None,
    fault=None,
    latches=Latches(),
    found_open=False,
    open_in_fault=False,
)
UNKNOWN_INPUTS = "The present state of the inputs is unknown."
OTHER_MASTER = "A relay was closed, and not by this gateway: a person must check the board and acknowledge."
RECORD_LOST = (
    "The record of earlier emergencies and maintenance is unreadable: a person must check the lane and "
    "acknowledge."
)
SLOW = "The inputs are not reliable: the board answers too slowly."
STUCK = "The inputs are not reliable: a relay is closed that should be open."
FAULTS = {
    StateReason.BOTH_LIMITS: "both limit switches are made at the same time",
    StateReason.NO_LIMIT: "no limit switch is made",
    StateReason.CHATTER: "a contact chatters",
    StateReason.CONTROLLER_FAULT: "the barrier's own controller reports a fault",
}
CHECKS = {
    "sensing": check_sensing,
    "movement": check_movement,
    "opening": check_opening,
    "closing": check_closing,
    "acknowledgement": lambda now: check_acknowledgement(now, is_relay_closed=False),
}


def refusals(changes: dict[str, Any]) -> dict[str, str]:
    """Return the refusal of each check that refuses."""
    now, found = replace(CALM, **changes), {}
    for name, check in CHECKS.items():
        try:
            check(now)
        except CommandRefusal as refused:
            found[name] = (refused.reason, refused.text)
    expected = RefusalReason.MAINTENANCE if now.maintenance else RefusalReason.UNSAFE
    assert {reason for reason, _ in found.values()} <= {expected}
    return {name: text for name, (_, text) in found.items()}


def movements(text: str) -> dict[str, str]:
    return dict.fromkeys(("movement", "opening", "closing"), text)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, {}),
        ({"sensing_age_s": 0.5}, {}),
        ({"sensing_age_s": 0.51}, dict.fromkeys(CHECKS, UNKNOWN_INPUTS)),
        ({"sensing_age_s": None}, dict.fromkeys(CHECKS, UNKNOWN_INPUTS)),
        (
            {"maintenance": StateReason.KEY_SWITCH},
            movements("Maintenance is in progress: the key switch at the barrier is turned."),
        ),
        (
            {"maintenance": StateReason.MAINTENANCE_LEASE},
            movements("Maintenance is in progress: a technician has a maintenance lease."),
        ),
        ({"latches": Latches(other_master=True)}, movements(OTHER_MASTER)),
        ({"latches": Latches(record_lost=True)}, movements(RECORD_LOST)),
        ({"latches": Latches(lease=Lease("x", 1))}, {}),
        ({"is_sensing_slow": True}, {"opening": SLOW, "closing": SLOW}),
        ({"is_sensing_slow": True, "open_in_fault": True}, {"closing": SLOW}),
        ({"is_last_reading_slow": True}, {"closing": SLOW}),
        ({"fault": StateReason.RELAY_STUCK}, {"opening": STUCK, "closing": STUCK}),
        ({"fault": StateReason.RELAY_STUCK, "open_in_fault": True}, {"opening": STUCK, "closing": STUCK}),
        (
            {"latches": Latches(emergency=True)},
            {"closing": "The barrier stays open for the emergency, until a person acknowledges."},
        ),
        (
            {"latches": Latches(forced_open=True)},
            {
                "closing": "The barrier was opened without a command, maybe for an emergency: a person must "
                "acknowledge."
            },
        ),
        (
            {"found_open": True},
            {
                "closing": "The barrier was open at the start, maybe for an emergency: a person must "
                "acknowledge."
            },
        ),
        ({"emergency_active": True}, {"acknowledgement": "The emergency input is still active."}),
    ],
)
def test_situations_that_refuse(changes: dict[str, Any], refused: dict[str, str]) -> None:
    assert refusals(changes) == refused


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_that_refuse(fault: StateReason) -> None:
    text = f"The inputs are not reliable: {FAULTS[fault]}."
    assert refusals({"fault": fault}) == {"opening": text, "closing": text}
    assert refusals({"fault": fault, "open_in_fault": True}) == {"closing": text}


def test_closed_relay_refuses_an_acknowledgement() -> None:
    text = "A relay is still closed: disconnect the other program or device first"
    with pytest.raises(CommandRefusal, match=f"^{text}.$"):
        check_acknowledgement(CALM, is_relay_closed=True)


def test_lease_of_another_refuses() -> None:
    lease = Lease("bench-1", 60)
    check_lease(None, "bench-2", is_supervisor=False)
    check_lease(lease, "bench-1", is_supervisor=False)
    check_lease(lease, "bench-2", is_supervisor=True)
    text = "The maintenance lease belongs to bench-1: only that station or a supervisor changes it"
    with pytest.raises(CommandRefusal, match=f"^{text}.$") as refused:
        check_lease(lease, "bench-2", is_supervisor=False)
    assert refused.value.reason is RefusalReason.MAINTENANCE


def refusal(machine: MachineFixture, request: CommandArguments, now_s: float) -> tuple[RefusalReason, str]:
    with pytest.raises(CommandRefusal) as refused:
        machine.ask(request, now_s)
    return refused.value.reason, refused.value.text


def test_texts_of_a_busy_barrier() -> None:
    machine = MachineFixture(permit_s=60)
    machine.sense(1)
    assert refusal(machine, OpenBarrier(), 1) == (
        RefusalReason.RATE_LIMITED,
        "Movements follow each other too quickly.",
    )
    assert refusal(machine, OpenBarrier(door="side"), 1) == (
        RefusalReason.NOT_SUPPORTED,
        'There is no such door; there is "".',
    )
    assert refusal(machine, CommandArguments(), 1) == (
        RefusalReason.NOT_SUPPORTED,
        "A barrier does not support this command.",
    )
    machine.opened(10)
    machine.sense(11.6, OPEN)
    assert refusal(machine, OpenBarrier(), 11.6) == (
        RefusalReason.RATE_LIMITED,
        "Movements follow each other too quickly.",
    )
    machine.sense(20, OPEN)
    busy = "A permit is still valid, and its passage has not taken place."
    assert refusal(machine, OpenBarrier(), 20) == (RefusalReason.BUSY, busy)
    machine.write(Actuation(ActuationKind.OPEN), 20)
    machine.relays(20.2)
    busy = "The opposite contact has only just opened."
    assert refusal(machine, CloseBarrier(), 20.4) == (RefusalReason.BUSY, busy)
    machine.sense(21, OPEN, presence=True)
    assert refusal(machine, CloseBarrier(), 21) == (
        RefusalReason.UNSAFE,
        "A person or object is in the way.",
    )
    machine.sense(22, OPEN)
    machine.close(22)
    machine.sense(22.3, OPEN)
    assert refusal(machine, CloseBarrier(), 22.4)[1] == "The barrier executes an earlier command."


def test_texts_of_a_reopening_barrier() -> None:
    machine = MachineFixture()
    machine.closing(20)
    machine.relays(21)
    machine.sense(23, BETWEEN, presence=True)
    assert refusal(machine, CloseBarrier(), 23) == (
        RefusalReason.UNSAFE,
        "The barrier is reopening because a person or object was in the way.",
    )


def test_texts_of_a_gate() -> None:
    machine = MachineFixture(E_GATE)
    machine.sense(10, OPEN, CLOSED)
    assert refusal(machine, OpenBarrier(door="second"), 10) == (
        RefusalReason.UNSAFE,
        "The other door is not closed, or may still open.",
    )
    assert (
        refusal(machine, OpenBarrier(door="third"), 10)[1] == "There is no such door; there is first, second."
    )


# Movements that did not arrive.


@pytest.mark.parametrize(
    ("result", "reason", "text"),
    [
        (MovementResult.NOT_STARTED, RefusalReason.TIMED_OUT, "The barrier has not started to move."),
        (MovementResult.NOT_ARRIVED, RefusalReason.TIMED_OUT, "The barrier has not arrived in time."),
        (MovementResult.STOPPED, RefusalReason.CANCELLED, "The barrier was stopped."),
        (
            MovementResult.ARRIVED_DESPITE_STOP,
            RefusalReason.CANCELLED,
            "A stop was commanded, and the barrier is open nevertheless.",
        ),
        (MovementResult.REVERSED, RefusalReason.UNSAFE, "A person or object was in the way."),
        (MovementResult.EMERGENCY, RefusalReason.UNSAFE, "An emergency occurred in the meantime."),
    ],
)
async def test_texts_of_movements(result: MovementResult, reason: RefusalReason, text: str) -> None:
    driver = VirtualBarrier(BarrierSettings.model_validate(ONE_DOOR), LinkFactory())
    movement = Movement(0, MovementState.OPEN, "t", 0.0, MovementState.CLOSED, result)
    with pytest.raises(CommandFailure) as failed:
        await driver._wait_for_movement(movement)
    assert (failed.value.reason, failed.value.text) == (reason, text)


async def test_arrived_movement_has_no_failure() -> None:
    driver = VirtualBarrier(BarrierSettings.model_validate(ONE_DOOR), LinkFactory())
    movement = Movement(0, MovementState.OPEN, "t", 0.0, MovementState.CLOSED, MovementResult.ARRIVED)
    await driver._wait_for_movement(movement)
