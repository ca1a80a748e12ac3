"""`borderpost replug`: switch the power of a device's USB port off and on."""

import os

import typer

from gateway.cli._lib.api_client import AsJson, Why, device_path, print_answer, request_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import exit_with
from gateway.contract.topics import Position
from gateway.diagnostics.host import HostView
from gateway.diagnostics.usb_port import UsbPortError, find_port, may_switch


def replug(
    config: PostFile, position: OneDevice, reason: Why = "device hangs", as_json: AsJson = False
) -> None:
    """Switch the power of a device's USB port off and on, as pulling its plug does. Needs root.

    The audit has it before it happens, so the gateway must run. A barrier's board needs maintenance first.
    Hubs without switched ports disconnect the device and leave its power on.
    """
    devices = load_or_fail(config).devices
    try:
        device = devices[Position.parse(position)]
    except (KeyError, ValueError):
        exit_with(f"{config} has no device at {position}", os.EX_USAGE)
    host = HostView()
    try:
        port = find_port(device, host)
        if not may_switch(port):
            exit_with(
                f"The port of {port.device} may be switched by root only\n    run this with sudo",
                os.EX_NOPERM,
            )
        request_or_exit(config, device_path(position, "/replug"), method="POST", body={"reason": reason})
        typer.echo(f"{position}: {port.device} is without power for two seconds", err=True)
        port.cycle(host)
    except UsbPortError as error:
        exit_with(f"{position}: {error.text}\n    {error.how}", os.EX_UNAVAILABLE)
    print_answer(
        {"position": position, "done": True},
        lambda _: [
            f"{position}: {port.device} is back. If it still hangs, its hub does not switch power: pull "
            "its plug."
        ],
        as_json=as_json,
    )
