"""Device registry: accepted serial numbers, maintenance and counters, kept across restarts.

One JSON file, replaced as a whole: written beside it, synced to disk, renamed. A file that cannot be read is
set aside and started anew, because a post without counters is better than no post.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

VERSION = 1
KEPT_HOURS = 24
"""Number of hours with counts of their own."""
HOUR_NS = 3_600_000_000_000


@dataclass
class DeviceCounters:
    """Counters of a device; see `gateway.api.models.CountersView`."""

    online_s: float = 0.0
    good_reads: int = 0
    bad_reads: int = 0
    open_failures: int = 0
    disconnects: int = 0
    chip_reads: int = 0
    chip_attempts: int = 0
    chip_s: float = 0.0

    def add(self, counts: dict[str, int]) -> None:
        """Add a worker's increments since its last heartbeat; a worker may leave some out."""
        self.online_s += counts.get("online_ms", 0) / 1000
        self.good_reads += counts.get("good_reads", 0)
        self.bad_reads += counts.get("bad_reads", 0)
        self.open_failures += counts.get("open_failures", 0)
        self.disconnects += counts.get("disconnects", 0)
        self.chip_reads += counts.get("chip_reads", 0)
        self.chip_attempts += counts.get("chip_attempts", 0)
        self.chip_s += counts.get("chip_ms", 0) / 1000


@dataclass
class HourlyCounts:
    """Counts of a device in one hour; see `gateway.api.models.HourlyCountsView`."""

    number: int
    """Hours since 1970."""
    good_reads: int = 0
    bad_reads: int = 0
    open_failures: int = 0
    disconnects: int = 0


@dataclass
class SerialNumberEntry:
    """One device by its serial number; or the device at a position, if it reports none."""

    driver: str
    position: str
    """Position where it was last seen."""
    lifetime: DeviceCounters = field(default_factory=DeviceCounters)
    since_reset: DeviceCounters = field(default_factory=DeviceCounters)
    reset_ns: int = 0
    """Time of the last reset, in nanoseconds since 1970; 0: never."""
    last_good_read_ns: int = 0
    """Time of the last good read, likewise."""
    hours: list[HourlyCounts] = field(default_factory=list)
    """Hours of the last day, oldest first, without those in which nothing happened."""

    def count(self, unix_ns: int, counts: dict[str, int]) -> None:
        """Add a worker's increments since its last heartbeat, received at `unix_ns`."""
        self.lifetime.add(counts)
        self.since_reset.add(counts)
        events = [counts.get(name, 0) for name in ("good_reads", "bad_reads", "open_failures", "disconnects")]
        if not any(events):
            return
        number = unix_ns // HOUR_NS
        # A step of the clock discards the hours that are then outside the last day.
        self.hours = [hour for hour in self.hours if number - KEPT_HOURS < hour.number <= number]
        if not self.hours or self.hours[-1].number != number:
            self.hours.append(HourlyCounts(number))
        hour = self.hours[-1]
        hour.good_reads += events[0]
        hour.bad_reads += events[1]
        hour.open_failures += events[2]
        hour.disconnects += events[3]


@dataclass
class MaintenanceWindow:
    """Maintenance of a device."""

    until_ns: int
    """Time at which it ends by itself, in nanoseconds since 1970."""
    minutes: int
    reason: str


@dataclass
class DeviceTestEntry:
    """Last test of one kind at a position; see `gateway.api.models.DeviceTestView`."""

    at_ns: int
    """Time of the test, in nanoseconds since 1970."""
    user: str
    configuration: str
    passed: bool


@dataclass
class PositionEntry:
    """Settings of a position."""

    driver: str = ""
    accepted_serial_number: str | None = None
    """Serial number accepted at the position."""
    maintenance: MaintenanceWindow | None = None
    tests: dict[str, DeviceTestEntry] = field(default_factory=dict)
    """Last test of each kind."""


class DeviceRegistry:
    """Contents of the file. Belongs to the event loop, except `write`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.positions: dict[str, PositionEntry] = {}
        self.devices: dict[str, SerialNumberEntry] = {}
        self.is_changed = False
        """True if there are changes to write."""

    def read(self) -> None:
        """Load the file of an earlier run."""
        try:
            table = json.loads(self._path.read_text("utf-8"))
            if table["version"] != VERSION:
                raise ValueError(f"version {table['version']}")
            self.positions = {
                position: _position_entry(entry) for position, entry in table["positions"].items()
            }
            self.devices = {key: _serial_number_entry(entry) for key, entry in table["devices"].items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.error("device_registry_unreadable", file=str(self._path), exc_info=error)
            self.positions, self.devices = {}, {}
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_suffix(".broken"))

    def position_entry(self, position: str) -> PositionEntry:
        """Return the settings of a position."""
        return self.positions.setdefault(position, PositionEntry())

    def serial_number_entry(self, position: str, driver: str, serial_number: str | None) -> SerialNumberEntry:
        """Return the entry of the device connected at a position."""
        key = f"{driver} {serial_number}" if serial_number else f"at {position}"
        device = self.devices.get(key)
        if device is None or (serial_number is None and device.driver != driver):
            device = self.devices[key] = SerialNumberEntry(driver, position)
        device.position = position
        return device

    def content(self) -> bytes:
        """Return the content of the file, and mark it as saved."""
        self.is_changed = False
        table = {
            "version": VERSION,
            "positions": {position: asdict(place) for position, place in self.positions.items()},
            "devices": {key: asdict(device) for key, device in self.devices.items()},
        }
        return json.dumps(table, indent=1, ensure_ascii=False).encode()

    def write(self, content: bytes) -> None:
        """Write the file, completely or not at all; raises OSError. May be called from any thread."""
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _serial_number_entry(entry: dict[str, Any]) -> SerialNumberEntry:
    device = SerialNumberEntry(**_known_fields(SerialNumberEntry, entry))
    device.lifetime = DeviceCounters(**_known_fields(DeviceCounters, entry["lifetime"]))
    device.since_reset = DeviceCounters(**_known_fields(DeviceCounters, entry["since_reset"]))
    device.hours = [HourlyCounts(**_known_fields(HourlyCounts, hour)) for hour in entry.get("hours", [])]
    return device


def _position_entry(entry: dict[str, Any]) -> PositionEntry:
    place = PositionEntry(**_known_fields(PositionEntry, entry))
    if entry.get("maintenance") is not None:
        place.maintenance = MaintenanceWindow(**_known_fields(MaintenanceWindow, entry["maintenance"]))
    place.tests = {
        kind: DeviceTestEntry(**_known_fields(DeviceTestEntry, test))
        for kind, test in entry.get("tests", {}).items()
    }
    return place


def _known_fields(model: type, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry that this version has, so that a downgrade can read a newer file."""
    names = {each.name for each in fields(model)}
    return {name: value for name, value in entry.items() if name in names}
