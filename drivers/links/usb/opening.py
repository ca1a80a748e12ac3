"""Opening a USB device, of this machine or over USB/IP: locked, configured, one interface claimed.

All of it blocks.
"""

import contextlib
import fcntl
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import usb.core
import usb.util
from usb.backend import libusb1

from drivers.links.link import Action, Cause, LinkError, NotInstalledError, Tap
from drivers.links.recording.usb_trace import TransferTap, TransferType
from drivers.links.usb.devices import UsbDevice, find_usb, not_plugged_error, open_error
from drivers.links.usb.transfers import Transfers

USBIP_ADDRESS = re.compile(
    r"usbip://(?P<host>[^/:\s\[\]]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})/(?P<busid>[^/\s]{1,31})"
)


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """Selector of an interface: the first with this class, subclass and protocol."""

    code: int
    subclass: int
    protocol: int


@dataclass(frozen=True, slots=True)
class UsbIdentity:
    """Content of the descriptors."""

    vendor_id: int
    product_id: int
    manufacturer: str | None
    product: str | None
    serial_number: str | None


@dataclass
class OpenedDevice:
    """An open device, until `undo` is closed."""

    address: str
    tap: Tap
    transfer_tap: TransferTap
    on_lost: Callable[[], None]
    """Called from a thread when the connection to a USB/IP device is lost."""
    connect: Callable[[str, int], socket.socket]
    """Connects to a host and port, in this thread; raises OSError."""
    exit_stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    usb_device: UsbDevice | None = None
    """Entry in sysfs, for a device of this machine."""
    is_simulated: bool = True
    cancel_transfers: Callable[[], None] = lambda: None
    """Ends running reads, where possible: those of libusb end by their timeouts."""
    device: Any = None

    def open(self, wanted: InterfaceClass | None) -> tuple[Transfers, UsbIdentity]:
        """Find, lock, open, claim; raises LinkError, and then `undo` must still be closed."""
        remote = USBIP_ADDRESS.fullmatch(self.address)
        if remote is not None:
            self._import(remote["host"].strip("[]"), int(remote["port"]), remote["busid"])
        else:
            self.usb_device = find_usb(self.address)
            self._open_here(self.usb_device)
        self.exit_stack.callback(usb.util.dispose_resources, self.device)
        transfers = Transfers(self.device, self.address, self.usb_device, self.tap, self.transfer_tap)
        try:
            self._configure()
            interface = self._choose_interface(wanted)
            self._claim(interface.bInterfaceNumber)
        except usb.core.USBError as error:
            if self.usb_device is None:
                raise transfers.to_link_error(error) from error
            raise open_error(self.usb_device, self.address, error) from error
        for endpoint in interface:
            interrupt = usb.util.endpoint_type(endpoint.bmAttributes) == usb.util.ENDPOINT_TYPE_INTR
            kind = TransferType.INTERRUPT if interrupt else TransferType.BULK
            transfers.kinds[endpoint.bEndpointAddress] = kind
        return transfers, self._identify()

    def _import(self, host: str, port: int, busid: str) -> None:
        """Import a device over USB/IP: always a simulation, whatever the configuration."""
        try:
            from drivers.links.usbip.backend import UsbipBackend
            from drivers.links.usbip.client import ImportRefusedError, UsbipConnection
        except ImportError as error:
            raise NotInstalledError("The library for USB/IP is not installed.", "usb") from error
        self._lock_name(f"{host}:{port}/{busid}")
        try:
            connection = UsbipConnection(host, port, busid, self.connect)
        except ImportRefusedError as error:
            raise self._held() if error.in_use else not_plugged_error(self.address) from error
        except OSError as error:
            raise not_plugged_error(self.address) from error
        self.exit_stack.callback(connection.close)
        try:
            self.device = usb.core.find(backend=UsbipBackend(connection))
        except usb.core.USBError as error:
            raise not_plugged_error(self.address) from error
        connection.on_lost = self.on_lost
        self.cancel_transfers = connection.cancel_all

    def _held(self) -> LinkError:
        return LinkError(
            Cause.PORT_HELD,
            f"Another client has imported {self.address}.",
            Action.RESTART,
            "Stop that client, so that this gateway is the only one.",
        )

    def _open_here(self, found: UsbDevice) -> None:
        """Open a device of this machine."""
        self.is_simulated = found.is_simulated
        self._lock_node(found)
        backend = libusb1.get_backend()
        if backend is None:
            raise LinkError(
                Cause.LINK_FAILED,
                "The library libusb is not installed.",
                Action.CONFIGURE,
                "sudo apt install libusb-1.0-0",
            )
        # libusb finds a new device a moment later than sysfs.
        self.device = usb.core.find(backend=backend, bus=found.bus, address=found.number)
        if self.device is None:
            raise not_plugged_error(self.address)

    def _lock_node(self, found: UsbDevice) -> None:
        """Exclude other devices of this gateway before the first byte is exchanged."""
        try:
            node = os.open(found.node, os.O_RDONLY | os.O_CLOEXEC)
            self.exit_stack.callback(os.close, node)
            fcntl.flock(node, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise open_error(found, self.address, error) from error

    def _lock_name(self, name: str) -> None:
        """Lock a device without a node by a name that the kernel gives once, until its owner ends."""
        owner = socket.socket(socket.AF_UNIX)
        self.exit_stack.callback(owner.close)
        try:
            owner.bind(f"\0borderpost-usbip-{name}")
        except OSError as error:
            raise LinkError(
                Cause.PORT_HELD,
                f"Another device of this gateway uses {self.address}.",
                Action.CONFIGURE,
                "Set a different `port` for each device.",
            ) from error

    def _configure(self) -> None:
        """Choose a configuration if the kernel has chosen none, as for a device unknown to it."""
        try:
            self.device.get_active_configuration()
        except usb.core.USBError as error:
            if error.errno is not None:
                raise
            with contextlib.suppress(usb.core.USBError):
                self.device.set_configuration()

    def _choose_interface(self, wanted: InterfaceClass | None) -> Any:
        for interface in self.device.get_active_configuration():
            found = InterfaceClass(
                interface.bInterfaceClass, interface.bInterfaceSubClass, interface.bInterfaceProtocol
            )
            if wanted in (None, found):
                return interface
        raise LinkError(
            Cause.WRONG_DEVICE,
            f"The device at {self.address} has no interface for this driver.",
            Action.CONFIGURE,
            "Correct `port` or `driver`.",
        )

    def _claim(self, interface: int) -> None:
        """Claim the interface, and return it to the kernel's driver afterwards, if that had it."""
        with contextlib.suppress(usb.core.USBError, NotImplementedError):
            if self.device.is_kernel_driver_active(interface):
                self.device.detach_kernel_driver(interface)
                self.exit_stack.callback(self._give_back, interface)
        try:
            usb.util.claim_interface(self.device, interface)
        except usb.core.USBError as error:
            if self.usb_device is None:
                raise
            raise open_error(self.usb_device, self.address, error, interface) from error

    def _give_back(self, interface: int) -> None:
        with contextlib.suppress(usb.core.USBError, NotImplementedError):
            usb.util.release_interface(self.device, interface)
            self.device.attach_kernel_driver(interface)

    def _identify(self) -> UsbIdentity:
        device, found = self.device, self.usb_device
        return UsbIdentity(
            vendor_id=device.idVendor,
            product_id=device.idProduct,
            manufacturer=(found and found.manufacturer) or self._string(device.iManufacturer),
            product=(found and found.product) or self._string(device.iProduct),
            serial_number=(found and found.serial_number) or self._string(device.iSerialNumber),
        )

    def _string(self, index: int) -> str | None:
        """Read a string descriptor. Many devices fail to provide one, which is no failure of the link."""
        if index == 0:
            return None
        try:
            text: str = usb.util.get_string(self.device, index)
        except (usb.core.USBError, ValueError):
            return None
        return text.strip("\0 ") or None
