"""`borderpost`: the command line. One module per command or group of commands; this module combines them."""

import importlib
import os
import sys
from types import ModuleType
from typing import Any, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.cli._lib.arguments import DeviceCommand
from gateway.common.version import VERSION

COMMANDS = {
    "run": "Run the gateway until SIGTERM or Ctrl-C; SIGHUP reads the file again.",
    "demo": "Run broker, simulated post and gateway on this machine, without root, and show their events.",
    "simulate": "Run simulated devices, each in its own process, until Ctrl-C.",
    "watch": "Show events and device states as they arrive, until Ctrl-C.",
    "devices": "Show every device: state, since, cause, action, serial number, firmware, last good read.",
    "device": "Show one device: state, cause, remedy, identity, claim, counters. Exit code 1 "
    "if it is not online.",
    "check": "Run a device's self-test.",
    "trace": "Follow the frames from a device (<) and to it (>): time, size, summary. Ctrl-C ends it.",
    "restart": "Restart the worker of one device; other devices are not affected.",
    "replug": "Switch the power of a device's USB port off and on, as pulling its plug does. Needs root.",
    "maintenance": "Begin or end maintenance of a device. Its events are suppressed meanwhile and "
    "reach no officer.",
    "accept": "Accept the device that awaits acceptance at a position. To go back, accept the old one again.",
    "certify": "Try a device with a technician, in half an hour: specimens, unplugging, power cut, load, "
    "100 reads.",
    "barrier": "Safety case, commissioning, proof and power-on tests of a barrier.",
    "counters": "Show reads, failures, disconnects, chips and hours online of each serial number.",
    "audit": "Show and verify the audit of commands, claims and technicians' operations.",
    "console": "Users who may log in to the console over the network.",
    "doctor": "Check broker, certificates, clock, disk, machine and devices. Works without a "
    "running gateway too.",
    "why": "Explain why a device does not read, with remedies. Works without a running gateway too.",
    "discover": "Find devices that are plugged in or respond: their address, users, drivers, and the table "
    "to paste.",
    "drivers": "List installed drivers, vocabularies and simulators by package, with their grade and faults.",
    "bundle": "Pack findings, redacted configuration, states, counters, log and versions, "
    "without personal data.",
    "udev": "Print the udev rules that a post's devices need: permissions, names, exclusion "
    "of other programs.",
    "command": "Send a command to a device as a station, wait for its end, and show the result.",
    "claims": "List, release, steal and revoke claims of devices.",
    "config": "Check the file that describes a post.",
    "trust": "Manage the post's own certificate authority: principals at its broker, and their rights.",
    "outbox": "Inspect queued events, without their payloads.",
    "contract": "Write AsyncAPI 3 and JSON Schema of all messages at the broker.",
    "record": "Record a device's bytes, personal data included, into a file that only its owner may read.",
    "replay": "Replay a recording into its driver and show the resulting events.",
    "anonymize": "Replace all personal data in a recording by pseudonyms, with matching check "
    "digits and check bytes.",
    "accept-driver": "Try the drivers of a package by the criteria of ours, without a device.",
    "pcapng": "Convert a recording into a capture for Wireshark: serial lines, USB, smart cards, I/O boards.",
}
"""Name and summary of each command, as in its own help: listing them loads none of them."""

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
