"""`borderpost run`: replace this process by the daemon."""

import os
import sys

from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile


def run(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; SIGHUP reads the file again.

    The process is replaced by the daemon, which does not load the command line's libraries.
    """
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gateway", str(config)])  # noqa: S606
