"""Clocks of the machine: today's date without a clock battery, and time since boot."""

import functools
import time
from datetime import UTC, date, datetime
from pathlib import Path

RELEASE_DATE = date(2026, 11, 23)
"""Date of this release; raised with every release."""


def today() -> date:
    """Return today's date in UTC, never before the date of this release.

    A mini-PC without a clock battery may boot in 1970 after a power cut. The event's `clock` states whether
    the wall clock could be trusted.
    """
    return max(datetime.now(UTC).date(), RELEASE_DATE)


def boot_ns() -> int:
    """Return nanoseconds since boot (CLOCK_BOOTTIME); changes of the wall clock do not affect it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@functools.cache
def boot_id() -> str:
    """Return the kernel's random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def suspended_ns() -> int:
    """Return for how long the machine was suspended since boot: CLOCK_BOOTTIME minus CLOCK_MONOTONIC."""
    return boot_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
