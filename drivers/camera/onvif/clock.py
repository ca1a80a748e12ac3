"""The camera's clock: how far it is off, and what it says now.

A proof of a password carries a time, and a camera refuses what is not of about its own: one whose clock was
never set would lock us out. So its clock is asked first, which needs no password (ONVIF Core Specification,
*GetSystemDateAndTime*), and all proofs are by that clock.
"""

from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

from drivers.camera.onvif.soap import child, text
from drivers.clock import boot_ns


class CameraClock:
    """What is known of a camera's clock. Our own may be set meanwhile: it goes by the time since boot."""

    def __init__(self) -> None:
        self._at_boot: datetime | None = None
        """What it would have said when this machine started."""

    def now(self) -> datetime:
        """What it says, in UTC; our own time where nothing is known of it."""
        if self._at_boot is None:
            return datetime.now(UTC)
        return self._at_boot + timedelta(microseconds=boot_ns() / 1000)

    @property
    def offset_s(self) -> float:
        """How far it is ahead of ours, in seconds; negative where it is behind."""
        return (self.now() - datetime.now(UTC)).total_seconds()

    def update(self, said: datetime, asked_ns: int, answered_ns: int) -> float:
        """Learn what it said between two moments of CLOCK_BOOTTIME; by how many seconds that is news."""
        before = self.now()
        self._at_boot = said - timedelta(microseconds=(asked_ns + answered_ns) / 2000)
        return abs((self.now() - before).total_seconds())


def parse_device_time(response: Element) -> datetime | None:
    """The UTC of a GetSystemDateAndTimeResponse, to half a second; None where it tells none that can be."""
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
    """An xs:dateTime with its zone; None for what is none."""
    try:
        at = datetime.fromisoformat(told)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
