"""Search for all devices of a machine and its networks, compared with a post's file."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from drivers.links.address import is_same_address
from drivers.links.device_node import processes_with_open
from gateway.config import DeviceSettings
from gateway.contract.topics import Position
from gateway.diagnostics.checks.addresses import Address, find_addresses
from gateway.diagnostics.checks.conflicting_services import stop_command
from gateway.diagnostics.checks.device_nodes import COMM_BYTES
from gateway.diagnostics.checks.usb_tree import matching_devices
from gateway.diagnostics.discovery.found import FoundDevice
from gateway.diagnostics.discovery.network import UNIT, find_boards, find_cameras
from gateway.diagnostics.discovery.proposals import (
    Positions,
    board_table,
    camera_table,
    chip_table,
    device_table,
    drivers_for,
)
from gateway.diagnostics.discovery.slots import list_slots
from gateway.diagnostics.discovery.usb_functions import LocalFunction, list_functions, stable_address
from gateway.diagnostics.host import HostView

if TYPE_CHECKING:
    from drivers.camera.onvif.discovery import FoundCamera

PEOPLE_TYPE = "If people type on it, do not configure it: the driver takes every key from them."


@dataclass(frozen=True)
class SearchOptions:
    """Extent of a search."""

    interfaces: tuple[str | None, ...] = (None,)
    """Addresses of the interfaces for WS-Discovery; None: the default one; empty: no search."""
    modbus: tuple[str, ...] = ()
    """Addresses that are asked for a board, each as `tcp://host:port`."""
    search_s: float = 2.0
    """Duration of WS-Discovery on one interface, in seconds."""


@dataclass
class SearchResult:
    """Found devices, and what could not be searched."""

    devices: list[FoundDevice] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Sentence for each kind that could not be searched."""


def discover(
    devices: Mapping[Position, DeviceSettings], host: HostView, options: SearchOptions
) -> SearchResult:
    """Search the machine and, by the options, its networks; `devices`: those of the post's file."""
    result = SearchResult()
    known = [
        (str(position), address)
        for position, device in devices.items()
        for address in find_addresses(device.settings)
    ]
    positions = Positions([str(position) for position in devices])
    result.devices += _local(known, positions, host)
    slots, failure = list_slots()
    result.failures += [failure] if failure else []
    result.devices += [_slot(slot, known, devices) for slot in slots]
    cameras, failures = asyncio.run(find_cameras(options.interfaces, options.search_s))
    result.failures += failures
    result.devices += [_camera(camera, known, positions) for camera in cameras]
    result.devices += _boards(options.modbus, known, positions)
    result.devices += _configured_only(known, {each.position for each in result.devices}, host)
    return result


Known = Sequence[tuple[str, Address]]
"""Configured addresses, each with its position."""


def _local(known: Known, positions: Positions, host: HostView) -> Iterator[FoundDevice]:
    functions = list_functions(host)
    for function in functions:
        usb = function.usb
        position = _position_of(function, known, host)
        held_by, remarks = _holders(function, position, host)
        drivers = drivers_for(
            function.kind, usb.vendor if usb is not None else "", usb.product if usb is not None else ""
        )
        address = stable_address(function, functions, host)
        paste = ""
        if position is None and drivers:
            vendor = usb.vendor if usb is not None else ""
            paste = device_table(drivers[0], address, positions, vendor, function.kind)
            if address == f"/dev/{function.node.name}" and usb is not None:
                remarks.append("Its name changes with the order of plugging in; udev is not running here.")
        if function.kind == "keyboard" and position is None:
            remarks.append(PEOPLE_TYPE)
        if function.kernel_driver and drivers:
            remarks.append(f"The kernel driver {function.kernel_driver} has it.")
        yield FoundDevice(
            kind=function.kind,
            name=function.name,
            address=address,
            node=str(function.node),
            usb_ids=f"{usb.vendor}:{usb.product}" if usb is not None else "",
            serial_number=usb.serial_number if usb is not None else None,
            position=position,
            held_by=held_by,
            drivers=drivers,
            remarks=tuple(remarks),
            paste=paste,
        )


