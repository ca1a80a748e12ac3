"""Addresses of devices in a configuration: nodes in /dev, USB ids, and hosts of a network."""

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator

from drivers.links.link import Action, Cause, LinkError

USB_ADDRESS = re.compile(r"usb:(?P<vid>[0-9a-fA-F]{4}):(?P<pid>[0-9a-fA-F]{4})(?::(?P<serial>[^:\s]+))?")
"""`usb:VID:PID[:SERIAL]`"""
VPCD_ADDRESS = re.compile(r"vpcd://(?P<host>[^/:\s\[\]]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
"""`vpcd://HOST:PORT`: a slot for chips of a simulated post."""


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


def canonical_address(address: str, default_port: int | None = None) -> str:
    """Return one spelling of an address: links in /dev resolved, USB ids in capitals, hosts in lower case.

    `default_port` is that of `tcp://` addresses without one. No name server is queried.
    """
    scheme, _, rest = address.partition(":")
    if scheme.lower() == "usb":
        ids, serial_number = rest.split(":")[:2], rest.split(":")[2:]
        return ":".join(["usb", *(part.upper() for part in ids), *serial_number])
    if scheme.lower() == "tcp":
        found = re.fullmatch(r"//(\[[^\]]*\]|[^:]*)(?::(\d+))?", rest)
        if found is not None:
            host = found[1].strip("[]").lower().rstrip(".")
            return f"tcp://{_canonical_host(host)}:{int(found[2] or default_port or 0)}"
    return resolve_links(address) if address.startswith("/") else address


def is_same_address(first: str, other: str) -> bool:
    """Tell whether two canonical addresses can mean one device: `usb:VID:PID` means any serial number."""
    shorter, longer = sorted((first, other), key=len)
    return first == other or (
        shorter.startswith("usb:")
        and shorter.count(":") == 2
        and longer.startswith((f"{shorter}:", f"{shorter}@"))
    )


BUILT_IN_PORT = re.compile(r"/dev/tty(S|AMA|O|mxc|THS)\d+")
"""Serial ports of the machine itself, which have no second name on USB."""
_NAMINGS = ("usb:", "/dev/serial/by-id/", "/dev/serial/by-path/", "/")


def are_named_differently(first: str, other: str) -> bool:
    """Return True if two ports are named in different ways, so that both names may mean one port.

    Only the text is compared: what is plugged in at the moment must not decide on a configuration.
    """
    if BUILT_IN_PORT.fullmatch(first) or BUILT_IN_PORT.fullmatch(other):
        return False
    ways = [next((way for way in _NAMINGS if port.startswith(way)), None) for port in (first, other)]
    return None not in ways and ways[0] != ways[1]


def resolve_links(path: str) -> str:
    """Return the path without symbolic links."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a null character: the link reports it
        return path


def _canonical_host(host: str) -> str:
    if is_loopback(host):
        return "127.0.0.1"
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    if isinstance(number, ipaddress.IPv6Address) and mapped is None:
        return f"[{number}]"
    return str(mapped or number)


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
