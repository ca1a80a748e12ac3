"""`borderpost run`: replace this process by the daemon."""

import os
import sys
from typing import Annotated

import typer

from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile


def run(
    config: ConfigFile = DEFAULT_CONFIG,
    author: Annotated[
        bool,
        typer.Option(
            "--author",
            help="For the author of a driver: log the messages of its exceptions, which may quote documents. "
            "Refused in production.",
        ),
    ] = False,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; SIGHUP reads the file again.

    The process is replaced by the daemon, which does not load the command line's libraries.
    """
    sys.stdout.flush()
    options = ["--author"] if author else []
    os.execv(sys.executable, [sys.executable, "-m", "gateway", str(config), *options])  # noqa: S606
