"""Checks of USB: power budget, speed, over-current, autosuspend."""

from collections.abc import Iterator, Mapping

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import DeviceSettings
from gateway.contract.topics import Position
from gateway.diagnostics.checks.addresses import find_addresses
from gateway.diagnostics.checks.kernel_log import check_usb_resets
from gateway.diagnostics.checks.usb_tree import UsbNode, list_usb_devices, matching_devices
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView, read_number, read_text

BUS_POWERED_SOCKET_MA = 100
"""Current that a hub without its own supply may provide per socket (USB 2.0, section 7.2.1.1)."""
SUPER_SPEED_MBPS = 5000
HIGH_SPEED_MBPS = 480


def check_usb(devices: Mapping[Position, DeviceSettings], host: HostView) -> Iterator[Finding]:
    """Check every connected device, and in more detail those of the post."""
    there = list_usb_devices(host)
    yield from _no_udev(devices, host)
    ours = {node.socket: str(position) for position, node in _ours(devices, there)}
    by_socket = {node.socket: node for node in there}
    for node in there:
        about = ours.get(node.socket, "usb")
        if (hub := by_socket.get(node.parent)) is not None:
            yield from _power(node, hub, about)
        if node.socket in ours:
            yield from _speed(node, about)
            yield from _sleep(node, about)
    yield from _over_current(host)
    yield from check_usb_resets(ours, host)


def _no_udev(devices: Mapping[Position, DeviceSettings], host: HostView) -> Iterator[Finding]:
    kinds = {address.kind for device in devices.values() for address in find_addresses(device.settings)}
    if "usb" in kinds and not (host.run / "udev/control").exists():
        yield make_finding(
            "udev_rules_missing",
            "notice",
            "usb",
            "udev is not running: the rules that permit the gateway to open USB devices have no effect.",
            Action.RESTART,
            "sudo systemctl start systemd-udevd; in a container: run it on the host",
        )


def _ours(
    devices: Mapping[Position, DeviceSettings], there: list[UsbNode]
) -> Iterator[tuple[Position, UsbNode]]:
    for position, device in devices.items():
        for address in find_addresses(device.settings):
            for node in matching_devices(address.text, there) if address.kind == "usb" else ():
                yield position, node


def _power(node: UsbNode, hub: UsbNode, about: str) -> Iterator[Finding]:
    # Root hubs are part of the machine, yet many report that they are not self-powered.
    if hub.socket.startswith("usb") or hub.self_powered or node.max_power_ma <= BUS_POWERED_SOCKET_MA:
        return
    yield make_finding(
        "usb_power",
        "warning",
        about,
        f"{node} needs {node.max_power_ma} mA, but its hub at {hub.socket} has no supply of its own "
        f"and may provide {BUS_POWERED_SOCKET_MA} mA: the device may fail.",
        Action.REPLUG,
        "Plug it into the machine directly, or use a hub with a power supply.",
    )


def _speed(node: UsbNode, about: str) -> Iterator[Finding]:
    if node.version >= 3 and node.speed_mbps <= HIGH_SPEED_MBPS:
        could = SUPER_SPEED_MBPS
    elif (
        "0e" in {read_text(path) for path in node.sysfs.glob("*:*/bInterfaceClass")} and node.speed_mbps <= 12
    ):
        could = HIGH_SPEED_MBPS  # Every current camera supports more than 12 Mbit/s.
    else:
        return
    yield make_finding(
        "usb_slow",
        "notice",
        about,
        f"{node} runs at {node.speed_mbps:g} Mbit/s and supports {could} Mbit/s: transfers are slow.",
        Action.REPLUG,
        "Plug it into a faster socket, or replace the cable.",
    )


def _sleep(node: UsbNode, about: str) -> Iterator[Finding]:
    if (
        read_text(node.sysfs / "power/control") != "auto"
        or read_text(node.sysfs / "power/runtime_status") != "suspended"
    ):
        return
    yield make_finding(
        "usb_autosuspend",
        "notice",
        about,
        f"The kernel has suspended {node} to save power; some devices do not resume.",
        Action.CONFIGURE,
        f"echo on | sudo tee {node.sysfs / 'power/control'}",
    )


def _over_current(host: HostView) -> Iterator[Finding]:
    for count in sorted(host.sys.glob("bus/usb/devices/*:1.0/*-port*/over_current_count")):
        if times := read_number(count):
            port = count.parent.name
            yield make_finding(
                "usb_over_current",
                "error",
                "usb",
                f"The socket {port} was switched off {times} times since boot, because its current "
                "was too high.",
                Action.REPLUG,
                "Plug that device into a hub with a supply; if it happens again, the device has a "
                "short circuit.",
            )
