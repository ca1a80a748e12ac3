"""Clock of an ONVIF camera: its offset, and its present time.

An authentication token carries a time, and a camera rejects a time that differs from its own: a camera whose
clock was never set would reject every token. So its clock is read first, which needs no password (ONVIF Core
Specification, *GetSystemDateAndTime*), and all tokens use that clock.
"""

from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

from drivers.camera.onvif.soap import child, text
from drivers.clock import boot_ns

ZONE_TOLERANCE_S = 60.0
"""Offset from a time zone that is still taken for one, in seconds: such clocks are set by NTP."""
ZONE_STEP_S = 900
WEST_S, EAST_S = -12 * 3600, 14 * 3600
PARTIAL_HOURS_S = frozenset(
    round(hours * 3600)
    for hours in (-9.5, -3.5, -2.5, 3.5, 4.5, 5.5, 5.75, 6.5, 8.75, 9.5, 10.5, 12.75, 13.75)
)
"""Time zones of the IANA time zone database that are no whole hours, daylight saving included."""


class CameraClock:
    """Model of a camera's clock, based on the time since boot: the gateway's clock may be set meanwhile."""

    def __init__(self) -> None:
        self._at_boot: datetime | None = None
        """Time of the camera's clock when this machine booted."""

    def now(self) -> datetime:
        """Return its time in UTC; the gateway's own time while unknown."""
        if self._at_boot is None:
            return datetime.now(UTC)
        return self._at_boot + timedelta(microseconds=boot_ns() / 1000)

    @property
    def offset_s(self) -> float:
        """Seconds by which it is ahead of the gateway's clock; negative where it is behind."""
        return (self.now() - datetime.now(UTC)).total_seconds()

    def update(self, device_time: datetime, asked_ns: int, answered_ns: int) -> float:
        """Take its time, read between two moments of CLOCK_BOOTTIME; return the change in seconds."""
        before = self.now()
        self._at_boot = device_time - timedelta(microseconds=(asked_ns + answered_ns) / 2000)
        return abs((self.now() - before).total_seconds())


def zone_offset(off_s: float) -> str | None:
    """Return the time zone of a camera that states its local time as UTC, as in `+03:00`.

    None: its clock has another fault. `off_s`: seconds by which its clock is ahead.
    """
    zone_s = round(off_s / ZONE_STEP_S) * ZONE_STEP_S
    if not (WEST_S <= zone_s <= EAST_S) or not zone_s or abs(off_s - zone_s) > ZONE_TOLERANCE_S:
        return None
    if zone_s % 3600 and zone_s not in PARTIAL_HOURS_S:
        return None
    minutes = abs(zone_s) // 60
    return f"{'+' if zone_s > 0 else '-'}{minutes // 60:02}:{minutes % 60:02}"


def parse_device_time(response: Element) -> datetime | None:
    """Return the UTC of a GetSystemDateAndTimeResponse, to half a second; None where it has none."""
    utc = child(response, "SystemDateAndTime", "UTCDateTime")
    parts = [
        text(child(utc, *path))
        for path in (
            ("Date", "Year"),
            ("Date", "Month"),
            ("Date", "Day"),
            ("Time", "Hour"),
            ("Time", "Minute"),
            ("Time", "Second"),
        )
    ]
    try:
        year, month, day, hour, minute, second = map(int, parts)
        # It counts seconds, so the moment was anywhere in that second.
        return datetime(year, month, day, hour, minute, min(second, 59), 500_000, UTC)
    except (ValueError, OverflowError):
        return None


def parse_timestamp(told: str) -> datetime | None:
    """Parse an xs:dateTime with its zone; None if invalid."""
    try:
        at = datetime.fromisoformat(told)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
