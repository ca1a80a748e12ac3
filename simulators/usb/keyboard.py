"""A keyboard on USB: its keystrokes reach the kernel's input layer, /dev/input/event0 and so on.

Source: Device Class Definition for Human Interface Devices 1.11 (USB-IF): HID descriptor 6.2.1, requests 7.1
and 7.2, boot keyboard appendix B.1; HID Usage Tables, page 0x07.
"""

import string
import struct
from collections.abc import Iterable, Sequence

from simulators.passport.keyboard import LEFT_ALT, LEFT_CTRL, LEFT_SHIFT, Stroke, strokes_of
from simulators.usb.device import EndpointDescription, Setup, Stall, UsbDevice, UsbDeviceDescription

TYPES = 0x81
BOOT_KEYBOARD = (0x03, 0x01, 0x01)
GET_DESCRIPTOR, REPORT_DESCRIPTOR, HID_DESCRIPTOR = 0x06, 0x22, 0x21
GET_REPORT, SET_REPORT, SET_IDLE, SET_PROTOCOL = 0x01, 0x09, 0x0A, 0x0B
REPORT = struct.Struct("<BB6s")

# Appendix E.6: a keyboard of eight modifiers, a reserved byte, five LEDs (set by the host) and six keys.
REPORTS = bytes.fromhex(
    "05010906a101 050719e029e71500250175019508 8102 95017508 8101 95057501050819012905 9102 95017503 9101"
    "95067508150025650507190029658100 c0"
)
MODIFIERS = {LEFT_CTRL: 0x01, LEFT_SHIFT: 0x02, LEFT_ALT: 0x04}
_KEYS = {
    **{letter: 0x04 + at for at, letter in enumerate(string.ascii_lowercase)},
    **{digit: 0x1E + at for at, digit in enumerate("1234567890")},
    **dict(zip("\r\t -=[]\\", (0x28, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x31), strict=True)),
    **dict(zip(";'`,./", range(0x33, 0x39), strict=True)),
}
USAGES = {strokes_of(character)[0][0]: usage for character, usage in _KEYS.items()}
"""HID usage of a key by its code in Linux."""


class UsbKeyboard(UsbDevice):
    """A boot keyboard in one USB port, or a reader that acts as one."""

    def __init__(
        self, vendor_id: int, product_id: int, manufacturer: str, product: str, serial_number: str | None
    ) -> None:
        self.hid = struct.pack("<BBHBBBH", 9, HID_DESCRIPTOR, 0x0111, 0, 1, REPORT_DESCRIPTOR, len(REPORTS))
        super().__init__(
            UsbDeviceDescription(
                vendor_id,
                product_id,
                0x0100,
                manufacturer,
                product,
                serial_number,
                BOOT_KEYBOARD,
                (EndpointDescription(TYPES, "interrupt", REPORT.size, 1),),
                class_specific=self.hid,
            )
        )

    def control(self, setup: Setup, _data: bytes = b"") -> bytes:
        """Answer the requests of a keyboard. Its LEDs stay dark."""
        match setup.bRequest, setup.wValue >> 8:
            case 0x06, 0x22:
                return REPORTS
            case 0x06, 0x21:
                return self.hid
            case 0x01, _:
                return REPORT.pack(0, 0, b"")
            case ((0x09 | 0x0A | 0x0B), _):
                return b""
        raise Stall

    def type(self, strokes: Iterable[Stroke]) -> bool:
        """Type, as fast as the host requests reports; return whether a host does."""
        host_reads = self.is_plugged and self.is_in_requested(TYPES)
        held: list[int] = []
        for code, down in strokes:
            if down:
                held.append(code)
            else:
                held.remove(code)
            self.queue_in(TYPES, report(held))
        return host_reads


def report(held: Sequence[int]) -> bytes:
    """Return the report in which these keys are down, by their codes in Linux."""
    modifiers = sum(MODIFIERS.get(code, 0) for code in held)
    keys = bytes(USAGES[code] for code in held if code not in MODIFIERS)
    return REPORT.pack(modifiers, 0, keys)
