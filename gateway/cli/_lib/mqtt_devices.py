"""Table of the devices as workstations see them: retained messages at the post's broker."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import console
from gateway.cli._lib.workstation import connected_workstation, wait_for_retained
from gateway.cli._render.event import state_light
from gateway.client import DeviceStatus
from gateway.config import Post


def show(config: Path, *, as_json: bool) -> None:
    """Show every device, and end with 1 if one is not online."""
    post = load_or_fail(config)
    statuses = asyncio.run(_statuses(post))
    if as_json:
        typer.echo(json.dumps([_to_json(status) for status in statuses]))
    else:
        console.print(_table(statuses))
    raise typer.Exit(0 if all(status.is_usable for status in statuses) else 1)


async def _statuses(post: Post) -> list[DeviceStatus]:
    """Collect the retained messages at the broker."""
    async with connected_workstation(post) as workstation:
        await wait_for_retained(workstation)
        return [workstation.status(position) for position in post.devices]


def _table(statuses: list[DeviceStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "position", "state", "since", "device", "problem", "do"):
        table.add_column(heading, overflow="fold")
    for status in statuses:
        colour, word = state_light(status)
        state, about = status.state, status.description
        identity = about.identity if about else None
        wrong = state is not None and status.gateway_online and state.cause is not None
        table.add_row(
            f"[{colour}]●[/]",
            str(status.position),
            word,
            _ago(state.since) if state and status.gateway_online else "",
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


def _to_json(status: DeviceStatus) -> dict[str, Any]:
    return {
        "position": str(status.position),
        "usable": status.is_usable,
        "gateway_online": status.gateway_online,
        "age_s": None if status.age_s is None else round(status.age_s, 1),
        "state": status.state and status.state.model_dump(mode="json"),
        "description": status.description and status.description.model_dump(mode="json"),
    }
