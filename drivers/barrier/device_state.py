"""What a barrier's state means for the device's condition, and what a person should do about it.

Never a fault or maintenance as a condition: then a device is told nothing but to stop, and a person could
neither end a lease nor acknowledge an emergency. The machine itself refuses to move then.
"""

from drivers.barrier.observations import MovementState, StateReason
from drivers.driver import StateCode, Status
from drivers.links.link import Action, Cause

ONLINE_STATUS = Status(StateCode.ONLINE)
_LOOK = "Look at the barrier, its limit switches and their wires."
_DEGRADED: dict[StateReason, tuple[Cause, str, Action, str]] = {
    StateReason.EMERGENCY: (
        Cause.EMERGENCY,
        "The emergency input is active, or its wire is broken.",
        Action.CALL_SUPPORT,
        "Follow the post's emergency plan. If there is no emergency, look at the wire of the input.",
    ),
    StateReason.EMERGENCY_UNACKNOWLEDGED: (
        Cause.EMERGENCY,
        "The emergency is over, and nobody has acknowledged that.",
        Action.CALL_SUPPORT,
        "Look at the lane, then acknowledge: borderpost command FILE POSITION acknowledge --arg reason=WHAT.",
    ),
    StateReason.KEY_SWITCH: (
        Cause.MAINTENANCE,
        "The key switch at the barrier is turned.",
        Action.WAIT,
        "Whoever works there turns it back.",
    ),
    StateReason.MAINTENANCE_LEASE: (
        Cause.MAINTENANCE,
        "A technician works on it.",
        Action.WAIT,
        "The lease ends by itself.",
    ),
    StateReason.BOTH_LIMITS: (
        Cause.DEVICE_FAULT,
        "Both limits are made at once.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.NO_LIMIT: (
        Cause.DEVICE_FAULT,
        "It stands between its ends, or its limits are not sensed.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.CHATTER: (
        Cause.DEVICE_FAULT,
        "A limit or photocell changes more often than anything moves.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.CONTROLLER_FAULT: (
        Cause.DEVICE_FAULT,
        "The barrier's own controller is not well, or has no power.",
        Action.CALL_SUPPORT,
        "Look at the controller's display and its supply.",
    ),
    StateReason.RELAY_STUCK: (
        Cause.DEVICE_FAULT,
        "A relay of the board is closed that should be open.",
        Action.CALL_SUPPORT,
        "See whether another program uses the board; else replace it.",
    ),
}


def device_state(barrier_state: tuple[MovementState, StateReason]) -> Status:
    """The device's status in that state."""
    _, why = barrier_state
    if why not in _DEGRADED:
        return ONLINE_STATUS
    cause, text, action, how = _DEGRADED[why]
    return Status(StateCode.DEGRADED, cause, text, action, how)
