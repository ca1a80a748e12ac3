"""USB devices of this machine as listed in sysfs: topology, speed, power.

Source: Linux, `Documentation/ABI/testing/sysfs-bus-usb`; USB 2.0, section 9.6 (descriptors).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.links.usb.devices import USB_ADDRESS
from gateway.diagnostics.host import HostView, read_number, read_text

HUB_CLASS = "09"
SELF_POWERED = 0x40  # bmAttributes, USB 2.0 table 9-10


@dataclass(frozen=True, slots=True)
class UsbNode:
    """A connected USB device."""

    socket: str
    """Socket in sysfs notation: bus, dash, ports separated by dots, as in `1-10.2`; a root hub is `usb1`."""
    sysfs: Path
    vendor: str
    product: str
    """Both IDs are four hexadecimal digits in lower case."""
    name: str
    serial_number: str | None
    speed_mbps: float
    version: float
    """USB release that the device supports: 2.0, 3.2."""
    max_power_ma: int
    self_powered: bool
    hub: bool
    node: Path
    """Node of the whole device, for programs that use libusb."""

    @property
    def parent(self) -> str:
        """Socket of the hub it is connected to; empty for a root hub."""
        if self.socket.startswith("usb"):
            return ""
        bus, _, ports = self.socket.partition("-")
        inner = ports.rpartition(".")[0]
        return f"{bus}-{inner}" if inner else f"usb{bus}"

    @property
    def depth(self) -> int:
        """Number of hubs between it and the root."""
        return 0 if self.socket.startswith("usb") else 1 + self.socket.count(".")

    def __str__(self) -> str:
        return f"{self.name} at {self.socket}"

    def device_nodes(self, host: HostView) -> Iterator[Path]:
        """Yield the nodes that programs open: ports, cameras, keyboards; else of HID, else the device."""
        # An input device of USB HID is below the HID device of its interface (drivers/hid/hid-input.c).
        inputs = ("*:*/input/input*/event*", "*:*/*:*/input/input*/event*")
        kernels = ("*:*/tty*", "*:*/tty/tty*", "*:*/video4linux/video*", *inputs)
        named = {path.name for pattern in kernels for path in self.sysfs.glob(pattern)} - {"tty"}
        for name in sorted(named):
            yield host.dev / ("input" if name.startswith("event") else "") / name
        if not named:
            raw = sorted({path.name for path in self.sysfs.glob("*:*/*:*/hidraw/hidraw*")})
            yield from [host.dev / name for name in raw] or [self.node]


def list_usb_devices(host: HostView) -> list[UsbNode]:
    """List every device and hub, each hub before the devices connected to it."""
    folder = host.sys / "bus/usb/devices"
    found = [_read(path, host) for path in folder.glob("*") if ":" not in path.name]
    return sorted((node for node in found if node is not None), key=_by_socket)


def matching_devices(address: str, devices: list[UsbNode]) -> list[UsbNode]:
    """Return the devices that match an address of the form `usb:VID:PID[:SERIAL | @SOCKET]`."""
    wanted = USB_ADDRESS.fullmatch(address)
    if wanted is None:
        return []
    return [
        device
        for device in devices
        if (device.vendor, device.product) == (wanted["vid"].lower(), wanted["pid"].lower())
        and wanted["serial"] in (None, device.serial_number)
        and wanted["socket"] in (None, device.socket)
    ]


def format_tree(devices: list[UsbNode]) -> str:
    """Return the tree as text, one device per line."""
    return "\n".join(
        f"{'  ' * device.depth}{device.socket} {device.vendor}:{device.product} {device.name}"
        f" ({device.speed_mbps:g} Mbit/s, {device.max_power_ma} mA)"
        for device in devices
    )


def _by_socket(node: UsbNode) -> tuple[int, list[int]]:
    bus, _, ports = node.socket.removeprefix("usb").partition("-")
    return int(bus), [int(port) for port in ports.split(".") if port]


def _read(path: Path, host: HostView) -> UsbNode | None:
    vendor, product = read_text(path / "idVendor"), read_text(path / "idProduct")
    if vendor is None or product is None:
        return None  # The device was unplugged in the meantime.
    bus, device = read_number(path / "busnum") or 0, read_number(path / "devnum") or 0
    makers = filter(None, (read_text(path / "manufacturer"), read_text(path / "product")))
    return UsbNode(
        socket=path.name,
        sysfs=path,
        vendor=vendor,
        product=product,
        name=" ".join(makers) or f"{vendor}:{product}",
        serial_number=read_text(path / "serial") or None,
        speed_mbps=_decimal(read_text(path / "speed")),
        version=_decimal(read_text(path / "version")),
        max_power_ma=int(_decimal((read_text(path / "bMaxPower") or "").removesuffix("mA"))),
        self_powered=bool(int(read_text(path / "bmAttributes") or "0", 16) & SELF_POWERED),
        hub=read_text(path / "bDeviceClass") == HUB_CLASS,
        node=host.dev / "bus/usb" / f"{bus:03}" / f"{device:03}",
    )


def _decimal(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
