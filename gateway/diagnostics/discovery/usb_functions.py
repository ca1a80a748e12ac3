"""Functions of this machine's devices in sysfs: serial ports, keyboards, HID, cameras, other USB devices.

Source: Linux, `Documentation/ABI/testing/sysfs-bus-usb`; HID_ID of `drivers/hid/hid-core.c`; index of
`Documentation/userspace-api/media/v4l/open.rst`. A port whose `type` is 0 has no UART (`serial_core.c`).
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drivers.links.hid.descriptor import DescriptorError, parse_descriptor
from drivers.links.hid.devices import SCANNER_PAGE, data_pages
from drivers.links.keyboard import types_text
from gateway.diagnostics.checks.usb_tree import UsbNode, list_usb_devices
from gateway.diagnostics.discovery.proposals import VENDOR_DRIVERS
from gateway.diagnostics.host import HostView, read_number, read_text

LINK_FOLDERS = ("serial/by-path", "input/by-path", "v4l/by-path")
"""Folders of /dev with names that belong to a socket (udev, 60-serial.rules and its like)."""


@dataclass(frozen=True, slots=True)
class LocalFunction:
    """One function of a device on this machine."""

    kind: Literal["serial", "keyboard", "hid", "camera", "usb"]
    node: Path
    usb: UsbNode | None
    """USB device of the function; None for one of the machine itself."""
    name: str
    kernel_driver: str = ""
    """Kernel driver of a USB interface without a node; empty if there is none."""
    is_chip_reader: bool = False
    """True for a device of the smart card class, which needs no kernel driver."""


def list_functions(host: HostView) -> list[LocalFunction]:
    """List every function: USB devices by their sockets, then those of the machine itself."""
    devices = [device for device in list_usb_devices(host) if not device.hub]
    found = [function for device in devices for function in _functions_of(device, host)]
    seen = {function.node for function in found}
    return found + [function for function in _others(host) if function.node not in seen]


def _functions_of(device: UsbNode, host: HostView) -> Iterator[LocalFunction]:
    found = [
        *(
            ("serial", path)
            for path in _named(device.sysfs, "*:*/tty*", "*:*/tty/tty*")
            if path.name != "tty"
        ),
        *(
            ("camera", path)
            for path in _named(device.sysfs, "*:*/video4linux/video*")
            if _is_first_node(path)
        ),
        *(("keyboard", path) for path in _named(device.sysfs, _HID_INPUT, _BARE_INPUT) if _types(path)),
    ]
    # Of several such interfaces the first one sends documents, others are for setup.
    found += [("hid", path) for path in _data_nodes(device)[:1]]
    for kind, path in found:
        folder = "input" if path.name.startswith("event") else ""
        yield LocalFunction(kind, host.dev / folder / path.name, device, device.name)  # type: ignore[arg-type]
    if not found:
        yield LocalFunction(
            "usb", device.node, device, device.name, _kernel_driver(device), _is_chip_reader(device)
        )


_HID_INPUT = "*:*/*:*/input/input*/event*"
_BARE_INPUT = "*:*/input/input*/event*"


def _named(folder: Path, *patterns: str) -> list[Path]:
    """Return the paths that match, one for each name."""
    return list({path.name: path for pattern in patterns for path in sorted(folder.glob(pattern))}.values())


def _types(event: Path) -> bool:
    try:
        return types_text(event.parent)
    except (OSError, ValueError):
        return False  # it was unplugged meanwhile


def _data_nodes(device: UsbNode) -> list[Path]:
    """Return the HID nodes that send data: those of scanners first, and of makers' own reports.

    Receivers of wireless keyboards have reports of their maker too, so those of a device that has keys or a
    pointer count only for makers of readers.
    """
    has_inputs = bool(_named(device.sysfs, _HID_INPUT, _BARE_INPUT))
    is_reader = (device.vendor, "hid") in VENDOR_DRIVERS
    nodes = _named(device.sysfs, "*:*/*:*/hidraw/hidraw*")
    pages = {node: _pages(node) for node in nodes}
    scanners = [node for node in nodes if SCANNER_PAGE in pages[node]]
    others = [
        node for node in nodes if node not in scanners and (not has_inputs or (is_reader and pages[node]))
    ]
    return scanners + others


def _pages(node: Path) -> tuple[int, ...]:
    """Return the usage pages of a node's input reports that carry data; empty where they are unknown."""
    try:
        return data_pages(parse_descriptor((node.parents[1] / "report_descriptor").read_bytes()))
    except (OSError, DescriptorError):
        return ()


def _is_first_node(video: Path) -> bool:
    return read_number(video / "index") in (0, None)


def _kernel_driver(device: UsbNode) -> str:
    bound = sorted(path.resolve().name for path in device.sysfs.glob("*:*/driver"))
    return ", ".join(dict.fromkeys(bound))


def _is_chip_reader(device: UsbNode) -> bool:
    """Return true if an interface has the smart card class, 0B (USB-IF, *Device Class: Smart Card CCID*)."""
    return any(read_text(path) == "0b" for path in device.sysfs.glob("*:*/bInterfaceClass"))


def _others(host: HostView) -> Iterator[LocalFunction]:
    """Yield functions without USB: UARTs of the machine, cameras of the kernel."""
    for port in sorted((host.sys / "class/tty").glob("tty*")):
        if (port / "device").exists() and "/usb" not in os.path.realpath(port) and _has_uart(port):
            yield LocalFunction("serial", host.dev / port.name, None, f"serial port {port.name}")
    for video in sorted((host.sys / "class/video4linux").glob("video*")):
        if "/usb" not in os.path.realpath(video) and _is_first_node(video):
            yield LocalFunction(
                "camera", host.dev / video.name, None, read_text(video / "name") or video.name
            )


def _has_uart(port: Path) -> bool:
    kind = read_text(port / "type")
    return kind is not None and kind != "0"


def stable_address(function: LocalFunction, functions: list[LocalFunction], host: HostView) -> str:
    """Return the address that stays the same after a restart, as written in a post's file.

    USB identity if it is unique, else the name of the socket, else the node.
    """
    usb = function.usb
    if usb is not None:
        ids = f"usb:{usb.vendor.upper()}:{usb.product.upper()}"
        twins = Counter(
            (other.usb.vendor, other.usb.product, other.usb.serial_number)
            for other in functions
            if other.usb is not None and other.kind == function.kind
        )
        same_model = sum(n for key, n in twins.items() if key[:2] == (usb.vendor, usb.product))
        serial = usb.serial_number
        if serial and ":" not in serial and " " not in serial and twins[usb.vendor, usb.product, serial] == 1:
            return f"{ids}:{serial}"
        if same_model == 1:
            return ids
        if function.kind == "usb":
            return f"{ids}@{usb.socket}"
    return next(_socket_links(function.node, host), _as_written(function.node, host))


def _socket_links(node: Path, host: HostView) -> Iterator[str]:
    for folder in LINK_FOLDERS:
        for link in sorted((host.dev / folder).glob("*")):
            # The newer `usbv2` links exist twice.
            if os.path.realpath(link) == os.path.realpath(node):
                yield _as_written(link, host)


def _as_written(node: Path, host: HostView) -> str:
    return f"/dev/{node.relative_to(host.dev)}" if node.is_relative_to(host.dev) else str(node)
