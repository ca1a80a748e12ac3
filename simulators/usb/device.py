"""A USB device, its endpoints and its cable, on the device API of PyPI's `usbip`.

This is the one module that imports it. `usbip` answers the standard requests out of the descriptors and keeps
what an endpoint has to say until a host asks. Added here: a transfer is answered once or cancelled, whatever
happens to the cable meanwhile, and faults.
"""

import asyncio
import errno
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from usbip import In, Out, Setup, Stall, USBDevice
from usbip.core import ConfigurationDescriptor, InterfaceDescriptor, Urb
from usbip.protocol import pack_usb_device

from simulators.usb import faults
from simulators.usb.faults import ShortPacket, Silence, Slow, TransferFault, UnplugAt, UsbFault

__all__ = [
    "CompletionCallback",
    "EndpointDescription",
    "InterfaceDescription",
    "Setup",
    "Stall",
    "Transfer",
    "UsbDevice",
    "UsbDeviceDescription",
]

DIRECTION_IN = 0x80
SET_CONFIGURATION = b"\x00\x09"
NOBODY = -1


@dataclass(frozen=True, slots=True)
class EndpointDescription:
    """One endpoint: its address, 0x80 and more for those that send; `interval` is for interrupts, in ms."""

    address: int
    kind: Literal["bulk", "interrupt"]
    packet: int = 64
    interval: int = 0


@dataclass(frozen=True, slots=True)
class InterfaceDescription:
    """One more interface of a device."""

    triple: tuple[int, int, int]
    """Class, subclass and protocol."""
    endpoints: tuple[EndpointDescription, ...]
    class_specific: bytes = b""
    """Descriptors of its class, which stand before those of its endpoints."""


@dataclass(frozen=True, slots=True)
class UsbDeviceDescription:
    """What a device says of itself. A full-speed device with one configuration."""

    vendor_id: int
    product_id: int
    release: int
    """bcdDevice."""
    manufacturer: str
    product: str
    serial_number: str | None
    interface: tuple[int, int, int]
    """Class, subclass and protocol."""
    endpoints: tuple[EndpointDescription, ...]
    power_ma: int = 100
    class_specific: bytes = b""
    """Descriptors of the interface's class."""
    others: tuple[InterfaceDescription, ...] = ()
    """Interfaces beside the first."""
    device_class: int = 0
    """bDeviceClass; 0: each interface has its own."""

    @property
    def interfaces(self) -> tuple[InterfaceDescription, ...]:
        """All of them, by their number."""
        first = InterfaceDescription(self.interface, self.endpoints, self.class_specific)
        return first, *self.others


@dataclass(slots=True)
class Transfer:
    """A request on its way: a URB, as Linux calls it."""

    endpoint: int
    """Address; 0x00 and 0x80 are control transfers."""
    length: int = 0
    """How many bytes the host would take, or sends."""
    setup: bytes = bytes(8)
    data: bytes = field(default=b"", repr=False)
    """What the host sends."""
    status: int = 0
    """0, or a negative errno as Linux would give."""
    received: bytes = field(default=b"", repr=False)
    """What the device sent."""

    @property
    def is_in(self) -> bool:
        """Whether the device is to send."""
        return bool(self.endpoint & DIRECTION_IN)

    @property
    def is_control(self) -> bool:
        """Whether it is a control transfer."""
        return self.endpoint & 0x0F == 0


CompletionCallback = Callable[[Transfer], None]


