"""What is remembered of devices across restarts: who may serve a position, maintenance, and counters.

One JSON file, replaced as a whole: written beside it, brought to the disk, renamed. A file that cannot be
read is set aside and begun anew, because a post without its counters is better than no post.
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
"""How many hours are remembered one by one."""
HOUR_NS = 3_600_000_000_000


@dataclass
class DeviceCounters:
    """What a device has done; see `gateway.api.models.Counters`."""

    online_s: float = 0.0
    good_reads: int = 0
    bad_reads: int = 0
    open_failures: int = 0
    disconnects: int = 0

    def add(self, counts: dict[str, Any]) -> None:
        """Add what a worker has counted since its last beat."""
        self.online_s += counts["online_ms"] / 1000
        self.good_reads += counts["good_reads"]
        self.bad_reads += counts["bad_reads"]
        self.open_failures += counts["open_failures"]
        self.disconnects += counts["disconnects"]


@dataclass
class HourlyCounts:
    """What a device has done in one hour; see `gateway.api.models.Hour`."""

    number: int
    """Which one, counted from 1970."""
    good_reads: int = 0
    bad_reads: int = 0
    open_failures: int = 0
    disconnects: int = 0


@dataclass
class SerialNumberEntry:
    """One device of the world, by its serial number; or whatever stands at a position without one."""

    driver: str
    position: str
    """Where it was seen last."""
    lifetime: DeviceCounters = field(default_factory=DeviceCounters)
    since_reset: DeviceCounters = field(default_factory=DeviceCounters)
    reset_ns: int = 0
    """When the resettable ones were, in nanoseconds since 1970; 0: never."""
    last_good_read_ns: int = 0
    """When it last read something well, likewise."""
    hours: list[HourlyCounts] = field(default_factory=list)
    """The last day, the oldest first; hours in which nothing happened are not there."""

    def count(self, unix_ns: int, counts: dict[str, Any]) -> None:
        """Add what a worker has counted since its last beat, at that time."""
        self.lifetime.add(counts)
        self.since_reset.add(counts)
        events = (counts["good_reads"], counts["bad_reads"], counts["open_failures"], counts["disconnects"])
        if not any(events):
            return
        number = unix_ns // HOUR_NS
        # A clock that was set back or ahead takes the hours with it that are not of this day.
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
    """Somebody works on a device."""

    until_ns: int
    """When it ends by itself, in nanoseconds since 1970."""
    minutes: int
    reason: str


@dataclass
class PositionEntry:
    """What belongs to a position."""

    driver: str = ""
    accepted_serial_number: str | None = None
    """The serial number that may serve it."""
    maintenance: MaintenanceWindow | None = None


class DeviceRegistry:
    """The file and what is in it. Belongs to the event loop, but for `write`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.positions: dict[str, PositionEntry] = {}
        self.devices: dict[str, SerialNumberEntry] = {}
        self.is_changed = False
        """Whether there is something to write."""

    def read(self) -> None:
        """Read what an earlier run has left."""
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
        """What belongs to a position."""
        return self.positions.setdefault(position, PositionEntry())

    def serial_number_entry(self, position: str, driver: str, serial_number: str | None) -> SerialNumberEntry:
        """The device that answered at a position."""
        key = f"{driver} {serial_number}" if serial_number else f"at {position}"
        device = self.devices.get(key)
        if device is None or (serial_number is None and device.driver != driver):
            device = self.devices[key] = SerialNumberEntry(driver, position)
        device.position = position
        return device

    def content(self) -> bytes:
        """What the file is to hold now; nothing is changed until something else is."""
        self.is_changed = False
        table = {
            "version": VERSION,
            "positions": {position: asdict(place) for position, place in self.positions.items()},
            "devices": {key: asdict(device) for key, device in self.devices.items()},
        }
        return json.dumps(table, indent=1, ensure_ascii=False).encode()

    def write(self, content: bytes) -> None:
        """Put this into the file, whole or not at all; raises OSError. May be called from any thread."""
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
    return place


def _known_fields(model: type, entry: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of an entry, so that one of a later version can be gone back from."""
    names = {each.name for each in fields(model)}
    return {name: value for name, value in entry.items() if name in names}