def _position_of(function: LocalFunction, known: Known, host: HostView) -> str | None:
    """Return the position whose address means this function; None if there is none."""
    for position, address in known:
        if address.kind == "node":
            if os.path.realpath(host.node(address.text)) == os.path.realpath(function.node):
                return position
        elif function.usb is not None and matching_devices(address.text, [function.usb]):
            return position
    return None


def _holders(
    function: LocalFunction, position: str | None, host: HostView
) -> tuple[tuple[str, ...], list[str]]:
    """Return the programs that have it open, and the remedy for each that is not its worker."""
    holders, remedies = [], []
    for holder in processes_with_open(str(function.node), host.proc):
        if position is not None and holder.name == position.encode()[-COMM_BYTES:].decode(errors="replace"):
            holders.append(f"the gateway, for {position} (pid {holder.pid})")
            continue
        holders.append(str(holder))
        remedies.append(f"{holder} has it open. {stop_command(holder)}")
    return tuple(holders), remedies


def _slot(slot: str, known: Known, devices: Mapping[Position, DeviceSettings]) -> FoundDevice:
    position = next(
        (where for where, address in known if address.kind == "smartcard" and slot.startswith(address.text)),
        None,
    )
    paste = ""
    if position is None:
        # Its table belongs to a reader of documents, the only one without a slot if there is one.
        without = [
            str(where)
            for where, device in devices.items()
            if "chip" in type(device.settings).model_fields and getattr(device.settings, "chip", None) is None
        ]
        paste = chip_table(slot, without[0] if len(without) == 1 else "lane-1/reader")
    return FoundDevice(kind="smartcard", name=slot, address=slot, position=position, paste=paste)


def _camera(camera: "FoundCamera", known: Known, positions: Positions) -> FoundDevice:
    host = urlsplit(camera.url).hostname
    position = next(
        (where for where, address in known if (address.endpoint or ("",))[0] == host and _is_web(address)),
        None,
    )
    name = " ".join(filter(None, (camera.scope("name"), camera.scope("hardware"))))
    return FoundDevice(
        kind="network_camera",
        name=name or camera.url,
        address=camera.url,
        position=position,
        drivers=(drivers := drivers_for("network_camera")),
        paste="" if position is not None or not drivers else camera_table(camera.url, positions),
    )


def _is_web(address: Address) -> bool:
    return address.text.startswith(("http", "rtsp"))


def _boards(asked: Sequence[str], known: Known, positions: Positions) -> Iterator[FoundDevice]:
    """Yield the boards that respond; configured ones are not asked: many accept one connection only."""
    configured = {
        address: position
        for address in asked
        for position, each in known
        if each.kind == "network" and is_same_address(each.text, address)
    }
    responding = asyncio.run(find_boards([address for address in asked if address not in configured]))
    for address in asked:
        if address in configured or address in responding:
            position = configured.get(address)
            yield FoundDevice(
                kind="modbus",
                name="board with Modbus",
                address=address,
                position=position,
                drivers=drivers_for("modbus"),
                paste="" if position is not None else board_table(address, UNIT, positions),
            )


def _configured_only(known: Known, found: set[str | None], host: HostView) -> Iterator[FoundDevice]:
    """Yield configured addresses that no search finds: services, simulators, missing devices."""
    for position, address in known:
        if position in found:
            continue
        remarks: tuple[str, ...] = ()
        held_by: tuple[str, ...] = ()
        if address.kind == "node":
            node = host.node(address.text)
            if node.exists():
                held_by = tuple(map(str, processes_with_open(str(node), host.proc)))
            else:
                remarks = ("Nothing is plugged in at this address.",)
        elif address.kind in ("usb", "smartcard"):
            remarks = ("Nothing is plugged in at this address.",)
        yield FoundDevice(
            kind="configured",
            name=str(address),
            address=str(address),
            position=position,
            held_by=held_by,
            remarks=remarks,
        )
