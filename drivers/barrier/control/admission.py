"""Rules by which a command is refused, at the moment of its execution. Pure: they only read the situation."""

from dataclasses import dataclass

from drivers.barrier.control.latches import Latches, Lease
from drivers.barrier.observations import StateReason
from drivers.command import CommandRefusal, RefusalReason

INPUT_AGE_LIMIT_S = 0.5
"""Age after which input values are too old for a decision, in seconds."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Facts about the whole barrier at one moment."""

    sensing_age_s: float | None
    """Age of the inputs; None: they were not read yet."""
    is_sensing_slow: bool
    is_last_reading_slow: bool
    emergency_active: bool
    """True while the emergency input is active."""
    maintenance: StateReason | None
    fault: StateReason | None
    """Fault of a relay, a contact or the controller."""
    latches: Latches
    found_open: bool
    """True while a barrier that was open at the start has not closed since."""
    open_in_fault: bool


def check_sensing(now: Situation) -> None:
    """Raise CommandRefusal if the present state of the inputs is unknown."""
    if now.sensing_age_s is None or now.sensing_age_s > INPUT_AGE_LIMIT_S:
        raise CommandRefusal(RefusalReason.UNSAFE, "The present state of the inputs is unknown.")


def check_movement(now: Situation) -> None:
    """Raise CommandRefusal if nothing may be moved."""
    if now.maintenance is not None:
        raise CommandRefusal(
            RefusalReason.MAINTENANCE, f"Maintenance is in progress: {_REASON_TEXTS[now.maintenance]}."
        )
    check_sensing(now)
    if now.latches.other_master:
        raise CommandRefusal(
            RefusalReason.UNSAFE,
            "A relay was closed, and not by this gateway: a person must check the board and acknowledge.",
        )
    if now.latches.record_lost:
        raise CommandRefusal(
            RefusalReason.UNSAFE,
            "The record of earlier emergencies and maintenance is unreadable: a person must check the lane "
            "and acknowledge.",
        )


def check_opening(now: Situation) -> None:
    """Raise CommandRefusal if a door may not be opened."""
    check_movement(now)
    fault = now.fault or (StateReason.SENSING_SLOW if now.is_sensing_slow else None)
    if fault is not None and (fault is StateReason.RELAY_STUCK or not now.open_in_fault):
        raise _unreliable(fault)


def check_closing(now: Situation) -> None:
    """Raise CommandRefusal if a door may not be closed."""
    if now.latches.emergency:
        raise CommandRefusal(
            RefusalReason.UNSAFE, "The barrier stays open for the emergency, until a person acknowledges."
        )
    if now.found_open:
        raise CommandRefusal(
            RefusalReason.UNSAFE,
            "The barrier was open at the start, maybe for an emergency: a person must acknowledge.",
        )
    if now.latches.forced_open:
        raise CommandRefusal(
            RefusalReason.UNSAFE,
            "The barrier was opened without a command, maybe for an emergency: a person must acknowledge.",
        )
    if now.latches.presence_missed:
        raise CommandRefusal(
            RefusalReason.UNSAFE,
            "The presence detector has missed passages: a person must cover it once, check the barrier, and "
            "acknowledge.",
        )
    check_movement(now)
    if now.fault is not None:
        raise _unreliable(now.fault)
    # Once the door moves, nothing but the next readings protects a person from it.
    if now.is_sensing_slow or now.is_last_reading_slow:
        raise _unreliable(StateReason.SENSING_SLOW)


def check_acknowledgement(now: Situation, *, is_relay_closed: bool) -> None:
    """Raise CommandRefusal if a condition that a person would acknowledge is still active."""
    check_sensing(now)
    if now.emergency_active:
        raise CommandRefusal(RefusalReason.UNSAFE, "The emergency input is still active.")
    if is_relay_closed:
        raise CommandRefusal(
            RefusalReason.UNSAFE, "A relay is still closed: disconnect the other program or device first."
        )


def check_lease(lease: Lease | None, holder: str, *, is_supervisor: bool) -> None:
    """Raise CommandRefusal if this station may not change the maintenance lease."""
    if lease is not None and lease.holder != holder and not is_supervisor:
        raise CommandRefusal(
            RefusalReason.MAINTENANCE,
            f"The maintenance lease belongs to {lease.holder}: only that station or a supervisor changes it.",
        )


def _unreliable(fault: StateReason) -> CommandRefusal:
    return CommandRefusal(RefusalReason.UNSAFE, f"The inputs are not reliable: {_REASON_TEXTS[fault]}.")


_REASON_TEXTS = {
    StateReason.KEY_SWITCH: "the key switch at the barrier is turned",
    StateReason.MAINTENANCE_LEASE: "a technician has a maintenance lease",
    StateReason.BOTH_LIMITS: "both limit switches are made at the same time",
    StateReason.NO_LIMIT: "no limit switch is made",
    StateReason.CHATTER: "a contact chatters",
    StateReason.CONTROLLER_FAULT: "the barrier's own controller reports a fault",
    StateReason.RELAY_STUCK: "a relay is closed that should be open",
    StateReason.SENSING_SLOW: "the board answers too slowly",
}
