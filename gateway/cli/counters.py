"""`borderpost counters`: what devices have done, by serial number."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.cli._lib.api_client import AsJson, asked, at, ordered, told
from gateway.cli._lib.arguments import PostFile, known
from gateway.cli._lib.render_device import counters as counter_lines


def counters(
    config: PostFile,
    position: Annotated[
        str | None,
        typer.Argument(metavar="[POSITION]", help="One device; all of them else.", autocompletion=known),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Set the resettable ones of that device to zero.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show reads, failures, retries, disconnects and hours: of a serial number's life, and since a reset."""
    if reset:
        if position is None:
            raise typer.BadParameter("name the device whose counters are to be set to zero")
        ordered(config, position, "/counters/reset", None, "counts from zero", as_json=as_json)
        return
    devices = [asked(config, at(position))] if position else asked(config, "devices")
    counted = [
        {
            "position": device["position"],
            "serial_number": (device["identity"] or {}).get("serial_number"),
            "tally": device["tally"],
        }
        for device in devices
    ]
    told(counted, _lines, as_json=as_json)


def _lines(counted: list[dict[str, Any]]) -> Iterator[str]:
    for device in counted:
        yield " ".join(filter(None, (device["position"], device["serial_number"])))
        yield from counter_lines(device)
