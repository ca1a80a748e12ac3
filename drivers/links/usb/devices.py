"""USB devices in sysfs: lookup by address, and errors of opening them.

Source: Linux, `Documentation/ABI/testing/sysfs-bus-usb` and `Documentation/driver-api/usb/usb.rst`. A lookup
costs a few small reads and loads no library: it is repeated twice a second while a device is missing.
"""

import contextlib
import errno
import grp
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.links.address import describe_serial, one_of
from drivers.links.device_node import EMULATED_HOSTS, remedy_text, who_has_open
from drivers.links.link import Action, Cause, LinkError

USB_ADDRESS = re.compile(
    r"usb:(?P<vid>[0-9a-fA-F]{4}):(?P<pid>[0-9a-fA-F]{4})(?::(?P<serial>[^:\s]+)|@(?P<socket>\d+-\d+(\.\d+)*))?"
)
SYSFS = Path("/sys/bus/usb/devices")
NODES = Path("/dev/bus/usb")
TESTBED = "libumockdev-preload"
"""Library of umockdev that presents emulated devices to a process."""


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One device that is plugged in."""

    vendor_id: int
    product_id: int
    bus: int
    number: int
    port_path: str
    """Socket as written by sysfs: bus, dash, ports with dots between, `1-10.2`."""
    sysfs: Path
    serial_number: str | None
    product: str | None
    manufacturer: str | None

    @property
    def node(self) -> Path:
        """Device node that a program opens."""
        return NODES / f"{self.bus:03}" / f"{self.number:03}"

    @property
    def is_plugged(self) -> bool:
        """True while it is plugged in; another device in the same socket has another number."""
        return _number(self.sysfs / "devnum") == self.number

    @property
    def is_simulated(self) -> bool:
        """True if it is certainly emulated."""
        real = os.path.realpath(self.sysfs)
        return any(host in real for host in EMULATED_HOSTS) or is_umockdev_testbed()

    def kernel_driver(self, interface: int) -> str | None:
        """Return the kernel driver of the interface; usbfs stands for a program."""
        for bound in self.sysfs.glob(f"{self.sysfs.name}:*.{interface}/driver"):
            return bound.resolve().name
        return None


def is_umockdev_testbed() -> bool:
    """Return True if the devices of this process may be umockdev's."""
    return TESTBED in Path("/proc/self/maps").read_text()


def find_usb(address: str) -> UsbDevice:
    """Return the only device that an address fits; raises LinkError."""
    parts = USB_ADDRESS.fullmatch(address)
    assert parts is not None, "the configuration validates addresses"
    fitting = [
        device
        for device in _plugged(parts["vid"].lower(), parts["pid"].lower())
        if parts["serial"] in (None, device.serial_number) and parts["socket"] in (None, device.port_path)
    ]
    socket = f"usb:{parts['vid']}:{parts['pid']}@{fitting[0].port_path}" if fitting else ""
    return one_of(
        address,
        fitting,
        describe=lambda device: f"{describe_serial(device.serial_number)} at {device.port_path}",
        missing=not_plugged_error(address),
        how=f"Add the serial number to `port`, or name the socket: {socket}.",
    )


def _plugged(vendor: str, product: str) -> Iterator[UsbDevice]:
    """Yield the devices of one model, in the order of their sockets."""
    for device in sorted(SYSFS.glob("*-*")):
        if ":" in device.name:
            continue  # an interface
        if (_text(device / "idVendor"), _text(device / "idProduct")) != (vendor, product):
            continue
        bus, number = _number(device / "busnum"), _number(device / "devnum")
        if bus is not None and number is not None:
            yield UsbDevice(
                vendor_id=int(vendor, 16),
                product_id=int(product, 16),
                bus=bus,
                number=number,
                port_path=device.name,
                sysfs=device,
                serial_number=_text(device / "serial"),
                product=_text(device / "product"),
                manufacturer=_text(device / "manufacturer"),
            )


def _text(attribute: Path) -> str | None:
    """Return an attribute's text; None without one, or when the device was unplugged meanwhile."""
    try:
        return attribute.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _number(attribute: Path) -> int | None:
    text = _text(attribute)
    return int(text) if text is not None and text.isdecimal() else None


def not_plugged_error(address: str) -> LinkError:
    """Return the error for an address without a device."""
    return LinkError(Cause.NO_DEVICE, f"No {address} is plugged in.", Action.REPLUG, "Check cable and power.")


def open_error(device: UsbDevice, address: str, error: OSError, interface: int | None = None) -> LinkError:
    """Return the error for a plugged-in device that does not open, or whose interface cannot be claimed."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return _permission_error(device)
        case errno.EBUSY | errno.EAGAIN:
            return _held_error(device, interface)
        case errno.ENODEV | errno.ENOENT | errno.ENXIO:
            return not_plugged_error(address)
        case number:
            why = os.strerror(number) if number is not None else str(error)
            return LinkError(
                Cause.LINK_FAILED,
                f"{device.node} does not open: {why}.",
                Action.REPLUG,
                "Unplug the device, wait five seconds, plug it in again.",
            )


def _permission_error(device: UsbDevice) -> LinkError:
    """Return the error for missing permissions, with owner, group and mode of the node."""
    rule = (
        f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{device.vendor_id:04x}", '
        f'ATTR{{idProduct}}=="{device.product_id:04x}", GROUP="{_group(os.getegid())}", MODE="0660"'
    )
    how = f"Add a udev rule, reload the rules and plug the device in again: {rule}"
    ownership = ""
    with contextlib.suppress(OSError):
        node = device.node.stat()
        group = _group(node.st_gid)
        ownership = f" (group {group}, {stat.filemode(node.st_mode)})"
        if node.st_gid != 0 and node.st_mode & stat.S_IWGRP:
            how = f"Add the gateway's user to the group {group} and restart the gateway."
    return LinkError(
        Cause.NO_PERMISSION, f"The gateway may not open {device.node}{ownership}.", Action.CONFIGURE, how
    )


def _held_error(device: UsbDevice, interface: int | None) -> LinkError:
    driver = None if interface is None else device.kernel_driver(interface)
    who = who_has_open(str(device.node))
    if not who.text and driver not in (None, "usbfs"):
        return LinkError(
            Cause.PORT_HELD,
            f"The kernel's driver {driver} holds {device.node} and cannot be detached.",
            Action.RESTART,
            f"Unload it: modprobe -r {driver}.",
        )
    return LinkError(
        Cause.PORT_HELD,
        f"{who.text or 'Another program'} holds {device.node}.",
        Action.RESTART,
        f"{remedy_text(str(device.node), who, 'device')} "
        "One such program is fprintd, which takes fingerprint scanners.",
    )


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
