"""Reason codes of commands that were not done.

One vocabulary for gateway and drivers, with a sentence for each.
"""

from collections.abc import Mapping
from typing import NamedTuple

from drivers.observation import OpenEnum


class CommandReason(OpenEnum):
    """Reason why a command was not done.

    The codes of drivers, `drivers.command.RefusalReason`, are among them.
    """

    BAD_REQUEST = "bad_request"
    """The arguments do not fit the command; `text` names the fields, never their values."""
    BAD_SIGNATURE = "bad_signature"
    """The signature does not fit topic and body: the message was changed or sent elsewhere on its way."""
    BUSY = "busy"
    """The device executes another command, and cannot do both."""
    CANCELLED = "cancelled"
    """It was cancelled."""
    CLAIMED = "claimed"
    """Another station has claimed the device."""
    DEVICE_REFUSED = "device_refused"
    """The device refused."""
    DRIVER_ERROR = "driver_error"
    """Unexpected error of the driver. A machine may have moved."""
    EXPIRED = "expired"
    """It arrived too late; the situation may have changed."""
    FOREIGN_AUTHORITY = "foreign_authority"
    """The station belongs to another state's authority, which has no rights here."""
    GATEWAY_LOST = "gateway_lost"
    """The gateway ended during the command, by a power cut or a crash: its outcome is unknown.

    A machine may have moved; the command is not repeated.
    """
    ID_REUSED = "id_reused"
    """The same `cmd_id` was used before, for another command."""
    LINK_FAILED = "link_failed"
    """The link to the device was lost during the command. A machine may have moved."""
    MAINTENANCE = "maintenance"
    """The device is in maintenance: a person at the device has precedence over remote commands."""
    MALFORMED = "malformed"
    """The message is not a command of this contract."""
    NO_EXPIRY = "no_expiry"
    """The message does not expire within 1 to 5 seconds."""
    NOT_CLAIMED = "not_claimed"
    """The station does not have the claim that it renews or releases, or that the command requires."""
    COMMAND_SEQ_NOT_INCREASING = "command_seq_not_increasing"
    """`command_seq` is not above the last one of this station.

    A repetition, or out of order. See `last_command_seq`.
    """
    NOT_ONLINE = "not_online"
    """The device is not available now."""
    NOT_RECORDED = "not_recorded"
    """The disk of the gateway did not take the record in time."""
    NOT_PERMITTED = "not_permitted"
    """No role of this station permits it at this position."""
    NOT_SUPPORTED = "not_supported"
    """The device does not support it, by its model or its configuration."""
    OTHER_SESSION = "other_session"
    """It names an earlier session of the gateway."""
    RATE_LIMITED = "rate_limited"
    """Too many commands within a short time; none is kept for later."""
    RETAINED = "retained"
    """The message was retained at the broker, so its age is unknown."""
    REVOKED_KEY = "revoked_key"
    """It is signed with a key that was revoked in the role file."""
    NOT_FRESH = "not_fresh"
    """The signed message names no token of the gateway from the last six seconds: it may be old."""
    STOPPING = "stopping"
    """The gateway stops, or opens the device again."""
    TIMED_OUT = "timed_out"
    """A step did not complete in time."""
    UNKNOWN_KEY = "unknown_key"
    """It is signed with a key that the role file does not list."""
    UNKNOWN_STATION = "unknown_station"
    """The post's role file does not name this station."""
    UNSIGNED = "unsigned"
    """This post obeys the command only with a signature of the station."""
    UNKNOWN_VERB = "unknown_verb"
    """The device has no such command."""
    UNSAFE = "unsafe"
    """It could hurt a person, or the sensors do not exclude it."""
    WRONG_TOPIC = "wrong_topic"
    """It is signed with a key of another station than its topic names."""
    WORKER_LOST = "worker_lost"
    """The device's worker process ended during the command.

    A machine may have moved; the command is not repeated.
    """
    UNKNOWN = "unknown"


class ReasonText(NamedTuple):
    """Text and remedy of a reason."""

    text: str
    how: str


_CHECK_DEVICE = (
    "Look at the device: it may have done all, part or nothing of it. Then send the command again."
)

