"""What systemd gives a service and wants to hear of it: sockets, readiness, a watchdog.

Protocol: sd_notify(3), sd_listen_fds(3). Outside a service nothing is given, and nothing told.
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
    """The sockets that this process was started with, by their names."""
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
    """Whoever started us, to be told how we are."""

    address: str | None = None
    watchdog_s: float | None = None
    """Silent for so long, we are killed and started anew."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "ServiceManager":
        """The one that this process was started by."""
        mine = str(os.getpid())
        watchdog_us = environ.get("WATCHDOG_USEC") if environ.get("WATCHDOG_PID", mine) == mine else None
        return cls(environ.get("NOTIFY_SOCKET"), int(watchdog_us) / 1e6 if watchdog_us else None)

    def notify(self, *lines: str) -> None:
        """Tell it; what it does not take is lost."""
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.connect(address)
            one.send("\n".join(lines).encode())

    def notify_ready(self, status: str) -> None:
        """We do our work from now on, or again."""
        self.notify("READY=1", f"STATUS={status}")

    def notify_reloading(self) -> None:
        """We read our configuration; `ready` ends it."""
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def notify_stopping(self) -> None:
        """We are about to end."""
        self.notify("STOPPING=1", "STATUS=Stopping.")

    async def run_watchdog(
        self, find_stuck_part: Callable[[float], str | None], status: Callable[[], str]
    ) -> None:
        """Feed the watchdog while nothing is stuck, and keep the status line true; until cancelled.

        `stuck` names the part that was not seen at work for so many seconds.
        """
        if self.address is None:
            return
        patience_s = self.watchdog_s or 20.0
        told = blamed = None
        while True:
            who = find_stuck_part(patience_s)
            if who is not None and who != blamed:
                log.error("component_stuck", cause=who, seconds=patience_s)
            blamed = who
            now = f"Stuck: {who}." if who is not None else status()
            lines = ["WATCHDOG=1"] if who is None and self.watchdog_s is not None else []
            if now != told:
                lines.append(f"STATUS={now}")
                told = now
            if lines:
                self.notify(*lines)
            await asyncio.sleep(patience_s / 4)
