"""Service protocol of systemd: sockets, readiness, watchdog.

Protocol: sd_notify(3), sd_listen_fds(3). Outside a service there are no sockets, and notifications are
dropped.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

FIRST_SOCKET_FD = 3
"""SD_LISTEN_FDS_START"""
CONSOLE = "console"
"""FileDescriptorName= of the socket unit."""
NOTIFY_VARIABLES = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)


def sockets_from_systemd(environ: Mapping[str, str]) -> dict[str, socket.socket]:
    """Return the sockets that systemd passed to this process, by name."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    passed = {}
    for descriptor, name in enumerate(names[: int(environ.get("LISTEN_FDS", 0))], FIRST_SOCKET_FD):
        one = socket.socket(fileno=descriptor)
        one.set_inheritable(False)
        one.setblocking(False)
        passed[name] = one
    return passed


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Notification socket of the service manager."""

    address: str | None = None
    watchdog_s: float | None = None
    """Watchdog period in seconds: without a notification for so long, systemd restarts the service."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "ServiceManager":
        """Return the service manager of this process; without one, notifications are dropped."""
        mine = str(os.getpid())
        watchdog_us = environ.get("WATCHDOG_USEC") if environ.get("WATCHDOG_PID", mine) == mine else None
        return cls(environ.get("NOTIFY_SOCKET"), int(watchdog_us) / 1e6 if watchdog_us else None)

    def notify(self, *lines: str) -> None:
        """Send notifications; those that it does not accept are lost."""
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.connect(address)
            one.send("\n".join(lines).encode())

    def notify_ready(self, status: str) -> None:
        """Report that the service is ready, or ready again after a reload."""
        self.notify("READY=1", f"STATUS={status}")

    def notify_reloading(self) -> None:
        """Report that the configuration is being reloaded; `notify_ready` ends that."""
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def notify_stopping(self) -> None:
        """Report that the service is stopping."""
        self.notify("STOPPING=1", "STATUS=Stopping.")

    async def run_watchdog(
        self, find_stuck_part: Callable[[float], str | None], status: Callable[[], str]
    ) -> None:
        """Notify the watchdog while no part is stuck, and update the status line, until cancelled.

        `find_stuck_part` returns the name of a part without progress for the given time in seconds.
        """
        if self.address is None:
            return
        patience_s = self.watchdog_s or 20.0
        reported = logged = None
        while True:
            who = find_stuck_part(patience_s)
            if who is not None and who != logged:
                log.error("component_stuck", cause=who, seconds=patience_s)
            logged = who
            now = f"Stuck: {who}." if who is not None else status()
            lines = ["WATCHDOG=1"] if who is None and self.watchdog_s is not None else []
            if now != reported:
                lines.append(f"STATUS={now}")
                reported = now
            if lines:
                self.notify(*lines)
            await asyncio.sleep(patience_s / 4)
