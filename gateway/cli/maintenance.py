"""`borderpost maintenance`: begin or end maintenance of a device."""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli._lib.api_client import AsJson, Why, perform_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile


class OnOff(StrEnum):
    """Begin or end maintenance."""

    on = "on"
    off = "off"


def maintenance(
    config: PostFile,
    position: OneDevice,
    switch: Annotated[OnOff, typer.Argument(help="Begin or end maintenance.")],
    minutes: Annotated[
        int, typer.Option(min=1, max=480, help="Minutes after which maintenance ends by itself.")
    ] = 30,
    reason: Why = "maintenance",
    as_json: AsJson = False,
) -> None:
    """Begin or end maintenance of a device. Its events are suppressed meanwhile and reach no officer."""
    on = switch is OnOff.on
    done = f"in maintenance for at most {minutes} min" if on else "maintenance ended"
    body = {"on": on, "minutes": minutes, "reason": reason}
    perform_or_exit(config, position, "/maintenance", body, done, as_json=as_json)
