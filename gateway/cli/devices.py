"""`borderpost devices`: list the devices of the gateway on this machine."""

from typing import Annotated, Any

import typer

from gateway.cli._lib.api_client import (
    ApiError,
    ApiUnavailable,
    AsJson,
    ask,
    exit_with_error,
    print_answer,
    state_dir,
)
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile
from gateway.cli._render.device import device_line

LIST_S = 10.0
"""Longest wait for the list, in seconds: a console starts in that time."""


def devices(
    config: ConfigFile = DEFAULT_CONFIG,
    mqtt: Annotated[
        bool, typer.Option("--mqtt", help="Show the devices as workstations see them, from the broker.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show every device: state, since, cause, action, serial number, firmware, last good read.

    If no gateway responds on this machine, the states at the broker are shown. Exit code 1 if one is not
    online.
    """
    if not mqtt:
        try:
            found = ask(state_dir(config), "devices", within_s=LIST_S)
        except ApiError as error:
            exit_with_error(error)
        except ApiUnavailable as error:
            typer.echo(f"{error.text} As workstations see them, from the broker:", err=True)
        else:
            print_answer(found, _lines, as_json=as_json)
            raise typer.Exit(0 if all(_is_ok(device) for device in found) else 1)
    from gateway.cli._lib.mqtt_devices import show

    show(config, as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["The gateway has no devices; for the reason: borderpost doctor"]
    width = max((len(device["position"]) for device in found), default=0)
    return [line for device in found for line in device_line(device, width)]


def _is_ok(device: dict[str, Any]) -> bool:
    return device["state"]["state"] in ("online", "busy")
