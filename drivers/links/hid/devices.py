"""HID interfaces of this machine in sysfs: search by address, and readers that are in another mode.

Source: Linux, `Documentation/hid/hidraw.rst`; HID_ID and `report_descriptor` of `drivers/hid/hid-core.c`. A
search costs a few small reads for each interface: it is repeated twice a second while a device is missing.
"""

import asyncio
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from drivers.links.address import USB_ADDRESS, describe_serial, one_of
from drivers.links.device_node import NodeTexts, open_error
from drivers.links.hid.descriptor import (
    KEYBOARD,
    VENDOR_PAGES,
    DescriptorError,
    ReportDescriptor,
    parse_descriptor,
)
from drivers.links.hid.uhid import HidInfo
from drivers.links.link import Action, Cause, LinkError

SYSFS = Path("/sys")
SCANNER_PAGE = 0x8C
"""Usage page of bar code scanners (USB-IF, *HID Point of Sale Usage Tables* 1.02)."""
CHANGE_POLL_S = 0.5
TEXTS = NodeTexts(
    noun="reader",
    held=lambda path, who: f"{who or 'Another program'} has locked {path}.",
    permission_how="sudo borderpost udev --install: it gives the node to the gateway's group.",
    missing_how="Check the cable, and that the reader is set to HID mode (USB HID POS), by its manual.",
)
HID_MODE_HOW = (
    "Set the reader to HID mode (USB HID POS), by its manual; or write driver = {driver} in the table of "
    "this device, then: sudo systemctl reload borderpost"
)
_HID_ID = re.compile(r"(?P<bus>[0-9A-F]{4}):(?P<vendor>[0-9A-F]{8}):(?P<product>[0-9A-F]{8})")
_INTERFACE = re.compile(r"\d+-[\d.]+:\d+\.(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class HidNode:
    """One HID interface: its node, as sysfs describes it."""

    path: str
    info: HidInfo
    device: str
    """Place of its device in sysfs, which may have several interfaces."""
    interface: int
    """Number of the interface of a USB device, else 0."""
    descriptor: ReportDescriptor | None
    """None: it cannot be parsed."""

    @property
    def is_keyboard(self) -> bool:
        """True if it types."""
        return self.descriptor is not None and KEYBOARD in self.descriptor.applications

    @property
    def data_pages(self) -> tuple[int, ...]:
        """Usage pages of its input reports that carry data: those of scanners and of makers."""
        return data_pages(self.descriptor)

    @property
    def accepts_data(self) -> bool:
        """True if it has output reports of the same kind."""
        return self.descriptor is not None and any(
            each.kind == "output" and _is_data_page(each.application >> 16) for each in self.descriptor.fields
        )


@dataclass(frozen=True, slots=True)
class HidPlace:
    """Nodes of one reader."""

    reads: HidNode
    writes: HidNode | None
    """Interface that takes output reports: the same, or another of the device; None: there is none."""


def data_pages(descriptor: ReportDescriptor | None) -> tuple[int, ...]:
    """Return the usage pages of the input reports that carry data, without repetition."""
    pages = (
        each.application >> 16
        for each in (() if descriptor is None else descriptor.fields)
        if each.kind == "input" and not each.is_constant and _is_data_page(each.application >> 16)
    )
    return tuple(dict.fromkeys(pages))


def _is_data_page(page: int) -> bool:
    return page == SCANNER_PAGE or page in VENDOR_PAGES


def list_nodes(sysfs: Path = SYSFS) -> Iterator[HidNode]:
    """Yield all HID interfaces with a hidraw node."""
    for node in sorted((sysfs / "class/hidraw").glob("hidraw*")):
        if (found := _read_node(node)) is not None:
            yield found


def _read_node(node: Path) -> HidNode | None:
    """Return the interface of a node; None if it was unplugged meanwhile."""
    try:
        lines = (node / "device/uevent").read_text(errors="replace").splitlines()
        raw = (node / "device/report_descriptor").read_bytes()
    except OSError:
        return None
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    ids = _HID_ID.fullmatch(facts.get("HID_ID", ""))
    if ids is None:
        return None
    info = HidInfo(
        int(ids["vendor"], 16),
        int(ids["product"], 16),
        facts.get("HID_NAME", ""),
        facts.get("HID_UNIQ", ""),
        raw,
        int(ids["bus"], 16),
    )
    hid = Path(os.path.realpath(node / "device"))
    interface = _INTERFACE.fullmatch(hid.parent.name)
    try:
        descriptor = parse_descriptor(raw)
    except DescriptorError:
        descriptor = None
    return HidNode(
        f"/dev/{node.name}",
        info,
        str(hid.parent.parent if interface else hid),
        int(interface["number"]) if interface else 0,
        descriptor,
    )


def find_hid(address: str, sysfs: Path = SYSFS) -> HidPlace:
    """Resolve an address to the nodes of a reader; raises LinkError."""
    nodes = list(list_nodes(sysfs))
    usb = USB_ADDRESS.fullmatch(address)
    if usb is None:
        read = _node_at(address, nodes, sysfs)
        device = [node for node in nodes if node.device == read.device]
        if not read.data_pages:  # a link of udev's means any interface of the device
            read = min((node for node in device if node.data_pages), key=_by_use, default=read)
        if read.is_keyboard and not read.data_pages:
            raise _wrong_mode_error(address, "keyboard", '"mrz-wedge"')
        return HidPlace(read, _writing_node(read, device))
    vendor, product = int(usb["vid"], 16), int(usb["pid"], 16)
    same = [
        node
        for node in nodes
        if (node.info.vendor_id, node.info.product_id) == (vendor, product)
        and usb["serial"] in (None, node.info.serial_number)
    ]
    # A descriptor that cannot be parsed is refused by the link, which names its fault.
    fitting = [node for node in same if node.data_pages or node.descriptor is None]
    fitting.sort(key=lambda node: node.device)
    devices = [list(group) for _, group in groupby(fitting, lambda node: node.device)]
    if not devices:
        raise _absent_error(address, vendor, product, same, nodes, sysfs)
    one = one_of(
        address,
        sorted(devices, key=lambda device: describe_serial(device[0].info.serial_number)),
        describe=lambda device: describe_serial(device[0].info.serial_number),
        missing=_not_plugged_error(address),
        noun="readers",
        how="Add the serial number to `port`, or name the node by a link that a udev rule makes.",
    )
    read = min(one, key=_by_use)
    return HidPlace(read, _writing_node(read, [node for node in same if node.device == read.device]))


def _by_use(node: HidNode) -> tuple[bool, bool, int]:
    """Return the order of a device's interfaces: documents come from the first one, setup from later ones.

    Access-IS: 0 or 2, and 3 for setup.
    """
    return not node.data_pages, SCANNER_PAGE not in node.data_pages, node.interface


def _node_at(path: str, nodes: Sequence[HidNode], sysfs: Path) -> HidNode:
    """Return the interface of the node at a path, which may be a link; raises LinkError."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of a path that is a string
    except OSError as error:
        raise open_error(path, error, TEXTS) from error
    if stat.S_ISCHR(status.st_mode):
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        name = Path(os.path.realpath(sysfs / "dev/char" / number)).name
        for node in nodes:
            if node.path == f"/dev/{name}":
                return HidNode(path, node.info, node.device, node.interface, node.descriptor)
    raise LinkError(
        Cause.WRONG_DEVICE,
        f"{path} is not a hidraw node.",
        Action.CONFIGURE,
        "Correct `port`: usb:VID:PID, or a link to a node /dev/hidraw...; borderpost discover lists them.",
    )


def _writing_node(read: HidNode, device: Sequence[HidNode]) -> HidNode | None:
    """Return the interface of a device that takes output reports; some models have one for them alone."""
    if read.accepts_data:
        return read
    later = [node for node in device if node.accepts_data and node.interface > read.interface]
    return min(later, key=lambda node: node.interface, default=None)


def _not_plugged_error(address: str, hint: str = "") -> LinkError:
    return LinkError(
        Cause.NO_DEVICE, f"No HID reader {address} is plugged in.{hint}", Action.REPLUG, TEXTS.missing_how
    )


def _wrong_mode_error(address: str, mode: str, driver: str) -> LinkError:
    return LinkError(
        Cause.WRONG_DEVICE,
        f"The reader at {address} is in {mode} mode, so this driver reads no document from it.",
        Action.CONFIGURE,
        HID_MODE_HOW.format(driver=driver),
        wait_until_changed,
    )


def _absent_error(
    address: str,
    vendor: int,
    product: int,
    same: Sequence[HidNode],
    nodes: Sequence[HidNode],
    sysfs: Path,
) -> LinkError:
    """Return the error for an address without a HID reader: another mode, another interface, or nothing."""
    if any(node.is_keyboard for node in same):
        return _wrong_mode_error(address, "keyboard", '"mrz-wedge"')
    if (is_serial := _has_serial_port(vendor, product, sysfs)) is not None:
        if is_serial:
            return _wrong_mode_error(address, "serial", '"mrz-serial" or "ocr-scanner"')
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{address} is plugged in, and has no HID interface for documents.",
            Action.CONFIGURE,
            TEXTS.missing_how,
            wait_until_changed,
        )
    # Many readers have another product id in each mode.
    typing = sorted(
        {
            f"{node.info.product_id:04X}"
            for node in nodes
            if node.info.vendor_id == vendor and node.is_keyboard
        }
    )
    hint = ""
    if typing:
        hint = (
            f" usb:{vendor:04X}:{typing[0]} is a keyboard of this maker: perhaps the reader in keyboard mode."
        )
    return _not_plugged_error(address, hint)


def _has_serial_port(vendor: int, product: int, sysfs: Path) -> bool | None:
    """Return True if a USB device of this model has a serial port; None if none is plugged in."""
    found = None
    for device in sorted((sysfs / "bus/usb/devices").glob("*-*")):
        try:
            ids = tuple(int((device / name).read_text(), 16) for name in ("idVendor", "idProduct"))
        except (OSError, ValueError):
            continue  # an interface, or unplugged meanwhile
        if ids == (vendor, product):
            ports = (*device.glob("*:*/tty*/dev"), *device.glob("*:*/tty/tty*"), *device.glob("*:*/ttyUSB*"))
            found = bool(found or ports)
    return found


async def wait_until_changed(sysfs: Path = SYSFS) -> None:
    """Wait until a HID interface was plugged in or out, as at a change of the mode."""
    before = _present(sysfs)
    while _present(sysfs) == before:  # noqa: ASYNC110 - sysfs reports no event
        await asyncio.sleep(CHANGE_POLL_S)


def _present(sysfs: Path) -> set[str]:
    return {os.path.realpath(node) for node in (sysfs / "class/hidraw").glob("hidraw*")}
