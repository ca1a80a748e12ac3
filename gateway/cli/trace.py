"""`borderpost trace`: follow the bytes between the gateway and a device."""

import json
from typing import Annotated, Any

import typer

from gateway.cli._lib.api_client import (
    ApiError,
    ApiUnavailable,
    AsJson,
    device_path,
    exit_with_error,
    request_or_exit,
    state_dir,
    stream,
)
from gateway.cli._lib.arguments import OneDevice, PostFile

ARROWS = {"in": "<", "out": ">"}


def trace(
    config: PostFile,
    position: OneDevice,
    reveal: Annotated[
        str | None,
        typer.Option(
            help=(
                "Show the bytes too, personal data included; the value is the reason, and is "
                "recorded in the audit."
            )
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="End after this many seconds.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow the frames from a device (<) and to it (>): time, size, summary. Ctrl-C ends it."""
    path = device_path(position, "/trace")
    if reveal is not None:
        ticket = request_or_exit(config, f"{path}/reveal", method="POST", body={"reason": reveal})
        path += f"?ticket={ticket['ticket']}"
    try:
        for item in stream(state_dir(config), path, within_s=seconds):
            typer.echo(json.dumps(item) if as_json else _line(item))
    except (ApiUnavailable, ApiError) as error:
        exit_with_error(error)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _line(item: dict[str, Any]) -> str:
    lost = f"({item['dropped']} lost) " if item.get("dropped") else ""
    crossed = f"{item['at_s']:9.3f} {ARROWS[item['direction']]} {item['size']:>5}"
    return f"{crossed} {lost}{item['summary']} {item['hex'] or ''}".rstrip()
