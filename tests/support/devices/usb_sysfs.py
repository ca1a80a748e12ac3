"""The kernel's list of USB devices as files in a directory, for machines without USB."""

from pathlib import Path

import pytest

from drivers.links.usb import devices as usb_devices


class Sysfs:
    """Directories that replace /sys and /dev."""

    def __init__(self, folder: Path) -> None:
        self.listed = folder / "devices"
        self.nodes = folder / "dev"
        self.listed.mkdir()

    def plug(
        self,
        socket: str,
        ids: str,
        number: int,
        serial: str | None = None,
        host: str = "xhci",
        driver: str = "",
    ) -> Path:
        """Add a device in a socket; return its device node."""
        bus = int(socket.partition("-")[0])
        device = self.listed.parent / host / socket
        device.mkdir(parents=True)
        vendor, product = ids.split(":")
        attributes = {"idVendor": vendor, "idProduct": product, "busnum": bus, "devnum": number}
        for name, value in {**attributes, **({"serial": serial} if serial else {})}.items():
            (device / name).write_text(f"{value}\n")
        (self.listed / socket).symlink_to(device)
        interface = device / f"{socket}:1.0"
        interface.mkdir()
        if driver:
            (self.listed.parent / driver).mkdir()
            (interface / "driver").symlink_to(self.listed.parent / driver)
        (self.listed / interface.name).symlink_to(interface)
        node = self.nodes / f"{bus:03}" / f"{number:03}"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch(mode=0o664)
        return node


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sysfs:
    sysfs = Sysfs(tmp_path)
    monkeypatch.setattr(usb_devices, "SYSFS", sysfs.listed)
    monkeypatch.setattr(usb_devices, "NODES", sysfs.nodes)
    return sysfs
