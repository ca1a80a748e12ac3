"""Conditions that stay until a person clears them, and their record across restarts and power cuts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from drivers.barrier.control.rate_limit import MINUTE_S

MAX_LEASE_S = 14_400.0
"""Longest maintenance lease, in seconds."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Maintenance lease of one holder."""

    holder: str
    until_s: float
    """End, in seconds of the state machine's clock."""


@dataclass(frozen=True, slots=True)
class Latches:
    """Conditions that only a person, or the end of a lease, clears."""

    emergency: bool = False
    """An emergency was active, and its end is not acknowledged."""
    forced_open: bool = False
    """It was opened without a command."""
    other_master: bool = False
    """A relay was closed, and not by this gateway."""
    presence_missed: bool = False
    """The presence detector has missed passages, and was not both tested and acknowledged since."""
    record_lost: bool = False
    """The record was unreadable: any of the others may have been set, and a lease may have been active."""
    lease: Lease | None = None

    def acknowledged(self, *, is_presence_tested: bool) -> "Latches":
        """Return the latches after a person's acknowledgement.

        A lease stays, and so does `presence_missed` until the detector has responded again.
        """
        return Latches(presence_missed=self.presence_missed and not is_presence_tested, lease=self.lease)

    def without_expired_lease(self, now_s: float) -> "Latches":
        """Return the latches without a lease that has ended by now."""
        ended = self.lease is not None and now_s >= self.lease.until_s
        return replace(self, lease=None) if ended else self


_FLAGS = ("emergency", "forced_open", "other_master", "presence_missed", "record_lost")


@dataclass(frozen=True, slots=True)
class RecordClock:
    """Clocks at the moment of reading or writing a record."""

    now_s: float
    """Time of the state machine's clock, in seconds."""
    boot_s: float
    """Seconds since boot, suspension included."""
    boot_id: str
    """Id of this boot of the machine."""


def write_record(latches: Latches, clock: RecordClock, movements_s: Sequence[float] = ()) -> str:
    """Encode the latches, and the times of the movements of the last minute.

    Times are stored so that neither a restart nor a power cut shortens a lease.
    """
    lease = latches.lease
    record: dict[str, Any] = {
        "emergency": latches.emergency,
        "forced_open": latches.forced_open,
        "other_master": latches.other_master,
        "presence_missed": latches.presence_missed,
        "record_lost": latches.record_lost,
        "lease": lease
        and {
            "holder": lease.holder,
            "remaining_s": round(lease.until_s - clock.now_s, 3),
            "boot_s": round(clock.boot_s, 3),
            "boot_id": clock.boot_id,
        },
        "movements": {
            "boot_s": [
                round(clock.boot_s - (clock.now_s - moved_s), 3)
                for moved_s in movements_s
                if clock.now_s - moved_s < MINUTE_S
            ],
            "boot_id": clock.boot_id,
        },
    }
    return json.dumps(record)


def read_record(text: str | None, clock: RecordClock) -> Latches:
    """Decode the latches; None: there is no record yet. An unreadable record latches `record_lost`."""
    if text is None:
        return Latches()
    try:
        record = json.loads(text)
        flags = {name: record[name] for name in _FLAGS}
        if not all(isinstance(flag, bool) for flag in flags.values()):
            return Latches(record_lost=True)
        return Latches(**flags, lease=_read_lease(record["lease"], clock))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Latches(record_lost=True)


def read_movements(text: str | None, clock: RecordClock) -> list[float]:
    """Decode the times of the movements of the last minute; none of an earlier boot or another version."""
    try:
        found = json.loads(text or "")["movements"]
        if found["boot_id"] != clock.boot_id:
            return []
        ages_s = [clock.boot_s - float(boot_s) for boot_s in found["boot_s"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [clock.now_s - age_s for age_s in ages_s if 0 <= age_s < MINUTE_S]


def _read_lease(found: dict[str, Any] | None, clock: RecordClock) -> Lease | None:
    if found is None:
        return None
    remaining_s = float(found["remaining_s"])
    if found["boot_id"] == clock.boot_id:
        remaining_s -= clock.boot_s - float(found["boot_s"])
    # After a power cut the time without power is unknown: the lease lasts for as long as it was recorded.
    if not remaining_s <= MAX_LEASE_S:
        raise ValueError("no lease is that long")
    return Lease(str(found["holder"]), clock.now_s + remaining_s) if remaining_s > 0 else None
