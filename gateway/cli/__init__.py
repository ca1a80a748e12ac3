"""`borderpost`: the command line. One module per command or group of commands; this module combines them."""

import importlib
import os
import sys
from types import ModuleType
from typing import Any, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.cli._lib.arguments import DeviceCommand
from gateway.cli_summaries import COMMANDS
from gateway.common.version import VERSION

# Typer's help loads a parser of Markdown, 0.09 s of every help and usage error. No text of ours is Markdown.
_MARKDOWN = ModuleType("rich.markdown")
_MARKDOWN.Markdown = str  # type: ignore[attr-defined]
sys.modules.setdefault("rich.markdown", _MARKDOWN)


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
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"gateway.cli.{name}")
        described = getattr(module, "app", None)
        if described is None:
            described = typer.Typer(rich_markup_mode="rich", add_completion=False)
            described.command(cmd_name, cls=DeviceCommand)(getattr(module, name))
        command = cast("TyperCommand | TyperGroup", typer.main.get_command(described))
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help from the summaries."""
        self._listed().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the names that begin with the incomplete word, with their summaries."""
        return self._listed().shell_complete(ctx, incomplete)

    def _listed(self) -> TyperGroup:
        commands: dict[str, Any] = {
            name: TyperCommand(name, help=summary) for name, summary in COMMANDS.items()
        }
        return TyperGroup(
            name=self.name, commands=commands, help=self.help, params=self.params, rich_markup_mode="rich"
        )


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
