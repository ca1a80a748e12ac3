"""Checks of a device's node: present, unique, openable by the gateway, not opened by another program."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.diagnostics.checks.accounts import Account, group_name
from gateway.diagnostics.checks.addresses import Address
from gateway.diagnostics.checks.conflicting_services import stop_command
from gateway.diagnostics.checks.holders import find_holders
from gateway.diagnostics.checks.uart import check_uart
from gateway.diagnostics.checks.usb_tree import UsbNode, list_usb_devices, matching_devices
from gateway.diagnostics.findings import make_finding
from gateway.diagnostics.host import HostView


@dataclass(frozen=True, slots=True)
class _Node:
    """A node that the device's worker opens."""

    path: Path
    device: UsbNode | None


def check_device_nodes(
    position: str, address: Address, account: Account, host: HostView, worker: int | None = None
) -> Iterator[Finding]:
    """Check one address of a device; `worker` is the process that may have opened it, if known."""
    nodes: list[_Node] = []
    if address.kind == "node":
        path = host.node(address.text)
        if not path.exists():
            yield _not_found(position, address)
            return
        nodes.append(_Node(Path(os.path.realpath(path)), None))
    elif address.kind == "usb":
        there = matching_devices(address.text, list_usb_devices(host))
        if not there:
            yield _not_found(position, address)
            return
        if len(there) > 1:
            yield _ambiguous(position, address, there)
            return
        nodes += [_Node(path, there[0]) for path in there[0].device_nodes(host)]
    for node in nodes:
        yield from _check_permission(position, node, account)
        yield from _check_holders(position, node, host, worker)
        yield from check_uart(position, node.path, host)


def _not_found(position: str, address: Address) -> Finding:
    return make_finding(
        "no_device",
        "error",
        position,
        f"No device is plugged in at {address}.",
        Action.REPLUG,
        "Check cable and power; `ls -l /dev/serial/by-id` and `lsusb` list the devices present.",
    )


def _ambiguous(position: str, address: Address, there: list[UsbNode]) -> Finding:
    names = ", ".join(f"{node.serial_number or 'no serial number'} at {node.socket}" for node in there)
    return make_finding(
        "address_ambiguous",
        "error",
        position,
        f"{len(there)} devices fit {address}: {names}.",
        Action.CONFIGURE,
        f"Add the serial number to `{address.key}`, or the socket: {address.text}@{there[0].socket}.",
    )


def _check_permission(position: str, node: _Node, account: Account) -> Iterator[Finding]:
    try:
        if account.can_open(node.path, write=True):
            return
        status = node.path.stat()
        group = account.missing_group(node.path)
    except OSError:
        return  # The node disappeared in the meantime; the next check reports it.
    how = "sudo borderpost udev --install, then: sudo systemctl restart borderpost"
    yield make_finding(
        "no_permission",
        "error",
        position,
        f"The gateway runs as {account.name}, which may not open {node.path} "
        f"({stat.filemode(status.st_mode)}, group {group_name(status.st_gid)})"
        + (f": it is not a member of the group {group}." if group else "."),
        Action.CONFIGURE,
        how,
    )


def _check_holders(position: str, node: _Node, host: HostView, worker: int | None) -> Iterator[Finding]:
    workers = {} if worker is None else {position: worker}
    for holder in find_holders(str(node.path), (position,), host, workers):
        if holder.position is None:
            yield make_finding(
                "port_held",
                "error",
                position,
                f"{holder} holds {node.path}.",
                Action.RESTART,
                stop_command(holder.process),
            )
        elif holder.position != position:
            yield make_finding(
                "port_held",
                "error",
                position,
                f"The gateway has {node.path} open for {holder.position} (pid {holder.process.pid}).",
                Action.CONFIGURE,
                "Both positions lead to this device: correct the address of one of them, then "
                "sudo systemctl restart borderpost",
            )
