"""Whether a USB device is still plugged in: told by udev where it runs, with pyudev, else looked at.

Devices with a read under way tell it themselves; this is for those that nobody is speaking to.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from drivers.links.usb.devices import UsbDevice

UDEV = Path("/run/udev/control")
"""There while udev's daemon runs."""
POLL_S = 0.1
"""How often to look, in seconds. A look is one read in sysfs, about 20 microseconds."""


async def wait_until_unplugged(device: UsbDevice) -> None:
    """Return when the device is no longer there."""
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
    """Tells that some USB device came or went; never does, where there is no udev."""

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
            return  # it is not installed, or there is no libudev, or no netlink
        self._fd = self._monitor.fileno()
        asyncio.get_running_loop().add_reader(self._fd, self._told)

    def _told(self) -> None:
        while self._monitor.poll(0) is not None:
            self.news.set()

    def close(self) -> None:
        """Stop listening."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
        # pyudev closes the socket when nobody holds the monitor any more; a traceback may hold this object.
        self._monitor = None
