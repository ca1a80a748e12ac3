"""Device registry: written completely or not at all, loaded from any content."""

import json
from pathlib import Path

import pytest

from gateway.management.device_registry import DeviceCounters, DeviceRegistry, MaintenanceWindow


def filled(path: Path) -> DeviceRegistry:
    register = DeviceRegistry(path)
    place = register.position_entry("lane-1/reader")
    place.driver, place.accepted_serial_number = "faulty", "FAULTY-1"
    place.maintenance = MaintenanceWindow(until_ns=5, minutes=30, reason="cleaning")
    device = register.serial_number_entry("lane-1/reader", "faulty", "FAULTY-1")
    device.lifetime.add(
        {
            "online_ms": 1500,
            "good_reads": 3,
            "bad_reads": 1,
            "open_failures": 0,
            "disconnects": 2,
            "opened": 1,
        }
    )
    return register


def test_counters_follow_serial_number(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    written = filled(path)
    written.write(written.content())

    register = DeviceRegistry(path)
    register.read()
    assert (register.positions, register.devices) == (written.positions, written.devices)
    moved = register.serial_number_entry("lane-2/reader", "faulty", "FAULTY-1")
    assert (moved.lifetime, moved.position) == (DeviceCounters(1.5, 3, 1, 0, 2), "lane-2/reader")
    assert register.serial_number_entry("lane-2/reader", "other", "FAULTY-1").lifetime == DeviceCounters(), (
        "another maker's FAULTY-1"
    )
    assert register.serial_number_entry("lane-3/reader", "faulty", None).lifetime == DeviceCounters()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "[" * 9999, '{"version": 9}', '{"version": 1, "positions": 3}', "\0"]
)
def test_invalid_file_is_set_aside(tmp_path: Path, content: str) -> None:
    path = tmp_path / "devices.json"
    path.write_text(content)

    register = DeviceRegistry(path)
    register.read()
    assert register.positions == register.devices == {}
    assert path.with_suffix(".broken").read_text() == content


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    register = filled(path)
    table = json.loads(register.content())
    table["positions"]["lane-1/reader"]["colour"] = "grey"
    path.write_text(json.dumps(table))

    again = DeviceRegistry(path)
    again.read()
    assert again.positions == register.positions
