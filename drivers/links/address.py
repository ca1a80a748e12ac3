"""Addresses of devices in a configuration: nodes in /dev, USB ids, and hosts of a network."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator

from drivers.links.link import Action, Cause, LinkError

USB_ADDRESS = re.compile(r"usb:(?P<vid>[0-9a-fA-F]{4}):(?P<pid>[0-9a-fA-F]{4})(?::(?P<serial>[^:\s]+))?")
"""`usb:VID:PID[:SERIAL]`"""


def node_address(port: str, usb_address: re.Pattern[str] = USB_ADDRESS) -> str:
    """Validate an address on USB, or the absolute path of a node in /dev; raises ValueError."""
    if port.startswith("usb:"):
        if not usb_address.fullmatch(port):
            raise ValueError(
                "is not a USB address; write usb:VID:PID[:SERIAL], VID and PID as four hexadecimal digits"
            )
    elif not port.startswith("/"):
        raise ValueError("is neither usb:VID:PID[:SERIAL] nor an absolute path")
    return port


NodeAddress = Annotated[str, AfterValidator(node_address)]


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine; no name server is queried."""
    if host in ("localhost", "ip6-localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_numeric_host(host: str) -> bool:
    """Return True if a host needs no name server: an address, or this machine's own name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return is_loopback(host)
    return True


def found_node(find: Callable[[], str]) -> str | None:
    """Return the path of a node, or None where `find` raises LinkError because there is none."""
    try:
        return find()
    except LinkError:
        return None


FoundT = TypeVar("FoundT")


def describe_serial(serial_number: str | None) -> str:
    """Return the serial number, or words for its absence, for a list of devices."""
    return serial_number or "without serial number"


def one_of(
    address: str,
    found: Sequence[FoundT],
    *,
    describe: Callable[[FoundT], str],
    missing: LinkError,
    how: str,
    noun: str = "devices",
) -> FoundT:
    """Return the only device found at an address; raises `missing` for none, and LinkError for several.

    `describe` and `noun` name the devices in the error for several; `how` is its remedy.
    """
    match found:
        case [one]:
            return one
        case []:
            raise missing
        case _:
            raise LinkError(
                Cause.ADDRESS_AMBIGUOUS,
                f"{len(found)} {noun} fit {address}: {', '.join(map(describe, found))}.",
                Action.CONFIGURE,
                how,
            )
