"""Device state that follows from a barrier's state, with the action for the person on site.

The device state is never FAULT or MAINTENANCE: in these, a device accepts only a stop, and a person could
neither end a lease nor acknowledge an emergency. The state machine itself refuses movements then.
"""

from drivers.barrier.observations import MovementState, StateReason
from drivers.driver import StateCode, Status
from drivers.links.link import Action, Cause

ONLINE_STATUS = Status(StateCode.ONLINE)
_LOOK = "Check the barrier, its limit switches and their wires."
_DEGRADED: dict[StateReason, tuple[Cause, str, Action, str]] = {
    StateReason.EMERGENCY: (
        Cause.EMERGENCY,
        "The emergency input is active, or its wire is broken.",
        Action.CALL_SUPPORT,
        "Follow the post's emergency plan. If there is no emergency, check the wire of the input.",
    ),
    StateReason.EMERGENCY_UNACKNOWLEDGED: (
        Cause.EMERGENCY,
        "The emergency is over, and not acknowledged yet.",
        Action.CALL_SUPPORT,
        "Check the lane, then acknowledge: borderpost command FILE POSITION acknowledge --arg reason=TEXT.",
    ),
    StateReason.KEY_SWITCH: (
        Cause.MAINTENANCE,
        "The key switch at the barrier is turned.",
        Action.WAIT,
        "The person who works at the barrier turns it back.",
    ),
    StateReason.MAINTENANCE_LEASE: (
        Cause.MAINTENANCE,
        "A technician works on the barrier.",
        Action.WAIT,
        "The maintenance lease ends by itself.",
    ),
    StateReason.BOTH_LIMITS: (
        Cause.DEVICE_FAULT,
        "Both limit switches are made at the same time.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.NO_LIMIT: (
        Cause.DEVICE_FAULT,
        "The barrier is between its ends, or its limit switches are not detected.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.CHATTER: (
        Cause.DEVICE_FAULT,
        "A limit switch or photocell changes more often than any machine moves.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.CONTROLLER_FAULT: (
        Cause.DEVICE_FAULT,
        "The barrier's own controller reports a fault, or has no power.",
        Action.CALL_SUPPORT,
        "Check the controller's display and its power supply.",
    ),
    StateReason.RELAY_STUCK: (
        Cause.DEVICE_FAULT,
        "A relay of the board is closed that should be open.",
        Action.CALL_SUPPORT,
        "Check whether another program uses the board; otherwise replace it.",
    ),
}


def device_state(barrier_state: tuple[MovementState, StateReason]) -> Status:
    """Return the device's status in that state."""
    _, why = barrier_state
    if why not in _DEGRADED:
        return ONLINE_STATUS
    cause, text, action, how = _DEGRADED[why]
    return Status(StateCode.DEGRADED, cause, text, action, how)
