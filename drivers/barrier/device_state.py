"""Device state that follows from a barrier's conditions, with the action for the person on site.

The device state is never FAULT or MAINTENANCE: in these, a device accepts only a stop, and a person could
neither end a lease nor acknowledge an emergency. The state machine itself refuses movements then.
"""

from collections.abc import Sequence
from typing import NamedTuple

from drivers.barrier.observations import StateReason
from drivers.driver import StateCode, Status
from drivers.links.link import Action, Cause

ONLINE_STATUS = Status(StateCode.ONLINE)
_LOOK = "Check the barrier, its limit switches and their wires."
_ACKNOWLEDGE = (
    "Check the lane, then acknowledge: borderpost command FILE POSITION acknowledge --arg reason=TEXT."
)


class _Condition(NamedTuple):
    cause: Cause
    text: str
    action: Action
    how: str


_CONDITIONS: dict[StateReason, _Condition] = {
    StateReason.NOT_OPEN_IN_EMERGENCY: _Condition(
        Cause.EMERGENCY,
        "The emergency input is active, and the barrier is not open.",
        Action.CALL_SUPPORT,
        "Open the barrier by hand at once.",
    ),
    StateReason.OBSTRUCTION: _Condition(
        Cause.DEVICE_FAULT,
        "A person or object was in the way of the closing barrier, and it is not open again yet.",
        Action.CALL_SUPPORT,
        "Free the way. If the barrier does not open, use the stop switch at the barrier.",
    ),
    StateReason.STOP_NOT_ACKNOWLEDGED: _Condition(
        Cause.NO_RESPONSE,
        "The board does not acknowledge the stop; it is repeated.",
        Action.CALL_SUPPORT,
        "Use the stop switch at the barrier.",
    ),
    StateReason.EMERGENCY: _Condition(
        Cause.EMERGENCY,
        "The emergency input is active, or its wire is broken.",
        Action.CALL_SUPPORT,
        "Follow the post's emergency plan. If there is no emergency, check the wire of the input.",
    ),
    StateReason.EMERGENCY_UNACKNOWLEDGED: _Condition(
        Cause.EMERGENCY,
        "The emergency is over, and not acknowledged yet.",
        Action.CALL_SUPPORT,
        _ACKNOWLEDGE,
    ),
    StateReason.RELAY_STUCK: _Condition(
        Cause.DEVICE_FAULT,
        "A relay of the board is closed that should be open.",
        Action.CALL_SUPPORT,
        "Check whether another program uses the board; otherwise replace it.",
    ),
    StateReason.OTHER_MASTER: _Condition(
        Cause.DEVICE_FAULT,
        "A relay of the board was closed, and not by the gateway, so no command moves the barrier.",
        Action.CALL_SUPPORT,
        f"Disconnect the other program or device from the board. {_ACKNOWLEDGE}",
    ),
    StateReason.RECORD_LOST: _Condition(
        Cause.DEVICE_FAULT,
        "The record of earlier emergencies and maintenance is unreadable, so no command moves the barrier.",
        Action.CALL_SUPPORT,
        f"Make sure that no person works at the barrier. {_ACKNOWLEDGE}",
    ),
    StateReason.NOT_RECORDED: _Condition(
        Cause.DEVICE_FAULT,
        "The state of the barrier is not on the disk yet: a power cut or a restart would lose emergencies "
        "and maintenance.",
        Action.CALL_SUPPORT,
        "Keep the gateway running, and check its disk: borderpost doctor.",
    ),
    StateReason.PRESENCE_MISSED: _Condition(
        Cause.DEVICE_FAULT,
        "The presence detector has missed passages, so the barrier is not closed by command.",
        Action.CALL_SUPPORT,
        f"Keep the way clear. Check the detector and its wires, and cover it once. {_ACKNOWLEDGE}",
    ),
    StateReason.PRESENCE_TEST_FAILED: _Condition(
        Cause.DEVICE_FAULT,
        "The presence detector does not respond to its test, so the barrier is not closed by command.",
        Action.CALL_SUPPORT,
        "Keep the way clear. Check the detector, its test input and their wires; each closing tests it.",
    ),
    StateReason.BOTH_LIMITS: _Condition(
        Cause.DEVICE_FAULT,
        "Both limit switches are made at the same time.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.NO_LIMIT: _Condition(
        Cause.DEVICE_FAULT,
        "The barrier is between its ends, or its limit switches are not detected.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.CHATTER: _Condition(
        Cause.DEVICE_FAULT,
        "A limit switch or photocell changes more often than any machine moves.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.CONTROLLER_FAULT: _Condition(
        Cause.DEVICE_FAULT,
        "The barrier's own controller reports a fault, or has no power.",
        Action.CALL_SUPPORT,
        "Check the controller's display and its power supply.",
    ),
    StateReason.SENSING_SLOW: _Condition(
        Cause.DEVICE_FAULT,
        "The board answers too slowly to protect a person in the way, so no command moves the barrier.",
        Action.CALL_SUPPORT,
        "Check the board's cable and bus, and remove other devices from it.",
    ),
    StateReason.FORCED_OPEN: _Condition(
        Cause.DEVICE_FAULT,
        "The barrier was opened without a command, so it is not closed by command.",
        Action.CALL_SUPPORT,
        _ACKNOWLEDGE,
    ),
    StateReason.OPEN_AT_START: _Condition(
        Cause.DEVICE_FAULT,
        "The barrier was open at the start, so it is not closed by command.",
        Action.CALL_SUPPORT,
        _ACKNOWLEDGE,
    ),
    StateReason.NOT_ARRIVED: _Condition(
        Cause.DEVICE_FAULT,
        "A movement takes longer than allowed.",
        Action.CALL_SUPPORT,
        _LOOK,
    ),
    StateReason.OPEN_TOO_LONG: _Condition(
        Cause.DEVICE_FAULT,
        "The barrier has been open for longer than it should be.",
        Action.WAIT,
        "Close it when the lane is free.",
    ),
    StateReason.KEY_SWITCH: _Condition(
        Cause.MAINTENANCE,
        "The key switch at the barrier is turned.",
        Action.WAIT,
        "The person who works at the barrier turns it back.",
    ),
    StateReason.MAINTENANCE_LEASE: _Condition(
        Cause.MAINTENANCE,
        "A technician works on the barrier.",
        Action.WAIT,
        "The maintenance lease ends by itself.",
    ),
}


def device_state(conditions: Sequence[StateReason]) -> Status:
    """Return the device's status: its sentences name all of these conditions, the gravest first."""
    found = [_CONDITIONS[condition] for condition in conditions]
    if not found:
        return ONLINE_STATUS
    remedies = dict.fromkeys(condition.how for condition in found)
    return Status(
        StateCode.DEGRADED,
        found[0].cause,
        " ".join(condition.text for condition in found),
        found[0].action,
        " ".join(remedies),
    )
