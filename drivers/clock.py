"""Time since boot, which changes of the wall clock do not affect."""

import functools
import time
from pathlib import Path


def boot_ns() -> int:
    """Return nanoseconds since boot (CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@functools.cache
def boot_id() -> str:
    """Return the kernel's random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def suspended_ns() -> int:
    """Return for how long the machine was suspended since boot: CLOCK_BOOTTIME minus CLOCK_MONOTONIC."""
    return boot_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
