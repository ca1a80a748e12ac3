"""Arguments CONFIG and POSITION, with completion by the shell and a default for CONFIG, and KEY_ID."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gateway.cli._demo.running_demo import find
from gateway.cli._lib.terminal import DEFAULT_CONFIG, exit_with
from gateway.state_dir import is_forbidden

_POSITION = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")
_SLUG = "[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
_ANY_POSITION = re.compile(f"(?:_gw|{_SLUG})/{_SLUG}")
"""As `Position.parse` has it, whose module a command need not load."""
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{43}")
"""Id of a key: base64url of 32 bytes."""


class DeviceCommand(TyperCommand):
    """Command with the arguments CONFIG POSITION ..., or POSITION ... with the default post file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default file before a position in the place of a file, or if no file is named."""
        arguments = {param.name for param in self.params if param.param_type_name == "argument"}
        if self.name != "run" and "config" in arguments:
            ctx.default_map = {**(ctx.default_map or {}), "config": str(default_post_file())}
        if not ctx.resilient_parsing and any(param.name == "position" for param in self.params):
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
            first = given.get("config")
            if isinstance(first, str) and _POSITION.fullmatch(first) and not Path(first).is_file():
                at = args.index(first)
                args = [*args[:at], str(default_post_file()), *args[at:]]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


class KeyCommand(TyperCommand):
    """Command whose last argument is the id of a key, which may begin with "-" as an option does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take words of an id's length and letters as arguments."""
        ids = [word for word in args if word.startswith("-") and _KEY_ID.fullmatch(word)]
        if ids and "--" not in args:
            args = [*(word for word in args if word not in ids), "--", *ids]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def default_post_file() -> Path:
    """Return the default post file: the installed post's, else that of a running demo."""
    if named := os.environ.get("BORDERPOST_CONFIG"):
        return Path(named)
    if is_forbidden(DEFAULT_CONFIG) or DEFAULT_CONFIG.exists():
        return DEFAULT_CONFIG
    return find() or DEFAULT_CONFIG


def complete_position(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the positions that begin with the incomplete word; none if the file cannot be read."""
    config = ctx.params.get("config")
    file = Path(config) if config and Path(config).is_file() else default_post_file()
    try:
        devices = tomllib.loads(file.read_text("utf-8")).get("device", {})
    except (OSError, ValueError):
        return []
    return [position for position in devices if position.startswith(incomplete)]


def _file_or_position(ctx: typer.Context, incomplete: str) -> list[str]:
    folder = Path(incomplete).parent if "/" in incomplete else Path()
    try:
        files = [str(file) for file in folder.glob("*") if file.is_dir() or file.suffix == ".toml"]
    except OSError:
        files = []
    return complete_position(ctx, incomplete) + [file for file in files if file.startswith(incomplete)]


def _valid_position(text: str) -> str:
    """Return a position; ends with EX_USAGE if it has not its form."""
    if _ANY_POSITION.fullmatch(text) is None:
        exit_with(
            f"{text!r} is no position: write lane/device, as in lane-1/reader\n    "
            "borderpost devices lists those of this post",
            os.EX_USAGE,
        )
    return text


PostFile = Annotated[
    Path,
    typer.Argument(
        metavar="[CONFIG]",
        envvar="BORDERPOST_CONFIG",
        help=f"The file that describes the post; default: {DEFAULT_CONFIG}.",
        autocompletion=_file_or_position,
        readable=False,  # as for `ConfigFile`
    ),
]
OneDevice = Annotated[
    str,
    typer.Argument(
        metavar="POSITION",
        help="Device, as in lane-1/reader.",
        autocompletion=complete_position,
        callback=_valid_position,
    ),
]
