"""Instructions and confirmation codes, and the errors that follow from the codes.

Source: user manuals of the ZFM-70 and the R503 1.2, and clones of them.
"""

from enum import IntEnum

from drivers.fingerprint.zfm.packets import BEFORE_CONTENT, BEFORE_LENGTH, HEADER, PacketKind
from drivers.links.link import Action, Cause, Direction, LinkError


class Instruction(IntEnum):
    """Instructions that this driver sends."""

    TAKE_IMAGE = 0x01
    SEND_IMAGE = 0x0A
    READ_PARAMETERS = 0x0F
    VERIFY_PASSWORD = 0x13
    AURA_LAMP = 0x35
    READ_PRODUCT = 0x3C
    LAMP_ON = 0x50
    LAMP_OFF = 0x51


class ConfirmationCode(IntEnum):
    """Confirmation codes."""

    OK = 0x00
    PACKET_ERROR = 0x01
    NO_FINGER = 0x02
    CAPTURE_FAILED = 0x03
    MESSY = 0x06
    FEW_FEATURES = 0x07
    NO_MATCH = 0x08
    NOT_FOUND = 0x09
    MERGE_FAILED = 0x0A
    PAGE_OUT_OF_RANGE = 0x0B
    TEMPLATE_READ_FAILED = 0x0C
    TEMPLATE_UPLOAD_FAILED = 0x0D
    CANNOT_RECEIVE = 0x0E
    IMAGE_UPLOAD_FAILED = 0x0F
    DELETE_FAILED = 0x10
    CLEAR_FAILED = 0x11
    WRONG_PASSWORD = 0x13
    NO_VALID_IMAGE = 0x15
    FLASH_ERROR = 0x18
    UNDEFINED = 0x19
    BAD_REGISTER = 0x1A
    BAD_CONFIGURATION = 0x1B
    BAD_NOTEPAD_PAGE = 0x1C
    PORT_ERROR = 0x1D
    LIBRARY_FULL = 0x1F
    BAD_ADDRESS = 0x20
    PASSWORD_NEEDED = 0x21
    TEMPLATE_EMPTY = 0x22
    LIBRARY_EMPTY = 0x24
    TIMED_OUT = 0x26
    DUPLICATE_FINGER = 0x27
    SENSOR_FAULT = 0x29
    UNSUPPORTED = 0xFC
    HARDWARE_ERROR = 0xFD
    EXECUTION_FAILED = 0xFE


UNKNOWN_INSTRUCTION = frozenset(
    {
        ConfirmationCode.UNDEFINED,
        ConfirmationCode.UNSUPPORTED,
        ConfirmationCode.PACKET_ERROR,
        ConfirmationCode.BAD_REGISTER,
    }
)
"""Confirmation codes of the various models for an unknown instruction."""


def confirmation_code(code: int) -> ConfirmationCode | int:
    """Return the named code, or the number if it has no name."""
    try:
        return ConfirmationCode(code)
    except ValueError:
        return code


def refusal_error(code: int, doing: str) -> LinkError:
    """Return the error for a refused instruction; `doing` names it, as `take an image`."""
    ack = confirmation_code(code)
    match ack:
        case ConfirmationCode.WRONG_PASSWORD | ConfirmationCode.PASSWORD_NEEDED:
            return LinkError(
                Cause.NO_PERMISSION,
                "The module is protected by another password.",
                Action.CONFIGURE,
                "Set `password` to the password of the module.",
            )
        case ConfirmationCode.BAD_ADDRESS:
            return LinkError(
                Cause.WRONG_DEVICE,
                "The module refuses this address.",
                Action.CONFIGURE,
                "Set `address` to the address of the module.",
            )
        case (
            ConfirmationCode.SENSOR_FAULT
            | ConfirmationCode.HARDWARE_ERROR
            | ConfirmationCode.FLASH_ERROR
            | ConfirmationCode.PORT_ERROR
        ):
            return LinkError(
                Cause.DEVICE_FAULT,
                f"The module reports a defect ({_name(ack)}).",
                Action.REPLACE,
                "Switch it off and on; replace it if that does not help.",
            )
        case (
            ConfirmationCode.UNDEFINED
            | ConfirmationCode.UNSUPPORTED
            | ConfirmationCode.BAD_REGISTER
            | ConfirmationCode.BAD_CONFIGURATION
        ):
            return LinkError(
                Cause.WRONG_DEVICE,
                f"The module cannot {doing} ({_name(ack)}).",
                Action.CONFIGURE,
                "Check `model`.",
            )
        case _:
            return LinkError(
                Cause.NO_RESPONSE,
                f"The module does not {doing} ({_name(ack)}).",
                Action.RESTART,
                "Switch the module off and on.",
            )


def _name(ack: ConfirmationCode | int) -> str:
    return ack.name.lower().replace("_", " ") if isinstance(ack, ConfirmationCode) else f"code {ack:02X}"


def describe_zfm(direction: Direction, chunk: bytes) -> str:
    """Return the name of the packet that a chunk begins with.

    Instruction or confirmation code, no image data.
    """
    if not chunk.startswith(HEADER) or len(chunk) <= BEFORE_CONTENT:
        return ""
    kind, code = chunk[BEFORE_LENGTH - 1], chunk[BEFORE_CONTENT]
    words: type[IntEnum] = Instruction if direction == "out" else ConfirmationCode
    if kind not in (PacketKind.COMMAND, PacketKind.ACK):
        return "data"
    return words(code).name.lower().replace("_", " ") if code in set(words) else f"code {code:02x}"
