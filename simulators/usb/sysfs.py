"""The files of Linux that describe a USB bus, in a directory of our own, and udev's events.

Written as umockdev's preload library expects them: everything of /sys and /dev below one root, udev's
properties of a device in its `uevent` file. Sources: Linux, Documentation/ABI/testing/sysfs-bus-usb;
systemd's sd-device monitor for the messages.
"""

import contextlib
import shutil
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from simulators.usb.device import UsbDevice, UsbDeviceDescription

CONTROLLER = "devices/pci0000:00/0000:00:14.0"
ROOT_HUB = f"{CONTROLLER}/usb1"
USB_MAJOR = 189
_HUB_DESCRIPTORS = bytes.fromhex(
    "12010002090001406b1d020000060302010109021900010100e0000904000001090000000705810304000c"
)
_HUB_IDENTITY = UsbDeviceDescription(
    0x1D6B, 0x0002, 0x0600, "Linux", "xHCI Host Controller", "0000:00:14.0", (9, 0, 0), ()
)


class Tree:
    """The files of one bus in `root`, with a root hub from the start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sequence = 0
        for directory in (
            "sys/class",
            "sys/bus/usb/devices",
            "sys/bus/pci/devices",
            "sys/dev/char",
            "dev/.node",
        ):
            (root / directory).mkdir(parents=True)
        pci = {"DRIVER": "xhci_hcd", "PCI_CLASS": "C0330", "SUBSYSTEM": "pci"}
        self._write(CONTROLLER, pci, {"class": "0x0c0330", "vendor": "0x8086", "device": "0xa36d"}, "pci")
        self._usb(ROOT_HUB, _HUB_IDENTITY, _HUB_DESCRIPTORS, number=1, port="0", speed="480", ports=4)

    def add(self, device: UsbDevice, port: int, number: int) -> str:
        """Create a device's files and announce it; return its node, as `/dev/bus/usb/001/002`."""
        path = f"{ROOT_HUB}/1-{port}"
        properties = self._usb(
            path, device.description, device.descriptors, number=number, port=str(port), speed="12", ports=0
        )
        self._announce("add", path, properties)
        return _node(number)

    def remove(self, device: UsbDevice, port: int, number: int) -> None:
        """Announce that a device is unplugged, and remove its files."""
        path = f"{ROOT_HUB}/1-{port}"
        for entry in (
            f"sys/bus/usb/devices/1-{port}",
            f"sys/dev/char/{USB_MAJOR}:{number - 1}",
            f"dev/.node/{_node(number)[5:].replace('/', '_')}",
            _node(number)[1:],
        ):
            (self.root / entry).unlink(missing_ok=True)
        shutil.rmtree(self.root / "sys" / path)
        self._announce("remove", path, _properties(device.description, number))

    def _usb(
        self,
        path: str,
        description: UsbDeviceDescription,
        descriptors: bytes,
        *,
        number: int,
        port: str,
        speed: str,
        ports: int,
    ) -> dict[str, str]:
        properties = _properties(description, number)
        node = self.root / _node(number)[1:]
        node.parent.mkdir(parents=True, exist_ok=True)
        node.write_bytes(descriptors)
        (self.root / "dev/.node" / _node(number)[5:].replace("/", "_")).symlink_to(
            f"{USB_MAJOR}:{number - 1}"
        )
        attributes = _attributes(description, descriptors) | {
            "busnum": "1",
            "devnum": str(number),
            "dev": f"{USB_MAJOR}:{number - 1}",
            "devpath": port,
            "maxchild": str(ports),
            "speed": speed,
        }
        # The node first, the attributes next, the links by which programs find it last.
        self._write(path, properties, attributes, "usb")
        (self.root / "sys" / path / "descriptors").write_bytes(descriptors)
        up = "../" * path.count("/")
        (self.root / "sys" / path / "driver").symlink_to(f"{up}../bus/usb/drivers/usb")
        name = path.rpartition("/")[2]
        (self.root / f"sys/dev/char/{USB_MAJOR}:{number - 1}").symlink_to(f"../../{path}")
        (self.root / "sys/bus/usb/devices" / name).symlink_to(f"../../../{path}")
        return properties

    def _write(
        self, path: str, properties: Mapping[str, str], attributes: Mapping[str, str], subsystem: str
    ) -> None:
        folder = self.root / "sys" / path
        (folder / "power").mkdir(parents=True)
        for name, value in {**attributes, "power/control": "on", "power/runtime_status": "active"}.items():
            (folder / name).write_text(f"{value}\n")
        (folder / "uevent").write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        up = "../" * path.count("/")
        (folder / "subsystem").symlink_to(f"{up}../bus/{subsystem}")

    def _announce(self, action: str, path: str, properties: Mapping[str, str]) -> None:
        """Send the message that udevd would multicast to every listening program."""
        self._sequence += 1
        message = _udev_message(
            {"ACTION": action, "DEVPATH": f"/{path}", "SEQNUM": str(self._sequence), **properties}
        )
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            for listener in self.root.glob("event[0-9]*"):
                # A closed socket remains as a file.
                with contextlib.suppress(OSError):
                    sender.sendto(message, str(listener))


