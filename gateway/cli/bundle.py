"""`borderpost bundle`: write one archive for support, without personal data."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli._lib.api_client import load_view
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, errors, exit_with
from gateway.diagnostics.bundle import collect_bundle as collect


def bundle(
    config: ConfigFile = DEFAULT_CONFIG,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List the contents; write nothing.")] = False,
    journal: Annotated[
        Path | None, typer.Option(help="Log file of a gateway that does not log to the journal.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the contents as one JSON list.")] = False,
) -> None:
    """Pack findings, redacted configuration, states, counters, log and versions, without personal data."""
    view, events = load_view(config)
    packed = collect(config, view, events, journal)
    if as_json:
        contents = [
            {"name": part.name, "what": part.description, "size_bytes": len(part.content)}
            for part in packed.parts
        ]
        typer.echo(json.dumps(contents))
    else:
        for part in packed.parts:
            console.print(
                f"{len(part.content):8} {part.name:15} {part.description}", markup=False, soft_wrap=True
            )
    if only_list:
        return
    file = output or Path(f"{packed.name}.tar.gz")
    try:
        file.write_bytes(packed.to_tar_gz())
    except OSError as error:
        exit_with(f"{file} cannot be written: {error.strerror}", 73)
    errors.print(f"{file}: {file.stat().st_size} bytes", markup=False, soft_wrap=True)
