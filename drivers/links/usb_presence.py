"""Whether a USB device is still plugged in: told by udev where pyudev is installed, else looked at.

Devices with a read under way tell it themselves; this is for those that nobody is speaking to.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from drivers.links.usb_devices import UsbDevice

LOOK_S = 0.2
"""How often to look, in seconds. A look is one read in sysfs, about 20 microseconds."""


async def until_unplugged(device: UsbDevice, look_s: float = LOOK_S) -> None:
    """Return when the device is no longer there."""
    with _woken_by_udev() as woken:
        while device.plugged:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await woken.wait()
            woken.clear()


@contextlib.contextmanager
def _woken_by_udev() -> Iterator[asyncio.Event]:
    """An event that is set when any USB device comes or goes; never, where there is no udev."""
    woken = asyncio.Event()
    try:
        import pyudev

        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        monitor.filter_by("usb", device_type="usb_device")
        monitor.start()
    except (ImportError, OSError):  # not installed, no libudev, no netlink
        yield woken
        return

    def told() -> None:
        while monitor.poll(0) is not None:
            woken.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(monitor.fileno(), told)
    try:
        yield woken
    finally:
        loop.remove_reader(monitor.fileno())
