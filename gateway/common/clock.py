"""Clocks of the post: the monotonic boot clock, the wall clock, and its synchronisation status.

Ages and expiries are measured with CLOCK_BOOTTIME, which cannot be set and continues in suspend. The wall
clock is written into events. It is used for an age only across two boots, and only while it is `synced`.
"""

import asyncio
import contextlib
import ctypes
import ctypes.util
import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import structlog

from gateway.contract.envelope import ClockStatus, Moment

log = structlog.get_logger()

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MIN_STEP_NS = 250_000_000
"""Growth of the difference between wall clock and boot clock above which the wall clock was stepped.

The kernel slews at 500 ppm, 5 ms between two checks; systemd-timesyncd steps from 0.4 s on.
"""
CHECK_INTERVAL_S = 10.0
"""Interval between reads of the kernel's synchronisation status, whose changes are not announced."""


class TimeSource(Protocol):
    """Source of time for delivery; tests use their own."""

    @property
    def boot_id(self) -> str:
        """Name of the machine's present boot."""
        ...

    def unix_ns(self) -> int:
        """Wall clock, nanoseconds since 1970."""
        ...

    def boot_ns(self) -> int:
        """Nanoseconds since boot, suspend included."""
        ...

    def clock_status(self) -> ClockStatus:
        """Return the synchronisation status of the wall clock."""
        ...


class _Timex(ctypes.Structure):
    """Head of struct timex (adjtimex(2)); the kernel fills more fields than are read here."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


_STA_UNSYNC = 0x0040
_libc = ctypes.CDLL(None, use_errno=True)


class SystemTime:
    """Clocks of the machine."""

    def __init__(self) -> None:
        self.boot_id = BOOT_ID.read_text("ascii").strip().replace("-", "")

    def unix_ns(self) -> int:
        """Wall clock, nanoseconds since 1970."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """Nanoseconds since boot, suspend included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def clock_status(self) -> ClockStatus:
        """Return the kernel's status: STA_UNSYNC is cleared by the program that disciplines the clock."""
        timex = _Timex()
        if _libc.adjtimex(ctypes.byref(timex)) < 0 or timex.status & _STA_UNSYNC:
            return ClockStatus.UNSYNCED
        return ClockStatus.SYNCED


def current_moment(time_source: TimeSource) -> Moment:
    """Read both clocks."""
    return Moment(
        unix_ns=time_source.unix_ns(),
        boot_id=time_source.boot_id,
        boot_ns=time_source.boot_ns(),
        clock=time_source.clock_status(),
    )


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A step of the wall clock, or a change of its synchronisation status."""

    step_ns: int
    """Size of the step in nanoseconds; negative: back; 0: only the status changed."""
    clock_status: ClockStatus
    first_synced: bool
    """True: it is synced for the first time since the start."""


class ClockWatch:
    """Reports steps of the wall clock and changes of its synchronisation status.

    The kernel announces a step: a timer that is cancelled when the clock is set (timerfd_create(2),
    TFD_TIMER_CANCEL_ON_SET). The status is read every ten seconds.
    """

    def __init__(self, time_source: TimeSource, on_change: Callable[[ClockChange], None]) -> None:
        self._time = time_source
        self._on_change = on_change
        self._clock_status = time_source.clock_status()
        self._was_synced = self._clock_status is ClockStatus.SYNCED
        self._difference_ns = self._difference()
        self._fd = -1
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start watching, on the running event loop."""
        loop = asyncio.get_running_loop()
        self._fd = _open_clock_set_timer()
        if self._fd >= 0:
            loop.add_reader(self._fd, self._on_clock_set)
        self._timer = loop.call_later(CHECK_INTERVAL_S, self._schedule)

    def stop(self) -> None:
        """Stop watching; without effect when not started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def check(self) -> None:
        """Compare the clocks now; call back if something changed."""
        difference_ns = self._difference()
        step_ns = difference_ns - self._difference_ns
        clock_status = self._time.clock_status()
        self._difference_ns = difference_ns
        stepped = abs(step_ns) >= MIN_STEP_NS
        changed = clock_status is not self._clock_status
        self._clock_status = clock_status
        if not stepped and not changed:
            return
        first = clock_status is ClockStatus.SYNCED and not self._was_synced
        self._was_synced |= first
        change = ClockChange(step_ns if stepped else 0, clock_status, first)
        log.info(
            "clock_changed", step_ms=change.step_ns // 1_000_000, clock_status=str(clock_status), first=first
        )
        try:
            self._on_change(change)
        except Exception:
            log.exception("clock_callback_failed")

    def _difference(self) -> int:
        return self._time.unix_ns() - self._time.boot_ns()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK_INTERVAL_S, self._schedule)
        self.check()

    def _on_clock_set(self) -> None:
        with contextlib.suppress(OSError):  # ECANCELED is the message itself.
            os.read(self._fd, 8)
        self.check()


class _Itimerspec(ctypes.Structure):
    _fields_: ClassVar = [
        (name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")
    ]


def _open_clock_set_timer() -> int:
    """Open a timer that becomes readable when the wall clock is set; -1 if that is not possible."""
    absolute, cancel_on_set = 1, 2
    fd: int = _libc.timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        return -1
    never = _Itimerspec(0, 0, 2**31 - 1, 0)
    if _libc.timerfd_settime(fd, absolute | cancel_on_set, ctypes.byref(never), None) < 0:
        log.warning("clock_steps_not_announced", errno=errno.errorcode.get(ctypes.get_errno()))
        os.close(fd)
        return -1
    return fd
