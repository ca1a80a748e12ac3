"""`borderpost counters`: show counters of devices by serial number."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.cli._lib.api_client import AsJson, device_path, perform_or_exit, print_answer, request_or_exit
from gateway.cli._lib.arguments import PostFile, complete_position
from gateway.cli._render.device import counters as counter_lines


def counters(
    config: PostFile,
    position: Annotated[
        str | None,
        typer.Argument(
            metavar="[POSITION]", help="One device; default: all devices.", autocompletion=complete_position
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Reset the resettable counters of that device.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show reads, failures, disconnects, chips and hours online of each serial number.

    Lifetime, and since the last reset.
    """
    if reset:
        if position is None:
            raise typer.BadParameter("name the device whose counters are to be reset")
        perform_or_exit(config, position, "/counters/reset", None, "counters reset", as_json=as_json)
        return
    devices = (
        [request_or_exit(config, device_path(position))] if position else request_or_exit(config, "devices")
    )
    counted = [
        {
            "position": device["position"],
            "serial_number": (device["identity"] or {}).get("serial_number"),
            "counters": device["counters"],
        }
        for device in devices
    ]
    print_answer(counted, _lines, as_json=as_json)


def _lines(counted: list[dict[str, Any]]) -> Iterator[str]:
    for device in counted:
        yield " ".join(filter(None, (device["position"], device["serial_number"])))
        yield from counter_lines(device)
