"""`borderpost` in an installation without the extra `post`: help, and the command that installs the extra."""

import os
import shutil
import sys
import textwrap
from importlib.util import find_spec

from drivers.installation import how_to_install
from gateway.cli_summaries import COMMANDS
from gateway.common.version import VERSION

MODULES = ("rich", "serial", "tree_sitter", "tree_sitter_toml", "typer", "usb", "yaml")
"""Modules of the extra `post`."""
EXTRAS = {"console": "console", "demo": "demo", "simulate": "simulators"}
"""Extra of each command that needs more than `post`; every extra includes `post`."""


def missing_modules() -> list[str]:
    """Return the modules of the extra `post` that are not installed."""
    return [module for module in MODULES if find_spec(module) is None]


def run() -> int:
    """Print help, or the reason why a command cannot run; return the exit code."""
    given = sys.argv[1:]
    name = next((word for word in given if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        sys.stderr.write(f"No such command {name!r}. borderpost --help lists all.\n")
        return os.EX_USAGE
    if name is None and "--version" in given:
        sys.stdout.write(f"borderpost {VERSION}\n")
        return os.EX_OK
    if "--help" in given or not given:
        sys.stdout.write(_command_help(name) if name else _help())
        return os.EX_OK if given else os.EX_USAGE
    sys.stderr.write(_missing(name) + "\n")
    return os.EX_UNAVAILABLE


def _missing(name: str | None) -> str:
    extra = EXTRAS.get(name or "", "post")
    what = f"borderpost {name} needs" if name else "The commands need"
    without = ", ".join(missing_modules())
    return _wrapped(
        f"This installation has only the library for workstations (gateway.client). {what} the extra "
        f"`{extra}`, which is not installed (no {without}). Install it with:"
    ) + (f"\n    {how_to_install(extra)}")


def _help() -> str:
    width = max(map(len, COMMANDS)) + 4
    lines = [_wrapped(summary, f"  {name}".ljust(width), " " * width) for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: borderpost COMMAND [ARGUMENTS]",
            "",
            "The gateway between a border post's devices and its counter workstations.",
            "",
            _missing(None),
            "",
            "Commands:",
            *lines,
            "",
        ]
    )


def _command_help(name: str) -> str:
    return "\n".join(
        [f"Usage: borderpost {name} [ARGUMENTS]", "", _wrapped(COMMANDS[name]), "", _missing(name), ""]
    )


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    columns = min(shutil.get_terminal_size().columns, 110)
    return textwrap.fill(text, columns, initial_indent=first, subsequent_indent=rest)
