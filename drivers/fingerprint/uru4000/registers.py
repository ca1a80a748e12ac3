"""Models, registers, status bits, modes and interrupts of the U.are.U 4000 family."""

from dataclasses import dataclass
from enum import IntEnum

REQUEST = 0x04
"""Request code of every control transfer: vendor, device, with the register number as value."""
INTERRUPT_IN, IMAGE_IN = 0x81, 0x82
INTERRUPT_BYTES = 64

LOW_POWER, FAULT, AWAKE = 0x80, 0x04, 0x01
"""Bits of the status. The status read differs from the status written, which is masked by WRITABLE."""
WRITABLE = 0x0F


class Register(IntEnum):
    """Number of each register, with its length in bytes."""

    STATUS = 0x07
    """1, read and written."""
    KEY_REQUEST = 0x33
    """5, written: the number of a key, and a seed."""
    KEY_ANSWER = 0x34
    """4, read: the key, hidden by the seed."""
    MODE = 0x4E
    """1, written."""
    INFO = 0xF0
    """16, read."""
    RESPONSE = 0x2000
    """16, written."""
    CHALLENGE = 0x2010
    """16, read."""


class ScannerMode(IntEnum):
    """Mode of the scanner; it stays in a mode until the next command."""

    AWAIT_FINGER_ON = 0x10
    AWAIT_FINGER_OFF = 0x12
    CAPTURE = 0x20
    OFF = 0x70


class ScannerEvent(IntEnum):
    """The first two bytes of an interrupt, high byte first. The bytes after them are of an old event."""

    POWER_ON = 0x56AA
    """Up to three times after one power-up, the first sometimes before the status can be read."""
    FINGER_ON = 0x0101
    FINGER_OFF = 0x0200
    FAULT = 0x0800
    """The next image may be empty."""


@dataclass(frozen=True, slots=True)
class Model:
    """Differences between the models."""

    name: str
    needs_challenge: bool = False
    """Stays asleep until its challenge is answered, see challenge.py."""
    is_rotated: bool = False
    """Images of this model are upside down."""


MODELS = {
    (0x045E, 0x00BB): Model("Microsoft Keyboard with Fingerprint Reader"),
    (0x045E, 0x00BC): Model("Microsoft IntelliMouse with Fingerprint Reader"),
    (0x045E, 0x00BD): Model("Microsoft Fingerprint Reader"),
    (0x045E, 0x00CA): Model("Microsoft Fingerprint Reader v2", needs_challenge=True),
    (0x05BA, 0x0007): Model("U.are.U 4000"),
    (0x05BA, 0x0008): Model("U.are.U 4000 in a keyboard"),
    (0x05BA, 0x000A): Model("U.are.U 4000B or 4500", is_rotated=True),
}
"""By vendor and product number."""


def parse_event(interrupt: bytes) -> ScannerEvent | None:
    """Return the event of an interrupt; None if it is unknown."""
    try:
        return ScannerEvent(int.from_bytes(interrupt[:2], "big"))
    except ValueError:
        return None


def versions(info: bytes) -> str | None:
    """Return the two version numbers of the INFO register; which of them is the firmware's is unknown."""
    return f"{info[10:12].hex()}/{info[4:6].hex()}" if len(info) >= 12 else None
