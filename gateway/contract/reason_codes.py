"""Why a command was not done: one vocabulary for gateway and drivers, with a sentence for each."""

from collections.abc import Mapping
from typing import NamedTuple

from drivers.observation import OpenEnum


class CommandReason(OpenEnum):
    """Why a command was not done. What drivers say is in `drivers.command.Reason`, word for word."""

    BAD_REQUEST = "bad_request"
    """The arguments are not what this command takes; `text` names the fields, never their values."""
    BUSY = "busy"
    """The device does something else, and cannot do both."""
    CANCELLED = "cancelled"
    """Somebody called it off."""
    CLAIMED = "claimed"
    """Another station has claimed the device."""
    DEVICE_REFUSED = "device_refused"
    """The device answered that it will not."""
    DRIVER_ERROR = "driver_error"
    """The driver met something its author did not think of. What moves may have moved."""
    EXPIRED = "expired"
    """It came too late: what was asked for then may be wrong now."""
    FOREIGN_AUTHORITY = "foreign_authority"
    """The station belongs to another state's authority, which commands nothing here."""
    ID_REUSED = "id_reused"
    """The same `cmd_id` was used for something else before."""
    LINK_FAILED = "link_failed"
    """The link to the device was lost on the way. What moves may have moved."""
    MAINTENANCE = "maintenance"
    """Somebody works on the device: who stands there goes before who is far away."""
    MALFORMED = "malformed"
    """The message is not a command of this contract."""
    NO_EXPIRY = "no_expiry"
    """The message does not expire within 1 to 5 seconds."""
    NOT_CLAIMED = "not_claimed"
    """The station does not have the claim that it renews, releases, or has to have for this."""
    COMMAND_SEQ_NOT_INCREASING = "command_seq_not_increasing"
    """`command_seq` is not above the last one of this station: a repetition, or out of turn. See
    `last_command_seq`.
    """
    NOT_ONLINE = "not_online"
    """The device cannot be reached now."""
    NOT_PERMITTED = "not_permitted"
    """No role of this station permits it at this position."""
    NOT_SUPPORTED = "not_supported"
    """This model, or this one as it is configured, cannot."""
    OTHER_SESSION = "other_session"
    """It was meant for an earlier run of the gateway."""
    RATE_LIMITED = "rate_limited"
    """Too many within a short time; nothing is kept for later."""
    RETAINED = "retained"
    """The message was retained at the broker, so nobody knows how old it is."""
    STOPPING = "stopping"
    """The gateway stops, or opens the device anew."""
    TIMED_OUT = "timed_out"
    """What had to happen did not happen in time."""
    UNKNOWN_STATION = "unknown_station"
    """The post's role file does not name this station."""
    UNKNOWN_VERB = "unknown_verb"
    """The device has no such command."""
    UNSAFE = "unsafe"
    """It could hurt somebody, or what is sensed does not tell that it cannot."""
    WORKER_LOST = "worker_lost"
    """The device's own process ended meanwhile. What moves may have moved; it is not sent again."""
    UNKNOWN = "unknown"


class ReasonText(NamedTuple):
    """What happened, and what to do about it."""

    text: str
    how: str


_CHECK_DEVICE = "Look at the device: it may have done all, part or nothing of it. Then ask again."

REASON_TEXTS: Mapping[CommandReason, ReasonText] = {
    CommandReason.BAD_REQUEST: ReasonText(
        "The command's arguments are not what this device takes.",
        "Correct the named fields; the device's description names the schema.",
    ),
    CommandReason.BUSY: ReasonText("The device is busy with something else.", "Wait until it is done."),
    CommandReason.CANCELLED: ReasonText("Somebody called it off.", "Ask again if it is still wanted."),
    CommandReason.CLAIMED: ReasonText(
        "Another station has claimed this device.",
        "Ask that station to release it; its claim ends by itself when nobody renews it.",
    ),
    CommandReason.DEVICE_REFUSED: ReasonText(
        "The device itself refused.", "Look at the device and its display; then ask again."
    ),
    CommandReason.DRIVER_ERROR: ReasonText(
        "The device's driver met something it does not understand.",
        f"{_CHECK_DEVICE} If it repeats, send a diagnostics bundle to support.",
    ),
    CommandReason.EXPIRED: ReasonText(
        "The command came too late and was not begun.", "Ask again if it is still wanted."
    ),
    CommandReason.FOREIGN_AUTHORITY: ReasonText(
        "This device belongs to another state's authority.",
        "Ask an officer of that authority; no role of this post can grant it.",
    ),
    CommandReason.ID_REUSED: ReasonText(
        "This command's id was used before, for another command.", "Give every command an id of its own."
    ),
    CommandReason.LINK_FAILED: ReasonText("The link to the device failed on the way.", _CHECK_DEVICE),
    CommandReason.MAINTENANCE: ReasonText(
        "Somebody works on this device.", "Wait until the technician has ended the maintenance."
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
        "The command's number was used before.",
        "Number each command above `last_command_seq`; two programs under one station's name need care.",
    ),
    CommandReason.NOT_ONLINE: ReasonText(
        "The device cannot be reached now.", "See the device's state for the cause and what to do."
    ),
    CommandReason.NOT_PERMITTED: ReasonText(
        "This station may not do that here.", "An administrator can grant it in the post's role file."
    ),
    CommandReason.NOT_SUPPORTED: ReasonText(
        "This device cannot do that.", "See the device's description for what it can do."
    ),
    CommandReason.OTHER_SESSION: ReasonText(
        "The gateway was started anew since.", "Read the gateway's state for its session, then ask again."
    ),
    CommandReason.RATE_LIMITED: ReasonText(
        "Too many commands within a short time.", "Wait a moment, then ask again."
    ),
    CommandReason.RETAINED: ReasonText(
        "The command was retained at the broker, so nobody knows how old it is.",
        "Publish commands without the retain flag, and clear the topic.",
    ),
    CommandReason.STOPPING: ReasonText(
        "The gateway stops, or opens the device anew.", "Ask again when the device is online."
    ),
    CommandReason.TIMED_OUT: ReasonText("What had to happen did not happen in time.", _CHECK_DEVICE),
    CommandReason.UNKNOWN_STATION: ReasonText(
        "The post's role file does not know this station.", "An administrator can add it there."
    ),
    CommandReason.UNKNOWN_VERB: ReasonText(
        "This device has no such command.", "See the device's description for what it can do."
    ),
    CommandReason.UNSAFE: ReasonText(
        "It could hurt somebody, or nothing tells that it cannot.",
        "Clear the passage and look at the sensors; then ask again.",
    ),
    CommandReason.WORKER_LOST: ReasonText("The device's own process ended meanwhile.", _CHECK_DEVICE),
    CommandReason.UNKNOWN: ReasonText("Nobody knows why it was not done.", _CHECK_DEVICE),
}
