"""A USB device, its endpoints and its cable, on the device API of PyPI's `usbip`.

Only this module imports it. `usbip` answers the standard requests from the descriptors and keeps the data of
an endpoint until a host requests it. Added here: a transfer is completed once or cancelled, even if the cable
is pulled meanwhile, and faults.
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
NO_TRANSFER = -1


@dataclass(frozen=True, slots=True)
class EndpointDescription:
    """One endpoint: its address, 0x80 and above for IN endpoints; `interval` is for interrupts, in ms."""

    address: int
    kind: Literal["bulk", "interrupt"]
    packet: int = 64
    interval: int = 0


@dataclass(frozen=True, slots=True)
class InterfaceDescription:
    """An additional interface of a device."""

    triple: tuple[int, int, int]
    """Class, subclass and protocol."""
    endpoints: tuple[EndpointDescription, ...]
    class_specific: bytes = b""
    """Descriptors of its class, placed before those of its endpoints."""


@dataclass(frozen=True, slots=True)
class UsbDeviceDescription:
    """Descriptors of a device. A full-speed device with one configuration."""

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
    """Additional interfaces."""
    device_class: int = 0
    """bDeviceClass; 0: each interface has its own."""

    @property
    def interfaces(self) -> tuple[InterfaceDescription, ...]:
        """All interfaces by number."""
        first = InterfaceDescription(self.interface, self.endpoints, self.class_specific)
        return first, *self.others


@dataclass(slots=True)
class Transfer:
    """A pending request: a URB, as Linux calls it."""

    endpoint: int
    """Address; 0x00 and 0x80 are control transfers."""
    length: int = 0
    """Number of bytes that the host accepts or sends."""
    setup: bytes = bytes(8)
    data: bytes = field(default=b"", repr=False)
    """Data from the host."""
    status: int = 0
    """0, or a negative errno as Linux would return."""
    received: bytes = field(default=b"", repr=False)
    """Data from the device."""

    @property
    def is_in(self) -> bool:
        """True if the device sends."""
        return bool(self.endpoint & DIRECTION_IN)

    @property
    def is_control(self) -> bool:
        """True if it is a control transfer."""
        return self.endpoint & 0x0F == 0


CompletionCallback = Callable[[Transfer], None]


class UsbDevice(ABC):
    """A device in one USB port, plugged in from the start."""

    def __init__(self, description: UsbDeviceDescription) -> None:
        self.description = description
        self.is_plugged = True
        self.on_cable: list[Callable[[bool], None]] = []
        """Called when the cable is pulled (False) or plugged in (True)."""
        self.transfers = 0
        """Number of transfers that hosts have submitted."""
        self._usb = _Described(description)
        self._usb.on_control(None, self.control)
        self._endpoints = self._usb.add_interfaces(description.interfaces)
        for address, endpoint in self._endpoints.items():
            if not address & DIRECTION_IN:
                endpoint.on_out = lambda out, data: self.on_out(out.addr, bytes(data))
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._faults: list[tuple[UsbFault, int]] = []
        """With each fault, the number of transfers it still waits for or affects."""
        self._timers: set[asyncio.TimerHandle] = set()
        self._lasting: set[asyncio.TimerHandle] = set()

    # Called and overridden by devices: how to answer and to send.

    @abstractmethod
    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        """Answer a class or vendor request; raise Stall for an unknown one."""

    def on_out(self, endpoint: int, data: bytes) -> None:  # noqa: B027 - most devices have nothing to hear
        """Handle data that the host sent to an endpoint."""

    def on_in(self, endpoint: int) -> None:  # noqa: B027 - for those that make what they send when asked
        """Handle a host's request for data of an endpoint."""

    def on_power(self) -> None:  # noqa: B027 - for those that remember something
        """Reset the state: the cable was plugged in, or the host reset the port."""

    def queue_in(self, endpoint: int, data: bytes) -> None:
        """Queue data for the host's next request to that endpoint."""
        if self.is_plugged:
            self._endpoints[endpoint].write(data)

    def is_in_requested(self, endpoint: int) -> bool:
        """Return whether a host waits for data of that endpoint."""
        return any(
            pending.waits and pending.transfer.endpoint == endpoint for pending in self._pending.values()
        )

    def discard_in(self, endpoint: int) -> None:
        """Discard data that the host has not requested yet."""
        # usbip's own reset would also discard the host's pending requests.
        while (
            self._endpoints[endpoint].take_or_park(0, lambda _data, _status=0: None, NO_TRANSFER) is not None
        ):
            pass
        self._endpoints[endpoint].cancel(NO_TRANSFER)

    def call_later(self, delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `action` later, unless the power is lost before."""
        return self._after(self._timers, delay_s, action)

    # For hosts.

    def submit(self, transfer: Transfer, completed: CompletionCallback) -> int:
        """Submit a transfer. `completed` is called with it when it ends, perhaps at once.

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
        """Cancel a transfer; return False if it was completed already."""
        if self._pending.pop(number, None) is None:
            return False
        self._usb.cancel_urb(number)
        return True

    def reset(self) -> None:
        """Reset the port: pending transfers end, the device starts again."""
        self._power_off()
        self._end_all(-errno.ECONNRESET)
        self.on_power()

    def usbip_record(self, busid: str, number: int) -> bytes:
        """Return `struct usbip_usb_device` and `struct usbip_usb_interface`, as in a list of devices."""
        self._usb.busid, self._usb.busnum, self._usb.devnum = busid, 1, number
        interfaces = b"".join(bytes([*each.triple, 0]) for each in self.description.interfaces)
        return bytes(pack_usb_device(self._usb)) + interfaces

    @property
    def descriptors(self) -> bytes:
        """Return device and configuration descriptor, as in sysfs."""
        return bytes(self._usb.device_descriptor().pack()) + bytes(self._usb.config_bytes())

    # The cable, and faults.

    def unplug(self, for_s: float | None = None) -> None:
        """Pull the cable: all pending transfers fail. Plug it in again after `for_s` seconds."""
        self._stop(self._lasting)
        if self.is_plugged:
            self.is_plugged = False
            self._power_off()
            self._end_all(-errno.ESHUTDOWN)
            for callback in tuple(self.on_cable):
                callback(False)
        if for_s is not None:
            self._after(self._lasting, for_s, self.replug)

    def replug(self) -> None:
        """Plug in the cable."""
        self._stop(self._lasting)
        if self.is_plugged:
            return
        self.is_plugged = True
        self.on_power()
        for callback in tuple(self.on_cable):
            callback(True)

    def inject(self, fault: UsbFault) -> None:
        """Apply a fault to the next transfers."""
        match fault:
            case UnplugAt(transfer=count) | TransferFault(transfers=count):
                self._faults.append((fault, count))
            case Silence(for_s=for_s):
                self._faults.append((fault, 1))
                if for_s is not None:
                    self.call_later(for_s, lambda: self._spare(fault))

    def clear_faults(self) -> None:
        """Discard pending faults, and plug in the cable."""
        self._faults.clear()
        self.replug()

    @property
    def faults_pending(self) -> int:
        """Number of faults that have not applied yet."""
        return len(self._faults)

    def close(self) -> None:
        """Unplug permanently."""
        self.unplug()
        self.on_cable.clear()

    # Inside.

    def _due(self, transfer: Transfer) -> list[UsbFault]:
        """Return the faults of this transfer and count it for all faults."""
        due: list[UsbFault] = []
        kept: list[tuple[UsbFault, int]] = []
        for fault, remaining in self._faults:
            concerned = fault.applies_to(transfer.endpoint, self._kind(transfer))
            if concerned and (remaining == 1 or not isinstance(fault, UnplugAt)):
                due.append(fault)
            if isinstance(fault, Silence) or not concerned:
                kept.append((fault, remaining))
            elif remaining > 1:
                kept.append((fault, remaining - 1))
        self._faults = kept
        return due

    def _kind(self, transfer: Transfer) -> Literal["control", "bulk", "interrupt"]:
        if transfer.is_control:
            return "control"
        endpoint = self._endpoints.get(transfer.endpoint)
        return "interrupt" if endpoint is not None and endpoint.type == "interrupt" else "bulk"

    def _spare(self, fault: UsbFault) -> None:
        self._faults = [(other, remaining) for other, remaining in self._faults if other is not fault]

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
            # `usbip` discards the waiting requests of the endpoints then; a kernel completes them.
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
        self._faults = [
            (fault, remaining) for fault, remaining in self._faults if not isinstance(fault, Silence)
        ]
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
    """A transfer that is not completed."""

    transfer: Transfer
    completed: CompletionCallback
    cut: int | None = None
    """Number of bytes of the answer that still arrive."""
    waits: bool = False
    """True if it has reached an endpoint that has no data."""


class _Described(USBDevice):  # type: ignore[misc]  # usbip has no type hints
    """`usbip`'s device with its power consumption."""

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
        """Add interfaces; return all their endpoints by address."""
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
        """Return the configuration descriptor with all that belongs to it."""
        whole = bytes(super().config_bytes())
        head = ConfigurationDescriptor.parse(whole[:9])
        head.bMaxPower = self._power_ma // 2
        return bytes(head.pack()) + whole[9:]