def _node(number: int) -> str:
    return f"/dev/bus/usb/001/{number:03d}"


def _properties(description: UsbDeviceDescription, number: int) -> dict[str, str]:
    vendor, model = (_safe(text) for text in (description.manufacturer, description.product))
    serial = _safe(description.serial_number or "")
    return {
        "DEVNAME": _node(number)[5:],
        "DEVTYPE": "usb_device",
        "DRIVER": "usb",
        "PRODUCT": f"{description.vendor_id:x}/{description.product_id:x}/{description.release:x}",
        "TYPE": "{}/{}/{}".format(*(description.interface if description.interface[0] == 9 else (0, 0, 0))),
        "BUSNUM": "001",
        "DEVNUM": f"{number:03d}",
        "MAJOR": str(USB_MAJOR),
        "MINOR": str(number - 1),
        "SUBSYSTEM": "usb",
        "ID_VENDOR": vendor,
        "ID_VENDOR_ID": f"{description.vendor_id:04x}",
        "ID_MODEL": model,
        "ID_MODEL_ID": f"{description.product_id:04x}",
        "ID_REVISION": f"{description.release:04x}",
        "ID_SERIAL": "_".join(filter(None, (vendor, model, serial))),
        **({"ID_SERIAL_SHORT": serial} if serial else {}),
        "ID_BUS": "usb",
        "ID_USB_INTERFACES": ":{:02x}{:02x}{:02x}:".format(*description.interface),
    }


def _safe(text: str) -> str:
    """Write a name as udev does: no spaces, no special characters."""
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "#+-.:=@_") else "_" for letter in text
    )


def _attributes(description: UsbDeviceDescription, descriptors: bytes) -> dict[str, str]:
    (bcd_usb,) = struct.unpack_from("<H", descriptors, 2)
    device_class, subclass, protocol = descriptors[4:7]
    configuration = descriptors[18:27]
    attributes = {
        "authorized": "1",
        "avoid_reset_quirk": "0",
        "bConfigurationValue": str(configuration[5]),
        "bDeviceClass": f"{device_class:02x}",
        "bDeviceProtocol": f"{protocol:02x}",
        "bDeviceSubClass": f"{subclass:02x}",
        "bMaxPacketSize0": str(descriptors[7]),
        "bMaxPower": f"{configuration[8] * 2}mA",
        "bNumConfigurations": "1",
        "bNumInterfaces": f"{configuration[4]:2d}",
        "bcdDevice": f"{description.release:04x}",
        "bmAttributes": f"{configuration[7]:x}",
        "configuration": "",
        "idProduct": f"{description.product_id:04x}",
        "idVendor": f"{description.vendor_id:04x}",
        "manufacturer": description.manufacturer,
        "product": description.product,
        "quirks": "0x0",
        "removable": "removable",
        "urbnum": "0",
        "version": f"{bcd_usb >> 8:2x}.{bcd_usb & 0xFF:02x}",
    }
    return attributes | ({"serial": description.serial_number} if description.serial_number else {})


def _udev_message(properties: Mapping[str, str]) -> bytes:
    """Return the message as libudev's monitors read it, with the hashes for their socket filters."""
    text = b"".join(f"{name}={value}".encode() + b"\0" for name, value in properties.items())
    hashes = (_murmur2(properties["SUBSYSTEM"].encode()), _murmur2(properties["DEVTYPE"].encode()))
    head = b"libudev\0" + struct.pack(">I", 0xFEEDCAFE) + struct.pack("=III", 40, 40, len(text))
    return head + struct.pack(">IIII", *hashes, 0, 0) + text


def _murmur2(data: bytes) -> int:
    """Compute MurmurHash2 of Austin Appleby, 32 bits, seed 0."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = len(data)
    whole = len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * multiplier & mask
        mixed = (mixed ^ mixed >> 24) * multiplier & mask
        value = value * multiplier & mask ^ mixed
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15
