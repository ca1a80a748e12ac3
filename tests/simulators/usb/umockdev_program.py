"""A program under umockdev's preload that uses a simulated device with pyusb.

Each input line is a Python expression over the names below, each output line its value as `repr`, or the
error.
"""

import sys
from typing import Any

import usb.core
import usb.util

device: Any = None


def find(vendor: int = 0x1209) -> bool:
    """Search for the device like a program that has been running for a while."""
    global device  # noqa: PLW0603 - the one thing that the steps share
    if device is not None:
        usb.util.dispose_resources(device)
    device = usb.core.find(idVendor=vendor)
    return device is not None


def control(*what: Any, timeout: int = 1000) -> Any:
    answer = device.ctrl_transfer(*what, timeout=timeout)
    return answer if isinstance(answer, int) else bytes(answer)


def read(endpoint: int, size: int, timeout: int = 1000) -> Any:
    data = bytes(device.read(endpoint, size, timeout))
    return data if len(data) < 100 else (len(data), data[:4], sum(data))


def write(endpoint: int, data: bytes) -> int:
    return int(device.write(endpoint, data, 1000))


def names() -> tuple[str, ...]:
    return device.manufacturer, device.product, device.serial_number


def kernel_driver() -> bool:
    return bool(device.is_kernel_driver_active(0))


for line in sys.stdin:
    try:
        result = repr(eval(line))  # the expressions come from the test itself
    except usb.core.USBError as error:
        result = f"errno {error.errno}"
    print(result, flush=True)
if device is not None:
    usb.util.dispose_resources(device)
