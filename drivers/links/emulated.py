"""Whether a device of the kernel has nothing but software behind it, by where sysfs says that it is.

Source: Linux, `Documentation/admin-guide/sysfs-rules.rst`; `/sys/dev/char` leads from a node to its place.
"""

import os
from pathlib import Path

NODES = Path("/sys/dev/char")
EMULATED_HOSTS = ("vhci_hcd", "dummy_hcd")
"""The kernel's host controllers with nothing but software behind them: USB/IP, gadgets on this machine."""
MADE_UP = ("/devices/virtual/tty/", "/devices/virtual/input/")
"""Lines and keyboards that a program made (tty0tty, uinput). Wireless ones are under other parents."""


def emulated(node: int) -> bool:
    """Whether a character device, by its number (`st_rdev`), is certainly no real one."""
    place = os.path.realpath(NODES / f"{os.major(node)}:{os.minor(node)}")
    return any(part in place for part in (*EMULATED_HOSTS, *MADE_UP))
