"""USB: too little power, too slow a socket, sockets that were switched off, devices put to sleep."""

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
"""What a hub without a supply of its own may give at a socket (USB 2.0, section 7.2.1.1)."""
SUPER_SPEED_MBPS = 5000
HIGH_SPEED_MBPS = 480


def check_usb(devices: Mapping[Position, DeviceSettings], host: HostView) -> Iterator[Finding]:
    """Look at every device that is plugged in, and closer at those of the post."""
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
            "no_udev",
            "notice",
            "usb",
            "udev is not running: rules that let the gateway open USB devices do nothing.",
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
    # Root hubs are the machine itself, and many of them say that they are not.
    if hub.socket.startswith("usb") or hub.self_powered or node.max_power_ma <= BUS_POWERED_SOCKET_MA:
        return
    yield make_finding(
        "usb_power",
        "warning",
        about,
        f"{node} asks for {node.max_power_ma} mA, and its hub at {hub.socket}, which has no supply of its "
        f"own, may give {BUS_POWERED_SOCKET_MA} mA.",
        Action.REPLUG,
        "Plug it into the machine itself, or use a hub with a power supply.",
    )


def _speed(node: UsbNode, about: str) -> Iterator[Finding]:
    if node.version >= 3 and node.speed_mbps <= HIGH_SPEED_MBPS:
        could = SUPER_SPEED_MBPS
    elif (
        "0e" in {read_text(path) for path in node.sysfs.glob("*:*/bInterfaceClass")} and node.speed_mbps <= 12
    ):
        could = HIGH_SPEED_MBPS  # no camera of this century is made for 12 Mbit/s
    else:
        return
    yield make_finding(
        "usb_slow",
        "notice",
        about,
        f"{node} runs at {node.speed_mbps:g} Mbit/s and could do {could}.",
        Action.REPLUG,
        "Plug it into a faster socket, or change the cable.",
    )


def _sleep(node: UsbNode, about: str) -> Iterator[Finding]:
    if (
        read_text(node.sysfs / "power/control") != "auto"
        or read_text(node.sysfs / "power/runtime_status") != "suspended"
    ):
        return
    yield make_finding(
        "usb_asleep",
        "notice",
        about,
        f"The kernel has put {node} to sleep to save power; some devices do not wake up again.",
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
                f"The socket {port} was switched off {times} times since the start, because more was drawn "
                "than it may give.",
                Action.REPLUG,
                "Plug that device into a hub with a supply; if it repeats, the device has a short.",
            )
