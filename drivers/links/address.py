"""How configurations address devices: those with a node in /dev, and those on a network."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator

USB_ADDRESS = re.compile(r"usb:(?P<vid>[0-9a-fA-F]{4}):(?P<pid>[0-9a-fA-F]{4})(?::(?P<serial>[^:\s]+))?")
"""`usb:VID:PID[:SERIAL]`"""


def node_address(port: str, usb_address: re.Pattern[str] = USB_ADDRESS) -> str:
    """Accept an address on USB, or the absolute path of a node in /dev; raises ValueError."""
    if port.startswith("usb:"):
        if not usb_address.fullmatch(port):
            raise ValueError(
                "is no USB address; write usb:VID:PID[:SERIAL], VID and PID as four hexadecimal digits"
            )
    elif not port.startswith("/"):
        raise ValueError("is neither usb:VID:PID[:SERIAL] nor an absolute path")
    return port


NodeAddress = Annotated[str, AfterValidator(node_address)]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without asking any name server."""
    if host in ("localhost", "ip6-localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
