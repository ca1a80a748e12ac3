"""Detection of an unplugged USB device: by udev with pyudev where available, else by polling.

A running read detects it too; this is for devices without one.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from drivers.links.usb.devices import UsbDevice

UDEV = Path("/run/udev/control")
"""Socket of udev's daemon, present while it runs."""
POLL_S = 0.1
"""Polling interval, in seconds. A poll is one read in sysfs, about 20 microseconds."""


async def wait_until_unplugged(device: UsbDevice) -> None:
    """Return when the device is no longer present."""
    udev = _Udev()
    try:
        while device.is_plugged:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await udev.news.wait()
            udev.news.clear()
    finally:
        udev.close()


class _Udev:
    """Reports that some USB device came or went; never, without udev."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self._monitor: Any = None
        self._fd = -1
        if not UDEV.exists():
            return
        try:
            import pyudev

            self._monitor = pyudev.Monitor.from_netlink(pyudev.Context())
            self._monitor.filter_by("usb", device_type="usb_device")
            self._monitor.start()
        except (ImportError, OSError):
            return  # pyudev is not installed, or there is no libudev, or no netlink
        self._fd = self._monitor.fileno()
        asyncio.get_running_loop().add_reader(self._fd, self._told)

    def _told(self) -> None:
        while self._monitor.poll(0) is not None:
            self.news.set()

    def close(self) -> None:
        """Stop listening."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
        # pyudev closes the socket once the monitor has no references; a traceback may keep this object alive.
        self._monitor = None
