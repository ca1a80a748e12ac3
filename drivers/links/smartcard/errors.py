"""Errors of a PC/SC service: of the card, of the slot, and of the service, with their remedies.

The error codes are those of PC/SC part 5; pcsc-lite returns the same numbers.
"""

from typing import Any

from drivers.links.link import Action, Cause, LinkError, NotInstalledError
from drivers.links.smartcard.clients import other_clients

try:
    from smartcard import scard as _scard
except ImportError:  # the extra is not installed
    scard: Any = None
else:
    scard = _scard


class CardUnavailable(Exception):  # noqa: N818 - an event at the slot, not a fault
    """The card left the field, or its response is no longer needed."""


class NotTransacted(CardUnavailable):
    """The slot did not pass the command on, or the card did not answer it: the service reports both alike."""


def card_errors() -> frozenset[int]:
    """Return the error codes that concern the card, not the reader."""
    return frozenset(
        {
            scard.SCARD_W_REMOVED_CARD,
            scard.SCARD_E_NO_SMARTCARD,
            scard.SCARD_W_RESET_CARD,
            scard.SCARD_W_UNPOWERED_CARD,
            scard.SCARD_W_UNRESPONSIVE_CARD,
            # pcscd has powered up a chip that was lost and found, and notified only of the latter.
            scard.SCARD_E_PROTO_MISMATCH,
            # The field was lost in the middle of a command.
            scard.SCARD_F_COMM_ERROR,
            scard.SCARD_E_NOT_TRANSACTED,
        }
    )


def length_errors() -> frozenset[int]:
    """Return the error codes with which drivers of readers refuse a command in extended form.

    libccid: NOT_TRANSACTED (LudovicRousseau/PCSC#11, #54; acshk/acsccid#42); the others are those that PC/SC
    part 5 has for arguments which a service cannot handle.
    """
    return frozenset(
        {
            scard.SCARD_E_NOT_TRANSACTED,
            scard.SCARD_F_COMM_ERROR,
            scard.SCARD_E_INVALID_PARAMETER,
            scard.SCARD_E_INVALID_VALUE,
            scard.SCARD_E_INSUFFICIENT_BUFFER,
            scard.SCARD_E_UNSUPPORTED_FEATURE,
        }
    )


def not_installed_error() -> LinkError:
    """Return the error of a missing pyscard."""
    return NotInstalledError("Reading chips needs pyscard, which is not installed.", "chip")


def service_error(code: int) -> LinkError:
    """Return the link error for a failure of the service."""
    match code:
        case scard.SCARD_E_NO_SERVICE | scard.SCARD_E_SERVICE_STOPPED:
            return LinkError(
                Cause.NO_RESPONSE,
                "The smart card service is not running.",
                Action.RESTART,
                "systemctl restart pcscd.socket pcscd",
            )
        case scard.SCARD_W_SECURITY_VIOLATION | scard.SCARD_E_NO_ACCESS:
            return LinkError(
                Cause.NO_PERMISSION,
                "The smart card service denies access to the gateway.",
                Action.CONFIGURE,
                "Allow the gateway's user org.debian.pcsc-lite.access_card in polkit.",
            )
        case scard.SCARD_E_READER_UNAVAILABLE | scard.SCARD_E_UNKNOWN_READER:
            return LinkError(
                Cause.UNPLUGGED,
                "The chip reader was disconnected.",
                Action.REPLUG,
                "Check its cable and power.",
            )
        case scard.SCARD_E_SHARING_VIOLATION:
            return slot_held_error()
        case _:
            return LinkError(
                Cause.LINK_FAILED,
                f"The smart card service failed (0x{code & 0xFFFFFFFF:08X}).",
                Action.REPLUG,
                "Unplug the chip reader, wait five seconds, plug it in again.",
            )


def slot_held_error() -> LinkError:
    """Return the link error for a slot that another program keeps for itself."""
    who = ", ".join(map(str, other_clients()))
    find_out = "" if who else "Find the program: sudo fuser -v /usr/lib/*/libpcsclite.so.1. "
    return LinkError(
        Cause.PORT_HELD,
        f"{who or 'Another program'} keeps the chip reader for itself, so chips cannot be read.",
        Action.RESTART,
        f"{find_out}Stop that program, or set it to use another reader; often it is scdaemon of GnuPG, a "
        "browser with smart card support, or software of the reader's manufacturer.",
    )


def slow_service_error() -> LinkError:
    """Return the link error for a service that does not finish the connection to a card."""
    return LinkError(
        Cause.NO_RESPONSE,
        "The smart card service does not respond for this chip reader, so chips cannot be read.",
        Action.RESTART,
        "systemctl restart pcscd; if this repeats, unplug the chip reader, wait five seconds, plug it in "
        "again.",
    )


def no_slot_error(reader_name: str, names: list[str], fitting: list[str]) -> LinkError:
    """Return the link error for a name that fits no slot, or several."""
    there = ", ".join(f'"{name}"' for name in names) or "none"
    if fitting:
        return LinkError(
            Cause.ADDRESS_AMBIGUOUS,
            f'{len(fitting)} slots begin with "{reader_name}": {there}.',
            Action.CONFIGURE,
            "Write a longer part of the name as `reader`.",
        )
    return LinkError(
        Cause.NO_DEVICE,
        f'No chip reader "{reader_name}" is plugged in; the smart card service lists: {there}.',
        Action.REPLUG,
        "Check its cable, or correct `reader`.",
    )
