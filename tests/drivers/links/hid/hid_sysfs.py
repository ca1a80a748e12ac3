"""HID interfaces in a staged sysfs."""

import os
from pathlib import Path


def plug_hid(
    sysfs: Path,
    number: int,
    ids: str,
    descriptor: bytes,
    serial_number: str = "",
    socket: str = "1-2",
    interface: int = 0,
) -> None:
    """Plug in one interface of a USB device, whose node is /dev/hidraw`number`; ids as in `0db5:013e`."""
    vendor, product = ids.upper().split(":")
    device = sysfs / f"devices/usb1/{socket}"
    hid = device / f"{socket}:1.{interface}/0003:{vendor}:{product}.{number:04}"
    node = hid / f"hidraw/hidraw{number}"
    node.mkdir(parents=True)
    (device / "idVendor").write_text(vendor.lower() + "\n")
    (device / "idProduct").write_text(product.lower() + "\n")
    (hid / "uevent").write_text(
        f"DRIVER=hid-generic\nHID_ID=0003:0000{vendor}:0000{product}\nHID_NAME=Maker Reader\n"
        f"HID_UNIQ={serial_number}\n"
    )
    (hid / "report_descriptor").write_bytes(descriptor)
    (node / "device").symlink_to("../..")
    link(sysfs / f"class/hidraw/hidraw{number}", node)
    link(sysfs / f"bus/usb/devices/{socket}", device)


def plug_serial(sysfs: Path, ids: str, socket: str = "1-4") -> None:
    """Plug in a USB device with a serial port."""
    device = sysfs / f"devices/usb1/{socket}"
    (device / f"{socket}:1.0/tty/ttyACM0").mkdir(parents=True)
    (device / "idVendor").write_text(ids[:4] + "\n")
    (device / "idProduct").write_text(ids[5:] + "\n")
    link(sysfs / f"bus/usb/devices/{socket}", device)


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(os.path.relpath(target, path.parent))