class UsbDevice(ABC):
    """A device in one USB port. Plugged in when it is made."""

    def __init__(self, description: UsbDeviceDescription) -> None:
        self.description = description
        self.is_plugged = True
        self.on_cable: list[Callable[[bool], None]] = []
        """Called when the cable comes out (False) or goes in."""
        self.transfers = 0
        """How many transfers hosts have asked for."""
        self._usb = _Described(description)
        self._usb.on_control(None, self.control)
        self._endpoints = self._usb.add_interfaces(description.interfaces)
        for address, endpoint in self._endpoints.items():
            if not address & DIRECTION_IN:
                endpoint.on_out = lambda out, data: self.on_out(out.addr, bytes(data))
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._faults: list[tuple[UsbFault, int]] = []
        """With each, how many transfers it still waits for or spoils."""
        self._timers: set[asyncio.TimerHandle] = set()
        self._lasting: set[asyncio.TimerHandle] = set()

    # For the devices: what to answer, and how to speak.

    @abstractmethod
    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        """Answer a class or vendor request; raise Stall for one that the device does not know."""

    def on_out(self, endpoint: int, data: bytes) -> None:  # noqa: B027 - most devices have nothing to hear
        """Take what the host sent to an endpoint."""

    def on_in(self, endpoint: int) -> None:  # noqa: B027 - for those that make what they send when asked
        """Know that a host waits for something to be sent."""

    def on_power(self) -> None:  # noqa: B027 - for those that remember something
        """Start anew: the cable went in, or the host reset the port."""

    def queue_in(self, endpoint: int, data: bytes) -> None:
        """Send, as soon as the host asks that endpoint."""
        if self.is_plugged:
            self._endpoints[endpoint].write(data)

    def is_in_requested(self, endpoint: int) -> bool:
        """Whether a host waits for something from that endpoint."""
        return any(
            pending.waits and pending.transfer.endpoint == endpoint for pending in self._pending.values()
        )

    def discard_in(self, endpoint: int) -> None:
        """Forget what the host has not asked for yet."""
        # Its own reset would also forget who is asking.
        while self._endpoints[endpoint].take_or_park(0, lambda _data, _status=0: None, NOBODY) is not None:
            pass
        self._endpoints[endpoint].cancel(NOBODY)

    def call_later(self, delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Do something later, unless the power has gone by then."""
        return self._after(self._timers, delay_s, action)

    # For hosts.

    def submit(self, transfer: Transfer, completed: CompletionCallback) -> int:
        """Take a transfer. `completed` is called with it when it is over, perhaps at once.

        Returns a number to cancel it by.
        """
        number = next(self._numbers)
        self._pending[number] = _Pending(transfer, completed)
        self.transfers += 1
        if not self.is_plugged:
            self._complete(number, -errno.ENODEV)
            return number
        due = self._due(transfer)
        if any(isinstance(fault, Silence) for fault in due):
            return number
        for fault in due:
            if isinstance(fault, UnplugAt):
                self.unplug(fault.for_s)
                return number
        delay_s = sum(fault.delay_s for fault in due if isinstance(fault, Slow))
        if delay_s:
            self.call_later(delay_s, lambda: self._carry_out(number, due))
        else:
            self._carry_out(number, due)
        return number

    def cancel(self, number: int) -> bool:
        """Give a transfer up; False if it was over already."""
        if self._pending.pop(number, None) is None:
            return False
        self._usb.cancel_urb(number)
        return True

    def reset(self) -> None:
        """Reset the port: what was pending ends, the device starts anew."""
        self._power_off()
        self._end_all(-errno.ECONNRESET)
        self.on_power()

    def usbip_record(self, busid: str, number: int) -> bytes:
        """`struct usbip_usb_device` and `struct usbip_usb_interface` of it, as a list of devices has them."""
        self._usb.busid, self._usb.busnum, self._usb.devnum = busid, 1, number
        interfaces = b"".join(bytes([*each.triple, 0]) for each in self.description.interfaces)
        return bytes(pack_usb_device(self._usb)) + interfaces

    @property
    def descriptors(self) -> bytes:
        """Device and configuration descriptor, as sysfs has them."""
        return bytes(self._usb.device_descriptor().pack()) + bytes(self._usb.config_bytes())

    # The cable, and faults.

    def unplug(self, for_s: float | None = None) -> None:
        """Pull the cable: everything pending fails. Back after `for_s` seconds."""
        self._stop(self._lasting)
        if self.is_plugged:
            self.is_plugged = False
            self._power_off()
            self._end_all(-errno.ESHUTDOWN)
            for tell in tuple(self.on_cable):
                tell(False)
        if for_s is not None:
            self._after(self._lasting, for_s, self.replug)

    def replug(self) -> None:
        """Put the cable in (again)."""
        self._stop(self._lasting)
        if self.is_plugged:
            return
        self.is_plugged = True
        self.on_power()
        for tell in tuple(self.on_cable):
            tell(True)

    def inject(self, fault: UsbFault) -> None:
        """Let a fault befall the next transfers."""
        match fault:
            case UnplugAt(transfer=count) | TransferFault(transfers=count):
                self._faults.append((fault, count))
            case Silence(for_s=for_s):
                self._faults.append((fault, 1))
                if for_s is not None:
                    self.call_later(for_s, lambda: self._spare(fault))

    @property
    def faults_pending(self) -> int:
        """How many faults have not befallen yet."""
        return len(self._faults)

    def close(self) -> None:
        """Be gone for good."""
        self.unplug()
        self.on_cable.clear()

    # Inside.

    def _due(self, transfer: Transfer) -> list[UsbFault]:
        """The faults of this transfer, which are one transfer nearer to their end then."""
        due: list[UsbFault] = []
        kept: list[tuple[UsbFault, int]] = []
        for fault, left in self._faults:
            concerned = fault.applies_to(transfer.endpoint, self._kind(transfer))
            if concerned and (left == 1 or not isinstance(fault, UnplugAt)):
                due.append(fault)
            if isinstance(fault, Silence) or not concerned:
                kept.append((fault, left))
            elif left > 1:
                kept.append((fault, left - 1))
        self._faults = kept
        return due

    def _kind(self, transfer: Transfer) -> Literal["control", "bulk", "interrupt"]:
        if transfer.is_control:
            return "control"
        endpoint = self._endpoints.get(transfer.endpoint)
        return "interrupt" if endpoint is not None and endpoint.type == "interrupt" else "bulk"

    def _spare(self, fault: UsbFault) -> None:
        self._faults = [(other, left) for other, left in self._faults if other is not fault]

    def _carry_out(self, number: int, due: list[UsbFault]) -> None:
        if (pending := self._pending.get(number)) is None:
            return
        transfer = pending.transfer
        pending.cut = min((fault.at for fault in due if isinstance(fault, ShortPacket)), default=None)
        if any(isinstance(fault, faults.Stall) for fault in due):
            if transfer.is_control:
                self._complete(number, -errno.EPIPE)
                return
            if transfer.endpoint in self._endpoints:
                self._endpoints[transfer.endpoint].stall()
        if transfer.is_control and transfer.setup[:2] == SET_CONFIGURATION:
            # `usbip` forgets what waits on the endpoints then; a kernel ends it.
            self._end_all(-errno.ESHUTDOWN, but=number)
        urb = Urb(
            seqnum=number,
            direction=int(transfer.is_in),
            ep=transfer.endpoint & 0x0F,
            length=transfer.length,
            setup=transfer.setup,
            buffer=transfer.data,
        )
        if self._usb.handle_urb(urb, self._answered) is not None:
            self._answered(urb)
        elif number in self._pending:
            pending.waits = True
            self.on_in(transfer.endpoint)

    def _answered(self, urb: Any) -> None:
        received = bytes(urb.buffer[: urb.actual]) if urb.direction and not urb.status else b""
        self._complete(urb.seqnum, urb.status, received)

    def _complete(self, number: int, status: int, received: bytes = b"") -> None:
        if (pending := self._pending.pop(number, None)) is None:
            return
        pending.transfer.status, pending.transfer.received = status, received[: pending.cut]
        pending.completed(pending.transfer)

    def _end_all(self, status: int, *, but: int | None = None) -> None:
        for number in [number for number in self._pending if number != but]:
            self._usb.cancel_urb(number)
            self._complete(number, status)

    def _power_off(self) -> None:
        self._stop(self._timers)
        self._faults = [(fault, left) for fault, left in self._faults if not isinstance(fault, Silence)]
        self._usb.reset_io()

    def _after(
        self, timers: set[asyncio.TimerHandle], delay_s: float, action: Callable[[], None]
    ) -> asyncio.TimerHandle:
        def act() -> None:
            timers.discard(handle)
            action()

        timers.difference_update([timer for timer in timers if timer.cancelled()])
        handle = asyncio.get_running_loop().call_later(delay_s, act)
        timers.add(handle)
        return handle

    def _stop(self, timers: set[asyncio.TimerHandle]) -> None:
        for timer in timers:
            timer.cancel()
        timers.clear()


@dataclass(slots=True)
class _Pending:
    """A transfer that is not over."""

    transfer: Transfer
    completed: CompletionCallback
    cut: int | None = None
    """So many bytes of the answer still arrive."""
    waits: bool = False
    """It has reached an endpoint that has nothing to send."""


class _Described(USBDevice):  # type: ignore[misc]  # usbip has no type hints
    """`usbip`'s device with the power that it draws."""

    def __init__(self, description: UsbDeviceDescription) -> None:
        super().__init__(
            description.vendor_id,
            description.product_id,
            manufacturer=description.manufacturer,
            product=description.product,
            serial=description.serial_number,
            bcdDevice=description.release,
            device_class=description.device_class,
        )
        self._power_ma = description.power_ma

    def add_interfaces(self, interfaces: tuple[InterfaceDescription, ...]) -> dict[int, Any]:
        """Add interfaces; all their endpoints by their address."""
        group = self.add_group()
        endpoints: dict[int, Any] = {}
        for interface in interfaces:
            numbers = (group.claim_interface(), 0, len(interface.endpoints))
            group.add(InterfaceDescriptor(*numbers, *interface.triple).pack() + interface.class_specific)
            for one in interface.endpoints:
                make = In if one.address & DIRECTION_IN else Out
                spec = make(one.address, one.kind, one.packet, one.interval)
                endpoints[one.address] = group.add_endpoint(spec)
        return endpoints

    def config_bytes(self) -> bytes:
        """The configuration descriptor with all that belongs to it."""
        whole = bytes(super().config_bytes())
        head = ConfigurationDescriptor.parse(whole[:9])
        head.bMaxPower = self._power_ma // 2
        return bytes(head.pack()) + whole[9:]
