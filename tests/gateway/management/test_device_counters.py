"""Counters of a device: lifetime, since the last reset, and hourly for a day."""

import json

import pytest

from gateway.management.device_registry import (
    HOUR_NS,
    DeviceCounters,
    DeviceRegistry,
    HourlyCounts,
    MaintenanceWindow,
    PositionEntry,
    SerialNumberEntry,
)

HEARTBEAT = {"online_ms": 500, "good_reads": 1, "bad_reads": 2, "open_failures": 3, "disconnects": 4}
QUIET = {"online_ms": 500, "good_reads": 0, "bad_reads": 0, "open_failures": 0, "disconnects": 0}


def counted(*heartbeats):
    """Make a device with heartbeats of a worker, each in an hour."""
    device = SerialNumberEntry("odd", "lane-1/reader")
    for hour, heartbeat in heartbeats:
        device.count(hour * HOUR_NS + 5, heartbeat)
    return device


def test_both_counters_add_up():
    device = counted((100, HEARTBEAT), (100, HEARTBEAT))
    assert device.lifetime == device.since_reset == DeviceCounters(1.0, 2, 4, 6, 8)
    assert device.lifetime is not device.since_reset


def test_chips_add_up():
    chips = {"chip_reads": 2, "chip_attempts": 5, "chip_ms": 7250}
    device = counted((100, QUIET | chips), (101, QUIET | chips))
    assert (device.lifetime.chip_reads, device.lifetime.chip_attempts, device.lifetime.chip_s) == (
        4,
        10,
        14.5,
    )
    assert device.since_reset == device.lifetime
    assert device.hours == [], "the hours have reads and reconnects only"


def test_heartbeat_may_lack_counters():
    """A worker decides which counters it sends: the daemon must not fail on it."""
    device = counted((100, {"opens": 1}), (100, {"disconnects": 1}))
    assert device.lifetime == DeviceCounters(disconnects=1)


def test_hour_adds_up():
    assert counted((100, HEARTBEAT), (100, HEARTBEAT)).hours == [HourlyCounts(100, 2, 4, 6, 8)]
    assert counted((100, HEARTBEAT), (101, HEARTBEAT)).hours == [
        HourlyCounts(100, 1, 2, 3, 4),
        HourlyCounts(101, 1, 2, 3, 4),
    ]


def test_hour_without_events_is_left_out():
    device = counted((100, HEARTBEAT), (101, QUIET))
    assert [hour.number for hour in device.hours] == [100]
    assert device.lifetime.online_s == 1.0


@pytest.mark.parametrize("name", ["good_reads", "bad_reads", "open_failures", "disconnects"])
def test_one_event_makes_an_hour(name):
    assert len(counted((100, QUIET | {name: 1})).hours) == 1


@pytest.mark.parametrize(("now", "left"), [(123, [100, 123]), (124, [124]), (99, [99])])
def test_hours_of_one_day_are_kept(now, left):
    """Hours older than a day, or ahead of a clock that was set back, are dropped."""
    assert [hour.number for hour in counted((100, HEARTBEAT), (now, HEARTBEAT)).hours] == left


def test_file_round_trip(tmp_path):
    registry = DeviceRegistry(tmp_path / "devices.json")
    entry = registry.position_entry("lane-1/reader")
    assert registry.position_entry("lane-1/reader") is entry
    entry.driver, entry.accepted_serial_number, entry.maintenance = (
        "odd",
        "ODD-1",
        MaintenanceWindow(5, 30, "cleaning"),
    )
    registry.position_entry("lane-2/réader")
    device = registry.serial_number_entry("lane-1/reader", "odd", "ODD-1")
    device.count(100 * HOUR_NS, HEARTBEAT)
    device.count(101 * HOUR_NS, HEARTBEAT)
    device.reset_ns, device.last_good_read_ns, device.since_reset = 7, 8, DeviceCounters()
    registry.is_changed = True
    content = registry.content()
    assert not registry.is_changed
    assert "lane-2/réader" in content.decode()
    registry.write(content)
    assert (tmp_path / "devices.json").read_bytes() == content
    assert not (tmp_path / "devices.new").exists()
    again = DeviceRegistry(tmp_path / "devices.json")
    again.read()
    assert again.positions == {"lane-1/reader": entry, "lane-2/réader": PositionEntry()}
    assert again.devices == {"odd ODD-1": device}
    assert json.loads(content)["version"] == 1


def test_missing_file_is_empty(tmp_path):
    registry = DeviceRegistry(tmp_path / "devices.json")
    registry.read()
    assert (registry.positions, registry.devices, list(tmp_path.iterdir())) == ({}, {}, [])


def test_file_without_hours_is_read(tmp_path):
    path = tmp_path / "devices.json"
    registry = DeviceRegistry(path)
    registry.serial_number_entry("lane-1/reader", "odd", "ODD-1")
    table = json.loads(registry.content())
    del table["devices"]["odd ODD-1"]["hours"]
    table["devices"]["odd ODD-1"]["lifetime"]["colour"] = "grey"
    path.write_text(json.dumps(table))
    registry.read()
    assert registry.devices == {"odd ODD-1": SerialNumberEntry("odd", "lane-1/reader")}


def test_device_without_number_is_keyed_by_position(tmp_path):
    registry = DeviceRegistry(tmp_path / "devices.json")
    first = registry.serial_number_entry("lane-1/reader", "odd", None)
    assert registry.serial_number_entry("lane-1/reader", "odd", None) is first
    assert registry.serial_number_entry("lane-2/reader", "odd", None) is not first
    assert registry.serial_number_entry("lane-1/reader", "other", None) is not first
    assert set(registry.devices) == {"at lane-1/reader", "at lane-2/reader"}
    assert registry.devices["at lane-1/reader"].driver == "other"


def test_failed_write_changes_nothing(tmp_path):
    registry = DeviceRegistry(tmp_path / "devices.json")
    registry.write(b"old")
    (tmp_path / "devices.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        registry.write(b"new")
    assert (tmp_path / "devices.json").read_bytes() == b"old"
