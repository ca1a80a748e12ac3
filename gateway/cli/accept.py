"""`borderpost accept`: accept the serial number of a replacement device at a position."""

from typing import Annotated

import typer

from gateway.cli._lib.api_client import AsJson, Why, perform_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile


def accept(
    config: PostFile,
    position: OneDevice,
    serial_number: Annotated[
        str, typer.Argument(metavar="SERIAL", help="Serial number of the device that awaits acceptance.")
    ],
    reason: Why = "swap",
    as_json: AsJson = False,
) -> None:
    """Accept the device that awaits acceptance at a position. To go back, accept the old one again."""
    body = {"serial_number": serial_number, "reason": reason}
    perform_or_exit(
        config, position, "/accept", body, f"{serial_number} is accepted at this position", as_json=as_json
    )
