"""Video4Linux nodes: lookup by address, and errors of opening them.

Source: Linux, `Documentation/userspace-api/media/v4l/open.rst`, and `index` of `/sys/class/video4linux`. A
camera may have several nodes: the first provides frames, the others metadata.
"""

import errno
import os
import stat
from pathlib import Path

from drivers.links.device_node import remedy_text, who_has_open
from drivers.links.link import Action, Cause, LinkError
from drivers.links.usb.devices import UsbDevice, find_usb, is_umockdev_testbed

VIDEO_MAJOR = 81
"""Major number of video devices (Linux, `Documentation/admin-guide/devices.txt`)."""
SIMULATED = ("vivid", "v4l2 loopback")
"""Kernel drivers of software cameras."""


def find_video(address: str) -> tuple[str, UsbDevice | None]:
    """Return the path of the node, and the descriptors of a device addressed on USB; raises LinkError."""
    if not address.startswith("usb:"):
        return _checked(address), None
    device = find_usb(address)
    nodes = sorted(
        node.name
        for node in device.sysfs.glob(f"{device.sysfs.name}:*/video4linux/video*")
        if _index(node) == 0
    )
    match nodes:
        case [node]:
            return f"/dev/{node}", device
        case []:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"{address} is plugged in, but is not a camera.",
                Action.CONFIGURE,
                "Correct `port`; `borderpost discover` lists the cameras.",
            )
        case _:
            raise LinkError(
                Cause.ADDRESS_AMBIGUOUS,
                f"{address} has {len(nodes)} cameras: {', '.join(f'/dev/{node}' for node in nodes)}.",
                Action.CONFIGURE,
                "Set `port` to the /dev/v4l/by-path name of one of them.",
            )


def _index(node: Path) -> int | None:
    try:
        return int((node / "index").read_text())
    except (OSError, ValueError):
        return None  # it was unplugged meanwhile


def _checked(address: str) -> str:
    path = os.path.realpath(address)
    try:
        node = Path(path).stat()
    except OSError as error:
        raise open_error(address, path, error) from error
    if stat.S_ISCHR(node.st_mode) and os.major(node.st_rdev) == VIDEO_MAJOR:
        return path
    raise not_a_camera_error(address)


def is_simulated(kernel_driver: str, device: UsbDevice | None) -> bool:
    """Return True if it is certainly not a real camera."""
    return kernel_driver in SIMULATED or is_umockdev_testbed() or (device is not None and device.is_simulated)


def not_a_camera_error(address: str) -> LinkError:
    """Return the error for a device that is not a camera."""
    return LinkError(
        Cause.WRONG_DEVICE,
        f"{address} provides no frames.",
        Action.CONFIGURE,
        "Correct `port`: the names under /dev/v4l/by-id that end in -index0 are cameras.",
    )


def open_error(address: str, path: str, error: OSError) -> LinkError:
    """Return the error for a camera that does not open, or does not start."""
    match error.errno:
        case errno.EBUSY:
            who = who_has_open(path)
            return LinkError(
                Cause.PORT_HELD,
                f"{who.text or 'Another program'} uses the camera at {path}.",
                Action.RESTART,
                remedy_text(path, who, "camera"),
            )
        case errno.EACCES | errno.EPERM:
            return LinkError(
                Cause.NO_PERMISSION,
                f"The gateway may not open {path}.",
                Action.CONFIGURE,
                "Add the gateway's user to the group that owns it (ls -l shows it), usually video.",
            )
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return LinkError(
                Cause.NO_DEVICE,
                f"No camera is plugged in at {address}.",
                Action.REPLUG,
                "Check its cable.",
            )
        case errno.ENOTTY:
            return not_a_camera_error(address)
        case errno.ENOSPC:
            return LinkError(
                Cause.LINK_FAILED,
                f"The USB bus of {address} has not enough bandwidth for its frames.",
                Action.CONFIGURE,
                "Plug it into a port of another USB controller, or set a smaller `size`.",
            )
        case number:
            why = type(error).__name__ if number is None else os.strerror(number)
            return LinkError(
                Cause.LINK_FAILED,
                f"The camera at {address} does not start: {why}.",
                Action.REPLUG,
                "Unplug the camera, wait five seconds, plug it in again.",
            )


def unplugged_error(address: str) -> LinkError:
    """Return the error for a camera that was disconnected."""
    return LinkError(
        Cause.UNPLUGGED,
        f"The camera at {address} was disconnected.",
        Action.REPLUG,
        "Check its cable; if this repeats, change it.",
    )
