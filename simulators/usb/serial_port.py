"""A serial port of a USB device, as a kernel's CDC-ACM driver finds it: /dev/ttyACM0 and so on.

Source: USB Communications Class Subclass Specification for PSTN Devices, revision 1.2 (USB-IF): functional
descriptors 5.3, requests 6.3. It has the interface of `SerialLine` that one-way readers need.
"""

import asyncio
import struct
from collections.abc import Callable

from simulators.usb.device import (
    EndpointDescription,
    InterfaceDescription,
    Setup,
    Stall,
    UsbDevice,
    UsbDeviceDescription,
)

NOTIFIES, RECEIVES, SENDS = 0x81, 0x02, 0x83
PACKET = 64
COMMUNICATIONS, DATA = 0x02, 0x0A
ACM = (COMMUNICATIONS, 0x02, 0x00)
SET_LINE_CODING, GET_LINE_CODING, SET_CONTROL_LINE_STATE, SEND_BREAK = 0x20, 0x21, 0x22, 0x23
LINE_CODING = struct.Struct("<IBBB")
TERMINAL_READY = 0x01

FUNCTIONS = bytes(
    [
        *(5, 0x24, 0x00, 0x10, 0x01),  # header: CDC 1.10
        *(5, 0x24, 0x01, 0x00, 0x01),  # call management: none, by interface 1
        *(4, 0x24, 0x02, 0x02),  # abstract control: line coding and line state
        *(5, 0x24, 0x06, 0x00, 0x01),  # union: interface 0 controls interface 1
    ]
)


class UsbSerialPort(UsbDevice):
    """A device with one serial port, in one USB port. The host has it open while DTR is set."""

    def __init__(
        self, vendor_id: int, product_id: int, manufacturer: str, product: str, serial_number: str | None
    ) -> None:
        data = InterfaceDescription(
            (DATA, 0, 0),
            (EndpointDescription(RECEIVES, "bulk", PACKET), EndpointDescription(SENDS, "bulk", PACKET)),
        )
        super().__init__(
            UsbDeviceDescription(
                vendor_id,
                product_id,
                0x0100,
                manufacturer,
                product,
                serial_number,
                ACM,
                (EndpointDescription(NOTIFIES, "interrupt", 8, 16),),
                class_specific=FUNCTIONS,
                others=(data,),
                device_class=COMMUNICATIONS,
            )
        )
        self.on_received: Callable[[bytes], None] | None = None
        """Callback with the host's output as it arrives."""
        self.coding = LINE_CODING.pack(9600, 0, 0, 8)
        self.ready = False

    @property
    def has_host(self) -> bool:
        """True if a host has the port open and reads."""
        return self.is_plugged and self.ready and self.is_in_requested(SENDS)

    @property
    def baud(self) -> int:
        """The rate that the host has set; transmission itself takes no time."""
        rate: int = LINE_CODING.unpack(self.coding)[0]
        return rate

    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        """Answer the requests of an abstract control model."""
        match setup.bRequest:
            case 0x20 if len(data) == LINE_CODING.size:
                self.coding = data
            case 0x21:
                return self.coding
            case 0x22:
                self.ready = bool(setup.wValue & TERMINAL_READY)
                if not self.ready:
                    self.discard_in(SENDS)  # the next host must not get old data
            case 0x23:
                pass
            case _:
                raise Stall
        return b""

    def on_out(self, endpoint: int, data: bytes) -> None:
        """Handle the host's output."""
        if endpoint == RECEIVES and data and self.on_received is not None:
            self.on_received(data)

    def on_power(self) -> None:
        """Reset the line state: no host is ready yet."""
        self.ready = False

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send `data`, if requested in pieces of `chunk` bytes every `every_s` seconds.

        Return whether a host read it.
        """
        step = chunk or max(len(data), 1)
        for start in range(0, len(data), step):
            if start:
                await asyncio.sleep(every_s)
            if not (self.is_plugged and self.ready):
                return False
            part = data[start : start + step]
            for at in range(0, len(part), PACKET):
                self.queue_in(SENDS, part[at : at + PACKET])
        return self.is_plugged and self.ready

    async def wait_drained(self, *, within_s: float = 0.5) -> bool:
        """Wait until the host has read all output; return False if it has not after `within_s` seconds."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        # A host that waits again has read everything before.
        while not self.is_in_requested(SENDS):
            if loop.time() > deadline_s:
                return False
            await asyncio.sleep(0.002)
        return True
