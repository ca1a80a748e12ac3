"""`borderpost maintenance`: take a device from its counter for a while, or give it back."""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli._lib.api_client import AsJson, Why, perform_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile


class OnOff(StrEnum):
    """Take it, or give it back."""

    on = "on"
    off = "off"


def maintenance(
    config: PostFile,
    position: OneDevice,
    switch: Annotated[OnOff, typer.Argument(help="Take it, or give it back.")],
    minutes: Annotated[int, typer.Option(min=1, max=480, help="It ends by itself after this.")] = 30,
    reason: Why = "maintenance",
    as_json: AsJson = False,
) -> None:
    """Take a device from its counter, or give it back. What it says meanwhile reaches no officer."""
    on = switch is OnOff.on
    done = f"in maintenance for {minutes} min at most" if on else "given back to its counter"
    body = {"on": on, "minutes": minutes, "reason": reason}
    perform_or_exit(config, position, "/maintenance", body, done, as_json=as_json)
