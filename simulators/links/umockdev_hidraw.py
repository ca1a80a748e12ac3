"""A hidraw node for a program under umockdev's preload library, with Linux's responses on its ioctl socket.

The node is a line, whose bytes are reports; a program that reads as many bytes as a report has gets one at a
time. Source: Linux, `Documentation/hid/hidraw.rst` and `include/uapi/linux/hidraw.h`.
"""

import errno
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Self

from simulators.links.serial_line import SerialLine
from simulators.links.uhid import BUS_USB, HidIdentity
from simulators.links.umockdev_ioctl import PRELOAD, Caller, IoctlError, NodeSocket

MAJOR = 240
"""Linux gives hidraw a major number of its range for local use."""
USB_DEVICE = "sys/devices/pci0000:00/usb1/1-2"


class HidrawNode:
    """The node /dev/hidraw0 of one USB device. An async context manager; `line` carries its reports."""

    def __init__(self, identity: HidIdentity) -> None:
        self.identity = identity
        self.root = Path(tempfile.mkdtemp(prefix="hidraw-"))
        """Folder of the emulated /dev and /sys; removed at the end."""
        self.line = SerialLine.open_at(self.root / "dev/hidraw0", look_s=0.002)
        self.ids = f"{identity.vendor_id:04X}:{identity.product_id:04X}"
        self._socket = NodeSocket(self.root / "ioctl/dev/hidraw0", self._answer, lambda _caller: None)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the program's environment."""
        return {"UMOCKDEV_DIR": str(self.root), "LD_PRELOAD": PRELOAD}

    async def __aenter__(self) -> Self:
        self._write_sysfs()
        await self.line.__aenter__()
        await self._socket.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.__aexit__()
        await self.line.close()
        shutil.rmtree(self.root)

    def _write_sysfs(self) -> None:
        """Write the facts that Linux tells of the interface."""
        hid = self.root / USB_DEVICE / f"1-2:1.0/0003:{self.ids}.0001"
        node = hid / "hidraw/hidraw0"
        for folder in (
            node,
            self.root / "sys/class/hidraw",
            self.root / "sys/dev/char",
            self.root / "dev/.node",
        ):
            folder.mkdir(parents=True)
        identity = self.identity
        (hid / "uevent").write_text(
            f"HID_ID={BUS_USB:04X}:{identity.vendor_id:08X}:{identity.product_id:08X}\n"
            f"HID_NAME={identity.name}\nHID_UNIQ={identity.serial_number}\n"
        )
        (hid / "report_descriptor").write_bytes(identity.descriptor)
        (node / "dev").write_text(f"{MAJOR}:0\n")
        (node / "device").symlink_to("../..")
        for link in (self.root / "sys/class/hidraw/hidraw0", self.root / f"sys/dev/char/{MAJOR}:0"):
            link.symlink_to(os.path.relpath(node, link.parent))
        (self.root / "dev/.node/hidraw0").symlink_to(f"{MAJOR}:0")

    async def _answer(self, caller: Caller, request: int, argument: int) -> None:
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        if request >> 8 & 0xFF != ord("H"):
            raise IoctlError(errno.ENOTTY)
        descriptor = self.identity.descriptor
        match number:
            case 1:
                caller.write(argument, struct.pack("=i", len(descriptor)))
            case 2:
                (asked,) = struct.unpack("=I", await caller.read(argument, 4))
                caller.write(argument + 4, descriptor[:asked])
            case 3:
                ids = (self.identity.vendor_id, self.identity.product_id)
                caller.write(argument, struct.pack("=IHH", BUS_USB, *ids))
            case 4:
                caller.write(argument, self.identity.name.encode()[: size - 1] + b"\0")
            case 8:
                caller.write(argument, self.identity.serial_number.encode()[: size - 1] + b"\0")
            case _:
                raise IoctlError(errno.ENOTTY)
