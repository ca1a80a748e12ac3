"""A reader in HID mode on USB: the kernel's usbhid makes a hidraw node of it, /dev/hidraw0 and so on.

Source: Device Class Definition for Human Interface Devices 1.11 (USB-IF): HID descriptor 6.2.1, requests 7.2.
It has the interface of `SerialLine` that readers need; its bytes are reports.
"""

import asyncio
import struct
from collections.abc import Callable

from simulators.links.uhid import HidIdentity
from simulators.usb.device import EndpointDescription, Setup, Stall, UsbDevice, UsbDeviceDescription

SENDS = 0x81
HID = (0x03, 0x00, 0x00)
PACKET = 64
REPORT_DESCRIPTOR, HID_DESCRIPTOR = 0x22, 0x21


class UsbHidReader(UsbDevice):
    """A device with one HID interface and no endpoint for output: output reports are control requests."""

    def __init__(self, identity: HidIdentity) -> None:
        self.identity = identity
        self.hid = struct.pack(
            "<BBHBBBH", 9, HID_DESCRIPTOR, 0x0111, 0, 1, REPORT_DESCRIPTOR, len(identity.descriptor)
        )
        manufacturer, _, product = identity.name.partition(" ")
        super().__init__(
            UsbDeviceDescription(
                identity.vendor_id,
                identity.product_id,
                0x0100,
                manufacturer,
                product,
                identity.serial_number,
                HID,
                (EndpointDescription(SENDS, "interrupt", PACKET, 1),),
                class_specific=self.hid,
            )
        )
        self.on_received: Callable[[bytes], None] | None = None
        """Callback with each output report of the host, its id or 0 in front."""

    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        """Answer the requests of a HID device."""
        match setup.bRequest, setup.wValue >> 8:
            case 0x06, 0x22:
                return self.identity.descriptor
            case 0x06, 0x21:
                return self.hid
            case 0x09, 0x02:
                if self.on_received is not None:
                    # Numbered reports carry their id already.
                    number = setup.wValue & 0xFF
                    self.on_received(data if number else b"\0" + data)
                return b""
            case ((0x09 | 0x0A | 0x0B), _):
                return b""
        raise Stall

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:  # noqa: ARG002
        """Send one report, which waits for a host; return whether the reader is plugged in."""
        self.queue_in(SENDS, data)
        return self.is_plugged

    async def wait_drained(self, *, within_s: float = 0.5) -> bool:
        """Wait until the host has read all reports; return False if it has not after `within_s` seconds."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while not self.is_in_requested(SENDS):  # a host that waits again has read everything before
            if loop.time() > deadline_s:
                return False
            await asyncio.sleep(0.002)
        return True
