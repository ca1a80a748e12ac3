"""`borderpost`: the command line. One module a command group; this one puts them together."""

import os
import sys
from typing import NoReturn

import typer

from gateway.cli import claims, command, config, contract, demo, devices, outbox, run, simulate, watch
from gateway.version import VERSION

app = typer.Typer(
    name="borderpost",
    help="The gateway between a border post's devices and its counter workstations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(run.run)
app.command()(demo.demo)
app.command()(simulate.simulate)
app.command()(watch.watch)
app.command()(devices.devices)
app.command()(command.command)
app.add_typer(claims.app, name="claims")
app.add_typer(config.app, name="config")
app.add_typer(outbox.app, name="outbox")
app.command()(contract.contract)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"borderpost {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Take what stands before the command."""


def main() -> NoReturn:
    """Run a command; exit codes follow sysexits(3)."""
    try:
        app()
    except SystemExit as end:
        # Typer ends a usage error with 2, which sysexits(3) does not have; no command of ours uses it.
        sys.exit(os.EX_USAGE if end.code == 2 else end.code)
    sys.exit(os.EX_OK)
