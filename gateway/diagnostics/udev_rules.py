"""Rules for udev: access and names of the post's devices, and exclusion of other services.

Source: udev(7). ModemManager reads ID_MM_DEVICE_IGNORE and ID_MM_PORT_IGNORE of devices that it would probe,
libinput LIBINPUT_IGNORE_DEVICE. The rules of brltty (85-brltty.rules, 90-brltty-usb-generic.rules) read no
such property: they match the USB ids of adapters and add a service to SYSTEMD_WANTS of the USB device, so the
rules that take it out again follow them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from drivers.links.hid.link import HidSettings
from drivers.links.usb.devices import USB_ADDRESS
from drivers.registry import installed_drivers, load_driver
from drivers.unavailable import MissingDriver
from gateway.config import DeviceSettings
from gateway.contract.topics import Position
from gateway.diagnostics.checks.accounts import SERVICE
from gateway.diagnostics.checks.addresses import Address, find_addresses

POST_RULES_FILE = Path("/etc/udev/rules.d/61-borderpost-post.rules")
"""Applied after Debian's 60-* rules, which make the links under /dev/serial, /dev/input and /dev/v4l."""
LATE_RULES_FILE = Path("/etc/udev/rules.d/95-borderpost-post.rules")
"""Applied after the rules of brltty, and before systemd's 99-systemd.rules."""
START_NO_SERVICE = 'ENV{SYSTEMD_WANTS}=""'
USB_DEVICE = 'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device"'
BY_PATH = re.compile(r"/dev/(?:serial|input|v4l)/by-path/(?P<path>.+?-usb(?:v2)?-0:[0-9.]+):\d+\.\d+.*")
"""Name of a socket; `path` is ID_PATH of its USB device (udev, path_id builtin)."""
BY_ID = re.compile(r"/dev/serial/by-id/usb-(?P<serial>.+)-if[0-9a-f]{2}(?:-port\d+)?")
"""Name of a serial port; `serial` is ID_SERIAL of its USB device (udev, usb_id builtin)."""
OWNERSHIP = f'GROUP="{SERVICE}", MODE="0660"'
IGNORE_DEVICE_PROPERTIES = (
    'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1", ENV{LIBINPUT_IGNORE_DEVICE}="1"'
)
DISABLE_AUTOSUSPEND = 'TEST=="power/control", ATTR{power/control}="on"'
SAFE_CHARACTERS = re.compile(r"[A-Za-z0-9/:@._,+-]+")
"""Characters without a special meaning in a rule."""
USB_CHILD_MATCHES = ('SUBSYSTEM=="tty"', 'SUBSYSTEM=="input", KERNEL=="event*"', 'SUBSYSTEM=="video4linux"')
"""Nodes that programs open for a device with a kernel driver."""
HID_MATCHES = ('SUBSYSTEM=="hidraw"',)
"""The same for a reader in HID mode. Those of a keyboard would show its keystrokes as well."""


def driver_rules() -> str:
    """Return rules for every device that a driver identifies by its USB IDs, independent of a post."""
    lines = [
        "# Devices that drivers identify by their USB IDs; made by `borderpost udev --drivers`.",
        f"# The rules of one post are in {POST_RULES_FILE}, made by `borderpost udev --install`.",
        'ACTION=="remove", GOTO="borderpost_end"',
    ]
    for name in sorted(installed_drivers()):
        try:
            kind = load_driver(name)
        except Exception:  # noqa: BLE001 - a package of others may fail in any way when imported
            lines.append(f"# {name}: unknown here, its package cannot be imported")
            continue
        if issubclass(kind, MissingDriver):
            lines.append(f"# {name}: unknown here, without the extra `{kind.extra}`")
        for vendor, product in sorted(kind.usb_ids):
            match = f'ATTR{{idVendor}}=="{vendor:04x}", ATTR{{idProduct}}=="{product:04x}"'
            lines += [f"# {name}", _usb_device(match)]
    return "\n".join([*lines, 'LABEL="borderpost_end"']) + "\n"


