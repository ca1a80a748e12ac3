"""The file that describes the post, for the commands that read it."""

from pathlib import Path

from gateway.cli._lib.terminal import exit_with
from gateway.config import ConfigError, Post, load


def load_or_fail(path: Path) -> Post:
    """Read a post's file, or print all its errors and end with EX_CONFIG."""
    try:
        return load(path)
    except ConfigError as error:
        exit_with(str(error), error.exit_code)
