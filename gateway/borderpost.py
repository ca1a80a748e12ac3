"""Entry point of the `borderpost` program: Ctrl-C ends it without a traceback, even while it loads."""

import signal
import sys
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
"""Exit code that a shell gives a program ended by Ctrl-C."""


def main() -> NoReturn:
    """Run a command. Exit codes follow sysexits(3); 130 after Ctrl-C in a command that does not handle it."""
    code: int | str | None = INTERRUPTED
    try:
        # Loading the command line's libraries takes a tenth of a second, during which Ctrl-C must work too.
        from gateway import base_install

        if base_install.missing_modules():
            code = base_install.run()
        else:
            from gateway.cli import main as run

            run()
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        code = end.code
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The interpreter would print a traceback at its end.
    sys.exit(code)
