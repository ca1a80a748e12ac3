"""Entry point of the `borderpost` program: Ctrl-C ends it without a traceback, also while it is loading."""

import signal
import sys
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a shell for a program that Ctrl-C ended."""


def main() -> NoReturn:
    """Run a command; exit codes follow sysexits(3), and 130 after Ctrl-C in a command without its own end."""
    code: int | str | None = INTERRUPTED
    try:
        # The command line's libraries take a tenth of a second to load, in which Ctrl-C is pressed too.
        from gateway.cli import main as run

        run()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        code = end.code
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the interpreter would print a traceback
    sys.exit(code)
