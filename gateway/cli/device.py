"""`borderpost device`: show one device in full."""

from typing import Annotated, Any

import typer

from gateway.cli._lib.api_client import AsJson, device_path, print_answer, request_or_exit
from gateway.cli._lib.arguments import OneDevice, PostFile
from gateway.cli._render.device import device_page, event_line


def device(
    config: PostFile,
    position: OneDevice,
    events: Annotated[bool, typer.Option("--events", help="Show its last events too, redacted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one device: state, cause, remedy, identity, claim, counters. Exit code 1 if it is not online."""
    seen = request_or_exit(config, device_path(position))
    if events:
        seen["events"] = request_or_exit(config, device_path(position, "/events"))
    print_answer(seen, _page, as_json=as_json)
    raise typer.Exit(0 if seen["state"]["state"] in ("online", "busy") else 1)


def _page(seen: dict[str, Any]) -> list[str]:
    return [*device_page(seen), *map(event_line, seen.get("events", ()))]
