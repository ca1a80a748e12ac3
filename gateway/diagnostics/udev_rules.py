"""Rules for udev: access and names of the post's devices, and exclusion of other services.

Source: udev(7). ModemManager reads ID_MM_DEVICE_IGNORE and ID_MM_PORT_IGNORE of devices that it would probe,
libinput LIBINPUT_IGNORE_DEVICE.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from drivers.links.usb.devices import USB_ADDRESS
from drivers.registry import installed_drivers, load_driver
from drivers.unavailable import MissingDriver
from gateway.config import DeviceSettings
from gateway.contract.topics import Position
from gateway.diagnostics.checks.accounts import SERVICE
from gateway.diagnostics.checks.addresses import Address, find_addresses

POST_RULES_FILE = Path("/etc/udev/rules.d/61-borderpost-post.rules")
"""Applied after Debian's 60-* rules, which make the links under /dev/serial, /dev/input and /dev/v4l."""
OWNERSHIP = f'GROUP="{SERVICE}", MODE="0660"'
IGNORE_DEVICE_PROPERTIES = (
    'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1", ENV{LIBINPUT_IGNORE_DEVICE}="1"'
)
DISABLE_AUTOSUSPEND = 'TEST=="power/control", ATTR{power/control}="on"'
SAFE_CHARACTERS = re.compile(r"[A-Za-z0-9/:@._,+-]+")
"""Characters without a special meaning in a rule."""
USB_CHILD_MATCHES = ('SUBSYSTEM=="tty"', 'SUBSYSTEM=="input", KERNEL=="event*"', 'SUBSYSTEM=="video4linux"')
"""Nodes that programs open for a device with a kernel driver."""


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
            lines += [f"# {position}: {address.key}", *_rules(position, address)]
    return "\n".join([*lines, 'LABEL="borderpost_post_end"']) + "\n"


def _rules(position: Position, address: Address) -> Iterator[str]:
    name = f'SYMLINK+="{SERVICE}/{position}"'
    if (usb := USB_ADDRESS.fullmatch(address.text)) is not None:
        match = f'ATTR{{idVendor}}=="{usb["vid"].lower()}", ATTR{{idProduct}}=="{usb["pid"].lower()}"'
        if usb["serial"] is not None:
            match += f', ATTR{{serial}}=="{usb["serial"]}"'
        if usb["socket"] is not None:
            match += f', KERNEL=="{usb["socket"]}"'
        yield _usb_device(match)
        above = match.replace("ATTR{", "ATTRS{").replace("KERNEL==", "KERNELS==")
        for node in USB_CHILD_MATCHES:
            yield f"{node}, {above}, {OWNERSHIP}, {name}, {IGNORE_DEVICE_PROPERTIES}"
        return
    path = address.text.removeprefix("/dev/")
    match = f'SYMLINK=="{path}"' if "/" in path else f'KERNEL=="{path}"'
    yield f'SUBSYSTEM!="usb", {match}, {OWNERSHIP}, {name}, {IGNORE_DEVICE_PROPERTIES}'


def _usb_device(match: str) -> str:
    properties = f"{OWNERSHIP}, {IGNORE_DEVICE_PROPERTIES}, {DISABLE_AUTOSUSPEND}"
    return f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {match}, {properties}'
