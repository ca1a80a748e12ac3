"""USB port of a device, and its power: off and on again, through the kernel's switch of a hub port.

Source: Linux, `Documentation/ABI/testing/sysfs-bus-usb`, `port<X>/disable` (since 6.0) and `port<X>/peer`.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from gateway.config import DeviceSettings
from gateway.diagnostics.checks.addresses import find_addresses
from gateway.diagnostics.checks.usb_tree import UsbNode, list_usb_devices, matching_devices
from gateway.diagnostics.discovery.usb_functions import list_functions
from gateway.diagnostics.host import HostView, read_text

OFF_S = 2.0
"""Time without power, in seconds: capacitors of a device hold it up for some tenths."""
BACK_S = 15.0
"""Longest wait for the device, in seconds."""
POLL_S = 0.1


class UsbPortError(Exception):
    """A port that cannot be switched: a sentence, and a remedy."""

    def __init__(self, text: str, how: str) -> None:
        super().__init__(text)
        self.text = text
        self.how = how


@dataclass(frozen=True, slots=True)
class UsbPort:
    """Port of a hub with a device, and the switches of its power."""

    device: UsbNode
    switches: tuple[Path, ...]
    """Files `disable` of the port and of its other half: a USB 3 socket has one for each speed."""

    def cycle(self, host: HostView, off_s: float = OFF_S, back_s: float = BACK_S) -> None:
        """Switch power off and on, and wait for the device; raises UsbPortError."""
        try:
            for switch in self.switches:
                switch.write_text("1")
            time.sleep(off_s)
        except OSError as error:
            raise _refused(self.device, error) from error
        finally:
            failures = [_write(switch, "0") for switch in self.switches]
        for failure in failures:
            if failure is not None:
                raise _refused(self.device, failure)
        deadline_s = time.monotonic() + back_s
        while not any(each.socket == self.device.socket for each in list_usb_devices(host)):
            if time.monotonic() > deadline_s:
                raise UsbPortError(
                    f"{self.device} has not come back within {back_s:g} seconds: it is not in use now.",
                    "Pull its plug, wait five seconds, plug it in again; if it stays away, replace it.",
                )
            time.sleep(POLL_S)


def find_port(settings: DeviceSettings, host: HostView) -> UsbPort:
    """Return the USB port of a configured device; raises UsbPortError."""
    devices = [device for device in _devices_at(settings, host) if not device.hub]
    if len({device.socket for device in devices}) != 1:
        found = ", ".join(str(device) for device in devices) or "none"
        raise UsbPortError(
            f"The addresses of this device fit {len(devices)} USB devices ({found}), so no port was "
            "switched.",
            "Check its address and that it is plugged in: borderpost discover",
        )
    device = devices[0]
    folder = _port_folder(device, host)
    peer = folder / "peer"
    switches = tuple(port / "disable" for port in (folder, *((peer,) if peer.exists() else ())))
    if not all(switch.exists() for switch in switches):
        raise UsbPortError(
            f"The port of {device} has no switch: its hub or this kernel has none.",
            "Pull its plug, wait five seconds, plug it in again. A hub with switched ports helps next time.",
        )
    return UsbPort(device, switches)


def _devices_at(settings: DeviceSettings, host: HostView) -> list[UsbNode]:
    there = list_usb_devices(host)
    found: list[UsbNode] = []
    for address in find_addresses(settings.settings):
        if address.kind == "usb":
            found += matching_devices(address.text, there)
        elif address.kind == "node":
            node = host.node(address.text).resolve()
            functions = list_functions(host)
            found += [each.usb for each in functions if each.usb is not None and each.node.resolve() == node]
    return found


def _port_folder(device: UsbNode, host: HostView) -> Path:
    """Return the folder of the hub's port in sysfs, as in `1-10:1.0/1-10-port2` or `1-0:1.0/usb1-port2`."""
    number = device.socket.replace("-", ".").rpartition(".")[2]
    hub = device.parent
    interface = f"{hub.removeprefix('usb')}-0:1.0" if hub.startswith("usb") else f"{hub}:1.0"
    return host.sys / "bus/usb/devices" / interface / f"{hub}-port{number}"


def may_switch(port: UsbPort) -> bool:
    """Return True if this user may switch the port and its present state can be read."""
    return all(read_text(switch) is not None and _is_writable(switch) for switch in port.switches)


def _is_writable(switch: Path) -> bool:
    try:
        with switch.open("r+"):
            return True
    except OSError:
        return False


def _write(switch: Path, value: str) -> OSError | None:
    try:
        switch.write_text(value)
    except OSError as error:
        return error
    return None


def _refused(device: UsbNode, error: OSError) -> UsbPortError:
    return UsbPortError(
        f"The kernel refused to switch the port of {device}: {error.strerror}.",
        "Pull its plug, wait five seconds, plug it in again.",
    )
