"""`borderpost`: the command line. One module per command or group of commands; this module combines them."""

import importlib
import os
import sys
from typing import Any, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.cli._lib.arguments import DeviceCommand
from gateway.common.version import VERSION

COMMANDS = (
    "run",
    "demo",
    "simulate",
    "watch",
    "devices",
    "device",
    "check",
    "trace",
    "restart",
    "maintenance",
    "accept",
    "barrier",
    "counters",
    "audit",
    "console",
    "doctor",
    "why",
    "bundle",
    "udev",
    "command",
    "claims",
    "config",
    "trust",
    "outbox",
    "contract",
    "record",
    "replay",
    "anonymize",
    "pcapng",
)


class _Commands(TyperGroup):
    """Command group that imports a command's module only when that command is used.

    The models of all events, MQTT clients and tables take half a second to load, longer on a mini-PC: `run`
    becomes the daemon, which loads its own.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return every command, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002
        """Return the command of that name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gateway.cli.{cmd_name}")
        described = getattr(module, "app", None)
        if described is None:
            described = typer.Typer(rich_markup_mode="rich", add_completion=False)
            described.command(cmd_name, cls=DeviceCommand)(getattr(module, cmd_name))
        command = cast("TyperCommand | TyperGroup", typer.main.get_command(described))
        command.name = cmd_name
        return command


app = typer.Typer(
    name="borderpost",
    cls=_Commands,
    help="The gateway between a border post's devices and its counter workstations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


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
    """Take the options before the command."""


def main() -> NoReturn:
    """Run a command; exit codes follow sysexits(3)."""
    try:
        app()
    except SystemExit as end:
        # Typer ends a usage error with 2, which sysexits(3) does not define; none of our commands uses it.
        sys.exit(os.EX_USAGE if end.code == 2 else end.code)
    sys.exit(os.EX_OK)
