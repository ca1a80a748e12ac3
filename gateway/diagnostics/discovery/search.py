"""Search for all devices of a machine and its networks, compared with a post's file."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from drivers.links.address import is_same_address
from gateway.config import ConfigError, DeviceSettings
from gateway.config.loader import load_sound_parts
from gateway.contract.topics import Position
from gateway.diagnostics.checks.addresses import Address, find_addresses
from gateway.diagnostics.checks.conflicting_services import stop_command
from gateway.diagnostics.checks.holders import find_holders, worker_text
from gateway.diagnostics.checks.smart_card_service import NFC_MODULES, nfc_module_sentences
from gateway.diagnostics.checks.usb_tree import list_usb_devices, matching_devices
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
from gateway.state_dir import is_forbidden

if TYPE_CHECKING:
    from drivers.camera.onvif.discovery import FoundCamera

PEOPLE_TYPE = "If people type on it, do not configure it: the driver takes every key from them."
FEW_ADDRESSES = 3
"""Number of addresses up to which each one without a board is named."""
CHIP_READER = "A chip reader: the smart card service uses it, and lists its slots."
SECOND_POSITION = "Another position has this device too: correct the address of one of them."


@dataclass(frozen=True)
class SearchOptions:
    """Extent of a search."""

    interfaces: tuple[str | None, ...] = (None,)
    """Addresses of the interfaces for WS-Discovery; None: the default one; empty: no search."""
    modbus: tuple[str, ...] = ()
    """Addresses that are asked for a board, each as `tcp://host:port`."""
    search_s: float = 2.0
    """Duration of WS-Discovery on one interface, in seconds."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """Worker of each position whose device is open, by a running gateway. Its console cannot see the files
    that other processes have open."""


@dataclass
class SearchResult:
    """Found devices, and what could not be searched."""

    devices: list[FoundDevice] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Sentence for each kind that could not be searched."""


OPTIONS = TypeAdapter(SearchOptions)
RESULT = TypeAdapter(SearchResult)


def load_devices(config: Path) -> tuple[Mapping[Position, DeviceSettings], str]:
    """Return the sound devices of the post's file, if there is one, and a sentence if it cannot be used."""
    if not os.path.lexists(config) and not is_forbidden(config):
        return {}, ""
    try:
        return load_sound_parts(config).devices, ""
    except (ConfigError, OSError):
        return {}, f"{config} cannot be used, so no device is marked as configured: borderpost config check"


def discover(
    devices: Mapping[Position, DeviceSettings], host: HostView, options: SearchOptions
) -> SearchResult:
    """Search the machine and, by the options, its networks; `devices`: those of the post's file."""
    result = SearchResult()
    known = _KnownPost.of(devices, host, options.workers)
    positions = Positions(known.positions)
    result.devices += _local(known, positions)
    slots, failure = list_slots()
    result.failures += [failure] if failure else []
    result.devices += [_slot(slot, known, devices) for slot in slots]
    cameras, failures = asyncio.run(find_cameras(options.interfaces, options.search_s))
    result.failures += failures
    result.devices += [_camera(camera, known, positions) for camera in cameras]
    boards = list(_boards(options.modbus, known, positions))
    result.devices += boards
    result.failures += _silent_addresses(options.modbus, {board.address for board in boards})
    result.devices += _configured_only(known, {each.position for each in result.devices})
    return result


@dataclass(frozen=True, slots=True)
class _KnownPost:
    """The machine, and the post that its devices are compared with."""

    host: HostView
    positions: Sequence[str]
    addresses: Sequence[tuple[str, Address]]
    """Configured addresses, each with its position."""
    workers: Mapping[str, int]

    @classmethod
    def of(
        cls, devices: Mapping[Position, DeviceSettings], host: HostView, workers: Mapping[str, int]
    ) -> "_KnownPost":
        addresses = [
            (str(position), address)
            for position, device in devices.items()
            for address in find_addresses(device.settings)
        ]
        return cls(host, [str(position) for position in devices], addresses, workers)

    def holders(self, node: Path, position: str | None) -> tuple[tuple[str, ...], list[str]]:
        """Return the processes that have a node open, and the remedy for each that is not its worker."""
        visible = find_holders(str(node), self.positions, self.host, self.workers)
        own = self.worker_of(position) if all(each.position != position for each in visible) else ()
        remedies = []
        for holder in visible:
            if holder.position is None:
                remedies.append(f"{holder} has it open. {stop_command(holder.process)}")
            elif position is not None and holder.position != position:
                remedies.append(
                    f"{position} and {holder.position} have this device: correct the address of one of them."
                )
        return (*own, *map(str, visible)), remedies

    def first_position(self, is_meant: Callable[[Address], bool]) -> str | None:
        """Return the first position with such an address; None if there is none."""
        return next((where for where, address in self.addresses if is_meant(address)), None)

    def worker_of(self, position: str | None) -> tuple[str, ...]:
        """Return the running gateway as the holder of a position's device, if it is open."""
        if position is None or position not in self.workers:
            return ()
        return (worker_text(position, self.workers[position]),)


