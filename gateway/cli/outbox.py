"""`borderpost outbox`: inspect queued events, without their payloads."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drivers.observation import DataClass
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with
from gateway.delivery.outbox import admin
from gateway.delivery.outbox.database import OutboxUnusable
from gateway.delivery_config import delivery_settings

app = typer.Typer(help="Inspect queued events, without their payloads.", no_args_is_help=True)


def _directory(config: Path) -> Path:
    directory = delivery_settings(load_or_fail(config)).outbox.directory
    if not directory.exists():
        exit_with(
            f"there is no outbox in {directory}: the gateway has never run with this file", os.EX_NOINPUT
        )
    return directory


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Turn an error of the outbox into a sentence and an exit code."""
    try:
        yield
    except OutboxUnusable as error:
        exit_with(str(error), os.EX_TEMPFAIL)
    except (OSError, sqlite3.Error) as error:
        exit_with(f"the outbox in {directory} cannot be read: {error}", os.EX_NOINPUT)


@app.command("list")
def list_events(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """List every queued event, without its payload."""
    directory = _directory(config)
    table = Table(box=None, pad_edge=False)
    for heading in ("stream", "number", "event", "since", "bytes", "queued for"):
        table.add_column(heading)
    with _explained(directory):
        for waiting in admin.list_events(directory):
            table.add_row(
                waiting.stream,
                str(waiting.seq),
                waiting.type,
                waiting.accepted_at,
                str(waiting.bytes),
                ", ".join(waiting.waiting_destinations),
            )
    console.print(table)


@app.command("parked")
def list_parked(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """List the events that a destination could not take, with the reason of each."""
    directory = _directory(config)
    table = Table(box=None, pad_edge=False)
    for heading in ("destination", "stream", "number", "event", "since", "bytes", "reason"):
        table.add_column(heading)
    with _explained(directory):
        for event in admin.list_parked(directory):
            table.add_row(
                event.destination,
                event.stream,
                str(event.seq),
                event.type,
                event.accepted_at,
                str(event.bytes),
                "Sent again at the next start." if event.is_marked else f"0x{event.reason:02x} {event.text}",
            )
    console.print(table)


@app.command("retry")
def retry_parked(
    config: ConfigFile = DEFAULT_CONFIG,
    destination: Annotated[
        str | None, typer.Option(help="Only events of this destination: local or hq.")
    ] = None,
) -> None:
    """Send parked events again, without images, at the next start. The gateway must be stopped."""
    directory = _directory(config)
    with _explained(directory):
        marked = admin.mark_parked(directory, destination)
    console.print(f"{marked} events will be sent again when the gateway starts")


@app.command()
def count(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Count the queued events of every stream."""
    directory = _directory(config)
    table = Table(box=None, pad_edge=False)
    for heading in ("stream", "epoch", "events", "bytes"):
        table.add_column(heading)
    with _explained(directory):
        for line in admin.stream_summaries(directory):
            table.add_row(line.stream, line.epoch, str(line.events), str(line.bytes))
    console.print(table)


@app.command()
def export(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Write every queued event as a JSON line, without its payload."""
    directory = _directory(config)
    with _explained(directory):
        admin.export(directory, sys.stdout)


@app.command()
def purge(
    config: ConfigFile = DEFAULT_CONFIG,
    data_class: Annotated[
        DataClass | None, typer.Option("--class", help="Only events of this delivery class.")
    ] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Parked events too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete undelivered events. The gateway must be stopped."""
    directory = _directory(config)
    if not yes:
        typer.confirm(f"Delete undelivered events in {directory} permanently?", abort=True)
    with _explained(directory):
        deleted = admin.purge(directory, data_class, include_parked=parked)
    console.print(f"{deleted} events deleted")