REASON_TEXTS: Mapping[CommandReason, ReasonText] = {
    CommandReason.BAD_REQUEST: ReasonText(
        "The command's arguments do not fit this device.",
        "Correct the named fields; the device's description names the schema.",
    ),
    CommandReason.BAD_SIGNATURE: ReasonText(
        "The command's signature does not fit its topic and its bytes.",
        "Sign topic, line feed and body as sent; if the program does, the broker changed the message.",
    ),
    CommandReason.BUSY: ReasonText("The device is busy with something else.", "Wait until it is done."),
    CommandReason.CANCELLED: ReasonText(
        "The command was cancelled.", "Send the command again if it is still needed."
    ),
    CommandReason.CLAIMED: ReasonText(
        "Another station has claimed this device.",
        "Ask that station to release it; its claim ends unless it is renewed.",
    ),
    CommandReason.DEVICE_REFUSED: ReasonText(
        "The device refused the command.", "Look at the device and its display; then send the command again."
    ),
    CommandReason.DRIVER_ERROR: ReasonText(
        "The device's driver had an unexpected error.",
        f"{_CHECK_DEVICE} If it repeats, send a diagnostics bundle to support.",
    ),
    CommandReason.EXPIRED: ReasonText(
        "The command arrived too late and was not begun.", "Send the command again if it is still needed."
    ),
    CommandReason.FOREIGN_AUTHORITY: ReasonText(
        "This device belongs to another state's authority.",
        "Ask an officer of that authority; no role of this post can grant it.",
    ),
    CommandReason.GATEWAY_LOST: ReasonText(
        "The gateway ended during the command, by a power cut or a crash: its outcome is unknown.",
        _CHECK_DEVICE,
    ),
    CommandReason.ID_REUSED: ReasonText(
        "This command's id was used before, for another command.", "Give every command an id of its own."
    ),
    CommandReason.LINK_FAILED: ReasonText("The link to the device failed during the command.", _CHECK_DEVICE),
    CommandReason.MAINTENANCE: ReasonText(
        "This device is in maintenance.", "Wait until the technician has ended the maintenance."
    ),
    CommandReason.MALFORMED: ReasonText(
        "The message is not a command.", "Compare it with the contract; correct the program that sent it."
    ),
    CommandReason.NO_EXPIRY: ReasonText(
        "The command does not expire within 1 to 5 seconds.",
        "Set the MQTT message expiry interval; correct the program that sent it.",
    ),
    CommandReason.NOT_CLAIMED: ReasonText(
        "This station does not have the claim.", "Claim the device first; the claim may have ended."
    ),
    CommandReason.COMMAND_SEQ_NOT_INCREASING: ReasonText(
        "The command's sequence number was used before.",
        "Number each command above `last_command_seq`; check for two programs under one station's name.",
    ),
    CommandReason.NOT_ONLINE: ReasonText(
        "The device is not available now.", "See the device's state for the cause and what to do."
    ),
    CommandReason.NOT_RECORDED: ReasonText(
        "The gateway's disk did not take the record of it.",
        "Check the gateway's disk: borderpost doctor. Opening and stopping need no record.",
    ),
    CommandReason.NOT_PERMITTED: ReasonText(
        "This station is not permitted to do that here.",
        "An administrator can grant it in the post's role file.",
    ),
    CommandReason.NOT_SUPPORTED: ReasonText(
        "This device does not support that command.", "See the device's description for what it can do."
    ),
    CommandReason.OTHER_SESSION: ReasonText(
        "The gateway was restarted since.",
        "Read the gateway's state for its session, then send the command again.",
    ),
    CommandReason.RATE_LIMITED: ReasonText(
        "Too many commands within a short time.", "Wait a moment, then send the command again."
    ),
    CommandReason.RETAINED: ReasonText(
        "The command was retained at the broker, so its age is unknown.",
        "Publish commands without the retain flag, and clear the topic.",
    ),
    CommandReason.REVOKED_KEY: ReasonText(
        "The command is signed with a revoked key.",
        "Make a new key at the station and enrol it: borderpost trust enrol. The old key is still in use.",
    ),
    CommandReason.NOT_FRESH: ReasonText(
        "The command names no fresh token of the gateway, so its age is unknown.",
        "Name the newest token of the gateway's topic `fresh`; if the program does, the broker is late.",
    ),
    CommandReason.STOPPING: ReasonText(
        "The gateway stops, or opens the device again.", "Send the command again when the device is online."
    ),
    CommandReason.TIMED_OUT: ReasonText("A step of the command did not complete in time.", _CHECK_DEVICE),
    CommandReason.UNKNOWN_KEY: ReasonText(
        "The command is signed with a key that the post does not list.",
        "Enrol the public key of this station at the post: borderpost trust enrol.",
    ),
    CommandReason.UNKNOWN_STATION: ReasonText(
        "The post's role file does not list this station.", "An administrator can add it there."
    ),
    CommandReason.UNSIGNED: ReasonText(
        "This post obeys that command only if the station has signed it.",
        "Make a key at the station (borderpost trust key), enrol it at the post, and sign with it.",
    ),
    CommandReason.UNKNOWN_VERB: ReasonText(
        "This device has no such command.", "See the device's description for what it can do."
    ),
    CommandReason.UNSAFE: ReasonText(
        "It could hurt a person, or the sensors do not exclude it.",
        "Clear the passage and look at the sensors; then send the command again.",
    ),
    CommandReason.WRONG_TOPIC: ReasonText(
        "The command is signed with the key of another station than its sender.",
        "Use each key only under its station's name; check the broker's access list.",
    ),
    CommandReason.WORKER_LOST: ReasonText(
        "The device's worker process ended during the command.", _CHECK_DEVICE
    ),
    CommandReason.UNKNOWN: ReasonText("The reason is unknown.", _CHECK_DEVICE),
}
