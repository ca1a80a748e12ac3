"""`borderpost devices`: one line a device."""

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli.rendering import light_of
from gateway.cli.terminal import DEFAULT_CONFIG, ConfigFile, console, fail, load_or_fail
from gateway.cli.workstation import workstation_of
from gateway.client import DeviceStatus
from gateway.config import Post

ANSWER_S = 5.0


def devices(
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show every device: state, since, cause, action, identity. Exit code 1 when one is not online."""
    post = load_or_fail(config)
    try:
        statuses = asyncio.run(_statuses(post))
    except TimeoutError:
        fail(
            f"the broker at {post.broker.host}:{post.broker.port} does not answer\n"
            "    is it running? systemctl status mosquitto",
            os.EX_UNAVAILABLE,
        )
    if as_json:
        typer.echo(json.dumps([_plain(status) for status in statuses]))
    else:
        console.print(_table(statuses))
    raise typer.Exit(0 if all(status.online for status in statuses) else 1)


async def _statuses(post: Post) -> list[DeviceStatus]:
    """Collect what is retained at the broker; raises TimeoutError when it does not answer."""
    async with workstation_of(post) as desk:
        async with asyncio.timeout(ANSWER_S):
            await desk.connected.wait()
        # Retained messages come at once after the subscription; a device may have none yet.
        try:
            async with asyncio.timeout(1.0):
                async for _ in desk.everything():
                    if {*post.devices} <= {*desk.devices} and desk.gateways:
                        break
        except TimeoutError:
            pass
        return [desk.status(position) for position in post.devices]


def _table(statuses: list[DeviceStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "position", "state", "since", "device", "what is wrong", "do"):
        table.add_column(heading, overflow="fold")
    for status in statuses:
        colour, word = light_of(status)
        state, about = status.state, status.description
        identity = about.identity if about else None
        wrong = state is not None and status.gateway_online and state.cause is not None
        table.add_row(
            f"[{colour}]●[/]",
            str(status.position),
            word,
            _ago(state.since) if state else "",
            " ".join(filter(None, (identity.model, identity.serial_number))) if identity else "",
            f"{state.text} ({state.cause})" if wrong and state else "",
            f"{state.action}: {state.how}" if wrong and state else "",
        )
    return table


def _ago(since: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _plain(status: DeviceStatus) -> dict[str, Any]:
    return {
        "position": str(status.position),
        "online": status.online,
        "gateway_online": status.gateway_online,
        "state": status.state and status.state.model_dump(mode="json"),
        "description": status.description and status.description.model_dump(mode="json"),
    }
