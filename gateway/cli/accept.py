"""`borderpost accept`: let another serial number serve a position, the swap."""

from typing import Annotated

import typer

from gateway.cli._lib.api_client import AsJson, Why, perform_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile


def accept(
    config: PostFile,
    position: OneDevice,
    serial_number: Annotated[str, typer.Argument(metavar="SERIAL", help="The one that waits there.")],
    reason: Why = "swap",
    as_json: AsJson = False,
) -> None:
    """Let the device that waits at a position serve it. Accept the old one again to go back."""
    body = {"serial_number": serial_number, "reason": reason}
    perform_or_exit(
        config, position, "/accept", body, f"{serial_number} serves here from now on", as_json=as_json
    )