def post_rules(devices: Mapping[Position, DeviceSettings]) -> str:
    """Return rules for every local device of a post, each with a link named after its position."""
    lines = [
        "# The devices of this post; made by `borderpost udev --install` from its file.",
        'ACTION=="remove", GOTO="borderpost_post_end"',
    ]
    for position, device in devices.items():
        for address in find_addresses(device.settings):
            if address.kind not in ("node", "usb"):
                continue
            if SAFE_CHARACTERS.fullmatch(address.text) is None:
                lines.append(f"# {position}: {address.key} has characters with a special meaning in a rule")
                continue
            is_hid = isinstance(device.settings, HidSettings) and address.key == "port"
            nodes = HID_MATCHES if is_hid else USB_CHILD_MATCHES
            lines += [f"# {position}: {address.key}", *_rules(position, address, nodes)]
    return "\n".join([*lines, 'LABEL="borderpost_post_end"']) + "\n"


def late_post_rules(devices: Mapping[Position, DeviceSettings]) -> str:
    """Return rules that keep services such as brltty away from the USB devices of a post's nodes."""
    lines = [
        "# Excludes brltty from the devices of this post; made by `borderpost udev --install` from its file.",
        'ACTION!="add", GOTO="borderpost_late_end"',
    ]
    for position, device in devices.items():
        for address in find_addresses(device.settings):
            if address.kind not in ("node", "usb") or SAFE_CHARACTERS.fullmatch(address.text) is None:
                continue
            match = _usb_match(address.text)
            lines.append(f"# {position}: {address.key}")
            if match is None:
                lines.append(
                    f"# {address.text} names no USB device: use usb:VID:PID or a name in /dev/serial"
                )
            else:
                lines.append(f"{USB_DEVICE}, {match}, {START_NO_SERVICE}")
    return "\n".join([*lines, 'LABEL="borderpost_late_end"']) + "\n"


def _usb_match(text: str) -> str | None:
    """Return the match of the USB device of an address; None if the address does not tell it."""
    if (usb := USB_ADDRESS.fullmatch(text)) is not None:
        return _match_ids(usb)
    if (path := BY_PATH.fullmatch(text)) is not None:
        # udev names the same socket usb-0 and, since version 253, usbv2-0 as well.
        return f'IMPORT{{builtin}}="path_id", ENV{{ID_PATH}}=="{path["path"].replace("-usbv2-", "-usb-")}"'
    if (named := BY_ID.fullmatch(text)) is not None:
        return f'IMPORT{{builtin}}="usb_id", ENV{{ID_SERIAL}}=="{named["serial"]}"'
    return None


def _match_ids(usb: re.Match[str]) -> str:
    match = f'ATTR{{idVendor}}=="{usb["vid"].lower()}", ATTR{{idProduct}}=="{usb["pid"].lower()}"'
    if usb["serial"] is not None:
        match += f', ATTR{{serial}}=="{usb["serial"]}"'
    if usb["socket"] is not None:
        match += f', KERNEL=="{usb["socket"]}"'
    return match


def _rules(position: Position, address: Address, nodes: Sequence[str]) -> Iterator[str]:
    name = f'SYMLINK+="{SERVICE}/{position}"'
    if (usb := USB_ADDRESS.fullmatch(address.text)) is not None:
        match = _match_ids(usb)
        yield _usb_device(match)
        above = match.replace("ATTR{", "ATTRS{").replace("KERNEL==", "KERNELS==")
        for node in nodes:
            yield f"{node}, {above}, {OWNERSHIP}, {name}, {IGNORE_DEVICE_PROPERTIES}"
        return
    path = address.text.removeprefix("/dev/")
    match = f'SYMLINK=="{path}"' if "/" in path else f'KERNEL=="{path}"'
    yield f'SUBSYSTEM!="usb", {match}, {OWNERSHIP}, {name}, {IGNORE_DEVICE_PROPERTIES}'


def _usb_device(match: str) -> str:
    properties = f"{OWNERSHIP}, {IGNORE_DEVICE_PROPERTIES}, {DISABLE_AUTOSUSPEND}"
    return f"{USB_DEVICE}, {match}, {properties}"
