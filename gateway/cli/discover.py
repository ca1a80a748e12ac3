"""`borderpost discover`: find devices that are plugged in or respond, and the tables that would use them."""

import json
import os
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with, print_line
from gateway.console.web.labels import FOUND_KINDS
from gateway.diagnostics.discovery.found import FoundDevice
from gateway.diagnostics.discovery.network import address_fault, interface_addresses, modbus_addresses
from gateway.diagnostics.discovery.search import SearchOptions, SearchResult, load_devices
from gateway.diagnostics.discovery.search import discover as search
from gateway.diagnostics.host import HostView


def discover(
    config: ConfigFile = DEFAULT_CONFIG,
    interface: Annotated[
        list[str] | None,
        typer.Option(
            "--interface", help="Address of this machine in the network of the cameras; repeatable."
        ),
    ] = None,
    modbus: Annotated[
        list[str] | None,
        typer.Option(
            "--modbus", help="Host, host:port or network (192.0.2.0/24) to read for boards; repeatable."
        ),
    ] = None,
    network: Annotated[
        bool, typer.Option("--network/--no-network", help="Search the network for cameras.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object only.")] = False,
) -> None:
    """Find devices that are plugged in or respond: their address, users, drivers, and the table to paste.

    Works without a post's file and without a running gateway. Cameras are searched by one multicast query;
    only the hosts of --modbus are asked for boards, and nothing is written to them. Programs of other users
    that hold a device are visible to root only.
    """
    try:
        asked = tuple(modbus_addresses(modbus or ()))
    except ValueError as error:
        exit_with(f"--modbus: {address_fault(error)}", os.EX_USAGE)
    try:
        interfaces = interface_addresses(interface or ()) if network else ()
    except ValueError as error:
        exit_with(f"--interface: {address_fault(error)}", os.EX_USAGE)
    devices, mistake = load_devices(config)
    result = search(devices, HostView(), SearchOptions(interfaces=interfaces, modbus=asked))
    result.failures += [mistake] if mistake else []
    if as_json:
        found = {"devices": [device.model_dump() for device in result.devices], "failures": result.failures}
        typer.echo(json.dumps(found, indent=2))
        return
    for line in _lines(result):
        if line.no_wrap:  # to be pasted: whole, however narrow the terminal is
            console.print(line, soft_wrap=True)
        else:
            print_line(line)


def _lines(result: SearchResult) -> Iterator[Text]:
    for device in result.devices:
        yield Text.assemble((device.name, "bold"), f", {FOUND_KINDS[device.kind]}")
        yield from (Text(f"    {line}") for line in _facts(device))
        if device.paste:
            yield Text("")
            yield from (Text(line, no_wrap=True) for line in device.paste.splitlines())
        yield Text("")
    if not result.devices:
        yield Text("Nothing was found.")
    for failure in result.failures:
        yield Text(failure, style="yellow")


def _facts(device: FoundDevice) -> Iterator[str]:
    if device.address != device.name:
        yield device.address
    if device.position is not None:
        yield f"configured: {device.position}"
    for holder in device.held_by:
        yield f"open in {holder}"
    if device.drivers:
        others = f"; also {', '.join(device.drivers[1:])}" if device.drivers[1:] else ""
        yield f"driver: {device.drivers[0]}{others}"
    elif device.kind == "usb" and not device.remarks:
        yield "no installed driver takes it"
    yield from device.remarks
