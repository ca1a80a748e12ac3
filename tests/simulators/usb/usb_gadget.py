"""A USB device with registers over control, an echo over bulk, a bell over interrupt."""

from simulators.usb.device import EndpointDescription, Setup, Stall, UsbDevice, UsbDeviceDescription

BELL, OUT, IN = 0x81, 0x02, 0x83


class Gadget(UsbDevice):
    """A device that keeps register values until it loses power, and echoes bulk data."""

    def __init__(self, serial_number: str | None = "G1") -> None:
        endpoints = (
            EndpointDescription(BELL, "interrupt", 8, interval=4),
            EndpointDescription(OUT, "bulk"),
            EndpointDescription(IN, "bulk"),
        )
        names = ("Nobody, Inc.", "Gädget", serial_number)
        super().__init__(
            UsbDeviceDescription(0x1209, 0x0001, 0x0123, *names, (0xFF, 1, 2), endpoints, power_ma=150)
        )
        self.registers: dict[int, bytes] = {}
        self.starts = 0

    def on_power(self) -> None:
        self.registers.clear()
        self.starts += 1

    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        match setup.bmRequestType, setup.bRequest:
            case 0x40, 4:
                self.registers[setup.wValue] = data
                return b""
            case 0xC0, 4:
                return self.registers.get(setup.wValue, b"\xee" * setup.wLength)
        raise Stall

    def on_out(self, endpoint: int, data: bytes) -> None:
        self.queue_in(IN, data)

    def ring(self, data: bytes = b"\x01\x02") -> None:
        self.queue_in(BELL, data)
