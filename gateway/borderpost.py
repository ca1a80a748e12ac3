"""Entry point of the `borderpost` program: Ctrl-C ends it without a traceback, also while it is loading."""

import signal
import sys
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
"""Exit code that shells use for a program ended by Ctrl-C."""


def main() -> NoReturn:
    """Run a command; exit codes follow sysexits(3), and 130 after Ctrl-C in a command without its own end."""
    code: int | str | None = INTERRUPTED
    try:
        # The libraries of the command line take 0.1 s to load; Ctrl-C may come in that time too.
        from gateway.cli import main as run

        run()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        code = end.code
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter would print a traceback at exit
    sys.exit(code)