def _local(known: _KnownPost, positions: Positions) -> Iterator[FoundDevice]:
    host = known.host
    functions = list_functions(host)
    for function in functions:
        usb = function.usb
        position = _position_of(function, known)
        held_by, remarks = known.holders(function.node, position)
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
        if usb is not None and function.kernel_driver in NFC_MODULES:
            remarks.append(" ".join(nfc_module_sentences(function.kernel_driver, usb.socket)))
        elif function.kernel_driver and drivers:
            remarks.append(f"The kernel driver {function.kernel_driver} has it.")
        if usb is not None and function.is_chip_reader:
            remarks.append(CHIP_READER)
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


def _position_of(function: LocalFunction, known: _KnownPost) -> str | None:
    """Return the position whose address means this function; None if there is none."""

    def is_meant(address: Address) -> bool:
        if address.kind == "node":
            return os.path.realpath(known.host.node(address.text)) == os.path.realpath(function.node)
        return function.usb is not None and bool(matching_devices(address.text, [function.usb]))

    return known.first_position(is_meant)


def _slot(slot: str, known: _KnownPost, devices: Mapping[Position, DeviceSettings]) -> FoundDevice:
    position = known.first_position(
        lambda address: address.kind == "smartcard" and slot.startswith(address.text)
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
    return FoundDevice(
        kind="smartcard",
        name=slot,
        address=slot,
        position=position,
        held_by=known.worker_of(position),
        paste=paste,
    )


def _camera(camera: "FoundCamera", known: _KnownPost, positions: Positions) -> FoundDevice:
    host = urlsplit(camera.url).hostname
    position = known.first_position(
        lambda address: (address.endpoint or ("",))[0] == host and _is_web(address)
    )
    name = " ".join(filter(None, (camera.scope("name"), camera.scope("hardware"))))
    return FoundDevice(
        kind="network_camera",
        name=name or camera.url,
        address=camera.url,
        position=position,
        held_by=known.worker_of(position),
        drivers=(drivers := drivers_for("network_camera")),
        paste="" if position is not None or not drivers else camera_table(camera.url, positions),
    )


def _is_web(address: Address) -> bool:
    return address.text.startswith(("http", "rtsp"))


def _boards(asked: Sequence[str], known: _KnownPost, positions: Positions) -> Iterator[FoundDevice]:
    """Yield the boards that respond; configured ones are not asked: many accept one connection only."""
    configured = {
        address: position
        for address in asked
        for position, each in known.addresses
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
                held_by=known.worker_of(position),
                drivers=drivers_for("modbus"),
                paste="" if position is not None else board_table(address, UNIT, positions),
            )


def _silent_addresses(asked: Sequence[str], found: set[str]) -> Iterator[str]:
    """Yield a sentence if addresses that a person named have no board; of a network, if none has one."""
    silent = [address for address in asked if address not in found]
    if silent and (not found or len(asked) <= FEW_ADDRESSES):
        where = ", ".join(silent) if len(silent) <= FEW_ADDRESSES else f"any of {len(silent)} addresses"
        yield (
            f"No board with Modbus responds at {where}. Check its power, its cable and its address; many "
            "boards accept one connection only."
        )


def _configured_only(known: _KnownPost, found: set[str | None]) -> Iterator[FoundDevice]:
    """Yield configured addresses that no search finds: services, simulators, missing devices."""
    usb_devices = list_usb_devices(known.host)
    for position, address in known.addresses:
        if position in found:
            continue
        remarks: list[str] = []
        held_by = known.worker_of(position)
        if address.kind == "node" and (node := known.host.node(address.text)).exists():
            held_by, remarks = known.holders(node, position)
        elif address.kind == "usb" and matching_devices(address.text, usb_devices):
            remarks = [SECOND_POSITION]
        elif address.kind != "network":
            remarks = ["Nothing is plugged in at this address."]
        yield FoundDevice(
            kind="configured",
            name=str(address),
            address=str(address),
            position=position,
            held_by=held_by,
            remarks=tuple(remarks),
        )
