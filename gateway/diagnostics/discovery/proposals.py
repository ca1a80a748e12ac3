"""Drivers that could take a device, and the table of a post's file for the first of them.

Sources: vendor ids of the USB ID repository (usb.ids); settings of the drivers themselves.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

from drivers.driver import Driver, Family
from drivers.links.keyboard import KeyboardSettings
from drivers.links.serial import SerialSettings
from drivers.links.settings import Settings
from drivers.packages.entry_points import is_foreign
from drivers.probe import probe_driver
from drivers.registry import installed_drivers, load_driver
from gateway.diagnostics.discovery.found import Kind

VENDOR_DRIVERS: Mapping[tuple[str, Kind], tuple[str, Mapping[str, str]]] = {
    ("0db5", "serial"): ("mrz-serial", {"framing": "accessis"}),
    ("0db5", "hid"): ("mrz-hid", {}),
    ("2b78", "serial"): ("mrz-serial", {"framing": "elyctis"}),
    ("0c2e", "serial"): ("ocr-scanner", {"model": "honeywell"}),
    ("1eab", "serial"): ("ocr-scanner", {"model": "newland"}),
    ("05e0", "serial"): ("ocr-scanner", {"model": "zebra"}),
    ("11fa", "serial"): ("ocr-scanner", {"model": "code"}),
}
"""Driver and settings by vendor id and kind: Access-IS, Elyctis, Honeywell, Newland, Zebra, Code."""
SERIAL_ORDER = ("mrz-serial", "ocr-scanner", "zfm", "osdp")
"""Drivers for a serial port of an unknown device, the most frequent device first."""
BOARD_DRIVERS = ("serial-relay", "modbus-barrier")
"""Drivers of a board on a serial port. Their tables depend on the wiring, so they are not written here."""
HID_DRIVERS = ("mrz-hid",)
LANE_WORDS = {
    Family.PASSPORT_READER: "reader",
    Family.FINGERPRINT_SCANNER: "finger",
    Family.CAMERA: "camera",
    Family.CARD_READER: "card",
    Family.BARRIER: "barrier",
}
"""Second part of a position, as in the examples of the configuration."""


@cache
def usable_drivers() -> dict[str, type[Driver[Settings]]]:
    """Import every installed driver; those of faulty packages are left out.

    An import may also end or block the process: drivers of other packages are tried in another one before.
    """
    found = {}
    for name, point in sorted(installed_drivers().items()):
        if is_foreign(point) and probe_driver(name, ()) is not None:
            continue
        try:
            found[name] = load_driver(name)
        except (Exception, SystemExit):  # noqa: BLE001, S112 - a package of others may fail in any way when imported
            continue
    return found


def drivers_for(kind: Kind, vendor: str = "", product: str = "") -> tuple[str, ...]:
    """Return the drivers for a device on this machine, the best first; ids: four hexadecimal digits."""
    drivers = usable_drivers()
    if vendor and kind == "usb":
        ids = int(vendor, 16), int(product, 16)
        return tuple(name for name, driver in drivers.items() if ids in driver.usb_ids)
    match kind:
        case "serial":
            return _serial_drivers(vendor, drivers)
        case "keyboard":
            return tuple(name for name, driver in drivers.items() if _has_settings(driver, KeyboardSettings))
        case "camera":
            return tuple(name for name in ("camera-uvc",) if name in drivers)
        case "network_camera":
            return tuple(name for name in ("camera-onvif",) if name in drivers)
        case "modbus":
            return tuple(name for name in ("modbus-barrier",) if name in drivers)
        case "hid":
            return tuple(name for name in HID_DRIVERS if name in drivers)
        case _:
            return ()


def _serial_drivers(vendor: str, drivers: Mapping[str, type[Driver[Settings]]]) -> tuple[str, ...]:
    first, _ = VENDOR_DRIVERS.get((vendor, "serial"), ("", {}))
    fitting = [name for name, driver in drivers.items() if _has_settings(driver, SerialSettings)]
    ordered = [first, *SERIAL_ORDER, *fitting, *BOARD_DRIVERS]
    return tuple(dict.fromkeys(name for name in ordered if name in drivers))


def _has_settings(driver: type[Driver[Settings]], base: type[Settings]) -> bool:
    return issubclass(driver.settings_model, base)


class Positions:
    """Free positions of a post."""

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = set(taken)

    def take(self, family: Family) -> str:
        """Return the first free position of a device of this family, and keep it."""
        own = "device" if family is Family.UNKNOWN else family.replace("_", "-").strip("-")
        word = LANE_WORDS.get(family, own)
        lane = 1
        while (position := f"lane-{lane}/{word}") in self._taken:
            lane += 1
        self._taken.add(position)
        return position


def device_table(name: str, address: str, positions: Positions, vendor: str = "", kind: Kind = "usb") -> str:
    """Return the table of a device on this machine for a driver: its address, and the required settings.

    A required setting whose value is unknown has an example and a comment with the choices.
    """
    driver = usable_drivers()[name]
    if name in BOARD_DRIVERS:
        return ""
    best, known = VENDOR_DRIVERS.get((vendor, kind), ("", {}))
    lines = [f'[device."{positions.take(driver.family)}"]', f'driver = "{name}"', f"port = {_toml(address)}"]
    for key, field in driver.settings_model.model_fields.items():
        if key == "port" or not field.is_required():
            continue
        if best == name and key in known:
            lines.append(f"{key} = {_toml(known[key])}")
        else:
            choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
            comment = f"choose: {', '.join(map(str, choices))}" if choices else "an example: write your own"
            lines.append(f"{key} = {_toml((field.examples or choices or ('',))[0])}  # {comment}")
    return "\n".join(lines)


def camera_table(url: str, positions: Positions) -> str:
    """Return the table of an ONVIF camera."""
    lines = [
        f'[device."{positions.take(Family.CAMERA)}"]',
        'driver = "camera-onvif"',
        f"url = {_toml(url)}",
        'username = "gateway"  # an ONVIF user of the camera',
        'password = "${CAMERA_PASSWORD:-}"',
    ]
    if url.startswith("http:"):
        lines.append("allow_cleartext = true  # only where no other machine can reach that network")
    return "\n".join(lines)


def chip_table(slot: str, position: str) -> str:
    """Return the table of a chip slot, which belongs to the table of a document reader."""
    return f'[device."{position}".chip]\nreader = {_toml(slot)}\ntrust = ["/etc/borderpost/trust"]'


def board_table(address: str, unit: int, positions: Positions) -> str:
    """Return the table of a board on Modbus, without the wiring."""
    position = positions.take(Family.BARRIER)
    return "\n".join(
        [
            f'# The board of a barrier: its wiring belongs to [device."{position}"], see '
            "config/example.toml.",
            f'[device."{position}".board]',
            f'model = "generic"  # choose: {", ".join(_board_models())}',
            f"port = {_toml(address)}",
            f"unit = {unit}",
        ]
    )


def _board_models() -> Iterator[str]:
    """Yield the names of the boards on Modbus, by the settings of their driver."""
    field = usable_drivers()["modbus-barrier"].settings_model.model_fields["board"]
    for choice in _members(field.annotation):
        yield from get_args(choice.model_fields["model"].annotation)


def _members(annotation: Any) -> Iterator[Any]:
    """Yield the models of a union, at any depth."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for inner in get_args(annotation):
        yield from _members(inner)


def _toml(value: object) -> str:
    """Encode a value as TOML, whose basic strings are those of JSON; `$` begins a variable there."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("$", "$$") if isinstance(value, str) else text
